/* Puppets: processes of a family that do one thing at a time, as the test says.
 *
 * With them, and with stops at points, a test plays an interleaving step by step. A puppet names its blocks by small
 * numbers, and a child that it forks has them under the same numbers. Orders travel through a page beside the heap.
 */
#ifndef HF_TEST_PUPPET_H
#define HF_TEST_PUPPET_H

#include "scene.h"

enum { PUPPETS = 10, PUPPET_BLOCKS = 8 };

typedef enum {
    MAKE,     /* block a of b bytes */
    DROP,     /* block a, whose stamp must be right */
    LOOK,     /* all blocks must show their stamps */
    SEND,     /* block a into letter b */
    RECEIVE,  /* letter b as block a; the result is hf_attach's */
    FILL,     /* make and drop twice as many smallest blocks as a chunk has: whatever is free is given out */
    MAKE_ONE, /* and keep a smallest block that nobody needs */
    AIM,      /* the next smallest block is looked for at the place of block a, which this puppet made and dropped */
    FORK,     /* a child that is puppet number a */
    SWEEP,
    REAP,
    TRIM,
    LEAVE,
} order;

/* Its number is its seat in the page; forked by the main process. */
void puppet_start(int number);
pid_t puppet_pid(int number);
/* Gives an order and waits until it is done; the result is 0 or what the core said. */
int tell(int number, order what, int a, uint64_t b);
/* An order during which the puppet stops, at the first of these points, and after each go_on at the next. */
void begin(int number, order what, int a, uint64_t b, const scene_stop *stops, int count);
/* It stands still at its next stop. (A puppet that ends before that fails the test.) */
void until_stopped(int number);
void puppet_go_on(int number);
/* Waits for the end of an order that was begun, past any stop that is left; its result. */
int done(int number);
/* SIGKILL; also for one that is stopped. */
void puppet_kill(int number);
/* All that live leave well. */
void puppets_leave(void);

#endif
