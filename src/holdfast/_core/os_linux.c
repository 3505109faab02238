/* The one contract for the operating system, on Linux. See os_linux.h.
 *
 * Idea and sources: memfd_create(2) and its seals; F_OFD_SETLK in fcntl(2): the lock belongs to the open file
 * description and goes with its last reference, and a memory mapping is a reference (mm/mmap.c: a VMA pins its
 * struct file). So a lifeline costs no descriptor, and closing every descriptor does not end it.
 */
#define _GNU_SOURCE
#include "os_linux.h"

#include "holdfast.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Numbers from the kernel's headers, for C libraries older than the kernel. */
#ifndef F_OFD_GETLK
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

/* 2 MiB: the large page of x86-64 and of aarch64 with 4 KiB pages */
#define LARGE_PAGE (2ull << 20)
/* 4 ms on average: a large page takes 0.1 ms where there is one, 2 ms where a hypervisor has to find its memory first,
 * and without end where other memory has to be moved out of its way; 512 small pages take 1.2 ms */
#define LARGE_PAGE_NS 4000000ull

static uint64_t page_bytes(void) {
    static uint64_t bytes;
    if (bytes == 0) bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    return bytes;
}

int hf_os_memory_file(const char *name, uint64_t bytes, int *fd, const char **what) {
    *what = "memfd_create";
    int made = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (made < 0) return errno;
    *what = "ftruncate";
    int error = ftruncate(made, (off_t)bytes) == 0 ? 0 : errno;
    if (!error) {
        *what = "F_ADD_SEALS";
        if (fcntl(made, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) error = errno;
    }
    if (error) {
        close(made);
        return error;
    }
    *fd = made;
    return 0;
}

int hf_os_identify(int fd, hf_os_file *out, uint64_t *bytes) {
    struct stat st;
    if (fstat(fd, &st) != 0) return errno;
    *out = (hf_os_file){(uint64_t)st.st_dev, (uint64_t)st.st_ino};
    if (bytes) *bytes = (uint64_t)st.st_size;
    return 0;
}

bool hf_os_is(int fd, hf_os_file file) {
    hf_os_file found = {0, 0};
    return fd >= 0 && hf_os_identify(fd, &found, NULL) == 0 && found.device == file.device && found.inode == file.inode;
}

int hf_os_duplicate_high(int fd) {
    struct rlimit limit;
    int from = 512; /* above what daemons and test runners close one by one, below the usual limit of 1,024 */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1024) from = (int)(limit.rlim_cur / 2);
    int made = fcntl(fd, F_DUPFD_CLOEXEC, from);
    if (made < 0) made = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (made < 0 && errno == EINVAL) errno = EMFILE; /* fcntl(2): no number from 3 on is allowed */
    return made;
}

bool hf_os_is_sealed(int fd) {
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_SHRINK) && (seals & F_SEAL_GROW);
}

/* A path under /proc that should be the file: opened, proven, and moved to a high number. */
static int open_proven(const char *path, hf_os_file file) {
    int fd = open(path, O_RDWR | O_CLOEXEC);
    int high = hf_os_is(fd, file) ? hf_os_duplicate_high(fd) : -1;
    hf_os_close(fd);
    return high;
}

int hf_os_reopen_mapping(const void *address, size_t bytes, hf_os_file file) {
    char path[96];
    snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", (unsigned long)(uintptr_t)address,
             (unsigned long)((uintptr_t)address + bytes));
    return open_proven(path, file);
}

int hf_os_borrow_descriptor(uint32_t pid, hf_os_file file) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%u/fd", pid);
    DIR *all = opendir(path);
    int found = -1;
    for (struct dirent *one; found < 0 && all && (one = readdir(all));) {
        struct stat st;
        if (fstatat(dirfd(all), one->d_name, &st, 0) != 0) continue;
        if ((uint64_t)st.st_dev != file.device || (uint64_t)st.st_ino != file.inode) continue;
        snprintf(path, sizeof path, "/proc/%u/fd/%.16s", pid, one->d_name);
        found = open_proven(path, file);
    }
    if (all) closedir(all);
    return found;
}

void hf_os_close(int fd) {
    if (fd >= 0) close(fd);
}

void *hf_os_map(int fd, uint64_t bytes, int *error) {
    size_t room = (size_t)(bytes + LARGE_PAGE);
    uint8_t *reserved = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED) {
        *error = errno;
        return NULL;
    }
    uint8_t *start = (uint8_t *)(((uintptr_t)reserved + LARGE_PAGE - 1) & ~(uintptr_t)(LARGE_PAGE - 1));
    void *mapped = mmap(start, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, 0);
    if (mapped == MAP_FAILED) {
        *error = errno;
        munmap(reserved, room);
        return NULL;
    }
    if (start > reserved) munmap(reserved, (size_t)(start - reserved));
    size_t rest = (size_t)(reserved + room - (start + bytes));
    if (rest > 0) munmap(start + bytes, rest);
    madvise(mapped, (size_t)bytes, MADV_DONTDUMP); /* a wish: an old kernel dumps more */
    return mapped;
}

void hf_os_unmap(void *address, uint64_t bytes) {
    munmap(address, (size_t)bytes);
}

int hf_os_reserve(int fd, void *address, uint64_t offset, uint64_t bytes) {
    uint64_t page = page_bytes();
    uint64_t before = (uintptr_t)address & (page - 1);
    uint64_t whole = (bytes + before + page - 1) & ~(page - 1);
    int result;
    do {
        result = madvise((uint8_t *)address - before, (size_t)whole, MADV_POPULATE_WRITE) == 0 ? 0 : errno;
    } while (result == EINTR || result == EAGAIN);
    if (result == EFAULT) return ENOMEM; /* what a failed page of a memory file is called here */
    if (result != EINVAL && result != ENOSYS) return result;
    if (fd < 0) return EBADF;
    do {
        result = posix_fallocate(fd, (off_t)(offset - before), (off_t)whole);
    } while (result == EINTR);
    return result;
}

