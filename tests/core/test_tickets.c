/* Tickets: a block on its way to another process is held, whatever becomes of its sender, until it has arrived (I1, I2).
 *
 * Letters are what a pickle carries. Each is first read by somebody (which uses the ticket up) and may be read again; a
 * later reading is either the same block or an error, never somebody else's bytes.
 */
#include "puppet.h"

#include "process.h"

enum { SENDER = 1, READER, THIRD };

static void open_with_puppets(void) {
    scene_open(0);
    for (int i = SENDER; i <= THIRD; i++) puppet_start(i);
}

static void close_with_puppets(void) {
    puppets_leave();
    as_good_as_new();
    scene_close();
}

/* The sender made block 0, wrote letter 0 and let go of the block: only the ticket holds it. */
static void send_and_drop(uint64_t bytes) {
    CHECK_IS(tell(SENDER, MAKE, 0, bytes), HF_OK);
    CHECK_IS(tell(SENDER, SEND, 0, 0), HF_OK);
    CHECK_IS(tell(SENDER, DROP, 0, 0), HF_OK);
}

static const uint64_t sizes[] = {1, SMALLEST, 700, LARGE};

static void test_a_letter_keeps_its_block_until_it_is_read(void) {
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        open_with_puppets();
        send_and_drop(sizes[i]);
        CHECK_IS(tell(SENDER, SWEEP, 0, 0), HF_OK);
        CHECK_IS(tell(SENDER, FILL, 0, 0), HF_OK);
        CHECK_IS(tell(THIRD, FILL, 0, 0), HF_OK);
        CHECK_IS(figures().tickets_outstanding, 1);
        CHECK_IS(tell(READER, RECEIVE, 0, 0), HF_OK);
        CHECK_IS(figures().tickets_outstanding, 0);
        CHECK_IS(tell(SENDER, SWEEP, 0, 0), HF_OK);
        CHECK_IS(tell(SENDER, FILL, 0, 0), HF_OK);
        CHECK_IS(tell(READER, LOOK, 0, 0), HF_OK);
        CHECK_IS(tell(READER, DROP, 0, 0), HF_OK);
        CHECK_IS(figures().blocks, 0);
        close_with_puppets();
    }
}

static void test_a_letter_is_read_again_as_long_as_somebody_holds_the_block(void) {
    open_with_puppets();
    send_and_drop(SMALLEST);
    CHECK_IS(tell(READER, RECEIVE, 0, 0), HF_OK);
    CHECK_IS(tell(SENDER, SWEEP, 0, 0), HF_OK);
    CHECK_IS(tell(THIRD, RECEIVE, 0, 0), HF_OK);
    CHECK_IS(tell(READER, DROP, 0, 0), HF_OK);
    CHECK_IS(tell(SENDER, RECEIVE, 0, 0), HF_OK);
    CHECK_IS(tell(THIRD, DROP, 0, 0), HF_OK);
    CHECK_IS(tell(SENDER, DROP, 0, 0), HF_OK);
    for (int i = SENDER; i <= THIRD; i++) CHECK_IS(tell(i, RECEIVE, 0, 0), HF_E_STALE); /* nobody does any more */
    CHECK_IS(tell(SENDER, FILL, 0, 0), HF_OK);
    for (int i = SENDER; i <= THIRD; i++) CHECK_IS(tell(i, RECEIVE, 0, 0), HF_E_STALE); /* and others have it now */
    close_with_puppets();
}

static void estate_is_read(uint64_t bytes) {
    open_with_puppets();
    CHECK_IS(tell(SENDER, MAKE, 0, bytes), HF_OK);
    CHECK_IS(tell(SENDER, SEND, 0, 0), HF_OK);
    CHECK_IS(tell(SENDER, SEND, 0, 1), HF_OK);
    CHECK_IS(tell(SENDER, MAKE, 1, SMALLEST), HF_OK); /* not sent to anybody */
    CHECK_IS(tell(SENDER, MAKE, 2, LARGE), HF_OK);
    puppet_kill(SENDER);
    hf_reap(me);
    CHECK_IS(figures().slots_estate, 1);
    CHECK_IS(figures().blocks, 1);
    CHECK_IS(figures().tickets_outstanding, 2);
    CHECK_IS(tell(THIRD, FILL, 0, 0), HF_OK);
    CHECK_IS(tell(READER, RECEIVE, 0, 0), HF_OK);
    hf_reap(me);
    CHECK_IS(figures().slots_estate, 1); /* for the other letter */
    CHECK_IS(tell(THIRD, RECEIVE, 0, 1), HF_OK);
    hf_reap(me);
    CHECK_IS(figures().slots_estate, 0); /* both are used, so nothing is left to wait for */
    CHECK_IS(tell(READER, DROP, 0, 0), HF_OK);
    CHECK_IS(tell(THIRD, DROP, 0, 0), HF_OK);
    close_with_puppets();
}

