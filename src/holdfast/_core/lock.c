/* The slow halves of the lock: waiting, noticing deaths, recovering. lock.h has the idea and the invariant W. */
#include "lock.h"

#include "process.h"

#include <limits.h>
#include <string.h>

/* How often a waiter looks before its first sleep. A sleep and its wake cost two system calls and a switch (5 to 10 us);
 * most holders are out again in less than the 1 to 4 us that this takes. */
#define HF_LOCK_LOOKS 40

/* ---- the futex -------------------------------------------------------------------------------------------------- */

/* SAFETY: only the kernel reads through this pointer; C code sees the word as 64 bits alone. lock.h asserts that the
 * lower half lies at the word's address. */
static hf_a32 *low_half(hf_lock *lock) {
    return (hf_a32 *)(void *)&lock->word_shared;
}

void hf_i_lock_wake_one(hf_lock *lock) {
    HF_POINT(lock_before_wake);
    hf_futex_wake(low_half(lock), 1);
}

/* ---- what a holder writes down ---------------------------------------------------------------------------------- */

/* relaxed below: only the holder writes these, and the word orders one holder after another. */

void hf_i_lock_sign(hf_process *p, hf_lock *lock, uint32_t self) {
    HF_POINT(lock_before_sign);
    uint32_t pid = hf_load32_relaxed(&p->cards[HF_SERIAL_SLOT(self)].pid_shared);
    hf_store64_relaxed(&lock->who_shared, (uint64_t)self << 32 | pid);
}

static void count_one(hf_a32 *counter) {
    hf_store32_relaxed(counter, hf_load32_relaxed(counter) + 1);
}

void hf_i_lock_wrapped(hf_lock *lock) {
    count_one(&lock->wraps_shared);
}

/* ---- death ------------------------------------------------------------------------------------------------------ */

/* The pid that belongs to the serial in `word`; 0: not known. */
static uint32_t pid_of(hf_process *p, const hf_lock *lock, uint64_t word) {
    uint64_t who = hf_load64_relaxed(&lock->who_shared);
    hf_card_copy card;
    if (who >> 32 == HF_LOCK_OWNER(word)) {
        return (uint32_t)who;
    }
    return hf_card_of(p, HF_LOCK_OWNER(word), &card) ? card.pid : 0;
}

/* Takes down who died while the card says so, then makes the lock of `word`, whose owner is dead, an orphan. False:
 * the word has changed meanwhile; look again. */
static bool mark_orphan(hf_process *p, hf_lock *lock, uint64_t word) {
    /* The dead one was killed before it signed: its successor in the slot would take its card away. The lock is not
     * to be had before the mark, so nobody else signs; a release by a third process is the exception, and then a pid
     * that matches no word is not believed. */
    uint64_t who = hf_load64_relaxed(&lock->who_shared);
    if (who >> 32 != HF_LOCK_OWNER(word)) {
        uint64_t dead = (uint64_t)HF_LOCK_OWNER(word) << 32 | pid_of(p, lock, word);
        (void)hf_cas64_seq_cst(&lock->who_shared, &who, dead);
    }
    HF_POINT(lock_before_orphan);
    /* seq_cst: the same word means the same acquisition (its count), whose owner will not come back. */
    if (!hf_cas64_seq_cst(&lock->word_shared, &word, (word | HF_LOCK_ORPHAN) & ~HF_LOCK_WAITERS)) {
        return false;
    }
    hf_add32_seq_cst(&lock->deaths_shared, 1);
    HF_POINT(lock_orphaned);
    hf_futex_wake(low_half(lock), INT_MAX); /* all of them have to hear it */
    return true;
}

/* This process's serial, got now if it has none; 0: none to be had. */
static uint32_t need_self(hf_process *p) {
    if (__builtin_expect(hf_serial(p) == 0, 0)) {
        hf_i_lock(p);
        (void)hf_i_need_slot(p);
        hf_i_unlock(p);
    }
    return hf_serial(p);
}

