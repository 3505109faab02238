/* How many holders a block has within this process, where it is more than one.
 *
 * One holder is what the hold bit says; the table here counts the further ones (a block that was unpickled twice, a block
 * with an outstanding ticket). It is private memory, guarded by the process's lock, and a fork's child inherits it together
 * with the holders that it counts.
 */
#include "process.h"

#include <stdlib.h>

static uint64_t again_slot(const hf_process *p, uint64_t granule) {
    uint64_t i = (granule * 0x9e3779b97f4a7c15ull) >> 32 & (p->again_room - 1); /* Fibonacci hashing */
    while (p->again[i].granule != granule && p->again[i].granule != HF_NO_GRANULE) i = (i + 1) & (p->again_room - 1);
    return i;
}

static int again_grow(hf_process *p) {
    uint64_t old_room = p->again_room, room = old_room ? old_room * 2 : 64;
    hf_again *old = p->again, *more = malloc(room * sizeof *more);
    if (!more) return hf_i_fail(p, HF_E_NO_MEMORY, "malloc", 0, room * sizeof *more, 0);
    for (uint64_t i = 0; i < room; i++) more[i] = (hf_again){HF_NO_GRANULE, 0};
    p->again = more;
    p->again_room = room;
    for (uint64_t i = 0; i < old_room; i++)
        if (old[i].granule != HF_NO_GRANULE) more[again_slot(p, old[i].granule)] = old[i];
    free(old);
    return HF_OK;
}

int hf_i_hold_again(hf_process *p, uint64_t granule) {
    if (p->again_count * 2 >= p->again_room) {
        int result = again_grow(p);
        if (result != HF_OK) return result;
    }
    hf_again *entry = &p->again[again_slot(p, granule)];
    if (entry->granule == HF_NO_GRANULE) {
        *entry = (hf_again){granule, 0};
        p->again_count++;
    }
    entry->more++;
    return HF_OK;
}

bool hf_i_hold_less(hf_process *p, uint64_t granule) {
    uint64_t hole = again_slot(p, granule), mask = p->again_room - 1;
    if (p->again[hole].granule == HF_NO_GRANULE) return false;
    if (--p->again[hole].more) return true;
    p->again_count--;
    /* Closes the gap, so that a search never ends too early (Knuth, TAOCP 3, 6.4, algorithm R). */
    for (uint64_t i = (hole + 1) & mask; p->again[i].granule != HF_NO_GRANULE; i = (i + 1) & mask) {
        uint64_t home = (p->again[i].granule * 0x9e3779b97f4a7c15ull) >> 32 & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            p->again[hole] = p->again[i];
            hole = i;
        }
    }
    p->again[hole] = (hf_again){HF_NO_GRANULE, 0};
    return true;
}

void hf_i_holders_forget(hf_process *p) {
    for (uint64_t i = 0; i < p->again_room; i++) p->again[i] = (hf_again){HF_NO_GRANULE, 0};
    p->again_count = 0;
}
