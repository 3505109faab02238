/* The part of the work that passes the points of locks and semaphores. The other side is a child each time. */
#include "lock.h"
#include "semaphore.h"
#include "workload.h"

static uint32_t gate_now(void) {
    return hf_load32_seq_cst(&scene->gate[1]);
}

static void gate_open(void) {
    hf_add32_seq_cst(&scene->gate[1], 1);
}

static hf_lock_status acquire(hf_lock *lock) {
    hf_waiting waiting = HF_WAITING;
    hf_lock_status status;
    do {
        status = hf_lock_wait_slice(me, lock, &waiting, HF_NO_DEADLINE);
    } while (status == HF_LOCK_BUSY);
    return status;
}

static void until_waiters(const hf_lock *lock) {
    UNTIL(hf_lock_word(lock) & HF_LOCK_WAITERS);
}

/* lock_before_sleep lock_after_sleep lock_before_sign: a child is in, and leaves when this process waits. */
static void wait_for_lock(hf_lock *lock) {
    uint32_t before = gate_now();
    pid_t pid = child();
    if (pid == 0) {
        CHECK_IS(acquire(lock), HF_LOCK_ACQUIRED);
        gate_open();
        until_waiters(lock);
        CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
        leave();
    }
    UNTIL(gate_now() != before);
    CHECK_IS(acquire(lock), HF_LOCK_ACQUIRED);
    CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
    ended_well(pid);
}

/* lock_before_wake: a child waits, and gets in when this process leaves. */
static void wake_a_waiter(hf_lock *lock) {
    CHECK_IS(acquire(lock), HF_LOCK_ACQUIRED);
    pid_t pid = child();
    if (pid == 0) {
        CHECK_IS(acquire(lock), HF_LOCK_ACQUIRED);
        CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
        leave();
    }
    until_waiters(lock);
    CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
    ended_well(pid);
}

/* lock_before_orphan lock_orphaned lock_recovered lock_before_abandon: a child dies inside. */
static void inherit_a_lock(hf_lock *lock) {
    uint32_t before = gate_now();
    hf_death death;
    pid_t pid = child();
    if (pid == 0) {
        CHECK_IS(acquire(lock), HF_LOCK_ACQUIRED);
        gate_open();
        for (;;) pause();
    }
    UNTIL(gate_now() != before);
    murder(pid);
    CHECK_IS(hf_lock_try(me, lock), HF_LOCK_ORPHANED);
    CHECK_IS(hf_lock_recover(me, lock, 0, &death), HF_LOCK_ACQUIRED);
    CHECK_IS(death.pid, pid);
    CHECK_IS(hf_lock_abandon(me, lock, &death), HF_LOCK_ACQUIRED);
    CHECK_IS(hf_lock_recover(me, lock, 0, &death), HF_LOCK_ACQUIRED);
    CHECK_IS(death.pid, pid);
    CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
}

void work_with_locks(void) {
    hf_ref ref;
    CHECK_IS(hf_alloc(me, sizeof(hf_lock), 0, &ref), HF_OK);
    hf_lock *lock = hf_at(me, ref.block);
    wait_for_lock(lock);
    wake_a_waiter(lock);
    inherit_a_lock(lock);
    hf_drop(me, ref.block);
}

static void take(hf_semaphore *semaphore) {
    hf_waiting waiting = HF_WAITING;
    hf_semaphore_status status;
    do {
        status = hf_semaphore_wait_slice(semaphore, &waiting, HF_NO_DEADLINE);
    } while (status == HF_SEMAPHORE_ZERO);
    CHECK_IS(status, HF_SEMAPHORE_OK);
}

static void until_wanted(const hf_semaphore *semaphore) {
    UNTIL(hf_load32_acquire(&semaphore->state_shared) & HF_SEMAPHORE_WAITERS);
}

/* semaphore_before_sleep semaphore_after_sleep: this process waits for a child's post; semaphore_before_wake: the other
 * way round. */
void work_with_semaphores(void) {
    hf_ref ref;
    CHECK_IS(hf_alloc(me, sizeof(hf_semaphore), 0, &ref), HF_OK);
    hf_semaphore *semaphore = hf_at(me, ref.block);
    hf_semaphore_init(semaphore, 0, 2);
    for (int turn = 0; turn < 2; turn++) {
        pid_t pid = child();
        if ((pid == 0) == (turn == 0)) {
            until_wanted(semaphore);
            CHECK_IS(hf_semaphore_post(semaphore), HF_SEMAPHORE_OK);
        } else {
            take(semaphore);
        }
        if (pid == 0) leave();
        ended_well(pid);
    }
    hf_drop(me, ref.block);
}