/* Everything that can be done without sleeping. BUSY: *word is what somebody alive holds. */
static hf_lock_status look(hf_process *p, hf_lock *lock, uint32_t self, uint64_t *word) {
    *word = hf_load64_relaxed(&lock->word_shared);
    for (;;) {
        if (HF_LOCK_IS_FREE(*word)) {
            uint64_t taken = hf_i_lock_taken(*word, self);
            /* acquire, partner: hf_lock_release */
            if (hf_cas64_acquire(&lock->word_shared, word, taken)) {
                hf_i_lock_enter(p, lock, taken, self);
                return HF_LOCK_ACQUIRED;
            }
        } else if ((*word & HF_LOCK_ORPHAN) != 0) {
            return HF_LOCK_ORPHANED;
        } else if (HF_LOCK_OWNER(*word) == self || hf_ask(p, HF_LOCK_OWNER(*word)) == HF_PROCESS_ALIVE) {
            return HF_LOCK_BUSY;
        } else if (mark_orphan(p, lock, *word)) {
            return HF_LOCK_ORPHANED;
        } else {
            *word = hf_load64_relaxed(&lock->word_shared);
        }
    }
}

/* ---- Lock ------------------------------------------------------------------------------------------------------- */

hf_lock_status hf_lock_try(hf_process *p, hf_lock *lock) {
    uint32_t self = need_self(p);
    uint64_t word;
    return self != 0 ? look(p, lock, self, &word) : HF_LOCK_NO_SLOT;
}

/* After a sleep. A runner (who may have been sent the one wake of a release) leaves behind a lock that it holds or one
 * whose WAITERS is set: invariant W. */
static hf_lock_status after_sleep(hf_process *p, hf_lock *lock, uint32_t self, bool runner) {
    uint64_t word = hf_load64_relaxed(&lock->word_shared);
    for (;;) {
        if (HF_LOCK_IS_FREE(word)) {
            uint64_t taken = hf_i_lock_taken(word, self) | (runner ? HF_LOCK_WAITERS : 0);
            /* acquire, partner: hf_lock_release */
            if (hf_cas64_acquire(&lock->word_shared, &word, taken)) {
                hf_i_lock_enter(p, lock, taken, self);
                return HF_LOCK_ACQUIRED;
            }
        } else if ((word & HF_LOCK_ORPHAN) != 0) {
            return HF_LOCK_ORPHANED; /* whoever marked it wakes all: no duty is left */
        } else if (!runner || (word & HF_LOCK_WAITERS) != 0 ||
                   hf_cas64_seq_cst(&lock->word_shared, &word, word | HF_LOCK_WAITERS)) {
            return HF_LOCK_BUSY;
        }
    }
}

/* True once the lock looks free or orphaned. */
static bool spin(const hf_lock *lock) {
    for (int i = 0; i < HF_LOCK_LOOKS; i++) {
        uint64_t word = hf_load64_relaxed(&lock->word_shared);
        if (HF_LOCK_IS_FREE(word) || (word & HF_LOCK_ORPHAN) != 0) {
            return true;
        }
        hf_relax();
    }
    return false;
}

uint64_t hf_i_waiting_slice_ns(hf_waiting *waiting, uint64_t min_ns, uint64_t max_ns, uint64_t deadline_ns) {
    uint64_t slice_ns = waiting->slice_ns != 0 ? waiting->slice_ns : min_ns;
    waiting->slice_ns = slice_ns * 2 < max_ns ? slice_ns * 2 : max_ns;
    if (deadline_ns == HF_NO_DEADLINE) {
        return slice_ns;
    }
    uint64_t now_ns = hf_now_ns();
    if (now_ns >= deadline_ns) {
        return 0;
    }
    return slice_ns < deadline_ns - now_ns ? slice_ns : deadline_ns - now_ns;
}

