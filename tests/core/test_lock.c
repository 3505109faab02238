/* Locks among the living: who gets in, who may let go, who is woken, what the word says. Deaths: test_lock_death.c. */
#include "lock_family.h"
#include "pair.h"
#include "process.h"

enum { WORKERS = 4, ROUNDS = 20000 };

/* A counter that only mutual exclusion keeps right: it is read, and written back a moment later. */
typedef struct {
    hf_lock lock;
    volatile uint64_t plain;
    hf_a32 ready; /* workers that have come; they begin together */
} counted;

/* ---- one process ------------------------------------------------------------------------------------------------ */

static void test_zero_is_a_free_lock(void) {
    hf_lock *lock = shared(sizeof *lock);
    hf_lock_figures f;
    CHECK(HF_LOCK_IS_FREE(hf_lock_word(lock)));
    CHECK_IS(hf_lock_release(lock), HF_LOCK_NOT_HELD);
    CHECK(hf_lock_grab(me, lock));
    CHECK(!hf_lock_grab(me, lock));
    CHECK_IS(hf_lock_try(me, lock), HF_LOCK_BUSY);
    CHECK_IS(HF_LOCK_OWNER(hf_lock_word(lock)), hf_serial(me));
    hf_lock_count(me, lock, &f);
    CHECK_IS(f.owner_pid, getpid());
    CHECK_IS(f.acquisitions, 1);
    CHECK_IS(f.depth, 0);
    CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
    CHECK_IS(hf_lock_release(lock), HF_LOCK_NOT_HELD);
    CHECK_IS(hf_lock_try(me, lock), HF_LOCK_ACQUIRED);
    CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
    hf_lock_count(me, lock, &f);
    CHECK_IS(f.acquisitions, 2);
    CHECK_IS(f.owner_serial, 0);
    CHECK(!f.waiters && !f.orphaned);
}

static void test_recovery_of_a_healthy_lock_is_refused(void) {
    hf_lock *lock = shared(sizeof *lock);
    hf_death death;
    CHECK_IS(hf_lock_recover(me, lock, 0, &death), HF_LOCK_NOT_ORPHANED);
    CHECK(!hf_lock_death(me, lock, &death));
    CHECK(hf_lock_grab(me, lock));
    CHECK_IS(hf_lock_recover(me, lock, 0, &death), HF_LOCK_NOT_ORPHANED);
    CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
    CHECK_IS(hf_lock_abandon(me, lock, &death), HF_LOCK_NOT_OWNER);
    CHECK_IS(hf_lock_word(lock), HF_LOCK_ONE);
}

static void test_recursion_counts_and_ends_with_the_last_release(void) {
    hf_lock *lock = shared(sizeof *lock);
    hf_lock_figures f;
    hf_waiting waiting = HF_WAITING;
    CHECK_IS(hf_rlock_release(me, lock, 7), HF_LOCK_NOT_HELD);
    CHECK(hf_rlock_grab(me, lock, 7));
    CHECK(hf_rlock_grab(me, lock, 7));
    CHECK_IS(hf_rlock_try(me, lock, 7), HF_LOCK_ACQUIRED);
    CHECK_IS(hf_rlock_wait_slice(me, lock, 7, &waiting, HF_NO_DEADLINE), HF_LOCK_ACQUIRED);
    hf_lock_count(me, lock, &f);
    CHECK_IS(f.depth, 4);
    CHECK_IS(f.acquisitions, 1);
    CHECK(hf_rlock_is_mine(me, lock, 7));
    CHECK(!hf_rlock_is_mine(me, lock, 8));
    CHECK_IS(hf_rlock_try(me, lock, 8), HF_LOCK_BUSY);
    CHECK_IS(hf_rlock_release(me, lock, 8), HF_LOCK_NOT_OWNER);
    for (int i = 0; i < 4; i++) {
        CHECK_IS(hf_rlock_try(me, lock, 8), HF_LOCK_BUSY);
        CHECK_IS(hf_rlock_release(me, lock, 7), HF_LOCK_ACQUIRED);
    }
    CHECK_IS(hf_rlock_release(me, lock, 7), HF_LOCK_NOT_HELD);
    CHECK_IS(hf_rlock_try(me, lock, 8), HF_LOCK_ACQUIRED);
    CHECK_IS(hf_rlock_release(me, lock, 7), HF_LOCK_NOT_OWNER);
    CHECK_IS(hf_rlock_release(me, lock, 8), HF_LOCK_ACQUIRED);
    /* the moment between an acquisition and its signature: the last thread's number is not believed */
    CHECK(hf_lock_grab(me, lock));
    CHECK(!hf_rlock_is_mine(me, lock, 8));
    CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
}

