/* What the tests of forks share besides the scene: gates to meet at, and an inheritance of every kind of block. */
#ifndef HF_TEST_HEIRS_H
#define HF_TEST_HEIRS_H

#include "scene.h"

#include <limits.h>

enum { READY, GO, DONE, THERE };

static inline void say(int gate) {
    hf_add32_seq_cst(&scene->gate[gate], 1);
    hf_futex_wake(&scene->gate[gate], INT_MAX);
}

/* Asleep and not polling: there may be a thousand. */
static inline void until(int gate, uint32_t count) {
    uint32_t now;
    while ((now = hf_load32_seq_cst(&scene->gate[gate])) < count) hf_futex_wait(&scene->gate[gate], now, 1000000000u);
}

enum { INHERITED = 12 };

static inline void make_inheritance(held *blocks) {
    make_many(blocks, INHERITED - 2, SMALLEST);
    blocks[INHERITED - 2] = make(5 * SMALLEST);
    blocks[INHERITED - 1] = make(LARGE);
}

#endif
