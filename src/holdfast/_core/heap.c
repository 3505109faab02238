/* The heap as a process sees it: open, map, allocate, drop.
 *
 * Keeps I1 with the border's help: a block that is handed out has the own bit set before its meta word says LIVE, and
 * the bit is cleared by the drop of the last of the process's holders.
 */
#include "process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 64 MiB: reading what is available costs 30 us, which does not matter beside that many pages */
#define ASK_FIRST_BYTES (64ull << 20)
#define GRACE_NS_DEFAULT 60000000000ull /* 60 s: a message's receiver may be slow to start */

/* ---- the process's lock ---------------------------------------------------------------------------------------------- */

void hf_i_lock_slow(hf_process *p) {
    for (int i = 0; i < 100; i++) {
        uint32_t none = 0;
        if (hf_cas32_acquire(&p->lock, &none, 1)) return;
        hf_relax();
    }
    while (hf_swap32_seq_cst(&p->lock, 2) != 0) hf_futex_wait(&p->lock, 2, 1000000000u);
}

/* ---- errors ------------------------------------------------------------------------------------------------------------ */

int hf_i_fail_os(hf_process *p, const char *what, int os_errno) {
    hf_status status = HF_E_SYSTEM;
    if (os_errno == EMFILE || os_errno == ENFILE) status = HF_E_NO_DESCRIPTOR;
    if (os_errno == ENOMEM || os_errno == ENOSPC) status = HF_E_NO_MEMORY;
    if (os_errno == ENOSYS || os_errno == EPERM || os_errno == EACCES || os_errno == ENOENT || os_errno == EINVAL)
        status = HF_E_UNSUPPORTED;
    return hf_i_fail(p, status, what, os_errno, 0, 0);
}

static int fail_to_map(hf_process *p, uint64_t bytes, int os_errno) {
    int status = hf_i_fail_os(p, "mmap", os_errno);
    p->error.wanted = bytes;
    return status;
}

const hf_error *hf_last_error(const hf_process *p) {
    return &p->error;
}

/* ---- membership ---------------------------------------------------------------------------------------------------------- */

hf_process *hf_process_new(void) {
    hf_process *p = calloc(1, sizeof *p);
    if (p) p->fd = -1;
    return p;
}

void hf_process_delete(hf_process *p) {
    if (!p) return;
    hf_i_forks_forget(p);
    hf_os_lifeline_drop(&p->lifeline);
    if (p->open) {
        hf_i_pools_forget(p);
        hf_os_unmap(p->base, p->header->file_bytes);
        hf_os_close(p->fd);
    }
    free(p->again);
    free(p->issued);
    free(p);
}

bool hf_is_open(const hf_process *p) {
    return p->open;
}

const uint8_t *hf_token(const hf_process *p) {
    return p->header->token;
}

uint32_t hf_serial(const hf_process *p) {
    return p->serial;
}

void hf_set_name(hf_process *p, const char *utf8) {
    hf_i_lock(p);
    memset(p->name, 0, sizeof p->name);
    memcpy(p->name, utf8, strnlen(utf8, sizeof p->name));
    if (p->open && p->serial) hf_i_card_write(p, &p->cards[p->slot]);
    hf_i_unlock(p);
}

void hf_set_grace(hf_process *p, uint64_t ns) {
    if (p->open) hf_store64_relaxed(&p->header->grace_ns_shared, ns);
}

int hf_i_fd(hf_process *p) {
    if (hf_os_is(p->fd, p->file)) return p->fd;
    /* Closed by the program (closerange), perhaps the number is somebody else's now: not ours to close. */
    p->fd = hf_os_reopen_mapping(p->base, (size_t)p->header->file_bytes, p->file);
    uint64_t top = hf_load64_seq_cst(&p->header->slots_top_shared);
    /* Without the privilege for that: from another process of the family. A few are asked; it is not worth a long search. */
    for (uint32_t slot = 0, asked = 0; p->fd < 0 && slot < top && asked < 8; slot++) {
        if ((hf_load64_seq_cst(&p->cards[slot].word_shared) & 3u) != HF_SLOT_LIVE || slot == p->slot) continue;
        p->fd = hf_os_borrow_descriptor(hf_load32_relaxed(&p->cards[slot].pid_shared), p->file);
        asked++;
    }
    return p->fd;
}

int hf_descriptor(hf_process *p) {
    hf_i_lock(p);
    int fd = p->open ? hf_i_fd(p) : -1;
    hf_i_unlock(p);
    return fd;
}

