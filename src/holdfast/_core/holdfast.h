/* What the border may call: the heap with holds.
 *
 * The promise: memory that processes share is never given to anyone else while some process can still reach it.
 * Everything here takes an hf_process: one process's membership in a heap. The real package has one per process;
 * tests let threads play processes with one each.
 *
 * Results: HF_OK or a negative hf_status; p->error says more (errno, numbers). No function raises, longjmps or
 * calls back into Python. All are safe to call from several threads.
 */
#ifndef HF_HOLDFAST_H
#define HF_HOLDFAST_H

#include "layout.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct hf_process hf_process;

typedef enum {
    HF_OK = 0,
    HF_E_HEAP_FULL = -1,     /* no run of free chunks is long enough */
    HF_E_NO_MEMORY = -2,     /* the machine (or cgroup) has no page to give */
    HF_E_NO_SLOT = -3,       /* every slot has a live process or an estate in it */
    HF_E_NO_DESCRIPTOR = -4, /* EMFILE, ENFILE */
    HF_E_STALE = -5,         /* the block that was meant is gone */
    HF_E_FOREIGN = -6,       /* bytes of another family */
    HF_E_FORGED = -7,        /* bytes that no pickle of ours can be */
    HF_E_LAYOUT = -8,        /* a heap of another layout version */
    HF_E_SYSTEM = -9,        /* a system call failed; hf_error has its name and errno */
    HF_E_UNSUPPORTED = -10,  /* the kernel lacks something that the heap needs; hf_error names it */
    HF_E_TOO_LARGE = -11,    /* size over the heap's */
    HF_E_CLOSED = -12,       /* the process has no heap (yet) */
} hf_status;

/* What the last failure of a process was about. Valid until its next call. */
typedef struct {
    int os_errno;     /* 0 where no system call failed */
    const char *what; /* static text: a system call or a thing, such as "memfd_create" */
    uint64_t wanted;  /* numbers of the failure: bytes wanted, incarnation expected ... */
    uint64_t found;   /* ... bytes free, incarnation found */
} hf_error;

/* A block and the incarnation that is meant. */
typedef struct {
    hf_off block;
    uint64_t incarnation;
} hf_ref;

/* What a pickle carries: 80 bytes, in the machine's byte order (both ends share memory, so they share that). */
typedef struct {
    char magic[4];       /* "HFT1" */
    uint32_t size_check; /* sizeof(hf_wire) */
    uint8_t token[16];   /* the family */
    uint64_t block;
    uint64_t incarnation;
    uint64_t size;   /* bytes the block must have at least */
    uint64_t ticket; /* 0: none */
    uint64_t ticket_incarnation;
    uint32_t sender_pid; /* hints for a receiver that has no heap yet */
    int32_t sender_fd;
    uint64_t reserved;
} hf_wire;
_Static_assert(sizeof(hf_wire) == 80, "the wire format has no padding");

typedef struct {
    uint64_t data_bytes, data_bytes_wished; /* size of the heap (virtual) and what was asked for */
    uint64_t chunks_in_use, chunk_bytes;    /* memory handed to blocks so far, in chunks */
    uint64_t blocks, block_bytes;           /* live blocks (held by someone), and their bytes incl. rounding */
    uint64_t own_blocks;                    /* those that this process holds */
    uint64_t slots, slots_live, slots_dead, slots_estate;
    uint64_t tickets_outstanding; /* unused, in the whole family */
    uint64_t tickets_issued, tickets_used;
    uint64_t deaths, holds_reclaimed, bytes_reclaimed;
    uint64_t forks, forks_pinned, pinned_blocks;
    uint64_t reuse_forbidden;
    uint64_t cached_bytes; /* free large blocks this process keeps for its next ones */
    uint64_t epoch;
} hf_figures;

/* ---- membership ---------------------------------------------------------------------------------------------- */
/* Storage for a membership; all zero is "no heap". `hf_process_size` for callers that cannot see the struct. */
hf_process *hf_process_new(void);
void hf_process_delete(
    hf_process *p); /* unmaps and gives the slot up; the process's holds end (tests, not the border) */
