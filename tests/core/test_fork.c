/* Fork: the child holds what its parent holds, from its first instruction to its last (I1, I3), and nobody is given that
 * memory meanwhile (I2), whoever is killed at whatever step (I5).
 *
 * Memory that must not be reused is proven safe by filling the heap: every block that there is has then been given away.
 */
#include "exhaust.h"
#include "heirs.h"

#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static bool reusable(const held *block) {
    return fill(NULL, 0, block);
}

/* ---- what a child inherits -------------------------------------------------------------------------------------------- */

static void test_what_a_child_inherited_is_reused_only_after_its_death(void) {
    held blocks[INHERITED];
    scene_open(SMALL_HEAP);
    make_inheritance(blocks);
    pid_t heir = child();
    if (heir == 0) {
        for (int i = 0; i < INHERITED; i++) CHECK(hf_holds(me, blocks[i].ref.block));
        say(READY);
        until(GO, 1);
        intact_many(blocks, INHERITED);
        say(READY);
        for (;;) pause();
    }
    until(READY, 1);
    drop_many(blocks, INHERITED);
    fill(blocks, INHERITED, NULL);
    say(GO);
    until(READY, 2);
    murder(heir);
    CHECK_IS(hf_reap(me), 1);
    for (int i = 0; i < INHERITED; i += INHERITED - 1) CHECK(reusable(&blocks[i]));
    as_good_as_new();
    scene_close();
}

/* No exec, no exit handlers: what os.fork and os._exit do. */
static void test_a_child_that_drops_what_it_inherited_gives_it_up(void) {
    held block, extra;
    scene_open(SMALL_HEAP);
    block = make(SMALLEST);
    CHECK_IS(hf_hold(me, block.ref.block), HF_OK); /* two holders; the child inherits both */
    pid_t heir = child();
    if (heir == 0) {
        hf_drop(me, block.ref.block);
        CHECK(hf_holds(me, block.ref.block));
        drop(&block);
        CHECK(!hf_holds(me, block.ref.block));
        extra = make(SMALLEST);
        CHECK(!overlap(&extra, &block));
        drop(&extra);
        say(READY);
        until(GO, 1);
        leave();
    }
    until(READY, 1);
    intact(&block);
    hf_drop(me, block.ref.block);
    fill(&block, 1, NULL); /* held once more by this process */
    drop(&block);
    CHECK(reusable(&block));
    say(GO);
    ended_well(heir);
    as_good_as_new();
    scene_close();
}

static void test_a_grandchild_holds_what_its_dead_parents_held(void) {
    held block;
    scene_open(SMALL_HEAP);
    block = make(2 * SMALLEST);
    pid_t middle = child();
    if (middle == 0) {
        held own = make(SMALLEST);
        pid_t last = fork(); /* and not child(): it outlives its parent */
        CHECK(last >= 0);
        if (last > 0) _exit(0);
        say(READY);
        until(GO, 1);
        intact(&block);
        drop(&own);
        leave();
    }
    until(READY, 1);
    ended_well(middle);
    drop(&block);
    hf_reap(me);
    fill(&block, 1, NULL);
    say(GO);
    collect_orphans();
    hf_reap(me);
    CHECK(reusable(&block));
    as_good_as_new();
    scene_close();
}

static void test_the_child_forgets_the_tickets_of_its_parent(void) {
    held block;
    scene_open(SMALL_HEAP);
    block = make(SMALLEST);
    scene->letters[0] = send(&block);
    drop(&block); /* now held for the ticket alone */
    pid_t heir = child();
    if (heir == 0) {
        CHECK(!hf_holds(me, block.ref.block));
        say(READY);
        for (;;) pause();
    }
    until(READY, 1);
    held received = receive(&scene->letters[0]);
    hf_sweep_tickets(me);
    drop(&received);
    CHECK(reusable(&block)); /* although the child lives */
    murder(heir);
    CHECK_IS(hf_reap(me), 1);
    CHECK_IS(figures().slots_estate, 0);
    as_good_as_new();
    scene_close();
}

