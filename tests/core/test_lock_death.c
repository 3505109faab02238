/* Locks whose owners, waiters and recoverers are killed. Attacks I5 for locks: whoever is killed wherever, the others
 * learn who it was, nobody waits for ever, and at most one is inside. */
#include "lock_family.h"

#include <sys/wait.h>

static void test_every_try_says_who_died_until_it_is_recovered(void) {
    hf_lock *lock = shared(sizeof *lock);
    hf_process *owner = member();
    hf_lock_figures f;
    hf_waiting waiting = HF_WAITING;
    hf_death death;
    CHECK_IS(hf_lock_try(owner, lock), HF_LOCK_ACQUIRED);
    uint32_t serial = hf_serial(owner);
    CHECK_IS(hf_lock_try(me, lock), HF_LOCK_BUSY);
    hf_process_delete(owner);
    CHECK(!hf_lock_death(me, lock, &death)); /* nobody has noticed yet */
    for (int i = 0; i < 2; i++) {
        CHECK(!hf_lock_grab(me, lock));
        CHECK_IS(hf_lock_try(me, lock), HF_LOCK_ORPHANED);
        CHECK_IS(hf_lock_wait_slice(me, lock, &waiting, HF_NO_DEADLINE), HF_LOCK_ORPHANED);
        CHECK_IS(hf_lock_wait_slice(me, lock, &waiting, 1), HF_LOCK_ORPHANED);
        CHECK_IS(hf_rlock_try(me, lock, 7), HF_LOCK_ORPHANED);
        CHECK_IS(hf_rlock_release(me, lock, 7), HF_LOCK_ORPHANED);
        CHECK_IS(hf_lock_release(lock), HF_LOCK_ORPHANED);
        CHECK(hf_lock_death(me, lock, &death));
        CHECK_IS(death.serial, serial);
        CHECK_IS(death.pid, getpid());
    }
    hf_lock_count(me, lock, &f);
    CHECK(f.orphaned && !f.waiters);
    CHECK_IS(f.owner_serial, serial);
    CHECK_IS(f.owner_deaths, 1);
    memset(&death, 0, sizeof death);
    CHECK_IS(hf_lock_recover(me, lock, 0, &death), HF_LOCK_ACQUIRED);
    CHECK_IS(death.serial, serial);
    CHECK_IS(hf_lock_recover(me, lock, 0, &death), HF_LOCK_NOT_ORPHANED);
    CHECK_IS(HF_LOCK_OWNER(hf_lock_word(lock)), hf_serial(me));
    CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
    CHECK(hf_lock_grab(me, lock));
    CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
    hf_lock_count(me, lock, &f);
    CHECK_IS(f.recoveries, 1);
    CHECK_IS(f.acquisitions, 3);
    CHECK(!f.orphaned);
}

static void test_recovery_needs_nobody_to_have_noticed(void) {
    hf_lock *lock = shared(sizeof *lock);
    hf_process *owner = member();
    hf_death death;
    CHECK_IS(hf_rlock_try(owner, lock, 7), HF_LOCK_ACQUIRED);
    CHECK_IS(hf_rlock_try(owner, lock, 7), HF_LOCK_ACQUIRED);
    uint32_t serial = hf_serial(owner);
    hf_process_delete(owner);
    /* the dead thread's number is ours too: as after a fork */
    CHECK(!hf_rlock_is_mine(me, lock, 7));
    CHECK_IS(hf_lock_recover(me, lock, 7, &death), HF_LOCK_ACQUIRED);
    CHECK_IS(death.serial, serial);
    CHECK(hf_rlock_is_mine(me, lock, 7));
    CHECK(hf_rlock_grab(me, lock, 7));
    CHECK_IS(hf_rlock_release(me, lock, 7), HF_LOCK_ACQUIRED);
    CHECK_IS(hf_rlock_release(me, lock, 7), HF_LOCK_ACQUIRED);
    CHECK_IS(hf_rlock_release(me, lock, 7), HF_LOCK_NOT_HELD);
}

