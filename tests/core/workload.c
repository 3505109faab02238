/* The work: see workload.h. What each part is good for stands in front of it, with the points that it passes. */
#include "workload.h"

#include <sys/resource.h>
#include <sys/wait.h>

void work_before(worker *w) {
    make_many(w->inherited, WORK_BLOCKS, 3 * SMALLEST);
    for (int i = 0; i < 3; i++) {
        scene->letters[WORK_RECEIVED + i] = send(&w->inherited[i]);
        drop(&w->inherited[i]); /* now held for the ticket alone */
    }
}

void work_begin(worker *w) {
    /* one after the other in one chunk, so that a scan looks at all of them at once */
    make_many(w->mine, WORK_BLOCKS, SMALLEST);
    for (int i = 0; i < WORK_SENT; i++) scene->letters[i] = send(&w->mine[i]);
}

/* A child that passed the point for which this process is armed: every further child would, too. */
static void ended_or_killed(pid_t pid) {
    int status;
    CHECK_IS(waitpid(pid, &status, 0), pid);
    if (status == 0) return;
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    disarm();
}

/* fork_lifeline fork_copy_half fork_copied fork_prepared fork_parent fork_child claim_lifeline claim_used: a child that
 * may be killed in its very first steps. */
static void fork_once(void) {
    pid_t pid = child();
    if (pid == 0) leave();
    ended_or_killed(pid);
}

/* alloc_* drop_* scan_* chunk_claimed: more blocks than a chunk has, dropped, and made again from the same chunk. */
static void fill_and_refill(worker *w) {
    enum { COUNT = PER_CHUNK + 10 };
    held *blocks = calloc(COUNT, sizeof *blocks);
    CHECK(blocks != NULL);
    drop_many(w->mine, WORK_BLOCKS); /* the first of them stay held for their tickets */
    for (int round = 0; round < 2; round++) {
        make_many(blocks, COUNT, SMALLEST);
        drop_many(blocks, COUNT);
    }
    free(blocks);
}

/* attach_* issue_* sweep_half */
static void exchange(void) {
    for (int i = 0; i < 3; i++) {
        held block = receive(&scene->letters[WORK_RECEIVED + i]);
        drop(&block);
    }
    held block = make(2 * SMALLEST);
    letter message = send(&block);
    held again = receive(&message);
    hf_sweep_tickets(me);
    drop(&again);
    drop(&block);
}

/* A child that is killed with all that one can have: chunks, holds, large blocks held and kept, an unused ticket. */
static void bury(bool with_ticket) {
    uint32_t before = hf_load32_seq_cst(&scene->gate[0]);
    pid_t pid = child();
    if (pid == 0) {
        held some[4];
        for (unsigned i = 0; i < 4; i++) make_many(&some[i], 1, (1u << i) * SMALLEST);
        held large = make(LARGE), kept = make(LARGE);
        drop(&kept);
        if (with_ticket) scene->letters[WORK_RECEIVED + 8] = send(&some[1]);
        hf_add32_seq_cst(&scene->gate[0], 1);
        for (;;) pause();
        intact(&large);
    }
    UNTIL(hf_load32_seq_cst(&scene->gate[0]) != before);
    murder(pid);
}

/* reap_*: with a ticket the slot becomes an estate, without one it is free. */
static void reap_the_dead(void) {
    bury(true);
    hf_reap(me);
    held block = receive(&scene->letters[WORK_RECEIVED + 8]); /* a message outlives its sender */
    drop(&block);
    hf_reap(me);
    bury(false);
    hf_reap(me);
}

/* chunk_adopted: a class that this process has no chunk of, while there are orphans. */
static void adopt(void) {
    for (uint64_t granules = 4; granules <= 32; granules *= 2) {
        held block = make(granules * SMALLEST);
        drop(&block);
    }
}

/* large_*: one run kept, reused, given back. */
static void go_large(void) {
    held first = make(LARGE), second = make(2 * LARGE); /* of that length none is kept */
    drop(&first);
    first = make(LARGE);
    drop(&first);
    drop(&second);
    hf_trim(me);
}

/* fork_pinned: no descriptor is to be had. In a child that holds nothing, so that nothing stays pinned; it is armed as
 * this process is. */
static void fork_pinned(void) {
    struct rlimit none;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) {
        ended_or_killed(pid);
        return;
    }
    CHECK_IS(getrlimit(RLIMIT_NOFILE, &none), 0);
    none.rlim_cur = 0;
    CHECK_IS(setrlimit(RLIMIT_NOFILE, &none), 0);
    pid = child();
    if (pid == 0) leave();
    ended_or_killed(pid);
    leave();
}

void work(worker *w) {
    fork_once();
    fill_and_refill(w);
    exchange();
    reap_the_dead();
    adopt();
    go_large();
    work_with_locks();
    work_with_semaphores();
    drop_many(w->inherited + 3, WORK_BLOCKS - 3);
    for (int i = 0; i < 3; i++) hf_drop(me, w->inherited[i].ref.block); /* not held by us: nothing may happen */
    hf_sweep_tickets(me);
    hf_trim(me); /* chunk_before_return large_return_half large_return_headless */
    fork_pinned();
}
