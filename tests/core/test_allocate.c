/* Allocation and dropping within one process: every size, zeros, distinct bytes, holders, figures (I1, I2, I4). */
#include "scene.h"

#include "process.h"

#define SMALL_END ((uint64_t)HF_SMALL_GRANULES * HF_GRANULE)

static bool overlap(const held *a, const held *b) {
    return a->ref.block.at < b->ref.block.at + b->bytes && b->ref.block.at < a->ref.block.at + a->bytes;
}

static void test_blocks_of_every_size_are_zeroed_aligned_and_apart(void) {
    enum { COUNT = 3 * HF_CLASSES_MAX };
    held blocks[COUNT];
    int count = 0;
    scene_open(0);
    for (uint32_t c = 0; c < me->classes; c++) {
        uint64_t end = (uint64_t)me->class_granules[c] * HF_GRANULE;
        for (uint64_t bytes = end - 1; bytes <= end + 1 && bytes <= SMALL_END; bytes++) blocks[count++] = make(bytes);
    }
    for (int i = 0; i < count; i++) {
        CHECK_IS((uintptr_t)hf_at(me, blocks[i].ref.block) % HF_GRANULE, 0);
        CHECK(hf_holds(me, blocks[i].ref.block));
        for (int j = 0; j < i; j++) CHECK(!overlap(&blocks[i], &blocks[j]));
    }
    CHECK_IS(figures().own_blocks, count);
    drop_many(blocks, count);
    as_good_as_new();
    scene_close();
}

static void test_a_block_of_no_bytes_is_a_block(void) {
    scene_open(0);
    held none = make(0), other = make(0);
    CHECK(none.ref.block.at != other.ref.block.at);
    CHECK_IS(figures().blocks, 2);
    drop(&none);
    drop(&other);
    as_good_as_new();
    scene_close();
}

/* RAW memory may show anything but what somebody else still holds. */
static void test_raw_blocks_are_not_cleared(void) {
    hf_ref raw;
    uint8_t *at;
    bool seen = false;
    scene_open(0);
    for (int i = 0; i < 4 * (int)PER_CHUNK && !seen; i++) {
        CHECK_IS(hf_alloc(me, SMALLEST, HF_RAW, &raw), HF_OK);
        at = hf_at(me, raw.block);
        seen = at[5] == 77;
        at[5] = 77;
        hf_drop(me, raw.block);
    }
    CHECK(seen); /* else HF_RAW saves nothing */
    as_good_as_new();
    scene_close();
}

/* Further holders are counted within the process; the bit goes with the last. */
static void test_the_last_of_many_holders_ends_the_block(void) {
    enum { COUNT = 300, MOST = 5 };
    held blocks[COUNT];
    scene_open(0);
    make_many(blocks, COUNT, SMALLEST);
    for (int i = 0; i < COUNT; i++)
        for (int n = 0; n < i % MOST; n++) CHECK_IS(hf_hold(me, blocks[i].ref.block), HF_OK);
    sound();
    for (int n = MOST; n > 0; n--) { /* those that have n holders lose one */
        for (int i = 0; i < COUNT; i++) {
            CHECK(hf_holds(me, blocks[i].ref.block));
            if (i % MOST + 1 >= n) drop(&blocks[i]);
            CHECK_IS(hf_holds(me, blocks[i].ref.block), n > 1);
        }
        sound();
    }
    CHECK_IS(figures().own_blocks, 0);
    as_good_as_new();
    scene_close();
}

/* What is asked beyond the heap is refused, and nothing has changed. */
static void test_sizes_beyond_the_heap_are_refused_with_their_numbers(void) {
    scene_open(HF_DATA_BYTES_MIN);
    hf_ref ref = {{7}, 7};
    const uint64_t sizes[] = {HF_DATA_BYTES_MIN + 1, UINT64_MAX / 2, UINT64_MAX - HF_CHUNK_BYTES, UINT64_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        CHECK_IS(hf_alloc(me, sizes[i], 0, &ref), HF_E_TOO_LARGE);
        CHECK_IS(ref.block.at, 7);
        CHECK_IS(hf_last_error(me)->wanted, sizes[i]);
        CHECK_IS(hf_last_error(me)->found, HF_DATA_BYTES_MIN);
    }
    as_good_as_new();
    held whole = make(HF_DATA_BYTES_MIN);
    drop(&whole);
    as_good_as_new();
    scene_close();
}

/* Sizes and lives at random, against a list of what must be there. */
static void test_whatever_the_order_of_making_and_dropping_no_two_blocks_meet(void) {
    enum { MOST = 400, STEPS = 20000 };
    static held blocks[MOST];
    int count = 0;
    uint64_t random = seed(), bytes = 0;
    scene_open(16ull << 20);
    for (int step = 0; step < STEPS; step++) {
        bool grow = step / 2000 % 2 == 0;
        if (count < MOST && below(&random, 4) < (grow ? 3u : 1u)) {
            uint64_t size = below(&random, 40) ? below(&random, 1500) : below(&random, 4 * HF_CHUNK_BYTES);
            int result = try_make(size, &blocks[count]);
            if (result != HF_OK) {
                CHECK_IS(result, HF_E_HEAP_FULL);
                continue;
            }
            bytes += size;
            count++;
        } else if (count > 0) {
            int i = (int)below(&random, (uint64_t)count);
            drop(&blocks[i]);
            bytes -= blocks[i].bytes;
            blocks[i] = blocks[--count];
        }
        if (step % 4000 == 0) {
            sound();
            CHECK_IS(figures().own_blocks, count);
            CHECK(figures().block_bytes >= bytes);
        }
        if (step % 6000 == 5999) hf_trim(me);
    }
    intact_many(blocks, count);
    drop_many(blocks, count);
    as_good_as_new();
    scene_close();
}

/* The memory of a steady program is bounded by what it holds, however long it runs. */
static void test_a_steady_program_does_not_grow(void) {
    enum { LIVE = 600 };
    static held blocks[LIVE];
    uint64_t random = seed(), top = 0;
    scene_open(0);
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < LIVE; i++) {
            if (round > 0) drop(&blocks[i]);
            blocks[i] = make(1 + below(&random, 400));
        }
        if (round == 12) top = hf_load64_seq_cst(&me->header->chunks_top_shared);
    }
    CHECK(hf_load64_seq_cst(&me->header->chunks_top_shared) <= top + top / 4); /* sizes vary */
    drop_many(blocks, LIVE);
    hf_trim(me);
    CHECK_IS(figures().chunks_in_use, 0);
    as_good_as_new();
    scene_close();
}

MAIN(TEST(blocks_of_every_size_are_zeroed_aligned_and_apart), TEST(a_block_of_no_bytes_is_a_block),
     TEST(raw_blocks_are_not_cleared), TEST(the_last_of_many_holders_ends_the_block),
     TEST(sizes_beyond_the_heap_are_refused_with_their_numbers),
     TEST(whatever_the_order_of_making_and_dropping_no_two_blocks_meet), TEST(a_steady_program_does_not_grow))