static void test_a_full_depth_is_refused_and_changes_nothing(void) {
    hf_lock *lock = shared(sizeof *lock);
    hf_waiting waiting = HF_WAITING;
    CHECK(hf_rlock_grab(me, lock, 7));
    hf_store32_relaxed(&lock->depth_shared, UINT32_MAX);
    CHECK(!hf_rlock_grab(me, lock, 7));
    CHECK_IS(hf_rlock_try(me, lock, 7), HF_LOCK_TOO_DEEP);
    CHECK_IS(hf_rlock_wait_slice(me, lock, 7, &waiting, HF_NO_DEADLINE), HF_LOCK_TOO_DEEP);
    CHECK_IS(hf_load32_relaxed(&lock->depth_shared), UINT32_MAX);
    CHECK(hf_rlock_is_mine(me, lock, 7));
}

static void test_the_count_wraps_inside_its_half(void) {
    hf_lock *lock = shared(sizeof *lock);
    hf_lock_figures f;
    uint64_t last = (1ull << HF_LOCK_COUNT_BITS) - 1;
    hf_store64_relaxed(&lock->word_shared, last * HF_LOCK_ONE | HF_LOCK_WAITERS);
    CHECK(hf_lock_grab(me, lock));
    CHECK_IS(HF_LOCK_OWNER(hf_lock_word(lock)), hf_serial(me));
    CHECK_IS(HF_LOCK_LOW(hf_lock_word(lock)), HF_LOCK_WAITERS);
    hf_lock_count(me, lock, &f);
    CHECK_IS(f.acquisitions, 1ull << HF_LOCK_COUNT_BITS);
    CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
    CHECK_IS(hf_lock_word(lock), 0);
    hf_store64_relaxed(&lock->word_shared, last * HF_LOCK_ONE);
    CHECK(hf_rlock_grab(me, lock, 7));
    CHECK(hf_rlock_is_mine(me, lock, 7));
    CHECK_IS(hf_rlock_release(me, lock, 7), HF_LOCK_ACQUIRED);
    hf_lock_count(me, lock, &f);
    CHECK_IS(f.acquisitions, 2ull << HF_LOCK_COUNT_BITS);
}

static void test_a_deadline_ends_a_wait_and_not_before(void) {
    hf_lock *lock = shared(sizeof *lock);
    hf_waiting waiting = HF_WAITING;
    hf_lock_status status = HF_LOCK_BUSY;
    CHECK_IS(hf_lock_wait_slice(me, lock, &waiting, 1), HF_LOCK_ACQUIRED);
    CHECK_IS(hf_lock_wait_slice(me, lock, &waiting, 1), HF_LOCK_TIMED_OUT);
    uint64_t deadline_ns = hf_now_ns() + 30000000;
    while (status == HF_LOCK_BUSY) {
        status = hf_lock_wait_slice(me, lock, &waiting, deadline_ns);
    }
    CHECK_IS(status, HF_LOCK_TIMED_OUT);
    CHECK(hf_now_ns() >= deadline_ns);
}

static void test_a_process_without_a_heap_cannot_lock(void) {
    hf_lock *lock = shared(sizeof *lock);
    hf_process *outsider = hf_process_new();
    hf_waiting waiting = HF_WAITING;
    hf_death death;
    CHECK(!hf_lock_grab(outsider, lock));
    CHECK(!hf_rlock_is_mine(outsider, lock, 0));
    CHECK_IS(hf_lock_try(outsider, lock), HF_LOCK_NO_SLOT);
    CHECK_IS(hf_lock_wait_slice(outsider, lock, &waiting, HF_NO_DEADLINE), HF_LOCK_NO_SLOT);
    CHECK_IS(hf_lock_recover(outsider, lock, 0, &death), HF_LOCK_NO_SLOT);
    CHECK_IS(hf_lock_word(lock), 0);
    hf_process_delete(outsider);
}