static hf_lock_status wait_slice(hf_process *p, hf_lock *lock, uint32_t self, hf_waiting *waiting,
                                 uint64_t deadline_ns) {
    if (waiting->slice_ns == 0) {
        (void)spin(lock);
    }
    for (;;) {
        uint64_t word;
        hf_lock_status status = look(p, lock, self, &word);
        if (status != HF_LOCK_BUSY) {
            return status;
        }
        uint64_t slice_ns = hf_i_waiting_slice_ns(waiting, HF_LOCK_SLICE_MIN_NS, HF_LOCK_SLICE_MAX_NS, deadline_ns);
        if (slice_ns == 0) {
            return HF_LOCK_TIMED_OUT;
        }
        /* seq_cst, partner: the release's compare-and-swap on the same word. Either it comes first and this one
         * fails, or it sees WAITERS. Between here and the sleep a release changes the lower half, and the kernel
         * refuses the sleep. */
        uint64_t flagged = word | HF_LOCK_WAITERS;
        if (flagged != word && !hf_cas64_seq_cst(&lock->word_shared, &word, flagged)) {
            continue;
        }
        HF_POINT(lock_before_sleep);
        /* 0 is "woken" or "the word had changed": the wake may have been for us, so we are a runner. Any other result
         * means that the kernel took us off the queue itself, and no wake was spent on us. */
        bool runner = hf_futex_wait(low_half(lock), HF_LOCK_LOW(flagged), slice_ns) == 0;
        HF_POINT(lock_after_sleep);
        return after_sleep(p, lock, self, runner);
    }
}

hf_lock_status hf_lock_wait_slice(hf_process *p, hf_lock *lock, hf_waiting *waiting, uint64_t deadline_ns) {
    uint32_t self = need_self(p);
    if (self == 0) {
        return HF_LOCK_NO_SLOT;
    }
    hf_lock_status status = wait_slice(p, lock, self, waiting, deadline_ns);
    if (status == HF_LOCK_ACQUIRED) {
        count_one(&lock->contended_shared);
    }
    return status;
}

/* Who the serial in `word` is, as far as it is still known. */
static void describe(hf_process *p, const hf_lock *lock, uint64_t word, hf_death *out) {
    hf_card_copy card;
    memset(out, 0, sizeof *out);
    out->serial = HF_LOCK_OWNER(word);
    out->pid = pid_of(p, lock, word);
    if (hf_card_of(p, out->serial, &card)) {
        _Static_assert(sizeof card.name == sizeof out->name, "a name is a name");
        out->died_ns = card.died_ns;
        memcpy(out->name, card.name, sizeof out->name);
    }
}

bool hf_lock_death(hf_process *p, const hf_lock *lock, hf_death *out) {
    uint64_t word = hf_lock_word(lock);
    if ((word & HF_LOCK_ORPHAN) == 0) {
        return false;
    }
    describe(p, lock, word, out);
    /* the same word again: nobody recovered and signed meanwhile */
    return hf_lock_word(lock) == word;
}

hf_lock_status hf_lock_recover(hf_process *p, hf_lock *lock, uint64_t thread, hf_death *out) {
    uint32_t self = need_self(p);
    if (self == 0) {
        return HF_LOCK_NO_SLOT;
    }
    for (;;) {
        uint64_t word = hf_lock_word(lock);
        if (HF_LOCK_IS_FREE(word)) {
            return HF_LOCK_NOT_ORPHANED;
        }
        if ((word & HF_LOCK_ORPHAN) == 0) {
            if (HF_LOCK_OWNER(word) == self || hf_ask(p, HF_LOCK_OWNER(word)) == HF_PROCESS_ALIVE) {
                return HF_LOCK_NOT_ORPHANED;
            }
            (void)mark_orphan(p, lock, word);
            continue;
        }
        describe(p, lock, word, out); /* before the swap: afterwards the holder, us, signs over it */
        uint64_t taken = hf_i_lock_taken(word & ~HF_LOCK_ORPHAN, self);
        /* acquire, partner: abandon's compare-and-swap. What the dead one wrote is visible: it stopped before the
         * kernel let its lifeline go, which somebody has asked. */
        if (hf_cas64_acquire(&lock->word_shared, &word, taken)) {
            HF_POINT(lock_recovered);
            hf_i_lock_enter(p, lock, taken, self);
            count_one(&lock->recoveries_shared);
            if (thread != 0) {
                hf_i_rlock_sign(lock, thread);
            }
            return HF_LOCK_ACQUIRED;
        }
    }
}

