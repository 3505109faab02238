/* Semaphores: every post lets one in, whoever sleeps, gives up or is killed. */
#include "lock_family.h"
#include "semaphore.h"

enum { WORKERS = 4, ROUNDS = 20000, KILLS = 100 };

static hf_semaphore *semaphore(uint32_t value, uint32_t max_value) {
    hf_semaphore *s = shared(sizeof *s);
    hf_semaphore_init(s, value, max_value);
    return s;
}

/* Until it is not ZERO, in sleeps that only a wake ends: a lost wakeup is a hang. */
static void take_by_wake(hf_semaphore *s) {
    hf_semaphore_status status = HF_SEMAPHORE_ZERO;
    while (status == HF_SEMAPHORE_ZERO) {
        hf_waiting waiting = {HF_TEST_FOR_EVER_NS};
        status = hf_semaphore_wait_slice(s, &waiting, HF_NO_DEADLINE);
    }
    CHECK_IS(status, HF_SEMAPHORE_OK);
}

static void until_sleepers(const hf_semaphore *s) {
    UNTIL((hf_load32_relaxed(&s->state_shared) & HF_SEMAPHORE_WAITERS) != 0);
}

/* ---- against a number ------------------------------------------------------------------------------------------- */

static void test_it_behaves_like_a_bounded_number(void) {
    uint64_t random = seed();
    for (int round = 0; round < 200; round++) {
        static const uint32_t maxima[] = {1, 2, 3, 7, HF_SEMAPHORE_VALUE_MAX};
        uint32_t max_value = maxima[random_of(&random) % 5];
        uint32_t value = round % 4 == 0 ? max_value : (uint32_t)(random_of(&random) % max_value);
        hf_semaphore *s = semaphore(value, max_value);
        for (int i = 0; i < 200; i++) {
            hf_waiting waiting = HF_WAITING;
            switch (random_of(&random) % 3) {
            case 0:
                CHECK_IS(hf_semaphore_try(s), value > 0 ? HF_SEMAPHORE_OK : HF_SEMAPHORE_ZERO);
                value -= value > 0 ? 1 : 0;
                break;
            case 1:
                CHECK_IS(hf_semaphore_wait_slice(s, &waiting, 1), value > 0 ? HF_SEMAPHORE_OK : HF_SEMAPHORE_TIMED_OUT);
                value -= value > 0 ? 1 : 0;
                break;
            default:
                CHECK_IS(hf_semaphore_post(s), value < max_value ? HF_SEMAPHORE_OK : HF_SEMAPHORE_FULL);
                value += value < max_value ? 1 : 0;
            }
            CHECK_IS(hf_semaphore_value(s), value);
        }
    }
}

static void test_a_deadline_ends_a_wait_and_not_before(void) {
    hf_semaphore *s = semaphore(0, 1);
    hf_waiting waiting = HF_WAITING;
    hf_semaphore_status status = HF_SEMAPHORE_ZERO;
    uint64_t deadline_ns = hf_now_ns() + 30000000;
    while (status == HF_SEMAPHORE_ZERO) status = hf_semaphore_wait_slice(s, &waiting, deadline_ns);
    CHECK_IS(status, HF_SEMAPHORE_TIMED_OUT);
    CHECK(hf_now_ns() >= deadline_ns);
    /* a post takes off the WAITERS that the sleep left: it implies value 0 */
    CHECK_IS(hf_load32_relaxed(&s->state_shared), HF_SEMAPHORE_WAITERS);
    CHECK_IS(hf_semaphore_post(s), HF_SEMAPHORE_OK);
    CHECK_IS(hf_load32_relaxed(&s->state_shared), HF_SEMAPHORE_ONE);
}

/* ---- several ---------------------------------------------------------------------------------------------------- */

static void *take_many(void *s) {
    for (int i = 0; i < ROUNDS; i++) take_by_wake(s);
    return NULL;
}

static void give(hf_semaphore *s) {
    UNTIL(hf_semaphore_post(s) == HF_SEMAPHORE_OK);
}

static void *post_many(void *s) {
    for (int i = 0; i < ROUNDS; i++) give(s);
    return NULL;
}

/* As many posts as takes: one lost wakeup hangs, one wakeup too many leaves the sum wrong. */
static void threads(uint32_t max_value) {
    hf_semaphore *s = semaphore(0, max_value);
    pthread_t ids[2 * WORKERS];
    for (int i = 0; i < 2 * WORKERS; i++) {
        CHECK_IS(pthread_create(&ids[i], NULL, i % 2 == 0 ? take_many : post_many, s), 0);
    }
    for (int i = 0; i < 2 * WORKERS; i++) CHECK_IS(pthread_join(ids[i], NULL), 0);
    CHECK_IS(hf_semaphore_value(s), 0);
}

static void test_no_post_is_lost_among_threads(void) {
    threads(1);
    threads(2);
    threads(HF_SEMAPHORE_VALUE_MAX);
}

static void *take_one(void *s) {
    take_by_wake(s);
    return NULL;
}