static void test_an_abandoned_recovery_leaves_the_same_orphan(void) {
    hf_lock *lock = shared(sizeof *lock);
    hf_process *owner = member();
    hf_death first;
    hf_death death;
    CHECK_IS(hf_lock_try(owner, lock), HF_LOCK_ACQUIRED);
    hf_process_delete(owner);
    CHECK_IS(hf_lock_recover(me, lock, 0, &first), HF_LOCK_ACQUIRED);
    CHECK_IS(hf_lock_abandon(me, lock, &first), HF_LOCK_ACQUIRED);
    CHECK_IS(hf_lock_abandon(me, lock, &first), HF_LOCK_NOT_OWNER);
    CHECK_IS(hf_lock_try(me, lock), HF_LOCK_ORPHANED);
    CHECK(hf_lock_death(me, lock, &death));
    CHECK_IS(death.serial, first.serial);
    CHECK_IS(death.pid, first.pid);
    CHECK_IS(hf_lock_recover(me, lock, 0, &death), HF_LOCK_ACQUIRED);
    CHECK_IS(death.serial, first.serial);
    CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
    CHECK(hf_lock_grab(me, lock));
    CHECK_IS(HF_LOCK_OWNER(hf_lock_word(lock)), hf_serial(me));
}

static void test_a_reused_slot_does_not_make_its_dead_alive(void) {
    hf_lock *lock = shared(sizeof *lock);
    hf_process *owner = member();
    CHECK_IS(hf_lock_try(owner, lock), HF_LOCK_ACQUIRED);
    uint32_t serial = hf_serial(owner);
    hf_process_delete(owner);
    (void)hf_reap(me);
    hf_process *members[HF_SLOTS] = {NULL};
    size_t count = 0;
    while (count < 8) {
        members[count] = member();
        hf_ref ref; /* makes sure that it has a slot */
        CHECK_IS(hf_alloc(members[count], 64, 0, &ref), HF_OK);
        if (HF_SERIAL_SLOT(hf_serial(members[count++])) == HF_SERIAL_SLOT(serial)) {
            break;
        }
    }
    hf_process *successor = members[count - 1];
    CHECK_IS(HF_SERIAL_SLOT(hf_serial(successor)), HF_SERIAL_SLOT(serial));
    CHECK(hf_serial(successor) != serial);
    hf_death death;
    CHECK_IS(hf_lock_try(successor, lock), HF_LOCK_ORPHANED);
    CHECK_IS(hf_lock_try(me, lock), HF_LOCK_ORPHANED);
    CHECK(hf_lock_death(me, lock, &death));
    CHECK_IS(death.serial, serial);
    CHECK_IS(death.pid, getpid()); /* its card is gone, but it had signed */
    while (count > 0) {
        hf_process_delete(members[--count]);
    }
}

static void *wait_for_orphan(void *lock) {
    hf_process *p = member();
    CHECK_IS(acquire_by_wake(p, lock), HF_LOCK_ORPHANED);
    hf_process_delete(p);
    return NULL;
}

/* All that sleep are woken when one of them notices; here nobody but the main thread may notice. */
static void test_a_noticed_death_wakes_every_sleeper(void) {
    hf_lock *lock = shared(sizeof *lock);
    hf_process *owner = member();
    pthread_t ids[3];
    CHECK_IS(hf_lock_try(owner, lock), HF_LOCK_ACQUIRED);
    for (int i = 0; i < 3; i++) {
        CHECK_IS(pthread_create(&ids[i], NULL, wait_for_orphan, lock), 0);
    }
    until_waiters(lock);
    hf_process_delete(owner);
    CHECK_IS(hf_lock_try(me, lock), HF_LOCK_ORPHANED);
    for (int i = 0; i < 3; i++) {
        CHECK_IS(pthread_join(ids[i], NULL), 0);
    }
}

#if HF_TEST_PROCESSES