int hf_i_reserve(hf_process *p, void *address, uint64_t bytes) {
    /* A large wish that the machine cannot fulfil would be answered by its out-of-memory killer, not by an error. */
    uint64_t available = bytes >= ASK_FIRST_BYTES ? hf_os_memory_available() : UINT64_MAX;
    if (bytes > available) return hf_i_fail(p, HF_E_NO_MEMORY, "reserving memory", ENOMEM, bytes, available);
    hf_os_large_pages(address, bytes);
    int error = hf_os_reserve(p->fd, address, (uint64_t)((uint8_t *)address - p->base), bytes);
    if (!error) return HF_OK;
    return hf_i_fail(p, HF_E_NO_MEMORY, "reserving memory", error, bytes, 0);
}

static uint64_t page_up(uint64_t bytes) {
    return (bytes + HF_PAGE - 1) / HF_PAGE * HF_PAGE;
}

static void layout(hf_header *h, uint64_t slots, uint64_t data_bytes) {
    uint64_t granules = data_bytes / HF_GRANULE, chunks = data_bytes / HF_CHUNK_BYTES;
    memset(h, 0, sizeof *h);
    h->layout_version = HF_LAYOUT_VERSION;
    h->slots = (uint32_t)slots;
    h->granule_bytes = HF_GRANULE;
    h->chunk_bytes = HF_CHUNK_BYTES;
    h->data_bytes = data_bytes;
    h->cards_off = HF_PAGE;
    h->used_off = h->cards_off + page_up(slots * sizeof(hf_card));
    h->chunks_off = h->used_off + page_up(slots / 8);
    h->meta_off = h->chunks_off + page_up(chunks * sizeof(hf_a64));
    h->rows_off = h->meta_off + page_up(granules * sizeof(hf_a64));
    h->row_bytes = page_up((granules / HF_PAGE_BITS + 63) / 64 * 8) + granules / 8;
    uint64_t large_page = 2ull << 20; /* blocks of a large page or more are aligned to it, in the file and mapped */
    h->data_off = (h->rows_off + (slots + 1) * h->row_bytes + large_page - 1) / large_page * large_page;
    h->file_bytes = h->data_off + data_bytes;
}

/* Everything in hf_process that follows from the header. */
static void attach_header(hf_process *p, uint8_t *base) {
    hf_header *h = (hf_header *)(void *)base;
    p->base = base;
    p->header = h;
    p->data_off = h->data_off;
    p->granules = h->data_bytes / HF_GRANULE;
    p->chunks = h->data_bytes / HF_CHUNK_BYTES;
    p->row_bytes = h->row_bytes;
    p->rows_off = h->rows_off;
    p->cards = (hf_card *)(void *)(base + h->cards_off);
    p->used = (hf_a64 *)(void *)(base + h->used_off);
    p->chunk_table = (hf_a64 *)(void *)(base + h->chunks_off);
    p->meta = (hf_a64 *)(void *)(base + h->meta_off);
    p->serial = 0;
    p->row = NULL;
    hf_i_classes_init(p);
}

/* The name of the memory file: visible in /proc/PID/maps and fd, so that a receiver can find the family. */
static void file_name(char name[64], const uint8_t token[16]) {
    strcpy(name, "holdfast-");
    for (int i = 0; i < 16; i++) snprintf(name + 9 + 2 * i, 3, "%02x", token[i]);
}

static int take_file(hf_process *p, int fd) {
    int error = hf_os_identify(fd, &p->file, NULL);
    if (error) return hf_i_fail_os(p, "fstat", error);
    p->fd = hf_os_duplicate_high(fd);
    return p->fd >= 0 ? HF_OK : hf_i_fail_os(p, "F_DUPFD_CLOEXEC", errno);
}

/* As if the heap had never been opened. */
static void let_go(hf_process *p, uint8_t *base, uint64_t bytes) {
    hf_os_unmap(base, bytes);
    hf_os_close(p->fd);
    p->base = NULL;
    p->fd = -1;
    p->open = 0;
}

static int create_sized(hf_process *p, const hf_header *wanted, int *error) {
    char name[64];
    const char *what = "mmap";
    int fd;
    file_name(name, wanted->token);
    *error = hf_os_memory_file(name, wanted->file_bytes, &fd, &what);
    if (*error) return hf_i_fail_os(p, what, *error);
    uint8_t *base = hf_os_map(fd, wanted->file_bytes, error);
    int result = base ? take_file(p, fd) : fail_to_map(p, wanted->file_bytes, *error);
    hf_os_close(fd);
    if (!base) return result;
    if (result == HF_OK) {
        attach_header(p, base); /* reads zeros: only for the fields that hf_i_reserve uses */
        result = hf_i_reserve(p, base, HF_PAGE);
        if (result == HF_OK) result = hf_i_reserve(p, base + wanted->used_off, page_up(wanted->slots / 8));
    }
    if (result != HF_OK) {
        let_go(p, base, wanted->file_bytes);
        return result;
    }
    memcpy(base, wanted, sizeof *wanted);
    attach_header(p, base);
    /* every scan asks the summary of the row of pinned blocks */
    result = hf_i_reserve(p, hf_i_row(p, wanted->slots), p->row_bytes - p->granules / 8);
    memcpy(base, HF_MAGIC, 8);
    return result; /* without memory even for this the caller's claim of a slot fails too, and unmaps */
}

