/* Everything of one kind taken, so that a test sees what happens when there is no more, and what comes back. */
#ifndef HF_TEST_EXHAUST_H
#define HF_TEST_EXHAUST_H

#include "scene.h"

#include "process.h"

#include <sys/resource.h>

/* The smallest heap: whoever fills it has been given every block that there is. */
#define SMALL_HEAP HF_DATA_BYTES_MIN
#define FILL_MAX (SMALL_HEAP / SMALLEST)

static inline bool overlap(const held *a, const held *b) {
    return a->ref.block.at < b->ref.block.at + b->bytes && b->ref.block.at < a->ref.block.at + a->bytes;
}

/* Allocates smallest blocks until the heap is full, and drops them again. None may touch one of `taken`, which somebody
 * holds (I2). True if `wanted` (which nobody holds any more) was given away again. */
static inline bool fill(const held *taken, int count, const held *wanted) {
    held *all = calloc(FILL_MAX, sizeof *all);
    uint64_t made = 0;
    bool found = false;
    int result;
    CHECK(all != NULL);
    while (made < FILL_MAX && (result = try_make(SMALLEST, &all[made])) == HF_OK) {
        for (int i = 0; i < count; i++) CHECK(!overlap(&all[made], &taken[i]));
        found |= wanted && overlap(&all[made], wanted);
        made++;
    }
    CHECK(made == FILL_MAX || result == HF_E_HEAP_FULL);
    for (uint64_t i = 0; i < made; i++) drop(&all[i]);
    free(all);
    hf_trim(me); /* or the whole heap stayed this process's, in chunks of smallest blocks */
    sound();
    return found;
}

/* Takes every slot that is left, as processes that do nothing would have them; slots_return is their death. */
typedef struct {
    hf_os_lifeline lines[HF_SLOTS];
    uint32_t count;
} taken_slots;

static inline void slots_take(taken_slots *t) {
    uint32_t slot, serial;
    int result;
    t->count = 0;
    while ((result = hf_i_slot_claim(me, 0, &slot, &serial, &t->lines[t->count])) == HF_OK) {
        hf_os_lifeline_keep(&t->lines[t->count]); /* no child may keep it alive */
        t->count++;
    }
    CHECK_IS(result, HF_E_NO_SLOT);
}

static inline void slots_return(taken_slots *t) {
    while (t->count) hf_os_lifeline_drop(&t->lines[--t->count]);
}

/* No descriptor more than there are; the old limit comes back with descriptors_return. */
static inline rlim_t descriptors_take(void) {
    struct rlimit limit;
    CHECK_IS(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 0;
    CHECK_IS(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

static inline void descriptors_return(rlim_t before) {
    struct rlimit limit;
    CHECK_IS(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = before;
    CHECK_IS(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

#endif