/* A child that takes the lock and stays in it until it is killed. */
static pid_t holder(hf_lock *lock) {
    pid_t pid = child();
    if (pid == 0) {
        if (!hf_lock_grab(me, lock)) {
            CHECK_IS(acquire(me, lock), HF_LOCK_ACQUIRED);
        }
        for (;;) {
            pause();
        }
    }
    UNTIL(!HF_LOCK_IS_FREE(hf_lock_word(lock)));
    return pid;
}

static void test_sleeping_waiters_learn_the_pid_after_sigkill(void) {
    hf_lock *lock = shared(sizeof *lock);
    pid_t owner = holder(lock);
    pid_t waiters[3];
    for (int i = 0; i < 3; i++) {
        waiters[i] = child();
        if (waiters[i] == 0) {
            hf_death death;
            CHECK_IS(acquire(me, lock), HF_LOCK_ORPHANED);
            CHECK(hf_lock_death(me, lock, &death));
            CHECK_IS(death.pid, owner);
            leave();
        }
    }
    until_waiters(lock);
    murder(owner);
    for (int i = 0; i < 3; i++) {
        ended_well(waiters[i]);
    }
    hf_lock_figures f;
    hf_lock_count(me, lock, &f);
    CHECK_IS(f.owner_deaths, 1);
    CHECK_IS(f.owner_pid, owner);
}

static void test_an_owner_killed_before_it_signed_is_known_by_its_card(void) {
    hf_lock *lock = shared(sizeof *lock);
    hf_death death;
    pid_t pid = child();
    if (pid == 0) {
        die_at(point("lock_before_sign"), 1);
        (void)hf_lock_grab(me, lock);
        _exit(1);
    }
    ended_by_sigkill(pid);
    CHECK_IS(hf_lock_try(me, lock), HF_LOCK_ORPHANED);
    CHECK(hf_lock_death(me, lock, &death));
    CHECK_IS(death.pid, pid);
    CHECK_IS(hf_lock_recover(me, lock, 0, &death), HF_LOCK_ACQUIRED);
    CHECK_IS(death.pid, pid);
}

static void test_a_killed_recoverer_is_the_next_dead(void) {
    hf_lock *lock = shared(sizeof *lock);
    hf_death death;
    static const char *const points[] = {"lock_recovered", "lock_before_abandon", "lock_before_orphan",
                                         "lock_orphaned"};
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        pid_t owner = holder(lock);
        murder(owner);
        pid_t recoverer = child();
        if (recoverer == 0) {
            die_at(point(points[i]), 1);
            CHECK_IS(hf_lock_recover(me, lock, 0, &death), HF_LOCK_ACQUIRED);
            CHECK_IS(death.pid, owner);
            (void)hf_lock_abandon(me, lock, &death);
            _exit(1);
        }
        ended_by_sigkill(recoverer);
        CHECK_IS(hf_lock_try(me, lock), HF_LOCK_ORPHANED);
        CHECK(hf_lock_death(me, lock, &death));
        CHECK_IS(death.pid, i < 2 ? recoverer : owner);
        CHECK_IS(hf_lock_recover(me, lock, 0, &death), HF_LOCK_ACQUIRED);
        CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
    }
}

static void test_one_of_many_recoverers_gets_in(void) {
    hf_lock *lock = shared(sizeof *lock);
    hf_a64 *successes = shared(sizeof *successes);
    for (uint64_t round = 1; round <= 20; round++) {
        pid_t owner = holder(lock);
        murder(owner);
        pid_t pids[4];
        for (int i = 0; i < 4; i++) {
            pids[i] = child();
            if (pids[i] == 0) {
                hf_death death;
                hf_lock_status status = hf_lock_recover(me, lock, 0, &death);
                if (status == HF_LOCK_ACQUIRED) {
                    CHECK_IS(death.pid, owner);
                    hf_add64_seq_cst(successes, 1);
                    CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
                } else {
                    CHECK_IS(status, HF_LOCK_NOT_ORPHANED);
                }
                leave();
            }
        }
        for (int i = 0; i < 4; i++) {
            ended_well(pids[i]);
        }
        CHECK_IS(hf_load64_seq_cst(successes), round);
    }
}