static void estate_runs_out(uint64_t bytes) {
    open_with_puppets();
    send_and_drop(bytes);
    puppet_kill(SENDER);
    hf_reap(me);
    CHECK_IS(figures().slots_estate, 1);
    graces_end();
    CHECK_IS(figures().slots_estate, 0);
    CHECK_IS(tell(READER, RECEIVE, 0, 0), HF_E_STALE);
    CHECK_IS(figures().blocks, 0);
    close_with_puppets();
}

/* The heap's word for the length of the grace is obeyed: of no length, and of the default. */
static void grace_is_obeyed(void) {
    open_with_puppets();
    hf_set_grace(me, 0);
    send_and_drop(SMALLEST);
    puppet_kill(SENDER);
    hf_reap(me);
    hf_reap(me);
    CHECK_IS(figures().slots_estate, 0);
    CHECK_IS(tell(READER, RECEIVE, 0, 0), HF_E_STALE);
    close_with_puppets();
}

static void test_an_estate_runs_out_when_its_grace_is_over(void) {
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) estate_runs_out(sizes[i]);
    grace_is_obeyed();
}

/* The reader holds the block but has not said so, or has not even been accepted, when others act (I5). */
static void reader_stops_at(const char *name, bool dies) {
    const scene_stop at = {point(name), 1};
    hf_test_say("%s, %s", name, dies ? "killed" : "goes on");
    open_with_puppets();
    send_and_drop(SMALLEST);
    begin(READER, RECEIVE, 0, 0, &at, 1);
    until_stopped(READER);
    CHECK_IS(tell(SENDER, SWEEP, 0, 0), HF_OK);
    CHECK_IS(tell(SENDER, FILL, 0, 0), HF_OK);
    bool used = strcmp(name, "attach_ticket_used") == 0;
    if (dies) {
        puppet_kill(READER);
        hf_reap(me);
        /* used up or not, there is no gap: the dead one held it until it was reaped, the sender until it was used */
        CHECK_IS(tell(THIRD, RECEIVE, 0, 0), used ? HF_E_STALE : HF_OK);
        if (!used) CHECK_IS(tell(THIRD, DROP, 0, 0), HF_OK);
    } else {
        CHECK_IS(tell(THIRD, RECEIVE, 0, 0), HF_OK); /* the second reading */
        CHECK_IS(tell(THIRD, DROP, 0, 0), HF_OK);
        CHECK_IS(tell(SENDER, SWEEP, 0, 0), HF_OK);
        CHECK_IS(tell(SENDER, FILL, 0, 0), HF_OK);
        puppet_go_on(READER);
        /* who has only set its bit comes second, and nobody holds the block any more: refused, but not reused meanwhile */
        bool first = strcmp(name, "attach_bit_set") != 0;
        CHECK_IS(done(READER), first ? HF_OK : HF_E_STALE);
        CHECK_IS(tell(SENDER, FILL, 0, 0), HF_OK);
        if (first) CHECK_IS(tell(READER, DROP, 0, 0), HF_OK);
    }
    close_with_puppets();
}

static void test_there_is_no_gap_between_the_ticket_and_the_readers_hold(void) {
    static const char *const names[] = {"attach_bit_set", "attach_accepted", "attach_ticket_used"};
    for (int i = 0; i < 6; i++) reader_stops_at(names[i / 2], i % 2);
}

/* Killed while it issues: either the letter was written, or nothing of it is left. */
static void test_a_sender_killed_while_it_issues_leaves_all_or_nothing(void) {
    static const char *const names[] = {"issue_half", "issue_done"};
    for (int i = 0; i < 2; i++) {
        const scene_stop at = {point(names[i]), 1};
        open_with_puppets();
        CHECK_IS(tell(SENDER, MAKE, 0, SMALLEST), HF_OK);
        begin(SENDER, SEND, 0, 0, &at, 1);
        until_stopped(SENDER);
        puppet_kill(SENDER);
        hf_reap(me);
        CHECK_IS(figures().slots_estate, i);
        CHECK_IS(figures().tickets_outstanding, i);
        CHECK_IS(figures().blocks, i);
        close_with_puppets();
    }
}

