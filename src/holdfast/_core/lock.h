/* Locks that outlive their owners.
 *
 * What holds: at most one process is inside; nobody waits for ever on a process that has died; the next one to ask
 * learns who died, and gets in only by the named way (hf_lock_recover).
 *
 * A lock is a futex word in the heap. Its upper half names the process that holds it, by serial, so *is the owner alive*
 * is a question to the owner's lifeline and never a guess about pids; the lower half is what waiters sleep on:
 *
 *   bit 0       WAITERS   somebody may sleep: the release has to wake one
 *   bit 1       ORPHAN    the owner named above is dead, the lock is held by nobody, and every try says so
 *   bits 2-31   count     acquisitions; a reader that sees the same word twice, free, knows that nobody was in between
 *   bits 32-63  owner     serial; 0 is free
 *
 * Waking. A release clears WAITERS together with the owner, and wakes one sleeper. Invariant W: *if somebody sleeps,
 * WAITERS is set, or there is a runner*: a releaser before its wake, or a waiter after it. A runner that gets the lock
 * sets WAITERS with the same compare-and-swap; a runner that does not, sets it before it leaves hf_lock_wait_slice, be
 * it to sleep again, to look at signals or to give up. So leaving between two slices loses nobody's wakeup. A runner
 * that is killed breaks W, and that is why every sleep is bounded: each sleeper looks again after at most
 * HF_LOCK_SLICE_MAX_NS and sets WAITERS itself. One sleeper is woken per release; only an owner's death wakes all,
 * since all have to hear of it.
 *
 * Death at any instruction (I5): before the acquiring compare-and-swap nothing happened; after it the word names the
 * dead. Whatever else the lock says about its owner (pid, thread, depth) is stored with the serial or the count it
 * belongs to and is not believed when that does not match the word.
 *
 * A Lock may be released by any process and thread, as in multiprocessing. An RLock is the same lock, with a thread
 * and a depth in it, used through hf_rlock_*; mixing the two interfaces on one lock is not supported. The owner is a
 * *process*: a thread that ends while its process lives leaves its locks held. A forked child owns nothing of what its
 * parent holds: it has a serial of its own.
 */
#ifndef HF_LOCK_H
#define HF_LOCK_H

#include "atomics.h"
#include "holdfast.h"

#define HF_LOCK_WAITERS 1ull
#define HF_LOCK_ORPHAN 2ull
#define HF_LOCK_ONE 4ull /* one acquisition */
#define HF_LOCK_COUNT_BITS 30u
#define HF_LOCK_LOW(word) ((uint32_t)(word))
#define HF_LOCK_COUNT(word) (HF_LOCK_LOW(word) >> 2)
#define HF_LOCK_OWNER(word) ((uint32_t)((word) >> 32))
/* Nobody is in, and whoever wants may go in. (An orphan has an owner: the dead one.) */
#define HF_LOCK_IS_FREE(word) (HF_LOCK_OWNER(word) == 0)

/* The first sleep is short, for an owner that died just now; doubling keeps a long wait cheap (20 looks a second). */
#define HF_LOCK_SLICE_MIN_NS 1000000ull
#define HF_LOCK_SLICE_MAX_NS 50000000ull

#define HF_NO_DEADLINE UINT64_MAX

typedef enum {
    HF_LOCK_ACQUIRED = 0, /* the caller holds it (release: the caller has let go) */
    HF_LOCK_BUSY = 1,     /* somebody alive holds it; after a slice: look at signals and call again */
    HF_LOCK_TIMED_OUT = 2,
    HF_LOCK_ORPHANED = 3,     /* its owner died; held by nobody; hf_lock_death says who, hf_lock_recover gets in */
    HF_LOCK_NOT_HELD = 4,     /* release of a lock that nobody holds */
    HF_LOCK_NOT_OWNER = 5,    /* release of an RLock by another thread or process than its owner's */
    HF_LOCK_NOT_ORPHANED = 6, /* recovery of a lock whose owner is not dead */
    HF_LOCK_TOO_DEEP = 7,     /* the recursion count is full; nothing has changed */
    HF_LOCK_NO_SLOT = 8,      /* this process has no name to lock by and can get none; hf_last_error says why */
} hf_lock_status;

