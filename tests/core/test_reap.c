/* Reaping: what only the dead held becomes reusable, whoever dies whenever, the reaper included (I3, I5). */
#include "puppet.h"

#include "process.h"

#include <sys/wait.h>

enum { ONE = 1, TWO, THREE };

static void open_with_puppets(void) {
    scene_open(0);
    for (int i = ONE; i <= THREE; i++) puppet_start(i);
}

static void close_with_puppets(void) {
    puppets_leave();
    as_good_as_new();
    scene_close();
}

/* ONE has a bit of everything: small blocks, a large one, a kept one; TWO holds one of them as well. */
static void furnish(void) {
    open_with_puppets();
    CHECK_IS(tell(ONE, MAKE, 0, SMALLEST), HF_OK);
    CHECK_IS(tell(ONE, MAKE, 1, 900), HF_OK);
    CHECK_IS(tell(ONE, MAKE, 2, LARGE), HF_OK);
    CHECK_IS(tell(ONE, MAKE, 3, 2 * LARGE), HF_OK);
    CHECK_IS(tell(ONE, DROP, 3, 0), HF_OK);
    for (uint64_t i = 0; i < 3; i++) {
        CHECK_IS(tell(ONE, SEND, (int)i, i), HF_OK);
        CHECK_IS(tell(TWO, RECEIVE, (int)i, i), HF_OK);
    }
    CHECK_IS(tell(ONE, SWEEP, 0, 0), HF_OK);
}

static void test_what_others_hold_survives_a_death_and_the_rest_comes_back(void) {
    furnish();
    CHECK_IS(tell(TWO, DROP, 0, 0), HF_OK);
    CHECK_IS(figures().blocks, 3);
    puppet_kill(ONE);
    CHECK_IS(figures().slots_dead, 1);
    CHECK_IS(hf_reap(me), 1);
    hf_figures f = figures();
    CHECK_IS(f.blocks, 2);
    CHECK_IS(f.deaths, 1);
    CHECK_IS(f.holds_reclaimed, 3);
    CHECK(f.bytes_reclaimed >= SMALLEST + 900 + LARGE);
    CHECK_IS(f.slots_dead, 0);
    CHECK_IS(f.slots_live, 3);
    CHECK_IS(tell(TWO, LOOK, 0, 0), HF_OK);
    CHECK_IS(tell(THREE, FILL, 0, 0), HF_OK);
    CHECK_IS(tell(TWO, DROP, 1, 0), HF_OK);
    CHECK_IS(tell(TWO, DROP, 2, 0), HF_OK);
    CHECK_IS(figures().blocks, 0);
    close_with_puppets();
}

/* exit, _exit, exec, SIGKILL and SIGSEGV are all the same: the process is gone. A stopped one is not. */
static void test_any_kind_of_end_is_an_end_and_a_stop_is_none(void) {
    scene_open(0);
    for (int kind = 0; kind < 5; kind++) {
        pid_t pid = child();
        if (pid == 0) {
            (void)make(SMALLEST);
            hf_add32_seq_cst(&scene->gate[0], 1);
            if (kind == 0) _exit(0);
            if (kind == 1) execl("/bin/true", "true", (char *)NULL);
            if (kind == 2) raise(SIGKILL);
            if (kind == 3) raise(SIGTERM);
            raise(SIGSTOP);
            _exit(0);
        }
        UNTIL(hf_load32_seq_cst(&scene->gate[0]) == (uint32_t)kind + 1);
        if (kind == 4) {
            UNTIL(stands_still(pid));
            CHECK_IS(hf_reap(me), 0);
            CHECK_IS(figures().blocks, 1);
            CHECK_IS(figures().slots_live, 2);
            go_on(pid);
        }
        CHECK_IS(waitpid(pid, NULL, 0), pid);
        CHECK_IS(hf_reap(me), 1);
        CHECK_IS(figures().blocks, 0);
    }
    as_good_as_new();
    scene_close();
}