void hf_os_discard(void *address, uint64_t bytes) {
    madvise(address, (size_t)bytes, MADV_REMOVE); /* refused: the pages stay, which costs memory and nothing else */
}

/* The first number behind `key` in a file of lines "key number ..."; key "" is the whole file. False: not there. */
static bool number_in(const char *path, const char *key, uint64_t *out) {
    FILE *f = fopen(path, "re");
    char line[256];
    bool found = false;
    while (f && !found && fgets(line, sizeof line, f)) {
        unsigned long long n;
        if (strncmp(line, key, strlen(key)) != 0 || sscanf(line + strlen(key), "%llu", &n) != 1) continue;
        *out = n;
        found = true;
    }
    if (f) fclose(f);
    return found;
}

/* What a version 2 control group still allows; its file cache can be taken back, so it does not count as used. */
static uint64_t group_available(void) {
    char group[200] = "", path[300];
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (f) {
        if (fscanf(f, "0::%190s", group) != 1) group[0] = 0;
        fclose(f);
    }
    uint64_t limit, used, cache = 0;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", group);
    if (!number_in(path, "", &limit)) return UINT64_MAX; /* "max", or no such group */
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.current", group);
    if (!number_in(path, "", &used)) return UINT64_MAX;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.stat", group);
    number_in(path, "inactive_file", &cache);
    used -= cache < used ? cache : used;
    return limit > used ? limit - used : 0;
}

uint64_t hf_os_memory_available(void) {
    uint64_t memory, swap = 0, group = group_available();
    if (!number_in("/proc/meminfo", "MemAvailable:", &memory)) return group;
    number_in("/proc/meminfo", "SwapFree:", &swap);
    uint64_t machine = (memory + swap) << 10;
    return machine < group ? machine : group;
}

/* what this thread has used of a processor, so that a busy machine does not look like a slow kernel */
static uint64_t processor_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void hf_os_large_pages(void *address, uint64_t bytes) {
    uintptr_t from = ((uintptr_t)address + LARGE_PAGE - 1) & ~(uintptr_t)(LARGE_PAGE - 1);
    uintptr_t to = ((uintptr_t)address + bytes) & ~(uintptr_t)(LARGE_PAGE - 1);
    uint64_t began_ns = from < to ? processor_ns() : 0, allowed_ns = LARGE_PAGE_NS;
    for (uintptr_t at = from; at < to; at += LARGE_PAGE) {
        /* A range without any page is refused (EINVAL), so it gets its first one; the rest is not touched twice. */
        if (madvise((void *)at, HF_PAGE, MADV_POPULATE_WRITE) != 0) return;
        if (madvise((void *)at, LARGE_PAGE, MADV_COLLAPSE) != 0) return;
        allowed_ns += LARGE_PAGE_NS;
        if (processor_ns() - began_ns > allowed_ns) return; /* small pages are faster here */
    }
}

int hf_os_lifeline_take(int fd, uint32_t slot, uint64_t offset, hf_os_lifeline *out, const char **what) {
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    *what = "open of /proc/self/fd";
    int own = open(path, O_RDWR | O_CLOEXEC);
    if (own < 0) return errno;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)slot, .l_len = 1};
    *what = "F_OFD_SETLK";
    int error = fcntl(own, F_OFD_SETLK, &lock) == 0 ? 0 : errno;
    if (!error) {
        *what = "mmap of a lifeline";
        uint64_t before = offset & (page_bytes() - 1);
        uint8_t *page = mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, own, (off_t)(offset - before));
        if (page == MAP_FAILED)
            error = errno;
        else
            *out = (hf_os_lifeline){page, page + before};
    }
    close(own);
    return error == EACCES ? EAGAIN : error; /* fcntl(2): either may be said of a lock that is taken */
}

void hf_os_lifeline_drop(hf_os_lifeline *line) {
    if (line->page) munmap(line->page, page_bytes());
    line->page = NULL;
}

void hf_os_lifeline_keep(hf_os_lifeline *line) {
    if (line->page) madvise(line->page, page_bytes(), MADV_DONTFORK);
}

int hf_os_lifeline_held(int fd, uint32_t slot) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)slot, .l_len = 1};
    if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) != 0) return -1;
    return lock.l_type != F_UNLCK;
}

int hf_os_random(uint8_t *out, size_t bytes) {
    size_t got = 0;
    while (got < bytes) {
        ssize_t n = getrandom(out + got, bytes - got, 0);
        if (n < 0 && errno != EINTR) return errno;
        if (n > 0) got += (size_t)n;
    }
    return 0;
}

uint32_t hf_os_pid(void) {
    return (uint32_t)getpid();
}

_Noreturn void hf_os_die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

uint64_t hf_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int hf_futex_wait(hf_a32 *word, uint32_t expected, uint64_t timeout_ns) {
    struct timespec t = {.tv_sec = (time_t)(timeout_ns / 1000000000u), .tv_nsec = (long)(timeout_ns % 1000000000u)};
    if (syscall(SYS_futex, word, FUTEX_WAIT, expected, &t, NULL, 0) == 0 || errno == EAGAIN) return 0;
    return errno;
}

void hf_futex_wake(hf_a32 *word, int how_many) {
    syscall(SYS_futex, word, FUTEX_WAKE, how_many, NULL, NULL, 0);
}