/* All zero is a free lock. Fields behind the word are written by the holder alone, except where it says otherwise;
 * they are atomics because others read them meanwhile. */
typedef struct {
    hf_a64 word_shared;       /* see above; the first member, so that a cell's value and the word make a pair */
    hf_a64 who_shared;        /* serial << 32 | pid of the last process that signed; believed if the serial matches */
    hf_a64 thread_shared;     /* RLock: the holding thread, as the border names threads */
    hf_a32 thread_at_shared;  /* RLock: the count at which thread and depth were written; believed if equal */
    hf_a32 depth_shared;      /* RLock: how many times the holder is in; at least 1 while held */
    hf_a32 wraps_shared;      /* how many times the count went through 0 */
    hf_a32 contended_shared;  /* acquisitions that did not come at once; wraps */
    hf_a32 deaths_shared;     /* owners that died inside; written by who notices */
    hf_a32 recoveries_shared; /* successful hf_lock_recover */
} hf_lock;
_Static_assert(sizeof(hf_lock) <= 48, "a value and its lock share one granule, with room to spare");
_Static_assert(offsetof(hf_lock, word_shared) == 0, "pair.h needs the word directly behind the value");
_Static_assert(_Alignof(hf_lock) == 8, "the word may not straddle a cache line");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lower half is the futex, at the word's address");

/* One wait for one lock; begins as HF_WAITING and lives on the waiter's stack over its slices. */
typedef struct {
    uint64_t slice_ns; /* length of the next sleep; 0 before the first */
} hf_waiting;
#define HF_WAITING {0}

/* Who died. */
typedef struct {
    uint32_t serial;  /* never 0 */
    uint32_t pid;     /* 0: not known (killed while signing, and its slot has a new process) */
    uint64_t died_ns; /* CLOCK_BOOTTIME when somebody noticed; 0: not known */
    char name[33];    /* process name, UTF-8; empty: not known */
} hf_death;

typedef struct {
    uint64_t acquisitions; /* since the lock was made, recoveries included */
    uint64_t contended;    /* of these, not at once; modulo 2**32 */
    uint64_t owner_deaths;
    uint64_t recoveries;
    uint32_t owner_serial; /* 0: free. An orphan's is the dead one's. */
    uint32_t owner_pid;    /* 0: free or not known */
    uint32_t depth;        /* RLock: 0 while free; Lock: 0 */
    bool orphaned;
    bool waiters; /* somebody may be asleep */
} hf_lock_figures;

/* ---- Lock ---------------------------------------------------------------------------------------------------- */
/* The order in which a border uses them:
 *     if (hf_lock_grab(p, lock)) -> in                                                   (inline, one RMW)
 *     else if not blocking: hf_lock_try(p, lock)                  -> ACQUIRED BUSY ORPHANED NO_SLOT
 *     else  hf_waiting w = HF_WAITING;
 *           do { GIL off; status = hf_lock_wait_slice(p, lock, &w, deadline_ns); GIL on; look at signals }
 *           while (status == BUSY)                                -> the same, and TIMED_OUT for BUSY
 * When the look at signals raises after ACQUIRED the border has to release. */

/* Complete and without sleeping; asks the owner's lifeline where the lock is held (one system call). */
hf_lock_status hf_lock_try(hf_process *p, hf_lock *lock);
/* At most one sleep, at most HF_LOCK_SLICE_MAX_NS; a signal ends it early. deadline_ns: on hf_now_ns's clock,
 * or HF_NO_DEADLINE. One that has passed still gets a full try: TIMED_OUT means that the lock was held. */
