/* A process's membership in a heap, and what the core's files tell one another.
 *
 * Everything in hf_process is private memory of one process: a fork copies it, and the child's fork handler brings
 * it up to date. `lock` guards all of it and every write to the process's own row; it is held from the fork's prepare
 * handler until after the fork, so that the child's memory and the row copied for it are of one moment.
 *
 * Who may call what: functions marked (locked) want p->lock held; hf_ functions of holdfast.h take it themselves.
 */
#ifndef HF_PROCESS_H
#define HF_PROCESS_H

#include "holdfast.h"
#include "os_linux.h"
#include "points.h"

/* ---- size classes ------------------------------------------------------------------------------------------------- */
#define HF_CLASSES_MAX 17u
#define HF_KINDS 2u

/* What a process knows of its chunks of one size class and kind. */
typedef struct {
    uint64_t ready;      /* free blocks that may be handed out: bits in word `ready_word` (64 granules) of the data */
    uint64_t ready_word; /* granule number / 64 */
    uint32_t *chunks;    /* own chunks of this class */
    uint32_t count, room;
    uint32_t at_chunk, at_word; /* where the walk is */
    uint64_t walk_left;         /* words that the present walk has still to look at */
    uint64_t dropped, claimed;  /* blocks since the last walk began: what makes a new walk worth while */
} hf_pool;

/* A free large block that this process keeps, pages and all, for its next one. */
typedef struct {
    uint64_t chunk, length; /* in chunks */
    uint64_t since_ns;
} hf_kept;
#define HF_KEPT_MAX 16u
/* bytes kept at most: 512 MiB is a few large arrays; beyond it pages go back at once */
#ifdef HF_TINY
#define HF_KEPT_BYTES (1ull << 20)
#else
#define HF_KEPT_BYTES (512ull << 20)
#endif
/* kept at most this long without being used again (5 s; checked whenever large blocks are allocated or dropped) */
#define HF_KEPT_NS 5000000000ull

/* Blocks that this process holds more than once: granule -> further holders. Open addressing, power of two. */
typedef struct {
    uint64_t granule; /* HF_NO_GRANULE: empty */
    uint64_t more;
} hf_again;
#define HF_NO_GRANULE UINT64_MAX

/* An outstanding ticket: this process holds both blocks until the ticket is used. */
typedef struct {
    hf_off ticket, target;
} hf_issued;

struct hf_process {
    hf_a32 lock; /* 0 free, 1 taken, 2 taken and somebody sleeps */
    uint32_t open;
    uint8_t *base; /* where the file is mapped in this process */
    uint64_t data_off, granules, chunks, row_bytes, rows_off;
    hf_header *header;
    hf_card *cards;
    hf_a64 *used;
    hf_a64 *chunk_table;
    hf_a64 *meta;
    int fd;
    hf_os_file file;
    /* this process's slot; serial 0: none (yet), as in a child whose inheritance was pinned */
    uint32_t slot, serial;
    uint32_t pid; /* as the card of the own slot has it: asking the kernel takes longer than issuing a ticket */
    hf_a64 *row;  /* summary of the own row, or NULL */
    hf_os_lifeline lifeline;
    bool lifeline_kept; /* from children: seen to before the first fork */
    char name[32];
    hf_error error;
    /* between prepare and the fork: the slot made for the child */
    uint32_t child_slot, child_serial;
    hf_os_lifeline child_lifeline;
    /* allocation */
    uint8_t class_of[HF_SMALL_GRANULES + 1]; /* granules -> class */
    uint32_t class_granules[HF_CLASSES_MAX]; /* class -> granules */
    uint32_t classes;
    uint64_t heads[HF_CLASSES_MAX][HF_CHUNK_WORDS]; /* first granules of the blocks of a chunk */
    hf_pool pools[HF_KINDS][HF_CLASSES_MAX];
    uint64_t seen_freed; /* chunks_freed at the last search of the chunk table that found nothing */
    uint64_t last_reap_ns;
    hf_kept kept[HF_KEPT_MAX];
    uint32_t kept_count;
    uint64_t kept_bytes;
    hf_again *again;
    uint64_t again_room, again_count;
    hf_issued *issued;
    uint64_t issued_count, issued_room, issued_at;
    bool owes_sweep; /* somebody was reaped and the large blocks were not looked at since */
};

/* slots that are taken afresh before the dead are asked for theirs, and whose rows keep a page: few enough to stay in the
 * processor's caches */