/* A child inherits the sender's holds, but the letters stay the sender's: neither the child's end nor its life matters. */
static void test_a_childs_end_does_not_end_its_parents_letters(void) {
    open_with_puppets();
    send_and_drop(SMALLEST);
    CHECK_IS(tell(SENDER, FORK, 5, 0), HF_OK);
    puppet_kill(5);
    hf_reap(me);
    CHECK_IS(tell(SENDER, FILL, 0, 0), HF_OK);
    CHECK_IS(tell(SENDER, FORK, 6, 0), HF_OK);
    CHECK_IS(tell(6, LOOK, 0, 0), HF_OK); /* it has taken its first steps, in which it forgets what is its parent's */
    CHECK_IS(tell(READER, RECEIVE, 0, 0), HF_OK);
    CHECK_IS(tell(SENDER, SWEEP, 0, 0), HF_OK);
    CHECK_IS(tell(READER, DROP, 0, 0), HF_OK);
    CHECK_IS(figures().blocks, 0); /* the living child holds nothing for its parent's letters */
    CHECK_IS(figures().tickets_outstanding, 0);
    close_with_puppets();
}

/* Two read one letter at the same time: both hold the block, and the sender lets go once. */
static void test_two_readers_of_one_letter_both_hold_the_block(void) {
    const scene_stop before_use = {point("attach_accepted"), 1};
    open_with_puppets();
    send_and_drop(SMALLEST);
    begin(READER, RECEIVE, 0, 0, &before_use, 1);
    begin(THIRD, RECEIVE, 0, 0, &before_use, 1);
    until_stopped(READER);
    until_stopped(THIRD);
    puppet_go_on(READER);
    CHECK_IS(done(READER), HF_OK);
    CHECK_IS(tell(SENDER, SWEEP, 0, 0), HF_OK);
    CHECK_IS(tell(READER, DROP, 0, 0), HF_OK);
    CHECK_IS(tell(SENDER, FILL, 0, 0), HF_OK);
    puppet_go_on(THIRD);
    CHECK_IS(done(THIRD), HF_OK);
    CHECK_IS(tell(SENDER, FILL, 0, 0), HF_OK);
    CHECK_IS(tell(THIRD, DROP, 0, 0), HF_OK);
    CHECK_IS(figures().blocks, 0);
    close_with_puppets();
}

static void test_many_letters_are_swept_as_they_are_read(void) {
    enum { COUNT = 2000 };
    static letter letters[COUNT];
    scene_open(0);
    held block = make(SMALLEST);
    for (int i = 0; i < COUNT; i++) letters[i] = send(&block);
    CHECK_IS(figures().tickets_outstanding, COUNT);
    drop(&block);
    pid_t pid = child();
    if (pid == 0) {
        for (int i = 0; i < COUNT; i++) {
            held again = receive(&letters[i]);
            if (i % 2) drop(&again);
        }
        for (int i = 0; i < COUNT; i += 2) hf_drop(me, block.ref.block);
        CHECK(!hf_holds(me, block.ref.block));
        leave();
    }
    ended_well(pid);
    CHECK_IS(figures().tickets_outstanding, 0);
    CHECK_IS(figures().tickets_used, COUNT);
    hf_sweep_tickets(me);
    CHECK_IS(figures().own_blocks, 0);
    as_good_as_new();
    scene_close();
}

static void test_an_estate_is_read_to_its_last_letter(void) {
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) estate_is_read(sizes[i]);
}

MAIN(TEST(a_letter_keeps_its_block_until_it_is_read), TEST(a_letter_is_read_again_as_long_as_somebody_holds_the_block),
     TEST(an_estate_is_read_to_its_last_letter), TEST(an_estate_runs_out_when_its_grace_is_over),
     TEST(there_is_no_gap_between_the_ticket_and_the_readers_hold),
     TEST(a_sender_killed_while_it_issues_leaves_all_or_nothing), TEST(a_childs_end_does_not_end_its_parents_letters),
     TEST(two_readers_of_one_letter_both_hold_the_block), TEST(many_letters_are_swept_as_they_are_read))
