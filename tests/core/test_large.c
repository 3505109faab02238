/* Large blocks: runs of chunks that nobody owns for allocation; whoever drops last decides (I2, I5). */
#include "puppet.h"

#include "process.h"

enum { ONE = 1, TWO, THREE };

#define SMALL_END ((uint64_t)HF_SMALL_GRANULES * HF_GRANULE) /* the largest small block */

static void open_with_puppets(void) {
    scene_open(0);
    for (int i = ONE; i <= THREE; i++) puppet_start(i);
}

static void close_with_puppets(void) {
    puppets_leave();
    as_good_as_new();
    scene_close();
}

/* ONE, TWO and THREE hold the block that ONE made. */
static void all_hold(void) {
    open_with_puppets();
    CHECK_IS(tell(ONE, MAKE, 0, LARGE), HF_OK);
    for (int i = TWO; i <= THREE; i++) {
        CHECK_IS(tell(ONE, SEND, 0, (uint64_t)i), HF_OK);
        CHECK_IS(tell(i, RECEIVE, 0, (uint64_t)i), HF_OK);
    }
    CHECK_IS(tell(ONE, SWEEP, 0, 0), HF_OK);
}

/* Tries to have the same memory again: blocks of that length until one is at the old place, or the heap has grown by a
 * few. */
static bool is_given_away(hf_off place) {
    held more[4];
    bool found = false;
    for (int i = 0; i < 4; i++) {
        more[i] = make(LARGE);
        found |= more[i].ref.block.at == place.at;
    }
    for (int i = 0; i < 4; i++) drop(&more[i]);
    hf_trim(me);
    return found;
}

static hf_off place_of_letter(int number) {
    return (hf_off){scene->letters[40 + number].wire.block};
}

static void test_sizes_around_every_boundary_hold_what_they_must(void) {
    const uint64_t around[] = {SMALL_END,          SMALL_END + 1,      HF_CHUNK_BYTES,
                               HF_CHUNK_BYTES + 1, 2 * HF_CHUNK_BYTES, 5 * HF_CHUNK_BYTES - 1};
    enum { COUNT = sizeof around / sizeof around[0] };
    held blocks[COUNT];
    scene_open(0);
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = make(around[i]);
        memset(hf_at(me, blocks[i].ref.block), i + 1, around[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        const uint8_t *bytes = hf_at(me, blocks[i].ref.block);
        for (uint64_t b = 0; b < around[i]; b++) CHECK_IS(bytes[b], i + 1);
        hf_drop(me, blocks[i].ref.block);
    }
    as_good_as_new();
    scene_close();
}

static void test_a_kept_run_is_used_again_and_comes_zeroed(void) {
    scene_open(0);
    held first = make(LARGE);
    drop(&first);
    CHECK(figures().cached_bytes >= LARGE);
    held second = make(LARGE); /* finds zeros */
    CHECK_IS(second.ref.block.at, first.ref.block.at);
    CHECK_IS(second.ref.incarnation, first.ref.incarnation + 1);
    CHECK_IS(figures().cached_bytes, 0);
    drop(&second);
    hf_trim(me);
    CHECK_IS(figures().cached_bytes, 0);
    CHECK_IS(figures().chunks_in_use, 0);
    as_good_as_new();
    scene_close();
}

static void test_what_is_kept_never_exceeds_its_limit(void) {
    enum { COUNT = HF_KEPT_MAX + 8 };
    held blocks[COUNT];
    scene_open(0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) blocks[i] = make(LARGE + (uint64_t)i * HF_CHUNK_BYTES);
        for (int i = 0; i < COUNT; i++) {
            drop(&blocks[i]);
            CHECK(figures().cached_bytes <= HF_KEPT_BYTES);
            CHECK(me->kept_count <= HF_KEPT_MAX);
        }
        sound();
    }
    as_good_as_new();
    scene_close();
}

static void test_the_last_of_three_droppers_ends_the_block(void) {
    int order[3] = {ONE, TWO, THREE};
    for (int turn = 0; turn < 3; turn++) {
        all_hold();
        hf_off place = place_of_letter(TWO);
        for (int i = 0; i < 3; i++) {
            CHECK(!is_given_away(place));
            CHECK_IS(tell(order[(i + turn) % 3], DROP, 0, 0), HF_OK);
        }
        CHECK_IS(figures().blocks, 0);
        CHECK_IS(tell(order[(2 + turn) % 3], TRIM, 0, 0), HF_OK); /* it has kept the run */
        CHECK(is_given_away(place));
        close_with_puppets();
    }
}