/* A zombie is dead: nobody has to wait for it first. */
static void test_a_zombie_is_dead(void) {
    scene_open(0);
    pid_t pid = child();
    if (pid == 0) {
        (void)make(SMALLEST);
        _exit(0);
    }
    UNTIL(is_zombie(pid));
    CHECK_IS(hf_reap(me), 1);
    CHECK_IS(figures().blocks, 0);
    ended_well(pid);
    as_good_as_new();
    scene_close();
}

static void test_a_serial_names_one_process_for_ever(void) {
    open_with_puppets();
    uint32_t slot = HF_SERIAL_SLOT(hf_serial(me)), serials[3];
    hf_card_copy card;
    CHECK_IS(hf_ask(me, hf_serial(me)), HF_PROCESS_ALIVE);
    CHECK_IS(hf_ask(me, 0), HF_PROCESS_DEAD);
    CHECK_IS(hf_ask(me, 0xffffffffu), HF_PROCESS_DEAD);
    for (int i = 0; i < 3; i++) {
        serials[i] = (uint32_t)(hf_load64_seq_cst(&me->cards[slot + 1].word_shared) >> 2);
        for (int before = 0; before < i; before++) {
            CHECK(serials[i] != serials[before]);
            CHECK_IS(hf_ask(me, serials[before]), HF_PROCESS_DEAD);
            CHECK(!hf_card_of(me, serials[before], &card));
        }
        CHECK_IS(hf_ask(me, serials[i]), HF_PROCESS_ALIVE);
        CHECK(hf_card_of(me, serials[i], &card));
        CHECK_IS(card.pid, puppet_pid(ONE));
        CHECK_IS(card.parent_serial, hf_serial(me));
        CHECK_IS(card.died_ns, 0);
        puppet_kill(ONE);
        CHECK_IS(hf_ask(me, serials[i]), HF_PROCESS_DEAD); /* before anybody reaped it */
        CHECK(hf_card_of(me, serials[i], &card));
        CHECK_IS(HF_SERIAL_SLOT(serials[i]), slot + 1);
        CHECK(card.died_ns > card.joined_ns);
        hf_reap(me);
        CHECK_IS(hf_ask(me, serials[i]), HF_PROCESS_DEAD);
        puppet_start(ONE); /* in the same slot */
    }
    close_with_puppets();
}

/* Reapers that meet: the second passes by the slot that the first is busy with. Whatever the first does next, every slot
 * is cleared once. */
static void reapers_meet(int at, bool first_dies) {
    const scene_stop stop = {at, 1};
    hf_test_say("first at %s, %s", hf_points_name(at), first_dies ? "killed" : "goes on");
    bool with_estate = at == point("reap_estate");
    furnish();
    if (with_estate) CHECK_IS(tell(ONE, SEND, 0, 5), HF_OK);
    puppet_kill(ONE);
    begin(THREE, REAP, 0, 0, &stop, 1);
    until_stopped(THREE);
    CHECK_IS(hf_reap(me), 0);
    CHECK_IS(tell(TWO, REAP, 0, 0), 0);
    CHECK_IS(tell(TWO, LOOK, 0, 0), HF_OK);
    CHECK_IS(tell(TWO, FILL, 0, 0), HF_OK);
    if (first_dies) {
        puppet_kill(THREE);
        hf_reap(me);
    } else {
        puppet_go_on(THREE);
        CHECK_IS(done(THREE), with_estate ? 0 : 1);
    }
    if (with_estate) {
        CHECK_IS(tell(TWO, DROP, 0, 0), HF_OK);
        CHECK_IS(tell(TWO, RECEIVE, 0, 5), HF_OK);
        hf_reap(me);
    }
    CHECK_IS(figures().slots_dead + figures().slots_estate, 0);
    CHECK_IS(figures().slots_live, first_dies ? 2 : 3);
    for (int i = 0; i < 3; i++) CHECK_IS(tell(TWO, DROP, i, 0), HF_OK);
    CHECK_IS(figures().blocks, 0);
    puppet_start(4); /* in a slot of the dead */
    CHECK_IS(tell(4, FILL, 0, 0), HF_OK);
    close_with_puppets();
}

static void test_reapers_that_meet_or_die_clear_every_slot_once(void) {
    static const char *const names[] = {"reap_locked",   "reap_chunks_half", "reap_row_half",
                                        "reap_row_done", "reap_freed",       "reap_estate"};
    for (size_t i = 0; i < 2 * sizeof names / sizeof names[0]; i++) reapers_meet(point(names[i / 2]), i % 2);
}

