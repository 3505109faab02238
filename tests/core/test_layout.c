/* Files that are no heap of this build: joining them is an error that names the difference, and maps nothing (I4). */
#include "exhaust.h"

#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>

static int mapped_files(void) {
    int count = 0;
    DIR *dir = opendir("/proc/self/map_files");
    CHECK(dir != NULL);
    while (readdir(dir)) count++;
    closedir(dir);
    return count;
}

/* A memory file with this header and size. */
static int file_of(const hf_header *header, uint64_t bytes, unsigned seals) {
    int fd = memfd_create("no heap", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fd >= 0);
    size_t most = bytes < sizeof *header ? (size_t)bytes : sizeof *header;
    CHECK_IS(pwrite(fd, header, most, 0), most);
    CHECK_IS(ftruncate(fd, (off_t)bytes), 0);
    CHECK_IS(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

/* Joining fails and names `what`; the same membership can join the real heap afterwards. */
static void refused(int fd, const char *what) {
    hf_process *late = hf_process_new();
    int files = mapped_files(), next = dup(0);
    close(next);
    hf_test_say("expected: %s", what);
    CHECK_IS(hf_join(late, fd), HF_E_LAYOUT);
    if (strcmp(hf_last_error(late)->what, what) != 0) hf_test_failed(__FILE__, __LINE__, hf_last_error(late)->what);
    CHECK(!hf_is_open(late));
    CHECK_IS(mapped_files(), files);
    CHECK_IS(dup(0), next);
    close(next);
    CHECK_IS(hf_join(late, hf_descriptor(me)), HF_OK);
    hf_process_delete(late);
    close(fd);
    hf_reap(me);
}

#define SEALED (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static void test_a_heap_of_another_layout_is_refused_by_name(void) {
    static const struct {
        size_t offset, bytes;
        const char *what;
    } fields[] = {
        {offsetof(hf_header, magic), 8, "magic"},          {offsetof(hf_header, layout_version), 4, "version"},
        {offsetof(hf_header, slots), 4, "geometry"},       {offsetof(hf_header, granule_bytes), 4, "geometry"},
        {offsetof(hf_header, chunk_bytes), 4, "geometry"}, {offsetof(hf_header, data_bytes), 8, "geometry"},
        {offsetof(hf_header, cards_off), 8, "geometry"},   {offsetof(hf_header, used_off), 8, "geometry"},
        {offsetof(hf_header, chunks_off), 8, "geometry"},  {offsetof(hf_header, meta_off), 8, "geometry"},
        {offsetof(hf_header, rows_off), 8, "geometry"},    {offsetof(hf_header, row_bytes), 8, "geometry"},
        {offsetof(hf_header, data_off), 8, "geometry"},    {offsetof(hf_header, file_bytes), 8, "geometry"},
    };
    scene_open(SMALL_HEAP);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        for (size_t byte = 0; byte < fields[i].bytes; byte++) {
            for (int bit = 0; bit < 8; bit += 7) {
                hf_header h;
                memcpy((void *)&h, me->header, sizeof h);
                ((uint8_t *)&h)[fields[i].offset + byte] ^= (uint8_t)(1 << bit);
                refused(file_of(&h, me->header->file_bytes, SEALED), fields[i].what);
            }
        }
    }
    as_good_as_new();
    scene_close();
}

static void test_other_numbers_of_the_same_kind_are_refused(void) {
    scene_open(SMALL_HEAP);
    uint64_t sizes[] = {0, 1, SMALL_HEAP - 1, 2 * SMALL_HEAP, 1ull << 46, 1ull << 47, UINT64_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        hf_header h;
        memcpy((void *)&h, me->header, sizeof h);
        h.data_bytes = sizes[i];
        refused(file_of(&h, h.file_bytes, SEALED), "geometry");
    }
    uint32_t slots[] = {0, 1, 63, HF_SLOTS + 64, 1u << 31, UINT32_MAX};
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
        hf_header h;
        memcpy((void *)&h, me->header, sizeof h);
        h.slots = slots[i];
        refused(file_of(&h, h.file_bytes, SEALED), "geometry");
    }
    as_good_as_new();
    scene_close();
}

static void test_a_file_that_can_change_its_size_is_refused(void) {
    scene_open(SMALL_HEAP);
    hf_header h;
    memcpy((void *)&h, me->header, sizeof h);
    refused(file_of(&h, h.file_bytes, 0), "seals");
    refused(file_of(&h, h.file_bytes, F_SEAL_SHRINK), "seals");
    refused(file_of(&h, h.file_bytes, F_SEAL_GROW), "seals");
    FILE *plain = tmpfile(); /* not a memory file, or not one that can be sealed */
    CHECK(plain != NULL);
    CHECK_IS(fwrite(&h, sizeof h, 1, plain), 1);
    CHECK_IS(fflush(plain), 0);
    CHECK_IS(ftruncate(fileno(plain), (off_t)h.file_bytes), 0);
    refused(dup(fileno(plain)), "seals");
    fclose(plain);
    as_good_as_new();
    scene_close();
}

static void test_a_file_that_is_too_short_or_too_long_is_refused(void) {
    scene_open(SMALL_HEAP);
    hf_header h;
    memcpy((void *)&h, me->header, sizeof h);
    uint64_t too_short[] = {0, 1, 8, sizeof h, HF_PAGE - 1};
    for (size_t i = 0; i < sizeof too_short / sizeof too_short[0]; i++)
        refused(file_of(&h, too_short[i], SEALED), "file");
    uint64_t wrong[] = {HF_PAGE, h.data_off, h.file_bytes - HF_PAGE, h.file_bytes + HF_PAGE};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) refused(file_of(&h, wrong[i], SEALED), "geometry");
    refused(open("/dev/null", O_RDWR), "file");
    hf_process *late = hf_process_new();
    CHECK_IS(hf_join(late, -1), HF_E_SYSTEM);
    CHECK_IS(hf_join(late, 9999), HF_E_SYSTEM);
    hf_process_delete(late);
    as_good_as_new();
    scene_close();
}

MAIN(TEST(a_heap_of_another_layout_is_refused_by_name), TEST(other_numbers_of_the_same_kind_are_refused),
     TEST(a_file_that_can_change_its_size_is_refused), TEST(a_file_that_is_too_short_or_too_long_is_refused))