/* The one wake of a release goes to a waiter that is killed at once: the bounded sleep of the others ends it. */
static void test_a_waiter_killed_after_its_wake_strands_nobody(void) {
    static const char *const points[] = {"lock_after_sleep", "lock_before_sleep"};
    for (int round = 0; round < 10; round++) {
        hf_lock *lock = shared(sizeof *lock);
        pid_t waiters[3];
        CHECK(hf_lock_grab(me, lock));
        for (int i = 0; i < 3; i++) {
            waiters[i] = child();
            if (waiters[i] == 0) {
                if (i == 0) {
                    die_at(point(points[round % 2]), 1);
                }
                CHECK_IS(acquire(me, lock), HF_LOCK_ACQUIRED);
                CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
                leave();
            }
            until_waiters(lock);
        }
        CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
        ended_by_sigkill(waiters[0]);
        ended_well(waiters[1]);
        ended_well(waiters[2]);
        CHECK(HF_LOCK_IS_FREE(hf_lock_word(lock)));
    }
}

static void test_a_releaser_killed_before_its_wake_strands_nobody(void) {
    hf_lock *lock = shared(sizeof *lock);
    pid_t owner = child();
    if (owner == 0) {
        CHECK(hf_lock_grab(me, lock));
        until_waiters(lock);
        die_at(point("lock_before_wake"), 1);
        (void)hf_lock_release(lock);
        _exit(1);
    }
    UNTIL(!HF_LOCK_IS_FREE(hf_lock_word(lock)));
    CHECK_IS(acquire(me, lock), HF_LOCK_ACQUIRED);
    ended_by_sigkill(owner);
    CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
}

/* ---- the campaign ----------------------------------------------------------------------------------------------- */

enum { VICTIMS = 4, KILLS = 300 };

typedef struct {
    hf_lock lock;
    hf_a32 inside;    /* serial of who is in the critical section */
    hf_a64 entered;   /* how often somebody was */
    hf_a64 recovered; /* how often a death was learnt by recovery */
    hf_a64 known;     /* how often the dead one's pid was known then */
} arena;

static _Noreturn void fight(arena *a, uint64_t random) {
    uint32_t self = hf_serial(me);
    for (;;) {
        hf_death death = {0};
        if (!hf_lock_grab(me, &a->lock)) {
            hf_lock_status status = acquire(me, &a->lock);
            if (status == HF_LOCK_ORPHANED) {
                status = hf_lock_recover(me, &a->lock, 0, &death);
                if (status == HF_LOCK_NOT_ORPHANED) {
                    continue;
                }
            }
            CHECK_IS(status, HF_LOCK_ACQUIRED);
        }
        /* Nobody else is in. `inside` is 0, or of the dead one; or of an earlier one, when a recoverer was killed before it
         * wrote its own. */
        uint32_t before = hf_swap32_seq_cst(&a->inside, self);
        if (death.serial != 0) {
            /* not known if it was killed before it signed and its slot has a new process: see hf_death */
            CHECK(death.pid != (uint32_t)getpid());
            if (death.pid != 0) hf_add64_seq_cst(&a->known, 1);
            /* who reaps a dead one has its lifeline meanwhile, so that for a moment it counts as alive */
            UNTIL(hf_ask(me, death.serial) == HF_PROCESS_DEAD);
            if (before) UNTIL(hf_ask(me, before) == HF_PROCESS_DEAD);
            hf_add64_seq_cst(&a->recovered, 1);
        } else {
            CHECK_IS(before, 0);
        }
        hf_add64_seq_cst(&a->entered, 1);
        for (uint64_t i = random_of(&random) % 256; i > 0; i--) {
            CHECK_IS(hf_load32_relaxed(&a->inside), self);
        }
        hf_store32_seq_cst(&a->inside, 0);
        if (death.serial != 0 && random_of(&random) % 4 == 0) {
            CHECK_IS(hf_lock_abandon(me, &a->lock, &death), HF_LOCK_ACQUIRED);
            continue;
        }
        CHECK_IS(hf_lock_release(&a->lock), HF_LOCK_ACQUIRED);
    }
}

