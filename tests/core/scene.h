/* The scene of a test: a heap, the processes of its family, and a page that they share beside the heap.
 *
 * The page is no part of the heap, so that it can tell the truth about it. Blocks carry stamps: numbers that only the
 * block's owner knows, in every word. Two blocks that share a byte, or one that changed hands while somebody held it,
 * cannot both show their stamp.
 *
 * Crash points serve twice. The product's own meaning is death: hf_points_arm. `stop_at` gives them another: the process
 * stops there, others act, and then it goes on or is killed. The linker puts scene.c's function in the place of the
 * core's (--wrap), so the core under test is the one that is shipped.
 */
#ifndef HF_TEST_SCENE_H
#define HF_TEST_SCENE_H

#define _GNU_SOURCE
#include "holdfast.h"
#include "points.h"
#include "sentences.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define SCENE_WIRES 64

typedef struct {
    hf_ref ref;
    uint64_t bytes, stamp;
} held;

typedef struct {
    hf_wire wire;
    uint64_t bytes, stamp;
} letter; /* what one process sends to another: a pickle and what its reader must find */

typedef struct {
    hf_a32 passed[hf_points_end]; /* how often an armed point was passed */
    hf_a32 gate[16];              /* counters to wait on; what each means is the test's business */
    hf_a64 stopped;               /* pid of who is about to stop at a point */
    hf_a64 stamps;                /* the last stamp that was given away */
    hf_a64 number[16];            /* results */
    letter letters[SCENE_WIRES];
} hf_scene;

extern hf_scene *scene;
extern hf_process *scene_me;                   /* this process's membership; fork handlers bring a child's up to date */
extern _Thread_local hf_process *scene_player; /* in a thread that plays a process: its membership */
#define me (*(scene_player ? &scene_player : &scene_me))

/* ---- the heap ------------------------------------------------------------------------------------------------------- */
void scene_open(uint64_t data_bytes); /* creates heap and page; 0 is the default size */
void scene_close(void);               /* leaves the heap; it must be sound */
/* The checker finds nothing in this process. */
void sound(void);
/* Time passes until the last estate is over, and the dead are reaped. */
void graces_end(void);
/* Everybody else is dead and this process holds nothing: after the last grace the heap must be as good as new. */
void as_good_as_new(void);
hf_figures figures(void);

/* ---- blocks --------------------------------------------------------------------------------------------------------- */
held make(uint64_t bytes); /* allocates, finds zeros, stamps */
int try_make(uint64_t bytes, held *out);
void intact(const held *block); /* its stamp is in all its words */
void drop(const held *block);   /* intact, and dropped */
void make_many(held *blocks, int count, uint64_t bytes);
void intact_many(const held *blocks, int count);
void drop_many(const held *blocks, int count);
void restamp(held *block);           /* as its only user */
letter send(const held *block);      /* issues a ticket */
held receive(const letter *message); /* attaches; must succeed */
int try_receive(const letter *message, held *out);

/* ---- processes ------------------------------------------------------------------------------------------------------ */
/* 0 in the child, which dies with its parent; disarmed, whatever its parent was armed for. */
pid_t child(void);
/* The child's part is over: the heap must be sound; exit 0. */
_Noreturn void leave(void);
void ended_well(pid_t pid);
void ended_by_sigkill(pid_t pid);
void murder(pid_t pid); /* SIGKILL, and waits until it is gone */
/* Collects everything that dead children left to this process, until no child is left. */
void collect_orphans(void);

/* ---- points --------------------------------------------------------------------------------------------------------- */
typedef struct {
    int point;
    uint32_t nth;
} scene_stop;
int point(const char *name); /* its number; there must be one */
void die_at(int point, uint32_t nth);
void stop_at(int point, uint32_t nth);
void disarm(void);
/* One stop after the other; nth counts from the stop before. */
void stops_in_turn(const scene_stop *stops, int count);
bool stands_still(pid_t pid); /* stopped, and not about to */
bool is_zombie(pid_t pid);
/* Waits until the child, or one of its children that inherited the order, stops at the point: that one's pid. 0: the
 * child has ended, its status is in *status. */
pid_t stopped(pid_t pid, int *status);
void go_on(pid_t pid);

/* ---- numbers -------------------------------------------------------------------------------------------------------- */
/* HOLDFAST_SEED or another one each time; said when a sentence fails. */
uint64_t seed(void);
uint64_t random_of(uint64_t *state); /* xorshift64* */
uint64_t below(uint64_t *state, uint64_t end);

/* Sizes that mean the same in both builds. */
#define SMALLEST HF_GRANULE
#define PER_CHUNK HF_CHUNK_GRANULES /* smallest blocks in a chunk */
#define LARGE (3u * (uint64_t)HF_CHUNK_BYTES)

#endif