/* Two drop at the same time. Each may see the other's hold, but one of the two must look again (RESCAN). */
static void droppers_meet(const char *name, bool first_dies) {
    const scene_stop at = {point(name), 1};
    hf_test_say("first at %s, %s", name, first_dies ? "killed" : "goes on");
    all_hold();
    CHECK_IS(tell(THREE, DROP, 0, 0), HF_OK);
    hf_off place = place_of_letter(TWO);
    begin(ONE, DROP, 0, 0, &at, 1);
    until_stopped(ONE);
    CHECK_IS(tell(TWO, DROP, 0, 0), HF_OK);
    if (first_dies) {
        puppet_kill(ONE);
        hf_reap(me);
    } else {
        puppet_go_on(ONE);
        CHECK_IS(done(ONE), HF_OK);
    }
    CHECK_IS(figures().blocks, 0);
    hf_trim(me);
    if (!first_dies) CHECK_IS(tell(ONE, TRIM, 0, 0), HF_OK);
    CHECK_IS(tell(TWO, TRIM, 0, 0), HF_OK);
    CHECK(is_given_away(place)); /* nobody left it lying */
    close_with_puppets();
}

static void test_of_two_droppers_that_meet_one_ends_the_block(void) {
    static const char *const names[] = {"drop_before_clear", "drop_after_clear",  "large_before_look",
                                        "large_announced",   "scan_between_rows", "large_before_verdict"};
    for (size_t i = 0; i < 2 * sizeof names / sizeof names[0]; i++) droppers_meet(names[i / 2], i % 2);
}

/* The one who looks is killed in the middle, and TWO holds the block all the time: what the dead one had announced is
 * taken back, not carried out. */
static void test_a_scan_that_its_death_interrupts_ends_nothing(void) {
    static const char *const names[] = {"large_announced", "scan_between_rows", "large_before_verdict"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const scene_stop at = {point(names[i]), 1};
        hf_test_say("%s", names[i]);
        all_hold();
        CHECK_IS(tell(THREE, DROP, 0, 0), HF_OK);
        begin(ONE, DROP, 0, 0, &at, 1);
        until_stopped(ONE);
        puppet_kill(ONE);
        CHECK_IS(tell(THREE, REAP, 0, 0), 1);
        CHECK(!is_given_away(place_of_letter(TWO)));
        CHECK_IS(tell(TWO, LOOK, 0, 0), HF_OK);
        CHECK_IS(tell(THREE, RECEIVE, 0, THREE), HF_OK);
        CHECK_IS(tell(TWO, DROP, 0, 0), HF_OK);
        CHECK_IS(tell(THREE, DROP, 0, 0), HF_OK);
        CHECK_IS(figures().blocks, 0);
        close_with_puppets();
    }
}

/* ONE drops last but one, looks, and stands in the middle of its scan; TWO still holds the block and attaches, forks... */
static void test_a_holder_that_moves_during_the_scan_is_not_missed(void) {
    const scene_stop announced = {point("large_announced"), 1};
    /* its own row is read and TWO's is not; TWO's is read as well. (The main process's row has no page, so it is not.) */
    const scene_stop before_two[] = {{point("large_announced"), 1}, {point("scan_between_rows"), 1}};
    const scene_stop after_two[] = {{point("large_announced"), 1}, {point("scan_between_rows"), 2}};
    /* by fork: the hold goes to a row that the scan does not know */
    all_hold();
    CHECK_IS(tell(THREE, DROP, 0, 0), HF_OK);
    begin(ONE, DROP, 0, 0, &announced, 1);
    until_stopped(ONE);
    CHECK_IS(tell(TWO, FORK, 5, 0), HF_OK);
    CHECK_IS(tell(5, LOOK, 0, 0), HF_OK);
    CHECK_IS(tell(TWO, DROP, 0, 0), HF_OK);
    puppet_go_on(ONE);
    CHECK_IS(done(ONE), HF_OK);
    CHECK(!is_given_away(place_of_letter(TWO)));
    CHECK_IS(tell(5, LOOK, 0, 0), HF_OK);
    CHECK_IS(tell(5, DROP, 0, 0), HF_OK);
    CHECK_IS(figures().blocks, 0);
    close_with_puppets();
    /* by fork and death: nobody drops, so nobody says that it be looked at again */
    all_hold();
    CHECK_IS(tell(THREE, DROP, 0, 0), HF_OK);
    begin(ONE, DROP, 0, 0, before_two, 2);
    until_stopped(ONE);
    puppet_go_on(ONE);
    until_stopped(ONE);
    CHECK_IS(tell(TWO, FORK, 5, 0), HF_OK);
    CHECK_IS(tell(5, LOOK, 0, 0), HF_OK);
    puppet_kill(TWO);
    hf_reap(me);
    puppet_go_on(ONE);
    CHECK_IS(done(ONE), HF_OK);
    CHECK(!is_given_away(place_of_letter(TWO)));
    CHECK_IS(tell(5, LOOK, 0, 0), HF_OK);
    CHECK_IS(tell(5, DROP, 0, 0), HF_OK);
    CHECK_IS(figures().blocks, 0);
    close_with_puppets();
    /* by attach: TWO's row was read when it holds the block again, and THREE's was not when it dies */
    all_hold();
    CHECK_IS(tell(TWO, DROP, 0, 0), HF_OK);
    begin(ONE, DROP, 0, 0, after_two, 2);
    until_stopped(ONE);
    puppet_go_on(ONE);
    until_stopped(ONE);
    CHECK_IS(tell(TWO, RECEIVE, 0, TWO), HF_OK);
    puppet_kill(THREE);
    hf_reap(me);
    puppet_go_on(ONE);
    CHECK_IS(done(ONE), HF_OK);
    CHECK(!is_given_away(place_of_letter(TWO)));
    CHECK_IS(tell(TWO, LOOK, 0, 0), HF_OK);
    CHECK_IS(tell(TWO, DROP, 0, 0), HF_OK);
    CHECK_IS(figures().blocks, 0);
    close_with_puppets();
}