/* After exec nothing of the old memory is left, so nothing is held, though the process lives. */
static void test_exec_ends_the_holds_and_spawn_never_makes_any(void) {
    static char *const sleeper[] = {"sleep", "1000", NULL};
    held block;
    pid_t spawned;
    scene_open(SMALL_HEAP);
    block = make(SMALLEST);
    pid_t other = child();
    if (other == 0) {
        execvp(sleeper[0], sleeper);
        _exit(9);
    }
    hf_figures f;
    UNTIL((f = figures()).slots_dead == 1);
    CHECK_IS(f.forks, 1);
    drop(&block);
    CHECK_IS(hf_reap(me), 1);
    CHECK(reusable(&block));
    CHECK_IS(posix_spawnp(&spawned, sleeper[0], NULL, NULL, sleeper, environ), 0);
    CHECK_IS(figures().forks, 1);
    murder(spawned);
    murder(other);
    as_good_as_new();
    scene_close();
}

/* ---- threads ----------------------------------------------------------------------------------------------------------- */

#define FORKS 25
static held constant[4];

static void *keeps_forking(void *nothing) {
    for (int i = 0; i < FORKS; i++) {
        pid_t heir = child();
        if (heir == 0) {
            intact_many(constant, 4);
            held own = make(3 * SMALLEST), large = make(LARGE);
            drop(&own);
            drop(&large);
            leave();
        }
        ended_well(heir);
    }
    say(DONE);
    return nothing;
}

static void *keeps_allocating(void *bytes) {
    while (hf_load32_seq_cst(&scene->gate[DONE]) < 3) {
        held some[8];
        make_many(some, 8, *(uint64_t *)bytes);
        scene->letters[0] = send(&some[0]);
        drop_many(some, 8);
        held received;
        if (try_receive(&scene->letters[0], &received) == HF_OK) drop(&received);
    }
    return NULL;
}

/* A fork waits for what another thread is in the middle of: allocation, free, issue, attach. The child's heap is whole. */
static void test_threads_fork_while_others_allocate_and_drop(void) {
    pthread_t forking[3], small, large;
    uint64_t sizes[2] = {SMALLEST, LARGE};
    scene_open(64 << 20);
    make_many(constant, 4, SMALLEST);
    CHECK_IS(pthread_create(&small, NULL, keeps_allocating, &sizes[0]), 0);
    for (int i = 0; i < 3; i++) CHECK_IS(pthread_create(&forking[i], NULL, keeps_forking, NULL), 0);
    for (int i = 0; i < 3; i++) CHECK_IS(pthread_join(forking[i], NULL), 0);
    CHECK_IS(pthread_join(small, NULL), 0);
    hf_store32_seq_cst(&scene->gate[DONE], 2); /* the same with large blocks, whose making takes system calls */
    CHECK_IS(pthread_create(&large, NULL, keeps_allocating, &sizes[1]), 0);
    keeps_forking(NULL);
    CHECK_IS(pthread_join(large, NULL), 0);
    CHECK_IS(figures().forks, 4 * FORKS);
    drop_many(constant, 4);
    as_good_as_new();
    scene_close();
}

/* ---- death during a fork ------------------------------------------------------------------------------------------------ */

static void killed_while_forking(const char *where) {
    held mine = make(SMALLEST), its[2];
    hf_test_say("at %s", where);
    pid_t parent = child();
    if (parent == 0) {
        its[0] = make(SMALLEST);
        its[1] = make(LARGE);
        die_at(point(where), 1);
        pid_t heir = fork(); /* not child(): armed as its parent is */
        if (heir == 0) {
            if (strcmp(where, "fork_parent") == 0) until(GO, 1); /* its parent is killed, it is not */
            intact_many(its, 2);
            leave();
        }
        int status;
        CHECK_IS(waitpid(heir, &status, 0), heir);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); /* fork_child */
        leave();
    }
    int status;
    CHECK_IS(waitpid(parent, &status, 0), parent);
    if (strcmp(where, "fork_child") != 0) CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    intact(&mine);
    fill(&mine, 1, NULL);
    say(GO);
    collect_orphans();
    drop(&mine);
    as_good_as_new();
}