static int create(hf_process *p, uint64_t data_bytes) {
    uint64_t wished = data_bytes ? data_bytes : HF_DATA_BYTES_DEFAULT, slots = HF_SLOTS;
    hf_header h;
    if (p->open) return hf_i_fail(p, HF_E_SYSTEM, "a second heap in one process", EBUSY, 0, 0);
    wished = (wished + HF_DATA_BYTES_MIN - 1) / HF_DATA_BYTES_MIN * HF_DATA_BYTES_MIN;
    data_bytes = wished;
    int error, result;
    for (;;) {
        layout(&h, slots, data_bytes);
        h.created_ns = hf_now_ns();
        h.creator_pid = hf_os_pid();
        h.data_bytes_wished_mib = (uint32_t)(wished >> 20);
        hf_store64_relaxed(&h.grace_ns_shared, GRACE_NS_DEFAULT);
        error = hf_os_random(h.token, sizeof h.token);
        if (error) return hf_i_fail_os(p, "getrandom", error);
        result = create_sized(p, &h, &error);
        if (result == HF_OK || (error != ENOMEM && error != EFBIG)) break;
        /* A limited address space (RLIMIT_AS) or file size: first fewer slots, whose rows are most of it, then less data. */
        if (slots > 256)
            slots = 256;
        else if (data_bytes > HF_DATA_BYTES_MIN)
            data_bytes = data_bytes / 2 / HF_DATA_BYTES_MIN * HF_DATA_BYTES_MIN;
        else
            break;
    }
    if (!p->base) return result;
    p->open = 1;
    if (result == HF_OK) result = hf_i_need_slot(p);
    if (result != HF_OK) let_go(p, p->base, h.file_bytes);
    return result;
}

/* Both under the process's lock from beginning to end: a fork in another thread waits for a membership that is whole. */
int hf_create(hf_process *p, uint64_t data_bytes) {
    hf_i_lock(p);
    int result = create(p, data_bytes);
    hf_i_unlock(p);
    return result;
}

static int join(hf_process *p, int fd) {
    hf_os_file file;
    uint64_t bytes;
    int error = hf_os_identify(fd, &file, &bytes);
    if (error) return hf_i_fail_os(p, "fstat", error);
    if (p->open) {
        if (file.device == p->file.device && file.inode == p->file.inode) return HF_OK;
        return hf_i_fail(p, HF_E_FOREIGN, "family", 0, 0, 0);
    }
    if (bytes < HF_PAGE) return hf_i_fail(p, HF_E_LAYOUT, "file", 0, HF_PAGE, bytes);
    /* a file that can shrink could take mapped pages away: SIGBUS */
    if (!hf_os_is_sealed(fd)) return hf_i_fail(p, HF_E_LAYOUT, "seals", 0, 1, 0);
    hf_header *first = hf_os_map(fd, HF_PAGE, &error);
    if (!first) return fail_to_map(p, HF_PAGE, error);
    hf_header found = *first, wanted;
    hf_os_unmap(first, HF_PAGE);
    if (memcmp(found.magic, HF_MAGIC, 8) != 0) return hf_i_fail(p, HF_E_LAYOUT, "magic", 0, 0, 0);
    if (found.layout_version != HF_LAYOUT_VERSION)
        return hf_i_fail(p, HF_E_LAYOUT, "version", 0, HF_LAYOUT_VERSION, found.layout_version);
    /* The whole geometry follows from two numbers: anything else is another build's heap. */
    if (found.slots == 0 || found.slots > HF_SLOTS || found.slots % 64 || found.data_bytes == 0 ||
        found.data_bytes % HF_DATA_BYTES_MIN || found.data_bytes > 1ull << 46)
        return hf_i_fail(p, HF_E_LAYOUT, "geometry", 0, HF_SLOTS, found.slots);
    layout(&wanted, found.slots, found.data_bytes);
    if (memcmp(&wanted.layout_version, &found.layout_version,
               offsetof(hf_header, token) - offsetof(hf_header, layout_version)) ||
        bytes != wanted.file_bytes)
        return hf_i_fail(p, HF_E_LAYOUT, "geometry", 0, wanted.file_bytes, bytes);
    uint8_t *base = hf_os_map(fd, bytes, &error);
    if (!base) return fail_to_map(p, bytes, error);
    int result = take_file(p, fd);
    if (result == HF_OK) {
        attach_header(p, base);
        p->open = 1;
        result = hf_i_need_slot(p);
    }
    if (result != HF_OK) let_go(p, base, bytes);
    return result;
}