/* ---- several ---------------------------------------------------------------------------------------------------- */

typedef struct {
    hf_process *p;
    counted *counter;
    uint64_t thread; /* 0: a Lock, otherwise an RLock */
    bool by_wake;
    uint64_t random;
} worker;

static void get_in(const worker *w, bool recursive) {
    hf_waiting waiting = HF_WAITING;
    hf_lock *lock = &w->counter->lock;
    if (w->thread == 0) {
        if (!hf_lock_grab(w->p, lock)) {
            CHECK_IS(w->by_wake ? acquire_by_wake(w->p, lock) : acquire(w->p, lock), 0);
        }
        return;
    }
    for (int i = 0; i < (recursive ? 2 : 1); i++) {
        hf_lock_status status = hf_rlock_grab(w->p, lock, w->thread) ? HF_LOCK_ACQUIRED : HF_LOCK_BUSY;
        while (status == HF_LOCK_BUSY) {
            status = hf_rlock_wait_slice(w->p, lock, w->thread, &waiting, HF_NO_DEADLINE);
        }
        CHECK_IS(status, HF_LOCK_ACQUIRED);
    }
}

static void get_out(const worker *w, bool recursive) {
    if (w->thread == 0) {
        CHECK_IS(hf_lock_release(&w->counter->lock), HF_LOCK_ACQUIRED);
        return;
    }
    for (int i = 0; i < (recursive ? 2 : 1); i++) {
        CHECK_IS(hf_rlock_release(w->p, &w->counter->lock, w->thread), HF_LOCK_ACQUIRED);
    }
}

static void *work(void *argument) {
    worker *w = argument;
    hf_add32_seq_cst(&w->counter->ready, 1);
    UNTIL(hf_load32_relaxed(&w->counter->ready) >= WORKERS);
    for (int i = 0; i < ROUNDS; i++) {
        bool recursive = i % 3 == 0;
        get_in(w, recursive);
        uint64_t seen = w->counter->plain;
        /* also off the processor now and then, so that others come to a held lock */
        if (random_of(&w->random) % 8 == 0) sched_yield();
        w->counter->plain = seen + 1;
        get_out(w, recursive);
    }
    return NULL;
}