hf_lock_status hf_lock_wait_slice(hf_process *p, hf_lock *lock, hf_waiting *waiting, uint64_t deadline_ns);
/* Gets into an orphan (one whose owner's death nobody has noticed yet counts) and takes the mark off: ACQUIRED, with
 * the dead in *out. Otherwise NOT_ORPHANED, nothing changed: also for the slower of two recoverers. thread: of an
 * RLock, which is then held once; 0 for a Lock. NO_SLOT as for the others. */
hf_lock_status hf_lock_recover(hf_process *p, hf_lock *lock, uint64_t thread, hf_death *out);
/* The opposite of a release after a recovery that failed: the lock is an orphan again, of the same dead. The holder
 * calls it with what hf_lock_recover said. ACQUIRED (it has let go) or NOT_OWNER. */
hf_lock_status hf_lock_abandon(hf_process *p, hf_lock *lock, const hf_death *death);
/* Who died in an orphan. False: it is none (any more). */
bool hf_lock_death(hf_process *p, const hf_lock *lock, hf_death *out);
/* Figures for people: each is right, all together may be of different moments. */
void hf_lock_count(hf_process *p, const hf_lock *lock, hf_lock_figures *out);

/* ---- RLock --------------------------------------------------------------------------------------------------- */
/* As above. thread: any number but 0 that no two living threads of one process share. */
hf_lock_status hf_rlock_try(hf_process *p, hf_lock *lock, uint64_t thread);
hf_lock_status hf_rlock_wait_slice(hf_process *p, hf_lock *lock, uint64_t thread, hf_waiting *waiting,
                                   uint64_t deadline_ns);

/* ---- slow halves of the inline functions below ------------------------------------------------------------------ */
void hf_i_lock_sign(hf_process *p, hf_lock *lock, uint32_t self);
void hf_i_lock_wrapped(hf_lock *lock);
void hf_i_lock_wake_one(hf_lock *lock);
hf_lock_status hf_i_rlock_refuse(const hf_lock *lock);
/* Length of the next sleep, within the deadline, and doubles the one after it; 0: the deadline has passed. */
uint64_t hf_i_waiting_slice_ns(hf_waiting *waiting, uint64_t min_ns, uint64_t max_ns, uint64_t deadline_ns);

/* ---- inline: what is done millions of times a second -------------------------------------------------------------- */
static inline uint64_t hf_lock_word(const hf_lock *lock) {
    /* acquire: what the last holder wrote before its release is visible to who finds the lock free */
    return hf_load64_acquire(&lock->word_shared);
}

/* The word after an acquisition of `word`; flags stay as they are, and the count wraps inside the lower half. */
static inline uint64_t hf_i_lock_taken(uint64_t word, uint32_t self) {
    return (uint64_t)self << 32 | (uint32_t)(HF_LOCK_LOW(word) + (uint32_t)HF_LOCK_ONE);
}

/* What a holder writes down about itself, after it got in. */
static inline void hf_i_lock_enter(hf_process *p, hf_lock *lock, uint64_t taken, uint32_t self) {
    /* relaxed: only the holder writes, and readers compare the serial with the word's. The same process again and
     * again is the usual case and costs one load from the line it has just written. */
    if (__builtin_expect((hf_load64_relaxed(&lock->who_shared) >> 32) != self, 0)) {
        hf_i_lock_sign(p, lock, self);
    }
    if (__builtin_expect(HF_LOCK_COUNT(taken) == 0, 0)) {
        hf_i_lock_wrapped(lock);
    }
}

/* One compare-and-swap. False: not at once, for whatever reason; hf_lock_try or hf_lock_wait_slice finds out. */
static inline bool hf_lock_grab(hf_process *p, hf_lock *lock) {
    uint32_t self = hf_serial(p);
    uint64_t word = hf_load64_relaxed(&lock->word_shared);
    while (HF_LOCK_IS_FREE(word) && self != 0) {
        uint64_t taken = hf_i_lock_taken(word, self);
        /* acquire, partner: the release's compare-and-swap */
        if (hf_cas64_acquire(&lock->word_shared, &word, taken)) {
            hf_i_lock_enter(p, lock, taken, self);
            return true;
        }
    }
    return false;
}