#define HF_FRESH_SLOTS (HF_SLOTS / 64u)

/* ---- the process's own lock ------------------------------------------------------------------------------------------ */
void hf_i_lock_slow(hf_process *p);
static inline void hf_i_lock(hf_process *p) {
    uint32_t none = 0;
    if (__builtin_expect(!hf_cas32_acquire(&p->lock, &none, 1), 0)) hf_i_lock_slow(p);
}
static inline void hf_i_unlock(hf_process *p) {
    /* one swap instead of a store: it also learns whether somebody sleeps */
    if (__builtin_expect(hf_swap32_seq_cst(&p->lock, 0) == 2, 0)) hf_futex_wake(&p->lock, 1);
}

/* ---- arithmetic of offsets (I4: checked where an offset comes from outside) --------------------------------------------- */
static inline uint64_t hf_i_granule(const hf_process *p, hf_off block) {
    return (block.at - p->data_off) / HF_GRANULE;
}
static inline hf_off hf_i_off(const hf_process *p, uint64_t granule) {
    return (hf_off){p->data_off + granule * HF_GRANULE};
}
static inline hf_off hf_i_chunk_off(const hf_process *p, uint64_t chunk) {
    return (hf_off){p->data_off + chunk * (uint64_t)HF_CHUNK_BYTES};
}
static inline int hf_i_fail(hf_process *p, hf_status status, const char *what, int os_errno, uint64_t wanted,
                            uint64_t found) {
    p->error = (hf_error){os_errno, what, wanted, found};
    return status;
}
int hf_i_fail_os(hf_process *p, const char *what, int os_errno);

/* ---- heap.c ----------------------------------------------------------------------------------------------------------------- */
/* The heap's descriptor, proven to be it; reopened when the program closed it; -1: not to be had. (locked) */
int hf_i_fd(hf_process *p);
/* Makes sure that the bytes can be touched. (locked) */
int hf_i_reserve(hf_process *p, void *address, uint64_t bytes);
/* One holder more of a block that this process holds. (locked) */
int hf_i_hold_again(hf_process *p, uint64_t granule);
/* One holder less; true when it was not the last. (locked) */
bool hf_i_hold_less(hf_process *p, uint64_t granule);
void hf_i_holders_forget(hf_process *p);
/* Everything that can be free made free, and its pages given back; returns bytes. (locked, with a slot) */
uint64_t hf_i_give_back(hf_process *p);
void hf_i_drop_locked(hf_process *p, hf_off block);
int hf_i_alloc_locked(hf_process *p, uint64_t size, unsigned kind, unsigned flags, hf_ref *out);

/* ---- rows.c: hold bits ---------------------------------------------------------------------------------------------------------- */
hf_a64 *hf_i_row(const hf_process *p, uint32_t row); /* its summary; hold bits follow */
static inline hf_a64 *hf_i_row_words(const hf_process *p, hf_a64 *row) {
    /* the summary has one bit per page of bits, rounded up to a whole page */
    return (hf_a64 *)(void *)((uint8_t *)row + (p->row_bytes - p->granules / 8));
}
/* Makes the page of the own row that holds this granule's bit writable, and says so in the summary. (locked) */
int hf_i_row_ready(hf_process *p, uint64_t granule);
bool hf_i_row_has(const hf_process *p, hf_a64 *row, uint64_t granule);
static inline bool hf_i_own_has(const hf_process *p, uint64_t granule) {
    return p->row && hf_i_row_has(p, p->row, granule);
}
void hf_i_own_set_relaxed(hf_process *p, uint64_t granule);
void hf_i_own_set_seq_cst(hf_process *p, uint64_t granule);
void hf_i_own_clear_release(hf_process *p, uint64_t granule);
/* OR of one word of all rows that may have bits but one (NULL: of all); stops early once `enough` is covered. */
uint64_t hf_i_rows_word(const hf_process *p, uint64_t word, uint64_t enough, const hf_a64 *except);
/* Copies the own row to the (empty) row of a child that is about to be. (locked) */
int hf_i_row_copy(hf_process *p, uint32_t to);
/* ORs the own row into the row of pinned blocks. (locked) */
int hf_i_row_pin(hf_process *p);
/* Clears a dead slot's row but for the granules in keep (sorted); adds what it cleared to the header's figures. */
void hf_i_row_wipe(hf_process *p, uint32_t slot, const uint64_t *keep, uint64_t keeps);

