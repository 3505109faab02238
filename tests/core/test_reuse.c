/* Reuse: a block gets a new incarnation only when every slot whose bit was set is dead or has let go (I2).
 *
 * The interleavings here are those that the model finds when a rule is left out: a hold that moves through the rows while
 * a scan reads them, by a fork (the epoch's case) or by an attach (the veto's case). They are played step by step, with
 * the scanner stopped between two rows. Rows are read in the order of their slots, and puppets are started in that order.
 */
#include "puppet.h"

#include "process.h"

enum { MAIN, LOW, HIGH, OWNER, LATER, LAST }; /* puppets; the slots of the first four are in this order */
enum { B, OTHER };                            /* their blocks: the one that it is about, and one for company */

/* OWNER's block 0 is held by HIGH alone, OWNER has dropped a full chunk and will scan it when it next makes a block. Every
 * puppet's row has a page, so every row is read. */
static void set_up(void) {
    scene_open(0);
    held company = make(SMALLEST);
    for (int i = LOW; i <= OWNER; i++) puppet_start(i);
    hf_drop(me, company.ref.block);
    CHECK_IS(tell(OWNER, MAKE, B, SMALLEST), HF_OK);
    CHECK_IS(tell(OWNER, SEND, B, 0), HF_OK);
    CHECK_IS(tell(HIGH, RECEIVE, B, 0), HF_OK);
    CHECK_IS(tell(OWNER, DROP, B, 0), HF_OK);
    CHECK_IS(tell(OWNER, SWEEP, 0, 0), HF_OK);
    CHECK_IS(tell(OWNER, FILL, 0, 0), HF_OK);
    CHECK_IS(tell(OWNER, AIM, B, 0), HF_OK);
}

/* OWNER in a scan of the block's word, in which it misses HIGH's hold at first, so that the block is announced: LOW takes
 * it over after LOW's row was read and before HIGH's. Then, while the scan has not begun to read in earnest, LOW's child
 * LATER takes it over from LOW. OWNER is left when it has read so many rows for the second time; LATER's is the fifth. It
 * will stop once more, before its verdict. */
static void scan_until_announced(uint32_t rows) {
    const scene_stop stops[] = {
        {point("scan_between_rows"), 2}, /* the first look: main and LOW are read */
        {point("scan_announced"), 1},
        {point("scan_between_rows"), rows}, /* the second look */
        {point("scan_before_verdict"), 1},  /* the block is the first of its word */
    };
    begin(OWNER, MAKE_ONE, 0, 0, stops, 4);
    until_stopped(OWNER);
    CHECK_IS(tell(LOW, RECEIVE, B, 0), HF_OK);
    CHECK_IS(tell(HIGH, DROP, B, 0), HF_OK);
    puppet_go_on(OWNER);
    until_stopped(OWNER);
    CHECK_IS(tell(LOW, FORK, LATER, 0), HF_OK);
    CHECK_IS(tell(LATER, LOOK, 0, 0), HF_OK);
    CHECK_IS(tell(LOW, DROP, B, 0), HF_OK);
    puppet_go_on(OWNER);
    until_stopped(OWNER);
}

/* OWNER makes and stamps whatever it takes for free: whoever holds the block would see it. */
static void finish(int holder) {
    puppet_go_on(OWNER);
    CHECK_IS(done(OWNER), HF_OK);
    CHECK_IS(tell(OWNER, FILL, 0, 0), HF_OK);
    CHECK_IS(tell(holder, LOOK, 0, 0), HF_OK);
    CHECK_IS(tell(holder, DROP, B, 0), HF_OK);
    puppets_leave();
    as_good_as_new();
    scene_close();
}

static void test_a_hold_that_moves_by_fork_during_a_scan_is_not_missed(void) {
    set_up();
    scan_until_announced(2);
    CHECK_IS(tell(LATER, FORK, LAST, 0), HF_OK); /* a row that the scan does not know */
    CHECK_IS(tell(LAST, LOOK, 0, 0), HF_OK);
    CHECK_IS(tell(LATER, DROP, B, 0), HF_OK);
    finish(LAST);
}

static void test_an_attach_during_a_scan_vetoes_the_reuse(void) {
    set_up();
    scan_until_announced(2);
    CHECK_IS(tell(LOW, RECEIVE, B, 0), HF_OK); /* LOW's row was read; LATER's was not */
    CHECK_IS(tell(LATER, DROP, B, 0), HF_OK);
    finish(LOW);
}

/* At the last moment: the verdict "free" is made up, and only its compare-and-swap is missing. Two attach, each of which
 * takes the other's bit for a holder; their bits were set after their rows were read. */
static void test_an_attach_just_before_the_verdict_vetoes_the_reuse(void) {
    const scene_stop before_meta = {point("attach_bit_set"), 1};
    set_up();
    scan_until_announced(4); /* all rows are read but LATER's */
    begin(LOW, RECEIVE, B, 0, &before_meta, 1);
    begin(HIGH, RECEIVE, B, 0, &before_meta, 1);
    until_stopped(LOW);
    until_stopped(HIGH);
    CHECK_IS(tell(LATER, DROP, B, 0), HF_OK);
    puppet_go_on(OWNER);
    until_stopped(OWNER);
    puppet_go_on(LOW);
    CHECK_IS(done(LOW), HF_OK);
    puppet_go_on(HIGH);
    CHECK_IS(done(HIGH), HF_OK);
    CHECK_IS(tell(HIGH, DROP, B, 0), HF_OK);
    finish(LOW);
}

