/* A player: see player.h. */
#include "player.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* A letter is good for this long after its sender's death. Short, since every death leaves an estate for as long. */
#define GAME_GRACE_NS 2000000000ull

table *game;
static hf_ref lock_refs[LOCKS], semaphore_ref;

static hf_lock *lock_at(int i) {
    return hf_at(me, lock_refs[i].block);
}

void game_let_go(void) {
    for (int i = 0; i < LOCKS; i++) hf_drop(me, lock_refs[i].block);
    hf_drop(me, semaphore_ref.block);
}

void game_close(void) {
    game_let_go();
    munmap(game, sizeof *game);
}

static bool is_dead(uint32_t serial) {
    return serial != 0 && hf_ask(me, serial) == HF_PROCESS_DEAD;
}

void game_tidy(void) {
    for (int i = 0; i < BOXES; i++) {
        uint64_t word = hf_load64_seq_cst(&game->boxes[i].word);
        if (is_dead((uint32_t)(word >> 32))) hf_cas64_seq_cst(&game->boxes[i].word, &word, BOX_EMPTY);
    }
}

/* ---- blocks --------------------------------------------------------------------------------------------------------- */

static uint64_t some_size(player *p) {
    static const uint64_t small[] = {8, 8, 64, 72, 200, 640, 2048};
    return small[below(&p->random, sizeof small / sizeof small[0])];
}

static void took(player *p, int result, const held *block) {
    if (result == HF_OK) {
        CHECK(hf_holds(me, block->ref.block));
        p->blocks[p->count++] = *block;
    } else {
        CHECK(result == HF_E_HEAP_FULL || result == HF_E_NO_SLOT);
        hf_add64_relaxed(&game->refused, 1);
    }
}

static void move_make(player *p) {
    held block;
    for (uint64_t n = 1 + below(&p->random, 8); n > 0 && p->count < PLAYER_BLOCKS; n--)
        took(p, try_make(some_size(p), &block), &block);
}

static void move_make_large(player *p) {
    held block;
    if (p->count < PLAYER_BLOCKS)
        took(p, try_make((uint64_t)HF_SMALL_GRANULES * HF_GRANULE + 1 + below(&p->random, 4 * HF_CHUNK_BYTES), &block),
             &block);
}

static void drop_at(player *p, int i) {
    drop(&p->blocks[i]);
    p->blocks[i] = p->blocks[--p->count];
}

static void move_drop(player *p) {
    for (uint64_t n = 1 + below(&p->random, 8); n > 0 && p->count > 0; n--)
        drop_at(p, (int)below(&p->random, (uint64_t)p->count));
}

static void move_look(player *p) {
    intact_many(p->blocks, p->count);
}

static void move_hold_again(player *p) {
    if (p->count == 0 || p->count == PLAYER_BLOCKS) return;
    p->blocks[p->count] = p->blocks[below(&p->random, (uint64_t)p->count)];
    CHECK_IS(hf_hold(me, p->blocks[p->count].ref.block), HF_OK);
    p->count++;
}

/* Makes and drops more than a chunk's worth, so that walks, claims and returns come. */
static void move_churn(player *p) {
    held some[64];
    for (int round = 0; round < 24; round++) {
        int made = 0;
        while (made < 64 && try_make(round % 2 ? 8 : some_size(p), &some[made]) == HF_OK) made++;
        drop_many(some, made);
    }
}

/* ---- letters -------------------------------------------------------------------------------------------------------- */

static bool box_take(box *b, uint64_t from, uint64_t to) {
    return hf_cas64_seq_cst(&b->word, &from, (uint64_t)hf_serial(me) << 32 | to);
}

static void box_leave(box *b, uint64_t state) {
    hf_store64_seq_cst(&b->word, state);
}

static box *some_box(player *p) {
    return &game->boxes[below(&p->random, BOXES)];
}

static void post(player *p, const letter *message, bool again) {
    box *b = some_box(p);
    if (!box_take(b, BOX_EMPTY, BOX_WRITING)) return;
    b->message = *message;
    b->again = again;
    hf_store64_relaxed(&b->full_ns, hf_now_ns());
    box_leave(b, BOX_FULL);
}

