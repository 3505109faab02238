/* Limits: the heap, the slots, the descriptors, the address space and the file size come to an end.
 *
 * Each limit has an error of its own with the numbers in it; what failed leaves nothing behind; and when there is room
 * again, what failed before works (I5 for those who are refused instead of killed).
 */
#include "exhaust.h"

#include <dirent.h>
#include <errno.h>
#include <sys/wait.h>

#ifdef HF_TINY
#define LITTLE_MEMORY (9ull << 20) /* for the smallest heap, and not for the default one */
#define LITTLE_FILE (7ull << 20)
#else
#define LITTLE_MEMORY (20ull << 30)
#define LITTLE_FILE LITTLE_MEMORY
#endif

static int entries(const char *folder) {
    int count = 0;
    DIR *dir = opendir(folder);
    CHECK(dir != NULL);
    while (readdir(dir)) count++;
    closedir(dir);
    return count;
}

static uint64_t address_space(void) {
    unsigned long long pages;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f != NULL);
    CHECK_IS(fscanf(f, "%llu", &pages), 1);
    fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void limit(int resource, rlim_t most) {
    struct rlimit l;
    CHECK_IS(getrlimit(resource, &l), 0);
    l.rlim_cur = most;
    CHECK_IS(setrlimit(resource, &l), 0);
}

/* Until there is no room for one more; how many. */
static uint64_t make_all(held *all, uint64_t room, uint64_t bytes) {
    uint64_t count = 0;
    int result = HF_OK;
    while (count < room && (result = try_make(bytes, &all[count])) == HF_OK) count++;
    CHECK_IS(result, HF_E_HEAP_FULL);
    CHECK_IS(hf_last_error(me)->os_errno, 0);
    CHECK_IS(strcmp(hf_last_error(me)->what, "heap"), 0);
    sound();
    return count;
}

/* ---- the heap -------------------------------------------------------------------------------------------------------------- */

static void test_a_full_heap_takes_again_whatever_was_dropped(void) {
    static const uint64_t sizes[] = {SMALLEST, 5 * SMALLEST, 64 * SMALLEST, LARGE};
    static held all[FILL_MAX + 1];
    scene_open(SMALL_HEAP);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        hf_test_say("with blocks of %llu bytes", (unsigned long long)sizes[s]);
        uint64_t count = make_all(all, FILL_MAX + 1, sizes[s]);
        CHECK(count * sizes[s] > SMALL_HEAP / 2); /* nothing of the sizes before is in the way */
        uint64_t some[] = {0, count / 2, count - 1};
        for (int i = 0; i < 3; i++) { /* one more for each that is dropped, and no second one */
            drop(&all[some[i]]);
            all[some[i]] = make(sizes[s]);
            held none;
            CHECK_IS(try_make(sizes[s], &none), HF_E_HEAP_FULL);
        }
        for (uint64_t i = 0; i < count; i++) drop(&all[i]);
    }
    held whole = make(SMALL_HEAP), none;
    CHECK_IS(try_make(SMALLEST, &none), HF_E_HEAP_FULL);
    drop(&whole);
    as_good_as_new();
    scene_close();
}

static void test_a_ticket_that_has_no_room_leaves_nothing_behind(void) {
    static held all[FILL_MAX + 1];
    hf_wire wire;
    scene_open(SMALL_HEAP);
    uint64_t count = make_all(all, FILL_MAX + 1, SMALLEST);
    CHECK_IS(hf_issue(me, all[7].ref, SMALLEST, &wire), HF_E_HEAP_FULL);
    CHECK_IS(figures().tickets_outstanding, 0);
    drop(&all[7]);
    CHECK(!hf_holds(me, all[7].ref.block)); /* held once, as before */
    sound();
    all[7] = make(SMALLEST);
    for (uint64_t i = 0; i < count; i++) drop(&all[i]);
    as_good_as_new();
    scene_close();
}