/* Lets go, whoever holds it (a Lock's right). ACQUIRED means done; NOT_HELD and ORPHANED changed nothing.
 * One read-modify-write: a plain store could overwrite the WAITERS that somebody is just setting. */
static inline hf_lock_status hf_lock_release(hf_lock *lock) {
    uint64_t word = hf_load64_relaxed(&lock->word_shared);
    for (;;) {
        if (__builtin_expect(HF_LOCK_IS_FREE(word), 0)) {
            return HF_LOCK_NOT_HELD;
        }
        if (__builtin_expect((word & HF_LOCK_ORPHAN) != 0, 0)) {
            return HF_LOCK_ORPHANED;
        }
        /* seq_cst includes the release that the acquire of hf_lock_grab pairs with. Owner and WAITERS go in one
         * step: who sets WAITERS later does so on a lock that it sees free, and does not sleep. */
        if (hf_cas64_seq_cst(&lock->word_shared, &word, HF_LOCK_LOW(word) & ~(uint32_t)HF_LOCK_WAITERS)) {
            if (__builtin_expect((word & HF_LOCK_WAITERS) != 0, 0)) {
                hf_i_lock_wake_one(lock);
            }
            return HF_LOCK_ACQUIRED;
        }
    }
}

/* Does this thread hold this RLock? */
static inline bool hf_rlock_is_mine(const hf_process *p, const hf_lock *lock, uint64_t thread) {
    uint64_t word = hf_load64_relaxed(&lock->word_shared);
    if (HF_LOCK_OWNER(word) != hf_serial(p) || HF_LOCK_IS_FREE(word) || (word & HF_LOCK_ORPHAN) != 0) {
        return false;
    }
    /* acquire, partner: hf_i_rlock_sign's release. An equal count says that `thread` was written by the present
     * holder; without it the thread of a dead owner, whose number a thread of this process may share after a fork,
     * could be taken for this one between a recovery and its signature. */
    return hf_load32_acquire(&lock->thread_at_shared) == HF_LOCK_COUNT(word) &&
           hf_load64_relaxed(&lock->thread_shared) == thread;
}

/* Puts the thread into a lock that the caller has just acquired. */
static inline void hf_i_rlock_sign(hf_lock *lock, uint64_t thread) {
    hf_store64_relaxed(&lock->thread_shared, thread);
    hf_store32_relaxed(&lock->depth_shared, 1);
    /* release, partner: hf_rlock_is_mine. relaxed read of the word: this thread wrote it, and its count changes
     * only when the lock changes hands. */
    hf_store32_release(&lock->thread_at_shared, HF_LOCK_COUNT(hf_load64_relaxed(&lock->word_shared)));
}

/* Once more, or one compare-and-swap. False as for hf_lock_grab. */
static inline bool hf_rlock_grab(hf_process *p, hf_lock *lock, uint64_t thread) {
    if (hf_rlock_is_mine(p, lock, thread)) {
        uint32_t depth = hf_load32_relaxed(&lock->depth_shared);
        if (__builtin_expect(depth == UINT32_MAX, 0)) {
            return false;
        }
        hf_store32_relaxed(&lock->depth_shared, depth + 1); /* the holder alone writes it */
        return true;
    }
    if (hf_lock_grab(p, lock)) {
        hf_i_rlock_sign(lock, thread);
        return true;
    }
    return false;
}

/* Out by one level; out of the lock at the last. NOT_OWNER, NOT_HELD and ORPHANED changed nothing. */
static inline hf_lock_status hf_rlock_release(hf_process *p, hf_lock *lock, uint64_t thread) {
    if (__builtin_expect(!hf_rlock_is_mine(p, lock, thread), 0)) {
        return hf_i_rlock_refuse(lock);
    }
    uint32_t depth = hf_load32_relaxed(&lock->depth_shared);
    if (depth > 1) {
        hf_store32_relaxed(&lock->depth_shared, depth - 1);
        return HF_LOCK_ACQUIRED;
    }
    return hf_lock_release(lock);
}

#endif
