/* What the tests of locks and semaphores share: a family of real processes, a watchdog, and sentences that must hold.
 *
 * Nothing here sleeps to let something happen: tests wait on conditions, and the watchdog ends a test that waits for
 * ever. Children die with their parent, so that a failed test leaves nothing behind.
 */
#ifndef HF_TEST_LOCK_FAMILY_H
#define HF_TEST_LOCK_FAMILY_H

#define _GNU_SOURCE
#include "holdfast.h"
#include "lock.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ThreadSanitizer cannot follow a fork of a process with threads; there, threads with one membership each play the
 * processes, and only those tests run. */
#if defined(__SANITIZE_THREAD__)
#define HF_TEST_PROCESSES 0
#else
#define HF_TEST_PROCESSES 1
#endif

/* A sleep that only a wake ends: with it, a lost wakeup is a hang and not a delay. 1,000 s, beyond the watchdog. */
#define HF_TEST_FOR_EVER_NS 1000000000000ull
#define HF_TEST_WATCHDOG_S 120u

#define CHECK(sentence)                                                                                          \
    do {                                                                                                         \
        if (!(sentence)) {                                                                                       \
            fprintf(stderr, "%s:%d: pid %d: does not hold: %s\n", __FILE__, __LINE__, (int)getpid(), #sentence); \
            exit(1);                                                                                             \
        }                                                                                                        \
    } while (0)

#define CHECK_IS(found, expected)                                                                                 \
    do {                                                                                                          \
        long long found_ = (long long)(found);                                                                    \
        long long expected_ = (long long)(expected);                                                              \
        if (found_ != expected_) {                                                                                \
            fprintf(stderr, "%s:%d: pid %d: %s is %lld, expected %s = %lld\n", __FILE__, __LINE__, (int)getpid(), \
                    #found, found_, #expected, expected_);                                                        \
            exit(1);                                                                                              \
        }                                                                                                         \
    } while (0)

typedef struct {
    const char *name;
    void (*run)(void);
} hf_test;

/* The membership of this process; a forked child's is a copy that the fork handlers brought up to date. */
static hf_process *family;

static inline void open_family(void) {
    family = hf_process_new();
    CHECK(family != NULL);
    CHECK_IS(hf_create(family, 0), HF_OK);
    CHECK_IS(hf_watch_forks(family), HF_OK);
}

/* Zeroed memory that all processes of the family share. */
static inline void *shared(uint64_t bytes) {
    hf_ref ref;
    CHECK_IS(hf_alloc(family, bytes, 0, &ref), HF_OK);
    return hf_at(family, ref.block);
}

/* 0 in the child. */
static inline pid_t child(void) {
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    return pid;
}

static inline void ended_well(pid_t pid) {
    int status;
    CHECK_IS(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static inline void ended_by_sigkill(pid_t pid) {
    int status;
    CHECK_IS(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static inline void murder(pid_t pid) {
    CHECK_IS(kill(pid, SIGKILL), 0);
    ended_by_sigkill(pid);
}

static inline void arm(const char *point, uint32_t nth) {
    for (int i = 0; i < hf_points_count(); i++) {
        if (strcmp(hf_points_name(i), point) == 0) {
            hf_points_arm(i, nth);
            return;
        }
    }
    CHECK(!"no such point");
}

/* Numbers that a seed repeats (xorshift). */
static inline uint64_t random_of(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* HOLDFAST_SEED, or another one every time; printed, so that it can be given again. */
static inline uint64_t seed(void) {
    const char *given = getenv("HOLDFAST_SEED");
    uint64_t value = given != NULL ? strtoull(given, NULL, 10) : hf_now_ns() % 1000000007u;
    printf("HOLDFAST_SEED=%llu ", (unsigned long long)value);
    return value * 2654435761u + 1;
}

/* Blocks until it is not BUSY, in slices as the border does it. */
static inline hf_lock_status acquire(hf_process *p, hf_lock *lock) {
    hf_waiting waiting = HF_WAITING;
    hf_lock_status status = HF_LOCK_BUSY;
    while (status == HF_LOCK_BUSY) {
        status = hf_lock_wait_slice(p, lock, &waiting, HF_NO_DEADLINE);
    }
    return status;
}

/* The same in sleeps that only a wake ends. */
static inline hf_lock_status acquire_by_wake(hf_process *p, hf_lock *lock) {
    hf_lock_status status = HF_LOCK_BUSY;
    while (status == HF_LOCK_BUSY) {
        hf_waiting waiting = {HF_TEST_FOR_EVER_NS};
        status = hf_lock_wait_slice(p, lock, &waiting, HF_NO_DEADLINE);
    }
    return status;
}

/* Until somebody sleeps on the lock, or is about to. */
static inline void until_waiters(const hf_lock *lock) {
    while ((hf_lock_word(lock) & HF_LOCK_WAITERS) == 0) {
        sched_yield();
    }
}

/* Until a process sleeps in the kernel, by its /proc entry. */
static inline void until_asleep(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    for (char state = 0; state != 'S';) {
        FILE *stat = fopen(path, "r");
        CHECK(stat != NULL);
        CHECK_IS(fscanf(stat, "%*d (%*[^)]) %c", &state), 1);
        fclose(stat);
        sched_yield();
    }
}

/* Runs the tests of a file: all, or those named on the command line. */
static inline int run_tests(const hf_test *tests, size_t count, int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    open_family();
    for (size_t i = 0; i < count; i++) {
        bool wanted = argc < 2;
        for (int a = 1; a < argc; a++) {
            wanted = wanted || strcmp(argv[a], tests[i].name) == 0;
        }
        if (wanted) {
            uint64_t since_ns = hf_now_ns();
            printf("%s ", tests[i].name);
            fflush(stdout);
            alarm(HF_TEST_WATCHDOG_S);
            tests[i].run();
            alarm(0);
            printf("ok (%.2f s)\n", (double)(hf_now_ns() - since_ns) / 1e9);
        }
    }
    hf_process_delete(family);
    return 0;
}

#define RUN_TESTS(tests, argc, argv) run_tests(tests, sizeof(tests) / sizeof((tests)[0]), argc, argv)

#endif