static void test_a_heap_that_the_dead_have_filled_is_free(void) {
    static held all[FILL_MAX + 1];
    scene_open(SMALL_HEAP);
    pid_t greedy = child();
    if (greedy == 0) {
        make_all(all, FILL_MAX + 1, SMALLEST);
        hf_add32_seq_cst(&scene->gate[0], 1);
        for (;;) pause();
    }
    UNTIL(hf_load32_seq_cst(&scene->gate[0]) == 1);
    held block;
    CHECK_IS(try_make(SMALLEST, &block), HF_E_HEAP_FULL);
    CHECK_IS(try_make(LARGE, &block), HF_E_HEAP_FULL);
    murder(greedy);
    block = make(SMALL_HEAP); /* nobody has to reap by hand */
    drop(&block);
    as_good_as_new();
    scene_close();
}

static void test_what_can_never_fit_is_too_large(void) {
    static const uint64_t sizes[] = {SMALL_HEAP + 1, SMALL_HEAP * 2, 1ull << 48, UINT64_MAX - 1, UINT64_MAX};
    held block;
    scene_open(SMALL_HEAP);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        hf_ref ref;
        CHECK_IS(hf_alloc(me, sizes[i], 0, &ref), HF_E_TOO_LARGE);
        CHECK(hf_last_error(me)->wanted == sizes[i]);
        CHECK_IS(hf_last_error(me)->found, SMALL_HEAP);
    }
    block = make(0); /* nothing is something: a block with an address of its own */
    held other = make(0);
    CHECK(block.ref.block.at != other.ref.block.at);
    drop(&block);
    drop(&other);
    as_good_as_new();
    scene_close();
}

/* ---- slots and descriptors ---------------------------------------------------------------------------------------------------- */

static void test_who_finds_no_slot_joins_when_somebody_has_died(void) {
    static taken_slots slots;
    held block;
    scene_open(SMALL_HEAP);
    block = make(SMALLEST);
    hf_process *late = hf_process_new();
    slots_take(&slots);
    CHECK_IS(slots.count, HF_SLOTS - 1);
    int maps = entries("/proc/self/map_files"), files = entries("/proc/self/fd");
    for (int i = 0; i < 3; i++) {
        CHECK_IS(hf_join(late, hf_descriptor(me)), HF_E_NO_SLOT);
        CHECK_IS(hf_last_error(late)->found, HF_SLOTS);
        CHECK(!hf_is_open(late));
    }
    CHECK(late->base == NULL); /* it remembers nothing of the heap that it failed to join */
    CHECK_IS(entries("/proc/self/map_files"), maps);
    CHECK_IS(entries("/proc/self/fd"), files);
    hf_os_lifeline_drop(&slots.lines[--slots.count]);
    CHECK_IS(hf_join(late, hf_descriptor(me)), HF_OK); /* reaps that one by itself */
    CHECK_IS(figures().slots_live, HF_SLOTS);
    hf_process_delete(late);
    slots_return(&slots);
    drop(&block);
    as_good_as_new();
    scene_close();
}

static void test_who_finds_no_descriptor_leaves_nothing_and_may_try_again(void) {
    scene_open(SMALL_HEAP);
    hf_process *late = hf_process_new();
    int maps = entries("/proc/self/map_files"), files = entries("/proc/self/fd");
    int next = dup(0);
    CHECK(next >= 0);
    close(next);
    struct rlimit before;
    CHECK_IS(getrlimit(RLIMIT_NOFILE, &before), 0);
    rlim_t most[] = {0, 3, (rlim_t)next,
                     (rlim_t)next + 1}; /* with the last, the second of two descriptors is missing */
    for (size_t i = 0; i < sizeof most / sizeof most[0]; i++) {
        hf_test_say("with %d descriptors", (int)most[i]);
        int fd = hf_descriptor(me);
        limit(RLIMIT_NOFILE, most[i]);
        int joined = hf_join(late, fd), error = hf_last_error(late)->os_errno;
        limit(RLIMIT_NOFILE, before.rlim_cur);
        CHECK_IS(joined, HF_E_NO_DESCRIPTOR);
        CHECK_IS(error, EMFILE);
        CHECK(!hf_is_open(late));
        CHECK_IS(entries("/proc/self/map_files"), maps);
        CHECK_IS(entries("/proc/self/fd"), files);
    }
    hf_process *founder = hf_process_new();
    limit(RLIMIT_NOFILE, 3);
    CHECK_IS(hf_create(founder, SMALL_HEAP), HF_E_NO_DESCRIPTOR);
    limit(RLIMIT_NOFILE, before.rlim_cur);
    CHECK_IS(hf_create(founder, SMALL_HEAP), HF_OK);
    CHECK_IS(hf_join(late, hf_descriptor(me)), HF_OK);
    hf_process_delete(founder);
    hf_process_delete(late);
    as_good_as_new();
    scene_close();
}