static void move_send(player *p) {
    if (p->count == 0) return;
    const held *block = &p->blocks[below(&p->random, (uint64_t)p->count)];
    letter message = {.bytes = block->bytes, .stamp = block->stamp};
    int result = hf_issue(me, block->ref, block->bytes, &message.wire);
    if (result == HF_OK)
        post(p, &message, false); /* no box is empty: then nobody ever reads it, which must do no harm */
    else
        CHECK_IS(result, HF_E_HEAP_FULL);
}

static void move_receive(player *p) {
    box *b = some_box(p);
    if (p->count == PLAYER_BLOCKS || !box_take(b, BOX_FULL, BOX_READING)) return;
    letter message = b->message;
    bool again = b->again;
    uint64_t full_ns = hf_load64_relaxed(&b->full_ns);
    held block;
    int result = try_receive(&message, &block);
    box_leave(b, BOX_EMPTY);
    if (result == HF_OK) {
        CHECK(hf_holds(me, block.ref.block));
        p->blocks[p->count++] = block;
        if (below(&p->random, 4) == 0) post(p, &message, true);
    } else {
        CHECK_IS(result, HF_E_STALE);
        CHECK(again || hf_now_ns() - full_ns > GAME_GRACE_NS);
    }
}

/* ---- forks ---------------------------------------------------------------------------------------------------------- */

/* A child that is armed as its parent is. */
static pid_t armed_child(void) {
    pid_t parent = getpid(), pid = fork();
    if (pid < 0) return -1;
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) raise(SIGKILL);
    }
    return pid;
}

static void collect(pid_t pid, int options) {
    int status;
    while (waitpid(pid, &status, options) > 0)
        CHECK(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
}

static void move_fork(player *p) {
    collect(-1, WNOHANG);
    if (p->depth == 2) return;
    pid_t pid = armed_child();
    if (pid != 0) return;
    p->depth++;
    p->random += (uint64_t)getpid() * 0x9e3779b97f4a7c15ull;
    move_look(p); /* inherited, every block of them */
    for (uint64_t n = below(&p->random, 60); n > 0; n--) player_step(p);
    player_check(p);
    if (below(&p->random, 2)) player_drop_all(p);
    collect(-1, 0);
    leave();
}

/* A child that holds nothing forks without a descriptor: what it held would stay pinned for good. */
static void move_fork_pinned(player *p) {
    pid_t pid = armed_child();
    if (pid > 0) collect(pid, 0);
    if (pid != 0) return;
    player_drop_all(p);
    game_let_go();
    hf_sweep_tickets(me);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_NOFILE, &none);
    pid = armed_child();
    if (pid > 0) collect(pid, 0);
    leave();
}

/* A second membership in this process, as a process has that joins by descriptor. */
static void move_join(player *p) {
    held block;
    hf_process *family = me, *guest = hf_process_new();
    CHECK(guest != NULL);
    int result = hf_join(guest, hf_descriptor(me));
    if (result == HF_OK) {
        me = guest;
        if (try_make(some_size(p), &block) == HF_OK && below(&p->random, 2)) drop(&block);
        sound();
        me = family;
    } else {
        CHECK_IS(result, HF_E_NO_SLOT);
    }
    hf_process_delete(guest);
}

/* ---- locks ---------------------------------------------------------------------------------------------------------- */

static hf_lock_status acquire(hf_lock *lock) {
    hf_waiting waiting = HF_WAITING;
    hf_lock_status status = HF_LOCK_BUSY;
    while (status == HF_LOCK_BUSY) status = hf_lock_wait_slice(me, lock, &waiting, HF_NO_DEADLINE);
    return status;
}

static void move_lock(player *p) {
    int i = (int)below(&p->random, LOCKS);
    hf_lock *lock = lock_at(i);
    behind_lock *b = &game->behind[i];
    hf_death death = {0};
    if (!hf_lock_grab(me, lock)) {
        hf_lock_status status = acquire(lock);
        if (status == HF_LOCK_ORPHANED) status = hf_lock_recover(me, lock, 0, &death);
        if (status == HF_LOCK_NOT_ORPHANED) return; /* another was faster */
        CHECK_IS(status, HF_LOCK_ACQUIRED);
    }
    uint32_t self = hf_serial(me), before = hf_swap32_seq_cst(&b->inside, self);
    /* Nobody is in. If a death was told, that of `before` may have been told to one who recovered and died as well. Who
     * reaps it has its lifeline meanwhile, so that for a moment it counts as alive. */
    CHECK(before == 0 || death.serial != 0);
    if (before) UNTIL(is_dead(before));
    hf_add64_relaxed(&b->entered, 1);
    if (death.serial) hf_add64_relaxed(&b->recovered, 1);
    for (uint64_t n = below(&p->random, 200); n > 0; n--) CHECK_IS(hf_load32_relaxed(&b->inside), self);
    if (below(&p->random, 8) == 0) sched_yield();
    hf_store32_seq_cst(&b->inside, 0);
    if (death.serial && below(&p->random, 2))
        CHECK_IS(hf_lock_abandon(me, lock, &death), HF_LOCK_ACQUIRED);
    else
        CHECK_IS(hf_lock_release(lock), HF_LOCK_ACQUIRED);
}

