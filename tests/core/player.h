/* A process that does whatever a process can do with a heap, at random, and knows at every moment what it must find.
 *
 * What it knows: the stamps of the blocks that it holds; that a letter in a box can be received, whatever became of its
 * sender; who is inside a lock. Any number of players play on one table; each may be killed at any moment.
 */
#ifndef HF_TEST_PLAYER_H
#define HF_TEST_PLAYER_H

#include "lock.h"
#include "scene.h"
#include "semaphore.h"

#define PLAYER_BLOCKS 48
#define PLAYERS_MAX 16
#define BOXES 24
#define LOCKS 2

/* A box for one letter. Its word is the serial of who is busy with it (upper half) and a state. */
enum { BOX_EMPTY, BOX_WRITING, BOX_FULL, BOX_READING };
typedef struct {
    hf_a64 word;
    hf_a64 full_ns; /* when it was sent */
    bool again;     /* somebody has received it before: it may be too late */
    letter message;
} box;

/* Behind a lock in the heap: what only mutual exclusion keeps right. */
typedef struct {
    hf_a32 inside; /* serial of who is in */
    hf_a64 entered;
    hf_a64 recovered;
} behind_lock;

typedef struct {
    box boxes[BOXES];
    behind_lock behind[LOCKS];
    hf_a64 steps[PLAYERS_MAX];
    hf_a32 pause;               /* odd: players check everything and wait for it to change */
    hf_a32 paused[PLAYERS_MAX]; /* the `pause` that a player waits at */
    hf_a64 moves[20];           /* how often each kind of step was made */
    hf_a64 refused;             /* steps that the heap refused: full */
} table;

typedef struct {
    uint64_t random;
    int seat, depth; /* depth: 0 for a player that has a seat, more for its children */
    held blocks[PLAYER_BLOCKS];
    int count;
} player;

extern table *game;

/* In the main process: the table, and the locks and the semaphore, which the main process holds and all inherit. */
void game_open(bool forks); /* whether players fork; threads that play processes do not */
void game_close(void);
/* In a child that takes no part: what it inherited of the game is no longer held. */
void game_let_go(void);
/* Boxes that a dead player was busy with are empty again. */
void game_tidy(void);
const char *game_move_name(int move);

/* One step; holds no lock and no box afterwards. */
void player_step(player *p);
/* Everything that the player holds is as it must be, and so is the heap. */
void player_check(player *p);
void player_drop_all(player *p);

#endif
