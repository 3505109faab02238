/* What the tests of locks and semaphores share besides the scene: memory, and the two ways to wait. */
#ifndef HF_TEST_LOCK_FAMILY_H
#define HF_TEST_LOCK_FAMILY_H

#include "scene.h"

#include "lock.h"

#include <pthread.h>

/* ThreadSanitizer does not follow memory into other processes. There, threads with one membership each play the
 * processes, and only those tests run. */
#if defined(__SANITIZE_THREAD__)
#define HF_TEST_PROCESSES 0
#else
#define HF_TEST_PROCESSES 1
#endif

/* A sleep that only a wake ends: with it, a lost wakeup is a hang and not a delay. 1,000 s, beyond the watchdog. */
#define HF_TEST_FOR_EVER_NS 1000000000000ull

/* Zeroed memory of the heap; the first call of a test makes the heap. */
static inline void *shared(uint64_t bytes) {
    hf_ref ref;
    if (me == NULL) scene_open(0);
    CHECK_IS(hf_alloc(me, bytes, 0, &ref), HF_OK);
    return hf_at(me, ref.block);
}

/* Another member of the family, for a thread to play. It dies by hf_process_delete: its lifeline goes as those of the
 * killed do. */
static inline hf_process *member(void) {
    hf_process *p = hf_process_new();
    CHECK_IS(hf_join(p, hf_descriptor(me)), HF_OK);
    return p;
}

/* Blocks until it is not BUSY, in slices as the border does it. */
static inline hf_lock_status acquire(hf_process *p, hf_lock *lock) {
    hf_waiting waiting = HF_WAITING;
    hf_lock_status status = HF_LOCK_BUSY;
    while (status == HF_LOCK_BUSY) status = hf_lock_wait_slice(p, lock, &waiting, HF_NO_DEADLINE);
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
    UNTIL((hf_lock_word(lock) & HF_LOCK_WAITERS) != 0);
}

/* Until a process sleeps in the kernel, by its /proc entry. */
static inline void until_asleep(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    for (char state = 0; state != 'S'; sched_yield()) {
        FILE *stat = fopen(path, "r");
        CHECK(stat != NULL);
        CHECK_IS(fscanf(stat, "%*d (%*[^)]) %c", &state), 1);
        fclose(stat);
    }
}

#endif
