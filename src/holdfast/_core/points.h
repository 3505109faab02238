/* Crash points: named places at which a test can have a process killed, as SIGKILL would.
 *
 * They are in the product and not in a build of its own, so that what is attacked is what is shipped. Unarmed, a
 * point is one load and one branch, and none lies on the path of a value's read, write or atomic operation.
 */
#ifndef HF_POINTS_H
#define HF_POINTS_H

#include "atomics.h"

#define HF_POINTS(X)          \
    X(alloc_before_bit)       \
    X(alloc_before_live)      \
    X(alloc_after_live)       \
    X(drop_before_clear)      \
    X(drop_after_clear)       \
    X(scan_announced)         \
    X(scan_between_rows)      \
    X(scan_read)              \
    X(scan_before_verdict)    \
    X(scan_half_decided)      \
    X(chunk_claimed)          \
    X(chunk_adopted)          \
    X(chunk_before_return)    \
    X(large_claim_half)       \
    X(large_before_head)      \
    X(large_after_head)       \
    X(large_before_look)      \
    X(large_announced)        \
    X(large_before_verdict)   \
    X(large_decided)          \
    X(large_return_half)      \
    X(large_return_headless)  \
    X(attach_bit_set)         \
    X(attach_accepted)        \
    X(attach_ticket_used)     \
    X(issue_half)             \
    X(issue_done)             \
    X(sweep_half)             \
    X(claim_lifeline)         \
    X(claim_used)             \
    X(fork_lifeline)          \
    X(fork_copy_half)         \
    X(fork_copied)            \
    X(fork_prepared)          \
    X(fork_parent)            \
    X(fork_child)             \
    X(fork_pinned)            \
    X(reap_locked)            \
    X(reap_chunks_half)       \
    X(reap_row_half)          \
    X(reap_estate)            \
    X(reap_row_done)          \
    X(reap_freed)             \
    X(lock_before_sign)       \
    X(lock_before_wake)       \
    X(lock_before_sleep)      \
    X(lock_after_sleep)       \
    X(lock_before_orphan)     \
    X(lock_orphaned)          \
    X(lock_recovered)         \
    X(lock_before_abandon)    \
    X(semaphore_before_wake)  \
    X(semaphore_before_sleep) \
    X(semaphore_after_sleep)

enum hf_point {
#define HF_POINT_ENUM(name) hf_point_##name,
    HF_POINTS(HF_POINT_ENUM)
#undef HF_POINT_ENUM
        hf_points_end
};

/* 0: nothing is armed; otherwise 1 + the armed point. Private to the process, inherited by fork. */
extern hf_a32 hf_i_armed;
void hf_i_point_reached(void);

#define HF_POINT(name)                                                                             \
    do {                                                                                           \
        if (__builtin_expect(hf_load32_relaxed(&hf_i_armed) == 1u + (uint32_t)hf_point_##name, 0)) \
            hf_i_point_reached();                                                                  \
    } while (0)

#endif