/* The same with the veto half done: LOW has set its bit and stands before reading the meta word. */
static void test_an_attach_that_comes_too_late_for_its_veto_is_refused(void) {
    const scene_stop before_meta = {point("attach_bit_set"), 1};
    set_up();
    scan_until_announced(2);
    begin(LOW, RECEIVE, B, 0, &before_meta, 1);
    until_stopped(LOW);
    CHECK_IS(tell(LATER, DROP, B, 0), HF_OK);
    puppet_go_on(OWNER); /* decides that it is free: LOW's row was read before its bit was set */
    CHECK_IS(done(OWNER), HF_OK);
    puppet_go_on(LOW);
    CHECK_IS(done(LOW), HF_E_STALE);
    CHECK_IS(tell(OWNER, FILL, 0, 0), HF_OK);
    CHECK_IS(tell(LOW, RECEIVE, B, 0), HF_E_STALE);
    puppets_leave();
    as_good_as_new();
    scene_close();
}

/* A scanner that never comes back: nobody waits for it, and its announcement stands in nobody's way (I5). */
static void test_a_block_whose_scanner_was_killed_is_attached_and_reused_later(void) {
    set_up();
    scan_until_announced(2);
    puppet_kill(OWNER);
    CHECK_IS(tell(LOW, RECEIVE, B, 0), HF_OK); /* vetoes the dead one's scan */
    CHECK_IS(tell(LATER, DROP, B, 0), HF_OK);
    CHECK(tell(HIGH, REAP, 0, 0) >= 1);
    CHECK_IS(tell(HIGH, FILL, 0, 0), HF_OK); /* adopts the chunk of the dead */
    CHECK_IS(tell(LOW, LOOK, 0, 0), HF_OK);
    CHECK_IS(tell(LOW, DROP, B, 0), HF_OK);
    CHECK_IS(tell(HIGH, FILL, 0, 0), HF_OK);
    CHECK_IS(tell(LOW, RECEIVE, B, 0), HF_E_STALE);
    puppets_leave();
    as_good_as_new();
    scene_close();
}

/* The scan's word is decided half: the blocks decided first are free and those after are not, and then it dies. */
static void test_a_half_decided_word_of_a_dead_scanner_loses_nothing(void) {
    const scene_stop half = {point("scan_half_decided"), 3};
    set_up();
    begin(OWNER, MAKE_ONE, 0, 0, &half, 1);
    until_stopped(OWNER);
    puppet_kill(OWNER);
    CHECK_IS(tell(HIGH, LOOK, 0, 0), HF_OK);
    CHECK_IS(tell(HIGH, FILL, 0, 0), HF_OK);
    CHECK_IS(tell(LOW, RECEIVE, B, 0), HF_OK);
    CHECK_IS(tell(HIGH, DROP, B, 0), HF_OK);
    CHECK_IS(tell(HIGH, FILL, 0, 0), HF_OK);
    CHECK_IS(tell(LOW, DROP, B, 0), HF_OK);
    puppets_leave();
    as_good_as_new();
    scene_close();
}

static void test_a_dropped_block_comes_back_zeroed_with_the_next_incarnation(void) {
    scene_open(0);
    held first = make(SMALLEST), again;
    drop(&first);
    uint64_t rounds = 0;
    do {
        again = make(SMALLEST); /* finds zeros */
        drop(&again);
        rounds++;
    } while (again.ref.block.at != first.ref.block.at && rounds < 4 * PER_CHUNK);
    CHECK_IS(again.ref.block.at, first.ref.block.at);
    CHECK_IS(again.ref.incarnation, first.ref.incarnation + 1);
    as_good_as_new();
    scene_close();
}

/* Without anybody's help: what one process drops while another holds it stays that one's, however much is made. */
static void test_what_another_process_holds_is_never_given_away(void) {
    enum { COUNT = 3 * PER_CHUNK };
    static held blocks[COUNT];
    scene_open(0);
    make_many(blocks, COUNT, SMALLEST);
    pid_t pid = child();
    if (pid == 0) {
        for (int i = 0; i < COUNT; i++)
            if (i % 3) drop(&blocks[i]);
        hf_add32_seq_cst(&scene->gate[0], 1);
        while (hf_load32_seq_cst(&scene->gate[0]) != 2)
            for (int i = 0; i < COUNT; i += 3) intact(&blocks[i]);
        for (int i = 0; i < COUNT; i += 3) drop(&blocks[i]);
        leave();
    }
    UNTIL(hf_load32_seq_cst(&scene->gate[0]) == 1);
    drop_many(blocks, COUNT);
    for (int round = 0; round < 4; round++) {
        static held more[COUNT];
        make_many(more, COUNT, SMALLEST);
        drop_many(more, COUNT);
    }
    hf_add32_seq_cst(&scene->gate[0], 1);
    ended_well(pid);
    as_good_as_new();
    scene_close();
}

MAIN(TEST(a_dropped_block_comes_back_zeroed_with_the_next_incarnation),
     TEST(what_another_process_holds_is_never_given_away), TEST(a_hold_that_moves_by_fork_during_a_scan_is_not_missed),
     TEST(an_attach_during_a_scan_vetoes_the_reuse), TEST(an_attach_just_before_the_verdict_vetoes_the_reuse),
     TEST(an_attach_that_comes_too_late_for_its_veto_is_refused),
     TEST(a_block_whose_scanner_was_killed_is_attached_and_reused_later),
     TEST(a_half_decided_word_of_a_dead_scanner_loses_nothing))
