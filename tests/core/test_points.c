/* The kill matrix: a process is killed at every named point of the core, at the first, second, ... pass.
 *
 * What the survivors must see (I5): the heap is sound; their blocks are as they were (I2); what the dead one had sent
 * still arrives; they go on working; and once everything that the dead held is reaped, nothing of it is left and
 * everybody's memory can be had again. Every point must be reached, so a new one that this work misses is a failure.
 */
#include "process.h"
#include "workload.h"

#include <sys/wait.h>

static const uint32_t passes[] = {1, 2, 3, 5, 40};

/* True if the worker got to the point and died there. */
static bool kill_one(int at, uint32_t nth) {
    worker w;
    held mine[4];
    hf_test_say("at %s, pass %u", hf_points_name(at), nth);
    make_many(mine, 4, SMALLEST);
    work_before(&w);
    pid_t pid = child();
    if (pid == 0) {
        drop_many(mine, 4); /* or the child that gets no slot would pin them */
        work_begin(&w);
        die_at(at, nth);
        work(&w);
        leave();
    }
    int status;
    CHECK_IS(waitpid(pid, &status, 0), pid);
    bool died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    CHECK(died || status == 0);
    collect_orphans(); /* children of the dead, which die with it */
    sound();
    intact_many(mine, 4);
    /* the worker's letters: their tickets are unused, so they arrive whether it lives or not */
    for (int i = 0; died && i < WORK_SENT; i++) {
        held block = receive(&scene->letters[i]);
        drop(&block);
    }
    for (int i = 0; i < 2; i++) {
        held small = make(SMALLEST), large = make(LARGE);
        pid_t another = child();
        if (another == 0) {
            intact_many(mine, 4);
            intact(&small);
            drop(&small);
            leave();
        }
        ended_well(another);
        drop(&small);
        drop(&large);
    }
    drop_many(mine, 4);
    drop_many(w.inherited + 3, WORK_BLOCKS - 3);
    for (int i = 0; i < 3;
         i++) { /* read once by the worker if it got so far; the rest of the tickets are ours to use up */
        held block;
        if (try_receive(&scene->letters[WORK_RECEIVED + i], &block) == HF_OK) drop(&block);
    }
    as_good_as_new();
    return died || hf_load32_seq_cst(&scene->passed[at]) >= nth;
}

static void test_survivors_go_on_whichever_point_a_process_is_killed_at(void) {
    int kills = 0;
    scene_open(0);
    for (int at = 0; at < hf_points_count(); at++) {
        for (size_t i = 0; i < sizeof passes / sizeof passes[0]; i++) {
            uint32_t before = hf_load32_seq_cst(&scene->passed[at]);
            kill_one(at, passes[i]);
            uint32_t got = hf_load32_seq_cst(&scene->passed[at]) - before;
            kills += got >= passes[i];
            if (i == 0 && got == 0) hf_test_failed(hf_points_name(at), 0, "the work reaches this point");
            if (got < passes[i]) break; /* the work does not pass it so often */
        }
    }
    printf("%d kills at %d points\n", kills, hf_points_count());
    scene_close();
}

MAIN(TEST(survivors_go_on_whichever_point_a_process_is_killed_at))
