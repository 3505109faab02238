/* A sequence of bytes played as operations on one heap, against an oracle. See operations.c. */
#ifndef HF_FUZZ_OPERATIONS_H
#define HF_FUZZ_OPERATIONS_H

#include <stddef.h>
#include <stdint.h>

/* Plays the bytes on a heap of their own, which is gone afterwards; a sentence fails if the heap and the oracle differ. */
void operations_run(const uint8_t *bytes, size_t count);

/* How often each kind of operation did something, over all runs: what never happens is not tested. */
#define OPERATIONS 18
extern uint64_t operations_done[OPERATIONS];
const char *operations_name(int operation);

#endif