/* Its run has become a chunk of small blocks when a late dropper looks at it: those are not its business. */
static void test_a_late_dropper_does_not_touch_what_the_run_has_become(void) {
    const scene_stop late = {point("large_before_look"), 1};
    all_hold();
    CHECK_IS(tell(THREE, DROP, 0, 0), HF_OK);
    begin(ONE, DROP, 0, 0, &late, 1);
    until_stopped(ONE);
    CHECK_IS(tell(TWO, DROP, 0, 0), HF_OK); /* the last hold, so the run is free; */
    CHECK_IS(tell(TWO, TRIM, 0, 0), HF_OK); /* given back; */
    held first = make(SMALLEST);            /* and made a chunk of small blocks */
    CHECK_IS(first.ref.block.at, place_of_letter(TWO).at);
    drop(&first); /* nobody holds it, and it is not looked for yet */
    puppet_go_on(ONE);
    CHECK_IS(done(ONE), HF_OK);
    CHECK_IS(tell(ONE, TRIM, 0, 0), HF_OK);
    held more[3 * PER_CHUNK / 2];
    make_many(more, 3 * PER_CHUNK / 2, SMALLEST);
    drop_many(more, 3 * PER_CHUNK / 2);
    close_with_puppets();
}

/* Killed at every step from its birth to its end: the run is whole again for others. */
static void test_a_run_whose_maker_or_ender_was_killed_is_whole_again(void) {
    static const char *const births[] = {"large_claim_half", "large_before_head", "large_after_head"};
    static const char *const ends[] = {"large_decided", "large_return_half", "large_return_headless"};
    for (int i = 0; i < 6; i++) {
        const scene_stop at = {point(i < 3 ? births[i] : ends[i - 3]), 1};
        hf_test_say("%s", hf_points_name(at.point));
        open_with_puppets();
        if (i < 3) {
            begin(ONE, MAKE, 0, LARGE, &at, 1);
        } else {
            CHECK_IS(tell(ONE, MAKE, 0, LARGE), HF_OK);
            if (i > 3) CHECK_IS(tell(ONE, DROP, 0, 0), HF_OK);
            begin(ONE, i > 3 ? TRIM : DROP, 0, 0, &at, 1);
        }
        until_stopped(ONE);
        uint64_t top = hf_load64_seq_cst(&me->header->chunks_top_shared);
        puppet_kill(ONE);
        hf_reap(me);
        hf_trim(me);
        CHECK_IS(figures().chunks_in_use, 0);
        held again = make(top * HF_CHUNK_BYTES); /* all that was ever used, in one piece */
        CHECK_IS(hf_load64_seq_cst(&me->header->chunks_top_shared), top);
        drop(&again);
        close_with_puppets();
    }
}

/* Blocks of a large page or more start at one, so that the kernel can use one. */
static void test_very_large_blocks_start_at_a_large_page(void) {
    uint64_t large_page = 2ull << 20;
    held blocks[3];
    scene_open(64ull << 20);
    held odd = make(SMALLEST), odd_run = make(LARGE);
    for (int i = 0; i < 3; i++) {
        blocks[i] = make(large_page + (uint64_t)i * HF_CHUNK_BYTES);
        CHECK_IS(blocks[i].ref.block.at % large_page, 0);
        CHECK_IS((uintptr_t)hf_at(me, blocks[i].ref.block) % large_page, 0);
    }
    drop_many(blocks, 3);
    drop(&odd);
    drop(&odd_run);
    as_good_as_new();
    scene_close();
}

MAIN(TEST(sizes_around_every_boundary_hold_what_they_must), TEST(a_kept_run_is_used_again_and_comes_zeroed),
     TEST(what_is_kept_never_exceeds_its_limit), TEST(the_last_of_three_droppers_ends_the_block),
     TEST(of_two_droppers_that_meet_one_ends_the_block), TEST(a_holder_that_moves_during_the_scan_is_not_missed),
     TEST(a_scan_that_its_death_interrupts_ends_nothing), TEST(a_late_dropper_does_not_touch_what_the_run_has_become),
     TEST(a_run_whose_maker_or_ender_was_killed_is_whole_again), TEST(very_large_blocks_start_at_a_large_page))
