/* A process stops in the middle of whatever it does, at every named point, and others act; then it goes on, or is killed.
 *
 * The promise (I2) is attacked where it is easiest broken: between the steps of a scan, an attach, a drop, a fork, a
 * reaping. The others' actions are drawn at random, several in a row, so that every point meets every action over a few
 * runs. Whatever they do, each block's stamp stays what its holders know (I1, I2), letters whose tickets are unused
 * arrive, the heap is sound, and in the end everything can be had again (I5).
 */
#include "workload.h"

#include <sys/wait.h>

enum { KEPT = 24, MOST_ACTIONS = 4, RUNS = 3 };

typedef struct {
    uint64_t random;
    held blocks[KEPT]; /* this process's */
    int count;
    int received; /* of the worker's letters */
    pid_t keepers[2 * MOST_ACTIONS];
    int keeper_count;
} actor;

static void keep(actor *a, held block) {
    if (a->count == KEPT) drop(&a->blocks[--a->count]);
    a->blocks[a->count++] = block;
}

/* ---- what others do meanwhile -------------------------------------------------------------------------------------------- */

static void act_receive(actor *a) {
    if (a->received < WORK_SENT) keep(a, receive(&scene->letters[a->received++]));
}

static void act_receive_again(actor *a) {
    held block;
    if (a->received && try_receive(&scene->letters[below(&a->random, (uint64_t)a->received)], &block) == HF_OK)
        keep(a, block);
}

static void act_drop(actor *a) {
    if (a->count) drop(&a->blocks[--a->count]);
}

/* A child that inherits everything and looks at it until the end. */
static void act_fork(actor *a) {
    uint32_t gate = hf_load32_seq_cst(&scene->gate[5]);
    pid_t pid = child();
    if (pid == 0) {
        while (hf_load32_seq_cst(&scene->gate[5]) == gate) {
            intact_many(a->blocks, a->count);
            hf_test_rest(30);
        }
        intact_many(a->blocks, a->count);
        leave();
    }
    a->keepers[a->keeper_count++] = pid;
}

static void act_churn(actor *a) {
    enum { COUNT = PER_CHUNK + 40 };
    held *blocks = calloc(COUNT, sizeof *blocks);
    CHECK(blocks != NULL);
    make_many(blocks, COUNT, SMALLEST);
    keep(a, make(SMALLEST));
    drop_many(blocks, COUNT);
    free(blocks);
}

static void act_churn_large(actor *a) {
    held one = make(LARGE), two = make(LARGE + 1);
    drop(&one);
    keep(a, two);
}

static void act_reap(actor *a) {
    (void)a;
    hf_reap(me);
}

static void act_trim(actor *a) {
    (void)a;
    hf_trim(me);
}

static void act_send(actor *a) {
    held block = make(2 * SMALLEST);
    letter message = send(&block);
    drop(&block);
    keep(a, receive(&message));
    hf_sweep_tickets(me);
}

static const struct {
    const char *name;
    void (*act)(actor *);
} actions[] = {
    {"receive", act_receive}, {"receive again", act_receive_again}, {"drop", act_drop}, {"fork", act_fork},
    {"churn", act_churn},     {"churn large", act_churn_large},     {"reap", act_reap}, {"trim", act_trim},
    {"send", act_send},
};

static void act(actor *a) {
    char said[120];
    snprintf(said, sizeof said, "%.110s", hf_test_case);
    for (uint64_t n = 1 + below(&a->random, MOST_ACTIONS); n > 0; n--) {
        uint64_t i = below(&a->random, sizeof actions / sizeof actions[0]);
        hf_test_say("%s, %s", said, actions[i].name);
        actions[i].act(a);
        sound();
    }
}

/* ---- one run ------------------------------------------------------------------------------------------------------------- */

static void finish(actor *a, worker *w) {
    hf_add32_seq_cst(&scene->gate[5], 1);
    while (a->keeper_count) ended_well(a->keepers[--a->keeper_count]);
    collect_orphans();
    while (a->received < WORK_SENT) act_receive(a); /* unused to the end, so they arrive */
    while (a->count) act_drop(a);
    drop_many(w->inherited + 3, WORK_BLOCKS - 3);
    for (int i = 0; i < 3; i++) {
        held block;
        if (try_receive(&scene->letters[WORK_RECEIVED + i], &block) == HF_OK) drop(&block);
    }
    as_good_as_new();
}

/* True if the point was reached. */
static bool run(int at, uint32_t nth, bool killed, uint64_t random) {
    actor a = {.random = random | 1};
    worker w;
    uint32_t began = hf_load32_seq_cst(&scene->gate[6]);
    int status;
    hf_test_say("%s, pass %u, %s, seed %llu", hf_points_name(at), nth, killed ? "killed" : "goes on",
                (unsigned long long)random);
    work_before(&w);
    pid_t pid = child();
    if (pid == 0) {
        work_begin(&w);
        hf_add32_seq_cst(&scene->gate[6], 1);
        UNTIL(hf_load32_seq_cst(&scene->gate[6]) == began + 2);
        stop_at(at, nth);
        work(&w);
        leave();
    }
    UNTIL(hf_load32_seq_cst(&scene->gate[6]) == began + 1);
    act_receive(&a); /* one of the worker's blocks is held by both from the start */
    hf_add32_seq_cst(&scene->gate[6], 1);
    int stops = 0;
    for (pid_t it; (it = stopped(pid, &status)) != 0; stops++) { /* the worker, or a child of its that was armed too */
        if (stops < 2) act(&a);
        CHECK_IS(kill(it, killed ? SIGKILL : SIGCONT), 0);
    }
    CHECK(status == 0 || (killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
    finish(&a, &w);
    return stops > 0;
}

static void run_all(bool killed) {
    uint64_t random = seed();
    scene_open(0);
    for (int at = 0; at < hf_points_count(); at++) {
        for (int i = 0; i < RUNS; i++) {
            bool reached = run(at, i == 0 ? 1 : 1 + (uint32_t)below(&random, 4), killed, random_of(&random));
            if (i == 0 && !reached) hf_test_failed(hf_points_name(at), 0, "the work reaches this point");
        }
    }
    scene_close();
}

static void test_others_act_while_one_is_stopped_and_it_goes_on(void) {
    run_all(false);
}

static void test_others_act_while_one_is_stopped_and_it_is_killed(void) {
    run_all(true);
}

MAIN(TEST(others_act_while_one_is_stopped_and_it_goes_on), TEST(others_act_while_one_is_stopped_and_it_is_killed))