/* Posts and takes. A killed one may leave a post too much or too few, so nobody waits for long. */
static void move_semaphore(player *p) {
    hf_semaphore *semaphore = hf_at(me, semaphore_ref.block);
    hf_waiting waiting = HF_WAITING;
    if (below(&p->random, 2)) {
        (void)hf_semaphore_post(semaphore);
    } else {
        (void)hf_semaphore_wait_slice(semaphore, &waiting, hf_now_ns() + 1 + below(&p->random, 300000));
    }
}

/* ---- housekeeping --------------------------------------------------------------------------------------------------- */

static void move_trim(player *p) {
    (void)p;
    hf_trim(me);
}

static void move_reap(player *p) {
    (void)p;
    hf_reap(me);
}

static void move_sweep(player *p) {
    (void)p;
    hf_sweep_tickets(me);
}

static void move_count(player *p) {
    hf_figures f = figures();
    CHECK(f.slots_live >= 1);
    CHECK(p->count == 0 || f.own_blocks > 0);
}

void player_check(player *p) {
    move_look(p);
    sound();
}

void player_drop_all(player *p) {
    while (p->count > 0) drop_at(p, p->count - 1);
}

static const struct {
    const char *name;
    void (*move)(player *);
    unsigned weight;
} moves[] = {
    {"make", move_make, 220},
    {"drop", move_drop, 220},
    {"look", move_look, 40},
    {"hold again", move_hold_again, 30},
    {"make large", move_make_large, 40},
    {"churn", move_churn, 20},
    {"send", move_send, 90},
    {"receive", move_receive, 150},
    {"join", move_join, 6},
    {"lock", move_lock, 80},
    {"semaphore", move_semaphore, 40},
    {"trim", move_trim, 12},
    {"reap", move_reap, 12},
    {"sweep", move_sweep, 12},
    {"count", move_count, 4},
    {"check", player_check, 6},
    /* the last ones fork */
    {"fork", move_fork, 12},
    {"fork pinned", move_fork_pinned, 3},
};
enum { MOVES = sizeof moves / sizeof moves[0] };
_Static_assert(MOVES <= sizeof((table *)0)->moves / sizeof(hf_a64), "one counter a move");

static unsigned weights; /* of all moves that are made */

void game_open(bool forks) {
    weights = 0;
    for (int i = 0; i < (forks ? MOVES : MOVES - 2); i++) weights += moves[i].weight;
    game = mmap(NULL, sizeof *game, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(game != MAP_FAILED);
    hf_set_grace(me, GAME_GRACE_NS);
    for (int i = 0; i < LOCKS; i++) CHECK_IS(hf_alloc(me, sizeof(hf_lock), 0, &lock_refs[i]), HF_OK);
    CHECK_IS(hf_alloc(me, sizeof(hf_semaphore), 0, &semaphore_ref), HF_OK);
    hf_semaphore_init(hf_at(me, semaphore_ref.block), 0, 1000000);
}

const char *game_move_name(int move) {
    return move < MOVES ? moves[move].name : NULL;
}

static void wait_while_paused(player *p) {
    uint32_t pause = hf_load32_seq_cst(&game->pause);
    if (!(pause & 1u) || p->depth > 0) return;
    player_check(p);
    hf_store32_seq_cst(&game->paused[p->seat], pause);
    UNTIL(hf_load32_seq_cst(&game->pause) != pause);
}

void player_step(player *p) {
    wait_while_paused(p);
    unsigned at = (unsigned)below(&p->random, weights);
    int i = 0;
    while (at >= moves[i].weight) at -= moves[i++].weight;
    moves[i].move(p);
    hf_add64_relaxed(&game->moves[i], 1);
    if (p->depth == 0) hf_add64_relaxed(&game->steps[p->seat], 1);
}