/* Only the first of three quick posts sees WAITERS: who it wakes wakes the next. */
static void test_quick_posts_let_all_sleepers_in(void) {
    for (int round = 0; round < 200; round++) {
        hf_semaphore *s = semaphore(0, 3);
        pthread_t ids[3];
        for (int i = 0; i < 3; i++) CHECK_IS(pthread_create(&ids[i], NULL, take_one, s), 0);
        until_sleepers(s);
        for (int i = 0; i < 3; i++) CHECK_IS(hf_semaphore_post(s), HF_SEMAPHORE_OK);
        for (int i = 0; i < 3; i++) CHECK_IS(pthread_join(ids[i], NULL), 0);
        CHECK_IS(hf_semaphore_value(s), 0);
    }
}

static void *sleep_once(void *s) {
    hf_waiting waiting = {HF_TEST_FOR_EVER_NS};
    CHECK_IS(hf_semaphore_wait_slice(s, &waiting, HF_NO_DEADLINE), HF_SEMAPHORE_ZERO);
    return NULL;
}

/* Invariant W, by hand: woken by a post, but somebody else was faster. Who leaves then leaves WAITERS. */
static void test_who_is_woken_in_vain_leaves_the_flag(void) {
    hf_semaphore *s = semaphore(0, 1);
    pthread_t id;
    CHECK_IS(pthread_create(&id, NULL, sleep_once, s), 0);
    until_sleepers(s);
    hf_store32_seq_cst(&s->state_shared, 0);
    hf_i_semaphore_wake_one(s);
    CHECK_IS(pthread_join(id, NULL), 0);
    CHECK_IS(hf_load32_relaxed(&s->state_shared), HF_SEMAPHORE_WAITERS);
}

/* A binary semaphore as a lock: at most max_value are inside. */
typedef struct {
    hf_semaphore *s;
    hf_a64 *inside;
    volatile uint64_t *plain; /* only with max_value 1 */
    uint32_t max_value;
} gate;

static void *pass(void *argument) {
    gate *g = argument;
    for (int i = 0; i < ROUNDS; i++) {
        take_by_wake(g->s);
        CHECK(hf_add64_seq_cst(g->inside, 1) < g->max_value);
        if (g->max_value == 1) *g->plain = *g->plain + 1;
        hf_add64_seq_cst(g->inside, UINT64_MAX);
        CHECK_IS(hf_semaphore_post(g->s), HF_SEMAPHORE_OK);
    }
    return NULL;
}

static void test_at_most_value_are_inside(void) {
    for (uint32_t max_value = 1; max_value <= 3; max_value += 2) {
        hf_a64 *inside = shared(2 * sizeof *inside);
        gate g = {semaphore(max_value, max_value), inside, (volatile uint64_t *)(void *)(inside + 1), max_value};
        pthread_t ids[WORKERS];
        for (int i = 0; i < WORKERS; i++) CHECK_IS(pthread_create(&ids[i], NULL, pass, &g), 0);
        for (int i = 0; i < WORKERS; i++) CHECK_IS(pthread_join(ids[i], NULL), 0);
        CHECK_IS(hf_semaphore_value(g.s), max_value);
        if (max_value == 1) CHECK_IS(*g.plain, WORKERS * ROUNDS);
    }
}

#if HF_TEST_PROCESSES

static pid_t runs(void *(*what)(void *), void *argument) {
    pid_t pid = child();
    if (pid == 0) {
        (void)what(argument);
        leave();
    }
    return pid;
}

static void test_no_post_is_lost_among_processes(void) {
    hf_semaphore *s = semaphore(0, 2);
    pid_t pids[2 * WORKERS];
    for (int i = 0; i < 2 * WORKERS; i++) pids[i] = runs(i % 2 == 0 ? take_many : post_many, s);
    for (int i = 0; i < 2 * WORKERS; i++) ended_well(pids[i]);
    CHECK_IS(hf_semaphore_value(s), 0);
}

/* Invariant W: waiters whose deadline comes between their wake and their take. */
static void test_waiters_that_give_up_take_no_post_along(void) {
    hf_semaphore *s = semaphore(0, 1);
    uint64_t random = seed();
    pid_t pids[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        pids[i] = child();
        if (pids[i] != 0) continue;
        if (i % 2 == 0) {
            (void)take_many(s);
            leave();
        }
        for (int round = 0; round < ROUNDS / 20; round++) {
            hf_waiting waiting = {HF_TEST_FOR_EVER_NS};
            uint64_t deadline_ns = hf_now_ns() + random_of(&random) % 1000000;
            if (hf_semaphore_wait_slice(s, &waiting, deadline_ns) == HF_SEMAPHORE_OK) give(s);
        }
        leave();
    }
    for (int i = 0; i < WORKERS / 2; i++) (void)post_many(s);
    for (int i = 0; i < WORKERS; i++) ended_well(pids[i]);
    CHECK_IS(hf_semaphore_value(s), 0);
}

static void on_signal(int number) {
    (void)number;
}