static void test_a_death_at_any_step_of_a_fork_leaves_nothing(void) {
    static const char *const where[] = {"fork_lifeline", "fork_copy_half", "fork_copied",
                                        "fork_prepared", "fork_parent",    "fork_child"};
    for (size_t i = 0; i < sizeof where / sizeof where[0]; i++) {
        scene_open(SMALL_HEAP);
        killed_while_forking(where[i]);
        scene_close();
    }
}

/* ---- many ---------------------------------------------------------------------------------------------------------------- */

#ifdef HF_TINY
#define MANY 50
#else
#define MANY 1000
#endif

static void test_a_thousand_children_at_once_each_hold_their_inheritance(void) {
    static pid_t heirs[MANY];
    held shared[2];
    scene_open(0);
    make_many(shared, 2, SMALLEST);
    for (uint32_t i = 0; i < MANY; i++) {
        heirs[i] = child();
        if (heirs[i] == 0) {
            held own = make(SMALLEST);
            say(READY);
            until(GO, 1);
            intact_many(shared, 2);
            drop(&own);
            if (i % 2) leave();
            say(DONE);
            for (;;) pause();
        }
    }
    until(READY, MANY);
    hf_figures f = figures();
    CHECK_IS(f.slots_live, MANY + 1);
    CHECK_IS(f.forks, MANY);
    CHECK_IS(f.blocks, MANY + 2);
    drop_many(shared, 2);
    held mine = make(SMALLEST);
    for (int i = 0; i < 2; i++) CHECK(!overlap(&mine, &shared[i]));
    drop(&mine);
    say(GO);
    for (uint32_t i = 1; i < MANY; i += 2) ended_well(heirs[i]);
    until(DONE, MANY / 2);
    for (uint32_t i = 0; i < MANY; i += 2) murder(heirs[i]);
    as_good_as_new();
    CHECK_IS(figures().deaths, MANY);
    scene_close();
}

/* ---- the epoch ------------------------------------------------------------------------------------------------------------- */

/* A scan reads row after row; a fork copies holds from a row that it still has to read to one that it has read already.
 * The epoch tells it: what was looked at during a fork is looked at again. */
static void test_a_scan_during_a_fork_frees_nothing_of_what_it_looked_at(void) {
    int status;
    scene_open(0);
    for (int forks = 0; forks < 2; forks++) {
        pid_t scanner = child();
        if (scanner == 0) {
            static held all[PER_CHUNK];
            make_many(all, PER_CHUNK, SMALLEST);
            uint64_t first = all[0].ref.block.at;
            drop_many(all, PER_CHUNK);
            stop_at(point("scan_read"), 1);
            held next = make(SMALLEST); /* a new walk, from the chunk's first word on */
            uint64_t word = (next.ref.block.at - first) / SMALLEST / 64;
            CHECK_IS(word, forks ? 1 : 0);
            drop(&next);
            leave();
        }
        CHECK(stopped(scanner, &status));
        uint64_t epoch = figures().epoch;
        if (forks) {
            pid_t heir = child();
            if (heir == 0) leave();
            ended_well(heir);
        }
        CHECK_IS(figures().epoch, epoch + (forks ? 1 : 0));
        go_on(scanner);
        ended_well(scanner);
    }
    as_good_as_new();
    scene_close();
}

MAIN(TEST(what_a_child_inherited_is_reused_only_after_its_death),
     TEST(a_child_that_drops_what_it_inherited_gives_it_up), TEST(a_grandchild_holds_what_its_dead_parents_held),
     TEST(the_child_forgets_the_tickets_of_its_parent), TEST(exec_ends_the_holds_and_spawn_never_makes_any),
     TEST(threads_fork_while_others_allocate_and_drop), TEST(a_death_at_any_step_of_a_fork_leaves_nothing),
     TEST(a_thousand_children_at_once_each_hold_their_inheritance),
     TEST(a_scan_during_a_fork_frees_nothing_of_what_it_looked_at))