/* Half of the victims are killed from outside, half by a point that they reach on their own. */
static pid_t fighter(arena *a, uint64_t random) {
    static const char *const points[] = {"lock_before_sign",   "lock_before_wake", "lock_before_sleep",
                                         "lock_after_sleep",   "lock_orphaned",    "lock_before_orphan",
                                         "lock_before_abandon"};
    pid_t pid = child();
    if (pid == 0) {
        uint64_t choice = random_of(&random);
        if (choice % 2 == 0) {
            die_at(point(points[choice / 2 % (sizeof points / sizeof points[0])]), (uint32_t)(choice / 64 % 16 + 1));
        }
        fight(a, random);
    }
    return pid;
}

static void test_survivors_go_on_whoever_is_killed_whenever(void) {
    arena *a = shared(sizeof *a);
    uint64_t random = seed();
    pid_t pids[VICTIMS];
    hf_lock_figures f;
    for (int i = 0; i < VICTIMS; i++) {
        pids[i] = fighter(a, random_of(&random));
    }
    for (int kills = 0; kills < KILLS; kills++) {
        /* progress between the kills: somebody alive gets in */
        uint64_t goal = hf_load64_seq_cst(&a->entered) + 1 + random_of(&random) % 400;
        int victim = (int)(random_of(&random) % VICTIMS);
        while (hf_load64_seq_cst(&a->entered) < goal) {
            siginfo_t info = {0};
            CHECK_IS(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), 0);
            if (info.si_pid != 0) {
                victim = 0;
                while (victim < VICTIMS - 1 && pids[victim] != info.si_pid) {
                    victim++;
                }
                break;
            }
            sched_yield();
        }
        (void)kill(pids[victim], SIGKILL);
        ended_by_sigkill(pids[victim]);
        pids[victim] = fighter(a, random_of(&random));
    }
    for (int i = 0; i < VICTIMS; i++) {
        (void)kill(pids[i], SIGKILL);
        ended_by_sigkill(pids[i]);
    }
    hf_lock_count(me, &a->lock, &f);
    CHECK(f.owner_deaths > 0);
    CHECK(f.recoveries <= f.acquisitions);
    CHECK(hf_load64_seq_cst(&a->recovered) == 0 || hf_load64_seq_cst(&a->known) > 0);
    /* the last word: free, or an orphan that can be had */
    hf_death death;
    if (hf_lock_try(me, &a->lock) != HF_LOCK_ACQUIRED) {
        CHECK_IS(hf_lock_recover(me, &a->lock, 0, &death), HF_LOCK_ACQUIRED);
    }
    CHECK_IS(hf_lock_release(&a->lock), HF_LOCK_ACQUIRED);
}

#endif

static const hf_test tests[] = {
    TEST(every_try_says_who_died_until_it_is_recovered), TEST(recovery_needs_nobody_to_have_noticed),
    TEST(an_abandoned_recovery_leaves_the_same_orphan),  TEST(a_reused_slot_does_not_make_its_dead_alive),
    TEST(a_noticed_death_wakes_every_sleeper),
#if HF_TEST_PROCESSES
    TEST(sleeping_waiters_learn_the_pid_after_sigkill),  TEST(an_owner_killed_before_it_signed_is_known_by_its_card),
    TEST(a_killed_recoverer_is_the_next_dead),           TEST(one_of_many_recoverers_gets_in),
    TEST(a_waiter_killed_after_its_wake_strands_nobody), TEST(a_releaser_killed_before_its_wake_strands_nobody),
    TEST(survivors_go_on_whoever_is_killed_whenever),
#endif
};

int main(int argc, char **argv) {
    return hf_test_run(tests, sizeof tests / sizeof tests[0], argc, argv);
}