hf_lock_status hf_lock_abandon(hf_process *p, hf_lock *lock, const hf_death *death) {
    uint64_t word = hf_load64_relaxed(&lock->word_shared);
    uint64_t orphan;
    do {
        if (HF_LOCK_IS_FREE(word) || HF_LOCK_OWNER(word) != hf_serial(p) || (word & HF_LOCK_ORPHAN) != 0) {
            return HF_LOCK_NOT_OWNER;
        }
        /* While the word names us, this name of another is not believed; killed here, we are the dead one. */
        hf_store64_relaxed(&lock->who_shared, (uint64_t)death->serial << 32 | death->pid);
        HF_POINT(lock_before_abandon);
        orphan = (uint64_t)death->serial << 32 | ((HF_LOCK_LOW(word) | HF_LOCK_ORPHAN) & ~(uint32_t)HF_LOCK_WAITERS);
    } while (!hf_cas64_seq_cst(&lock->word_shared, &word, orphan));
    hf_futex_wake(low_half(lock), INT_MAX);
    return HF_LOCK_ACQUIRED;
}

void hf_lock_count(hf_process *p, const hf_lock *lock, hf_lock_figures *out) {
    uint64_t word = hf_lock_word(lock);
    memset(out, 0, sizeof *out);
    out->acquisitions = ((uint64_t)hf_load32_relaxed(&lock->wraps_shared) << HF_LOCK_COUNT_BITS) + HF_LOCK_COUNT(word);
    out->contended = hf_load32_relaxed(&lock->contended_shared);
    out->owner_deaths = hf_load32_relaxed(&lock->deaths_shared);
    out->recoveries = hf_load32_relaxed(&lock->recoveries_shared);
    out->orphaned = (word & HF_LOCK_ORPHAN) != 0;
    out->waiters = (word & HF_LOCK_WAITERS) != 0;
    if (!HF_LOCK_IS_FREE(word)) {
        out->owner_serial = HF_LOCK_OWNER(word);
        out->owner_pid = pid_of(p, lock, word);
        if (!out->orphaned && hf_load32_relaxed(&lock->thread_at_shared) == HF_LOCK_COUNT(word)) {
            out->depth = hf_load32_relaxed(&lock->depth_shared);
        }
    }
}

/* ---- RLock ------------------------------------------------------------------------------------------------------ */

hf_lock_status hf_rlock_try(hf_process *p, hf_lock *lock, uint64_t thread) {
    if (hf_rlock_grab(p, lock, thread)) {
        return HF_LOCK_ACQUIRED;
    }
    if (hf_rlock_is_mine(p, lock, thread)) {
        return HF_LOCK_TOO_DEEP;
    }
    hf_lock_status status = hf_lock_try(p, lock);
    if (status == HF_LOCK_ACQUIRED) {
        hf_i_rlock_sign(lock, thread);
    }
    return status;
}

hf_lock_status hf_rlock_wait_slice(hf_process *p, hf_lock *lock, uint64_t thread, hf_waiting *waiting,
                                   uint64_t deadline_ns) {
    if (hf_rlock_grab(p, lock, thread)) {
        return HF_LOCK_ACQUIRED;
    }
    if (hf_rlock_is_mine(p, lock, thread)) {
        return HF_LOCK_TOO_DEEP;
    }
    hf_lock_status status = hf_lock_wait_slice(p, lock, waiting, deadline_ns);
    if (status == HF_LOCK_ACQUIRED) {
        hf_i_rlock_sign(lock, thread);
    }
    return status;
}

hf_lock_status hf_i_rlock_refuse(const hf_lock *lock) {
    uint64_t word = hf_lock_word(lock);
    if (HF_LOCK_IS_FREE(word)) {
        return HF_LOCK_NOT_HELD;
    }
    return (word & HF_LOCK_ORPHAN) != 0 ? HF_LOCK_ORPHANED : HF_LOCK_NOT_OWNER;
}