bool hf_is_open(const hf_process *p);
/* Creates a heap of at most data_bytes (0: the default) and joins it; halves the size until the address space allows. */
int hf_create(hf_process *p, uint64_t data_bytes);
/* Joins the heap behind descriptor fd (which stays the caller's). A process joins at most one. */
int hf_join(hf_process *p, int fd);
/* A descriptor of the heap that belongs to p, to be handed to children; -1 where it was closed by others. */
int hf_descriptor(hf_process *p);
const uint8_t *hf_token(const hf_process *p); /* 16 bytes */
const hf_error *hf_last_error(const hf_process *p);
uint32_t hf_serial(const hf_process *p); /* 0 while the process has no slot */
/* Takes a slot for a process that has none: a child whose inheritance was pinned. Allocating and attaching do so by
 * themselves. */
int hf_take_slot(hf_process *p);
void hf_set_name(hf_process *p, const char *utf8);
void hf_set_grace(hf_process *p, uint64_t ns); /* for the family */
/* Registers the fork handlers for p (once; pthread_atfork cannot be undone). */
int hf_watch_forks(hf_process *p);
/* In the parent after a fork: what the child inherited had to be pinned. */
bool hf_fork_was_pinned(const hf_process *p);

/* ---- blocks ---------------------------------------------------------------------------------------------------- */
#define HF_RAW 1u /* contents arbitrary instead of zero */
int hf_alloc(hf_process *p, uint64_t size, unsigned flags, hf_ref *out);
/* One more / one less holder of a block that this process holds already. The last one clears the bit. */
int hf_hold(hf_process *p, hf_off block);
void hf_drop(hf_process *p, hf_off block);
void *hf_at(const hf_process *p, hf_off block);
bool hf_holds(hf_process *p, hf_off block);
/* Issues a ticket for a held block. HF_E_* leaves nothing behind. */
int hf_issue(hf_process *p, hf_ref ref, uint64_t size, hf_wire *out);
/* Attaches what the wire names: on HF_OK this process holds *out (balance with hf_drop). */
int hf_attach(hf_process *p, const hf_wire *wire, hf_ref *out);
/* Drops what was held for tickets that have been used. */
void hf_sweep_tickets(hf_process *p);

/* ---- others ---------------------------------------------------------------------------------------------------- */
typedef enum { HF_PROCESS_ALIVE = 0, HF_PROCESS_DEAD = 1 } hf_liveness;
/* Is the process with this serial alive? Asks its lifeline (0.7 us); what cannot be asked counts as alive. */
hf_liveness hf_ask(hf_process *p, uint32_t serial);
/* The card of a serial, also after its death until the slot has a new process. False: card is gone. */
typedef struct {
    uint32_t pid, parent_serial;
    uint64_t joined_ns, died_ns; /* CLOCK_BOOTTIME; died_ns 0: alive or not noticed yet */
    char name[33];
} hf_card_copy;
bool hf_card_of(hf_process *p, uint32_t serial, hf_card_copy *out);
/* Clears what dead processes left; returns how many slots were freed. */
int hf_reap(hf_process *p);
/* Gives free memory back to the system; returns bytes. */
uint64_t hf_trim(hf_process *p);
void hf_count(hf_process *p, hf_figures *out);
/* The invariant checker. Calls report (text valid during the call) for each fault; returns their number.
 * Exact when the family is at rest; while others work it judges only what cannot change under it. */
/* Called with the process's lock held: it may copy the text and nothing else. */
typedef void (*hf_report)(void *context, const char *text);
int hf_check(hf_process *p, hf_report report, void *context);

/* ---- crash points ------------------------------------------------------------------------------------------------ */
int hf_points_count(void);
const char *hf_points_name(int index);
/* The nth pass through the point kills this process with SIGKILL; children inherit it. index -1 disarms. */
void hf_points_arm(int index, uint32_t nth);

/* ---- time and sleep, for the locks ---------------------------------------------------------------------------------- */
uint64_t hf_now_ns(void); /* CLOCK_BOOTTIME */
/* Sleeps while *word == expected, at most timeout_ns. 0 woken or changed, ETIMEDOUT, EINTR. */
int hf_futex_wait(hf_a32 *word, uint32_t expected, uint64_t timeout_ns);
void hf_futex_wake(hf_a32 *word, int how_many);

#endif