int hf_join(hf_process *p, int fd) {
    hf_i_lock(p);
    int result = join(p, fd);
    hf_i_unlock(p);
    return result;
}

/* ---- allocate and drop ----------------------------------------------------------------------------------------------------------- */

void *hf_at(const hf_process *p, hf_off block) {
    return p->base + block.at; /* SAFETY: every hf_off of this core was checked by hf_i_block_at or made by it */
}

int hf_i_alloc_locked(hf_process *p, uint64_t size, unsigned kind, unsigned flags, hf_ref *out) {
    if (__builtin_expect(!p->serial, 0)) {
        int result = hf_i_need_slot(p);
        if (result != HF_OK) return result;
    }
    if (size > (uint64_t)HF_SMALL_GRANULES * HF_GRANULE) return hf_i_large_alloc(p, size, flags, out);
    unsigned cls = p->class_of[(size + HF_GRANULE - 1) / HF_GRANULE];
    hf_pool *pool = &p->pools[kind][cls];
    if (__builtin_expect(!pool->ready, 0)) {
        int result = hf_i_pool_refill(p, pool, kind, cls);
        if (result != HF_OK) return result;
    }
    uint64_t granule = pool->ready_word * 64 + (uint64_t)__builtin_ctzll(pool->ready);
    hf_off block = hf_i_off(p, granule);
    HF_POINT(alloc_before_bit);
    pool->ready &= pool->ready - 1;
    hf_i_own_set_relaxed(p, granule); /* nobody can attach or scan it: it is FREE, and the chunk is ours */
    HF_POINT(alloc_before_live);
    if (kind == HF_KIND_TICKET)
        hf_i_ticket_clear(p, block);
    else if (!(flags & HF_RAW))
        memset(hf_at(p, block), 0, (size_t)p->class_granules[cls] * HF_GRANULE);
    uint64_t incarnation = HF_META_INCARNATION(hf_load64_relaxed(&p->meta[granule]));
    /* Release: who attaches (acquire or stronger) sees the zeroed block and, in program order, the bit. */
    hf_store64_release(&p->meta[granule], HF_META_MAKE(incarnation, 0, HF_META_LIVE));
    HF_POINT(alloc_after_live);
    *out = (hf_ref){block, incarnation};
    return HF_OK;
}

int hf_alloc(hf_process *p, uint64_t size, unsigned flags, hf_ref *out) {
    hf_i_lock(p);
    int result = hf_i_alloc_locked(p, size, HF_KIND_PLAIN, flags, out);
    hf_i_unlock(p);
    return result;
}

void hf_i_drop_locked(hf_process *p, hf_off block) {
    uint64_t granule = hf_i_granule(p, block);
    if (p->again_count && hf_i_hold_less(p, granule)) return;
    if (!hf_i_own_has(p, granule)) return; /* inherited by a child that had no slot: pinned */
    HF_POINT(drop_before_clear);
    hf_i_own_clear_release(p, granule);
    HF_POINT(drop_after_clear);
    uint64_t e = hf_load64_relaxed(&p->chunk_table[granule / HF_CHUNK_GRANULES]);
    if (HF_CHUNK_STATE(e) == HF_CHUNK_HEAD)
        hf_i_large_dropped(p, granule);
    else if (HF_CHUNK_OWNER(e) == p->serial)
        p->pools[HF_CHUNK_KIND(e)][HF_CHUNK_CLASS(e)].dropped++;
}

void hf_drop(hf_process *p, hf_off block) {
    hf_i_lock(p);
    hf_i_drop_locked(p, block);
    hf_i_unlock(p);
}

int hf_hold(hf_process *p, hf_off block) {
    hf_i_lock(p);
    uint64_t granule = hf_i_granule(p, block);
    /* what a child without a slot inherited is pinned, so nothing is counted for it; nor does the drop */
    int result = hf_i_own_has(p, granule) ? hf_i_hold_again(p, granule) : HF_OK;
    hf_i_unlock(p);
    return result;
}

bool hf_holds(hf_process *p, hf_off block) {
    hf_i_lock(p);
    bool holds = hf_i_own_has(p, hf_i_granule(p, block));
    hf_i_unlock(p);
    return holds;
}

uint64_t hf_i_give_back(hf_process *p) {
    p->owes_sweep = true; /* a process without a slot may have reaped, and died before it swept */
    hf_i_reap_locked(p);  /* first: what only the dead held lands with us */
    hf_i_tickets_sweep(p, UINT64_MAX);
    hf_i_chunks_adopt_all(p);
    return hf_i_kept_evict(p, true) + hf_i_pools_trim(p);
}

uint64_t hf_trim(hf_process *p) {
    hf_i_lock(p);
    uint64_t bytes = p->open && p->serial ? hf_i_give_back(p) : 0;
    hf_i_unlock(p);
    return bytes;
}