/* ---- slots.c ------------------------------------------------------------------------------------------------------------------------ */
/* Takes a free slot with its lifeline; the slot is LIVE and its row empty on HF_OK. (locked) */
int hf_i_slot_claim(hf_process *p, uint32_t parent_serial, uint32_t *slot, uint32_t *serial, hf_os_lifeline *line);
/* Makes it known who sits there; what a child calls for itself. (locked) */
void hf_i_card_write(hf_process *p, hf_card *card);
/* The own slot, taken now if there is none. (locked) */
int hf_i_need_slot(hf_process *p);
int hf_i_reap_locked(hf_process *p);
/* The same, but not more often than every 10 ms, and without estates in their grace. (locked) */
int hf_i_reap_sometimes(hf_process *p);

/* ---- chunks.c -------------------------------------------------------------------------------------------------------------------------- */
void hf_i_classes_init(hf_process *p);
/* A pool's ready mask is empty: finds free blocks, at worst in a fresh chunk. (locked) */
int hf_i_pool_refill(hf_process *p, hf_pool *pool, unsigned kind, unsigned cls);
/* Forgets what belonged to the parent, in a child. (locked) */
void hf_i_pools_forget(hf_process *p);
uint64_t hf_i_pools_trim(hf_process *p);
/* Takes all orphaned chunks into the own pools, so that a trim can free them. (locked) */
void hf_i_chunks_adopt_all(hf_process *p);
/* In the reaper, holding the dead slot's lifeline: its chunks become adoptable, its half-made runs free. */
void hf_i_chunks_disown(hf_process *p, uint32_t slot, uint32_t serial);
/* Moves the top of the table up by n chunks; UINT64_MAX: the heap is full. */
uint64_t hf_i_chunks_extend(hf_process *p, uint64_t n, uint64_t align);

/* ---- scan.c: the reuse protocol ------------------------------------------------------------------------------------------------------------ */
/* Blocks of one word of an own chunk that are free now. (locked) */
uint64_t hf_i_scan_word(hf_process *p, uint64_t word, uint64_t heads);

/* ---- large.c ---------------------------------------------------------------------------------------------------------------------------------- */
int hf_i_large_alloc(hf_process *p, uint64_t size, unsigned flags, hf_ref *out);
/* After the own bit was cleared: if nobody holds the block, it is kept or given back. (locked) */
void hf_i_large_dropped(hf_process *p, uint64_t granule);
/* Tries every large block: what only the dead held is given back. (locked) */
void hf_i_large_sweep(hf_process *p);
/* Gives back the kept blocks that are too old, or all. (locked) */
uint64_t hf_i_kept_evict(hf_process *p, bool all);
/* In the reaper: finishes what the dead slot had begun with the run at this chunk; true: the run is gone. */
bool hf_i_large_disown(hf_process *p, uint64_t chunk, uint64_t length, uint32_t slot);

/* ---- tickets.c -------------------------------------------------------------------------------------------------------------------------------------- */
void hf_i_ticket_clear(const hf_process *p, hf_off block);
void hf_i_tickets_sweep(hf_process *p, uint64_t at_most);
/* In a child: the parent's tickets are the parent's. (locked) */
void hf_i_tickets_forget(hf_process *p);
/* Granules that the unused tickets of a dead slot stand for (tickets and targets), sorted, in malloc'ed *out.
 * HF_E_NO_MEMORY: could not be told. */
int hf_i_tickets_of(hf_process *p, uint32_t slot, uint64_t **out, uint64_t *count);

/* ---- fork.c ---- */
void hf_i_forks_forget(const hf_process *p);

/* ---- attach: shared by targets and tickets (scan.c) --------------------------------------------------------------------------------------------------- */
/* Sets the own bit and accepts the incarnation, or leaves everything as it was. (locked) */
int hf_i_attach(hf_process *p, uint64_t granule, uint64_t incarnation);
/* Of the 64 granules of a word, those that are the first of a block, and how large these blocks are: all the same. */
uint64_t hf_i_blocks_in(const hf_process *p, uint64_t word, uint64_t *bytes, uint64_t *entry);
/* Is this the first granule of a block, and how large is it? False for anything a forged pickle may say. */
bool hf_i_block_at(const hf_process *p, uint64_t granule, uint64_t *bytes, uint64_t *entry);

#endif