/* ---- address space and file size ------------------------------------------------------------------------------------------------ */

/* The heap is smaller than wished, says so, and is a heap like any other. */
static void smaller_and_whole(void) {
    hf_figures f = figures();
    CHECK_IS(f.data_bytes_wished, HF_DATA_BYTES_DEFAULT);
    CHECK(f.data_bytes < HF_DATA_BYTES_DEFAULT);
    CHECK(f.data_bytes >= HF_DATA_BYTES_MIN);
    CHECK(f.slots > 0 && f.slots <= HF_SLOTS);
    held block = make(SMALLEST), large = make(LARGE);
    scene->letters[0] = send(&block);
    pid_t heir = child();
    if (heir == 0) {
        CHECK(hf_serial(me) != 0);
        held received = receive(&scene->letters[0]);
        drop(&received);
        leave();
    }
    ended_well(heir);
    drop(&block);
    drop(&large);
    as_good_as_new();
}

static void test_a_limited_address_space_gets_a_smaller_heap(void) {
    limit(RLIMIT_AS, address_space() + LITTLE_MEMORY);
    scene_open(0);
    smaller_and_whole();
    scene_close();
}

static void test_a_limited_file_size_gets_a_smaller_heap(void) {
    signal(SIGXFSZ, SIG_IGN); /* as Python does; otherwise the kernel kills who asks for more */
    limit(RLIMIT_FSIZE, LITTLE_FILE);
    scene_open(0);
    smaller_and_whole();
    scene_close();
}

static void test_no_room_for_any_heap_is_an_error_and_leaves_nothing(void) {
    hf_process *p = hf_process_new();
    signal(SIGXFSZ, SIG_IGN);
    int maps = entries("/proc/self/map_files"), files = entries("/proc/self/fd");
    limit(RLIMIT_FSIZE, HF_PAGE);
    CHECK_IS(hf_create(p, 0), HF_E_SYSTEM);
    CHECK_IS(hf_last_error(p)->os_errno, EFBIG);
    CHECK_IS(strcmp(hf_last_error(p)->what, "ftruncate"), 0);
    limit(RLIMIT_FSIZE, RLIM_INFINITY);
    limit(RLIMIT_AS, address_space() + (1 << 20));
    CHECK_IS(hf_create(p, 0), HF_E_NO_MEMORY);
    CHECK_IS(hf_last_error(p)->os_errno, ENOMEM);
    CHECK(!hf_is_open(p));
    limit(RLIMIT_AS, RLIM_INFINITY);
    CHECK_IS(entries("/proc/self/map_files"), maps);
    CHECK_IS(entries("/proc/self/fd"), files);
    CHECK_IS(hf_create(p, 0), HF_OK);
    hf_process_delete(p);
}

MAIN(TEST(a_full_heap_takes_again_whatever_was_dropped), TEST(a_ticket_that_has_no_room_leaves_nothing_behind),
     TEST(a_heap_that_the_dead_have_filled_is_free), TEST(what_can_never_fit_is_too_large),
     TEST(who_finds_no_slot_joins_when_somebody_has_died),
     TEST(who_finds_no_descriptor_leaves_nothing_and_may_try_again), TEST(a_limited_address_space_gets_a_smaller_heap),
     TEST(a_limited_file_size_gets_a_smaller_heap), TEST(no_room_for_any_heap_is_an_error_and_leaves_nothing))
