/* The slow halves of the semaphore. semaphore.h has the idea and the invariant W. */
#include "semaphore.h"

#include "points.h"

void hf_i_semaphore_wake_one(hf_semaphore *semaphore) {
    HF_POINT(semaphore_before_wake);
    hf_futex_wake(&semaphore->state_shared, 1);
}

/* After a sleep. A runner (who may have been sent the one wake of a post) passes its duty on: to the next sleeper if
 * there is more to take, to the next post by WAITERS if there is not. */
static hf_semaphore_status after_sleep(hf_semaphore *semaphore, bool runner) {
    uint32_t state = hf_load32_relaxed(&semaphore->state_shared);
    for (;;) {
        if (state >= HF_SEMAPHORE_ONE) {
            uint32_t rest = state - HF_SEMAPHORE_ONE;
            uint32_t taken = rest == 0 && runner ? HF_SEMAPHORE_WAITERS : rest;
            /* acquire, partner: hf_semaphore_post */
            if (hf_cas32_acquire(&semaphore->state_shared, &state, taken)) {
                if (rest != 0 && runner) {
                    hf_i_semaphore_wake_one(semaphore);
                }
                return HF_SEMAPHORE_OK;
            }
        } else if (!runner || state == HF_SEMAPHORE_WAITERS ||
                   hf_cas32_seq_cst(&semaphore->state_shared, &state, HF_SEMAPHORE_WAITERS)) {
            return HF_SEMAPHORE_ZERO;
        }
    }
}

hf_semaphore_status hf_semaphore_wait_slice(hf_semaphore *semaphore, hf_waiting *waiting, uint64_t deadline_ns) {
    for (;;) {
        if (hf_semaphore_try(semaphore) == HF_SEMAPHORE_OK) {
            return HF_SEMAPHORE_OK;
        }
        uint64_t slice_ns =
            hf_i_waiting_slice_ns(waiting, HF_SEMAPHORE_SLICE_MIN_NS, HF_SEMAPHORE_SLICE_MAX_NS, deadline_ns);
        if (slice_ns == 0) {
            return HF_SEMAPHORE_TIMED_OUT;
        }
        /* seq_cst, partner: the post's compare-and-swap on the same word. Either it comes first and this one finds a
         * value, or it sees WAITERS; and a post before the sleep makes the kernel refuse it. */
        uint32_t state = 0;
        if (!hf_cas32_seq_cst(&semaphore->state_shared, &state, HF_SEMAPHORE_WAITERS) &&
            state != HF_SEMAPHORE_WAITERS) {
            continue;
        }
        HF_POINT(semaphore_before_sleep);
        /* 0 is "woken" or "the word had changed": the wake may have been for us, so we are a runner */
        bool runner = hf_futex_wait(&semaphore->state_shared, HF_SEMAPHORE_WAITERS, slice_ns) == 0;
        HF_POINT(semaphore_after_sleep);
        return after_sleep(semaphore, runner);
    }
}