static void test_a_signal_ends_a_sleep(void) {
    hf_semaphore *s = semaphore(0, 1);
    pid_t pid = child();
    if (pid == 0) {
        struct sigaction action = {.sa_handler = on_signal};
        hf_waiting waiting = {HF_TEST_FOR_EVER_NS};
        CHECK_IS(sigaction(SIGUSR1, &action, NULL), 0);
        CHECK_IS(hf_semaphore_wait_slice(s, &waiting, HF_NO_DEADLINE), HF_SEMAPHORE_ZERO);
        leave();
    }
    until_sleepers(s);
    until_asleep(pid);
    CHECK_IS(kill(pid, SIGUSR1), 0);
    ended_well(pid);
}

/* ---- killed ----------------------------------------------------------------------------------------------------- */

/* Until it is not ZERO, in bounded slices as the border does it. */
static hf_semaphore_status take(hf_semaphore *s) {
    hf_waiting waiting = HF_WAITING;
    hf_semaphore_status status = HF_SEMAPHORE_ZERO;
    while (status == HF_SEMAPHORE_ZERO) status = hf_semaphore_wait_slice(s, &waiting, HF_NO_DEADLINE);
    return status;
}

/* The post's one wake goes to a waiter that is killed at once: the unit stays, and the others find it. */
static void test_a_waiter_killed_after_its_wake_takes_no_post_along(void) {
    static const char *const points[] = {"semaphore_after_sleep", "semaphore_before_sleep"};
    for (int round = 0; round < 6; round++) {
        hf_semaphore *s = semaphore(0, 9);
        pid_t victim = child();
        if (victim == 0) {
            die_at(point(points[round % 2]), 1);
            (void)take(s);
            _exit(1);
        }
        until_sleepers(s);
        pid_t other = child();
        if (other == 0) _exit(take(s) == HF_SEMAPHORE_OK ? 0 : 1);
        CHECK_IS(hf_semaphore_post(s), HF_SEMAPHORE_OK);
        ended_by_sigkill(victim);
        ended_well(other);
        CHECK_IS(hf_semaphore_value(s), 0);
    }
}

static void test_a_poster_killed_before_its_wake_has_posted(void) {
    hf_semaphore *s = semaphore(0, 9);
    pid_t poster = child();
    if (poster == 0) {
        until_sleepers(s);
        die_at(point("semaphore_before_wake"), 1);
        (void)hf_semaphore_post(s);
        _exit(1);
    }
    CHECK_IS(take(s), HF_SEMAPHORE_OK);
    ended_by_sigkill(poster);
    CHECK_IS(hf_semaphore_value(s), 0);
}

/* Consumers are killed at random moments; each takes at most the one unit that it had in its hands along. */
static void test_killed_consumers_lose_at_most_what_they_held(void) {
    hf_semaphore *s = semaphore(0, HF_SEMAPHORE_VALUE_MAX);
    hf_a64 *taken = shared(sizeof *taken);
    uint64_t random = seed();
    uint64_t posted = 0;
    pid_t pids[WORKERS];
    for (int kills = -WORKERS; kills < KILLS; kills++) {
        int victim = kills < 0 ? kills + WORKERS : (int)(random_of(&random) % WORKERS);
        if (kills >= 0) murder(pids[victim]);
        pids[victim] = child();
        if (pids[victim] == 0) {
            for (;;) {
                CHECK_IS(take(s), HF_SEMAPHORE_OK);
                hf_add64_seq_cst(taken, 1);
            }
        }
        for (uint64_t i = random_of(&random) % 2000; i > 0; i--, posted++) {
            CHECK_IS(hf_semaphore_post(s), HF_SEMAPHORE_OK);
        }
    }
    UNTIL(hf_semaphore_value(s) == 0);
    /* what is not yet counted is in the hands of the living, at most one each, or was in those of the killed */
    uint64_t counted = hf_load64_seq_cst(taken);
    CHECK(counted <= posted && posted - counted <= KILLS + WORKERS);
    for (int i = 0; i < WORKERS; i++) murder(pids[i]);
}

#endif

static const hf_test tests[] = {
    TEST(it_behaves_like_a_bounded_number),
    TEST(a_deadline_ends_a_wait_and_not_before),
    TEST(no_post_is_lost_among_threads),
    TEST(quick_posts_let_all_sleepers_in),
    TEST(who_is_woken_in_vain_leaves_the_flag),
    TEST(at_most_value_are_inside),
#if HF_TEST_PROCESSES
    TEST(no_post_is_lost_among_processes),
    TEST(waiters_that_give_up_take_no_post_along),
    TEST(a_signal_ends_a_sleep),
    TEST(a_waiter_killed_after_its_wake_takes_no_post_along),
    TEST(a_poster_killed_before_its_wake_has_posted),
    TEST(killed_consumers_lose_at_most_what_they_held),
#endif
};

int main(int argc, char **argv) {
    return hf_test_run(tests, sizeof tests / sizeof tests[0], argc, argv);
}