/* One membership for all (threads of a process) or one for each (threads that play processes). */
static void threads(bool one_each, bool recursive, bool by_wake) {
    counted *counter = shared(sizeof *counter);
    pthread_t ids[WORKERS];
    worker workers[WORKERS];
    hf_lock_figures f;
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (worker){me, counter, recursive ? i + 1 : 0, by_wake, i + 1};
        if (one_each) {
            workers[i].p = member();
            /* the same number in each: only the serial tells them apart */
            workers[i].thread = recursive ? 1 : 0;
        }
        CHECK_IS(pthread_create(&ids[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        CHECK_IS(pthread_join(ids[i], NULL), 0);
        if (one_each) {
            hf_process_delete(workers[i].p);
        }
    }
    hf_lock_count(me, &counter->lock, &f);
    CHECK_IS(counter->plain, WORKERS * ROUNDS);
    CHECK_IS(f.acquisitions, WORKERS * ROUNDS);
    CHECK_IS(f.owner_serial, 0);
}

static void test_threads_exclude_each_other(void) {
    threads(false, false, false);
    threads(false, true, false);
}

static void test_memberships_exclude_each_other(void) {
    threads(true, false, false);
    threads(true, true, false);
}

static void test_no_wakeup_is_lost_among_threads(void) {
    threads(false, false, true);
    threads(true, false, true);
}

typedef struct {
    hf_lock lock;
    hf_a32 turn; /* the round for which the lock is held */
    hf_a32 done; /* rounds that the sleeper has behind it */
} duel;

static void *sleep_often(void *argument) {
    duel *d = argument;
    for (uint32_t i = 1; i <= ROUNDS / 4; i++) {
        while (hf_load32_acquire(&d->turn) < i) hf_relax();
        CHECK_IS(acquire_by_wake(me, &d->lock), HF_LOCK_ACQUIRED);
        CHECK_IS(hf_lock_release(&d->lock), HF_LOCK_ACQUIRED);
        hf_store32_release(&d->done, i);
    }
    return NULL;
}

/* Releases as soon as WAITERS appears: often after the flag, before the sleep that it announces. */
static void test_a_release_just_before_the_sleep_is_not_missed(void) {
    duel *d = shared(sizeof *d);
    pthread_t id;
    CHECK_IS(pthread_create(&id, NULL, sleep_often, d), 0);
    for (uint32_t i = 1; i <= ROUNDS / 4; i++) {
        CHECK(hf_lock_grab(me, &d->lock));
        hf_store32_release(&d->turn, i);
        for (int looks = 1; (hf_lock_word(&d->lock) & HF_LOCK_WAITERS) == 0; looks++) {
            if (looks % 1024 == 0) sched_yield();
        }
        CHECK_IS(hf_lock_release(&d->lock), HF_LOCK_ACQUIRED);
        UNTIL(hf_load32_acquire(&d->done) >= i);
    }
    CHECK_IS(pthread_join(id, NULL), 0);
}

static void *sleep_once(void *lock) {
    hf_waiting waiting = {HF_TEST_FOR_EVER_NS};
    CHECK_IS(hf_lock_wait_slice(me, lock, &waiting, HF_NO_DEADLINE), HF_LOCK_BUSY);
    return NULL;
}

/* Invariant W, by hand: woken by a release, but somebody else was faster. Who leaves then leaves WAITERS. */
static void test_who_is_woken_in_vain_leaves_the_flag(void) {
    hf_lock *lock = shared(sizeof *lock);
    pthread_t id;
    CHECK(hf_lock_grab(me, lock));
    CHECK_IS(pthread_create(&id, NULL, sleep_once, lock), 0);
    until_waiters(lock);
    CHECK_IS(hf_and64_seq_cst(&lock->word_shared, ~HF_LOCK_WAITERS) & HF_LOCK_WAITERS, HF_LOCK_WAITERS);
    hf_i_lock_wake_one(lock);
    CHECK_IS(pthread_join(id, NULL), 0);
    CHECK((hf_lock_word(lock) & HF_LOCK_WAITERS) != 0);
}

#if HF_TEST_PROCESSES

static void processes(bool recursive, bool by_wake) {
    counted *counter = shared(sizeof *counter);
    pid_t pids[WORKERS];
    hf_lock_figures f;
    for (unsigned i = 0; i < WORKERS; i++) {
        pids[i] = child();
        if (pids[i] == 0) {
            worker w = {me, counter, recursive ? 1 : 0, by_wake, i + 1};
            work(&w);
            leave();
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        ended_well(pids[i]);
    }
    hf_lock_count(me, &counter->lock, &f);
    CHECK_IS(counter->plain, WORKERS * ROUNDS);
    CHECK_IS(f.acquisitions, WORKERS * ROUNDS);
    CHECK(f.contended > 0);
    CHECK_IS(f.owner_deaths, 0);
}

static void test_processes_exclude_each_other(void) {
    processes(false, false);
    processes(true, false);
}

static void test_no_wakeup_is_lost_among_processes(void) {
    processes(false, true);
}

/* Invariant W: waiters that leave (a timeout, a signal) between being woken and getting in. The patient ones sleep
 * until they are woken, so one lost wakeup hangs the test. */
static void test_waiters_that_give_up_take_no_wakeup_along(void) {
    counted *counter = shared(sizeof *counter);
    uint64_t random = seed();
    pid_t pids[WORKERS + 2];
    for (unsigned i = 0; i < WORKERS + 2; i++) {
        pids[i] = child();
        if (pids[i] != 0) {
            continue;
        }
        worker w = {me, counter, 0, true, random + i};
        if (i < WORKERS) {
            work(&w);
            leave();
        }
        for (int round = 0; round < ROUNDS / 20; round++) {
            hf_waiting waiting = HF_WAITING;
            uint64_t deadline_ns = hf_now_ns() + random_of(&w.random) % 1000000;
            /* one slice and away, whatever it says */
            if (hf_lock_wait_slice(me, &counter->lock, &waiting, deadline_ns) == 0) {
                CHECK_IS(hf_lock_release(&counter->lock), HF_LOCK_ACQUIRED);
            }
        }
        leave();
    }
    for (int i = 0; i < WORKERS + 2; i++) {
        ended_well(pids[i]);
    }
    CHECK_IS(counter->plain, WORKERS * ROUNDS);
}

static void on_signal(int number) {
    (void)number;
}

static void test_a_signal_ends_a_sleep(void) {
    hf_lock *lock = shared(sizeof *lock);
    CHECK(hf_lock_grab(me, lock));
    pid_t pid = child();
    if (pid == 0) {
        struct sigaction action = {.sa_handler = on_signal};
        hf_waiting waiting = {HF_TEST_FOR_EVER_NS};
        CHECK_IS(sigaction(SIGUSR1, &action, NULL), 0);
        CHECK_IS(hf_lock_wait_slice(me, lock, &waiting, HF_NO_DEADLINE), HF_LOCK_BUSY);
        leave();
    }
    until_waiters(lock);
    until_asleep(pid);
    CHECK_IS(kill(pid, SIGUSR1), 0);
    ended_well(pid);
    CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
}

static void test_another_process_may_release_a_lock(void) {
    hf_lock *lock = shared(sizeof *lock);
    CHECK(hf_lock_grab(me, lock));
    pid_t waiter = child();
    if (waiter == 0) {
        CHECK_IS(acquire_by_wake(me, lock), HF_LOCK_ACQUIRED);
        CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
        leave();
    }
    until_waiters(lock);
    pid_t releaser = child();
    if (releaser == 0) {
        _exit(hf_lock_release(lock) == HF_LOCK_ACQUIRED ? 0 : 1);
    }
    ended_well(releaser);
    ended_well(waiter);
    CHECK(HF_LOCK_IS_FREE(hf_lock_word(lock)));
}

static void test_a_child_does_not_own_what_its_parent_holds(void) {
    hf_lock *lock = shared(sizeof *lock);
    CHECK(hf_rlock_grab(me, lock, 7));
    pid_t pid = child();
    if (pid == 0) {
        hf_waiting waiting = HF_WAITING;
        CHECK(!hf_rlock_is_mine(me, lock, 7));
        CHECK_IS(hf_rlock_release(me, lock, 7), HF_LOCK_NOT_OWNER);
        CHECK_IS(hf_rlock_try(me, lock, 7), HF_LOCK_BUSY);
        CHECK_IS(hf_rlock_wait_slice(me, lock, 7, &waiting, 1), HF_LOCK_TIMED_OUT);
        leave();
    }
    ended_well(pid);
    CHECK(hf_rlock_is_mine(me, lock, 7));
    CHECK_IS(hf_rlock_release(me, lock, 7), HF_LOCK_ACQUIRED);
}

#endif

#if HF_TEST_PROCESSES && defined(HF_TINY)

/* The child of a fork that found no slot has no name to lock by. It says so, and takes a slot when there is one. */
static void test_a_child_without_a_slot_locks_when_it_gets_one(void) {
    hf_lock *lock = shared(sizeof *lock);
    hf_process *members[HF_SLOTS];
    uint32_t count = 0;
    do {
        members[count] = hf_process_new();
    } while (hf_join(members[count++], hf_descriptor(me)) == HF_OK);
    /* nobody watches the forks of these, so the child would keep them alive */
    for (uint32_t i = 0; i < count; i++) hf_os_lifeline_keep(&members[i]->lifeline);
    pid_t pid = child();
    if (pid == 0) {
        hf_waiting waiting = HF_WAITING;
        hf_death death;
        CHECK_IS(hf_serial(me), 0);
        CHECK(!hf_lock_grab(me, lock));
        CHECK(!hf_rlock_is_mine(me, lock, 0));
        CHECK_IS(hf_lock_try(me, lock), HF_LOCK_NO_SLOT);
        CHECK_IS(hf_rlock_try(me, lock, 7), HF_LOCK_NO_SLOT);
        CHECK_IS(hf_lock_wait_slice(me, lock, &waiting, HF_NO_DEADLINE), HF_LOCK_NO_SLOT);
        CHECK_IS(hf_lock_recover(me, lock, 0, &death), HF_LOCK_NO_SLOT);
        CHECK_IS(hf_lock_release(lock), HF_LOCK_NOT_HELD);
        CHECK_IS(hf_lock_word(lock), 0);
        hf_add32_seq_cst(&scene->gate[0], 1);
        UNTIL(hf_load32_seq_cst(&scene->gate[0]) == 2);
        CHECK_IS(hf_lock_try(me, lock), HF_LOCK_ACQUIRED);
        CHECK(hf_serial(me) != 0);
        CHECK_IS(HF_LOCK_OWNER(hf_lock_word(lock)), hf_serial(me));
        CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
        leave();
    }
    UNTIL(hf_load32_seq_cst(&scene->gate[0]) == 1);
    hf_process_delete(members[0]);
    hf_add32_seq_cst(&scene->gate[0], 1);
    ended_well(pid);
    for (uint32_t i = 1; i < count; i++) hf_process_delete(members[i]);
}

#endif

/* ---- a value and its lock --------------------------------------------------------------------------------------- */

static hf_a32 pair_holder_done;

static void *store_pairs(void *argument) {
    hf_process *p = member();
    uint64_t value = 0;
    while (hf_load32_relaxed(&pair_holder_done) == 0) {
        value += hf_pair_store(p, argument, value) ? 2 : 0;
    }
    hf_process_delete(p);
    return NULL;
}

/* The holder sees no store of others while it holds the lock; between its holds there are many. */
static void test_a_pair_store_respects_the_holder(void) {
    hf_pair *pair = shared(sizeof *pair);
    pthread_t id;
    hf_store32_relaxed(&pair_holder_done, 0);
    CHECK_IS((uintptr_t)pair % 16, 0);
    CHECK_IS(pthread_create(&id, NULL, store_pairs, pair), 0);
    uint64_t changed = 0;
    uint64_t before = 0;
    for (int i = 0; i < ROUNDS || changed < 10; i++) {
        CHECK_IS(acquire(me, &pair->lock), HF_LOCK_ACQUIRED);
        uint64_t seen = hf_load64_relaxed(&pair->value_shared);
        changed += seen != before ? 1 : 0;
        CHECK(!hf_pair_store(me, pair, 5));
        hf_store64_relaxed(&pair->value_shared, seen + 1);
        CHECK_IS(hf_load64_relaxed(&pair->value_shared), seen + 1);
        before = seen + 1;
        CHECK_IS(hf_lock_release(&pair->lock), HF_LOCK_ACQUIRED);
    }
    hf_store32_relaxed(&pair_holder_done, 1);
    CHECK_IS(pthread_join(id, NULL), 0);
    CHECK(hf_pair_store(me, pair, 42));
    CHECK_IS(hf_load64_relaxed(&pair->value_shared), 42);
}

static const hf_test tests[] = {
    TEST(zero_is_a_free_lock),
    TEST(recovery_of_a_healthy_lock_is_refused),
    TEST(recursion_counts_and_ends_with_the_last_release),
    TEST(a_full_depth_is_refused_and_changes_nothing),
    TEST(the_count_wraps_inside_its_half),
    TEST(a_deadline_ends_a_wait_and_not_before),
    TEST(a_process_without_a_heap_cannot_lock),
    TEST(threads_exclude_each_other),
    TEST(memberships_exclude_each_other),
    TEST(no_wakeup_is_lost_among_threads),
    TEST(a_release_just_before_the_sleep_is_not_missed),
    TEST(who_is_woken_in_vain_leaves_the_flag),
    TEST(a_pair_store_respects_the_holder),
#if HF_TEST_PROCESSES
    TEST(processes_exclude_each_other),
    TEST(no_wakeup_is_lost_among_processes),
    TEST(waiters_that_give_up_take_no_wakeup_along),
    TEST(a_signal_ends_a_sleep),
    TEST(another_process_may_release_a_lock),
    TEST(a_child_does_not_own_what_its_parent_holds),
#endif
#if HF_TEST_PROCESSES && defined(HF_TINY)
    TEST(a_child_without_a_slot_locks_when_it_gets_one),
#endif
};

int main(int argc, char **argv) {
    return hf_test_run(tests, sizeof tests / sizeof tests[0], argc, argv);
}