/* A process that dies while it takes its slot, before anything says that somebody is in it. */
static void test_a_slot_whose_taker_died_can_be_taken(void) {
    static const char *const names[] = {"claim_lifeline", "claim_used",  "fork_lifeline",
                                        "fork_copy_half", "fork_copied", "fork_prepared"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const scene_stop at = {point(names[i]), 1};
        hf_test_say("%s", names[i]);
        open_with_puppets();
        CHECK_IS(tell(ONE, MAKE, 0, SMALLEST), HF_OK);
        begin(ONE, FORK, 5, 0, &at, 1);
        until_stopped(ONE);
        puppet_start(4); /* meanwhile: another slot */
        puppet_kill(ONE);
        hf_reap(me);
        CHECK_IS(figures().blocks, 0);
        CHECK_IS(figures().slots_live, 4);
        CHECK_IS(figures().slots_dead, 0);
        uint64_t top = hf_load64_seq_cst(&me->header->slots_top_shared);
        for (int p = 5; p <= 6; p++) puppet_start(p); /* both slots of the dead are to be had again */
        CHECK_IS(hf_load64_seq_cst(&me->header->slots_top_shared), top);
        close_with_puppets();
    }
}

/* Orphaned chunks go to whoever needs one of their class, with the blocks in them that others still hold. */
static void test_orphaned_chunks_are_adopted_around_what_is_still_held(void) {
    furnish();
    held early =
        make(2 * SMALLEST); /* it has looked for free chunks and found none, so it looks again only when told */
    drop(&early);
    uint64_t top = hf_load64_seq_cst(&me->header->chunks_top_shared);
    puppet_kill(ONE);
    hf_reap(me);
    held small = make(SMALLEST), other = make(900);
    CHECK_IS(hf_load64_seq_cst(&me->header->chunks_top_shared), top); /* nothing new was needed */
    CHECK_IS(tell(TWO, LOOK, 0, 0), HF_OK);
    for (int i = 0; i < 3; i++) CHECK_IS(tell(TWO, DROP, i, 0), HF_OK);
    drop(&small);
    drop(&other);
    hf_trim(me);
    CHECK_IS(tell(TWO, TRIM, 0, 0), HF_OK);
    CHECK_IS(figures().chunks_in_use, 0);
    close_with_puppets();
}

/* A family that dies one after the other, many generations long: the heap does not grow. */
static void test_generations_come_and_go_in_the_same_memory(void) {
    scene_open(0);
    uint64_t top = 0, slots = 0;
    for (int generation = 0; generation < 60; generation++) {
        pid_t pid = child();
        if (pid == 0) {
            held blocks[40];
            make_many(blocks, 40, 2 * SMALLEST);
            held large = make(LARGE);
            scene->letters[0] = send(&large);
            scene->letters[0] = send(&blocks[3]);
            raise(SIGKILL);
        }
        ended_by_sigkill(pid);
        graces_end();
        held one = make(2 * SMALLEST);
        drop(&one);
        hf_trim(me);
        if (generation == 3) {
            top = hf_load64_seq_cst(&me->header->chunks_top_shared);
            slots = hf_load64_seq_cst(&me->header->slots_top_shared);
        }
    }
    CHECK_IS(hf_load64_seq_cst(&me->header->chunks_top_shared), top);
    CHECK_IS(hf_load64_seq_cst(&me->header->slots_top_shared), slots);
    as_good_as_new();
    scene_close();
}

MAIN(TEST(what_others_hold_survives_a_death_and_the_rest_comes_back),
     TEST(any_kind_of_end_is_an_end_and_a_stop_is_none), TEST(a_zombie_is_dead),
     TEST(a_serial_names_one_process_for_ever), TEST(reapers_that_meet_or_die_clear_every_slot_once),
     TEST(a_slot_whose_taker_died_can_be_taken), TEST(orphaned_chunks_are_adopted_around_what_is_still_held),
     TEST(generations_come_and_go_in_the_same_memory))
