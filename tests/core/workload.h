/* Work that passes every crash point of the core, for whoever is to be stopped or killed at one. */
#ifndef HF_TEST_WORKLOAD_H
#define HF_TEST_WORKLOAD_H

#include "scene.h"

/* letters[0 .. WORK_SENT): blocks of the worker's, each with a ticket that is not used yet.
 * letters[WORK_RECEIVED ...]: blocks of the main process's; the worker attaches them, each the first to do so. */
#define WORK_SENT 4
#define WORK_RECEIVED 32
#define WORK_BLOCKS 8

typedef struct {
    held mine[WORK_BLOCKS];      /* the worker's; the first WORK_SENT have a ticket */
    held inherited[WORK_BLOCKS]; /* the main process's, inherited by fork */
} worker;

/* In the main process, before the worker is forked: makes what the worker inherits, and writes to it. */
void work_before(worker *w);
/* In the worker, before it is armed. */
void work_begin(worker *w);
/* The work. The point for which the process is armed is passed on the way, whichever it is. */
void work(worker *w);

/* Parts of it. */
void work_with_locks(void);
void work_with_semaphores(void);

#endif
