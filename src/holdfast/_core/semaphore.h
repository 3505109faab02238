/* Counting semaphores: the memory behind every `SemLock` of the standard library that the guard replaces.
 *
 * What holds: a post is never lost, and nobody sleeps for ever beside a value above zero, whoever is killed. A
 * semaphore has no owner: any process posts, so a death inside cannot be told from patience. (Locks have: lock.h.)
 *
 * The state is one futex word: bit 0 WAITERS, bits 1-31 value. WAITERS is set only while the value is 0, and a post
 * clears it; so WAITERS implies value 0.
 *
 * Waking. Invariant W: *if somebody sleeps, WAITERS is set, or there is a runner*: a poster before its wake, or a
 * waiter after it. A post that finds WAITERS clears it and wakes one sleeper, who is the runner. A runner that takes
 * the last unit sets WAITERS in the same step; one that takes another than the last wakes the next sleeper, so that
 * three quick posts (only the first saw WAITERS) let three in; one that finds nothing sets WAITERS and sleeps, or
 * leaves. The unit itself is in the word all the time: a waiter that is killed after it was woken takes nothing with
 * it, and those that it should have woken look again after at most HF_SEMAPHORE_SLICE_MAX_NS.
 */
#ifndef HF_SEMAPHORE_H
#define HF_SEMAPHORE_H

#include "atomics.h"
#include "holdfast.h"
#include "lock.h"

#define HF_SEMAPHORE_WAITERS 1u
#define HF_SEMAPHORE_ONE 2u
#define HF_SEMAPHORE_VALUE_MAX 0x7fffffffu /* as SEM_VALUE_MAX on Linux */

/* Sleeps only have to end for signals that another thread took and for killed runners, both rare; a pool's idle
 * worker sleeps here for days. */
#define HF_SEMAPHORE_SLICE_MIN_NS 1000000ull
#define HF_SEMAPHORE_SLICE_MAX_NS 256000000ull

typedef enum {
    HF_SEMAPHORE_OK = 0,   /* taken, or posted */
    HF_SEMAPHORE_ZERO = 1, /* nothing to take; after a slice: look at signals and call again */
    HF_SEMAPHORE_TIMED_OUT = 2,
    HF_SEMAPHORE_FULL = 3, /* a post beyond max_value; nothing has changed */
} hf_semaphore_status;

typedef struct {
    hf_a32 state_shared; /* see above */
    uint32_t max_value;  /* written once, before the semaphore is shared */
} hf_semaphore;
_Static_assert(sizeof(hf_semaphore) == 8, "fits every block");

/* Before anybody else can reach it. 0 <= value <= max_value <= HF_SEMAPHORE_VALUE_MAX. */
static inline void hf_semaphore_init(hf_semaphore *semaphore, uint32_t value, uint32_t max_value) {
    semaphore->max_value = max_value;
    hf_store32_relaxed(&semaphore->state_shared, value * HF_SEMAPHORE_ONE);
}

/* At most one sleep; a signal ends it early. deadline_ns: on hf_now_ns's clock, or HF_NO_DEADLINE. One that has
 * passed still gets a try. OK, ZERO (call again) or TIMED_OUT. */
hf_semaphore_status hf_semaphore_wait_slice(hf_semaphore *semaphore, hf_waiting *waiting, uint64_t deadline_ns);
void hf_i_semaphore_wake_one(hf_semaphore *semaphore);

static inline uint32_t hf_semaphore_value(const hf_semaphore *semaphore) {
    return hf_load32_acquire(&semaphore->state_shared) / HF_SEMAPHORE_ONE;
}

/* One compare-and-swap; OK or ZERO. */
static inline hf_semaphore_status hf_semaphore_try(hf_semaphore *semaphore) {
    uint32_t state = hf_load32_relaxed(&semaphore->state_shared);
    while (state >= HF_SEMAPHORE_ONE) {
        /* acquire, partner: the post's compare-and-swap. The value is above 0, so WAITERS is not set. */
        if (hf_cas32_acquire(&semaphore->state_shared, &state, state - HF_SEMAPHORE_ONE)) {
            return HF_SEMAPHORE_OK;
        }
    }
    return HF_SEMAPHORE_ZERO;
}

/* OK or FULL. A compare-and-swap and not an addition: max_value must hold at every moment. */
static inline hf_semaphore_status hf_semaphore_post(hf_semaphore *semaphore) {
    uint32_t state = hf_load32_relaxed(&semaphore->state_shared);
    for (;;) {
        if (__builtin_expect(state / HF_SEMAPHORE_ONE >= semaphore->max_value, 0)) {
            return HF_SEMAPHORE_FULL;
        }
        uint32_t posted = (state & ~HF_SEMAPHORE_WAITERS) + HF_SEMAPHORE_ONE;
        /* seq_cst includes the release that the takers' acquire pairs with */
        if (hf_cas32_seq_cst(&semaphore->state_shared, &state, posted)) {
            if (__builtin_expect((state & HF_SEMAPHORE_WAITERS) != 0, 0)) {
                hf_i_semaphore_wake_one(semaphore);
            }
            return HF_SEMAPHORE_OK;
        }
    }
}

#endif
