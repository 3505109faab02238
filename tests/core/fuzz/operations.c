/* The fuzz driver: bytes become operations of three members of a family, of children that they fork, and of a keeper.
 *
 * The members are memberships of one process, so that a run is fast and can be repeated byte by byte; a member dies by
 * losing its lifeline, as the killed do, with all that it held. The heirs are real forks. Beside the heap stands an oracle
 * that knows who holds what, and its stamp. After each operation the checker is asked, and:
 *
 *   - a new block touches nothing that anybody alive holds, or that an unused ticket stands for (I2);
 *   - what somebody holds shows its stamp, to each of its holders, at any time (I1);
 *   - a pickle is accepted while its ticket is unused or anybody alive holds the block; it is refused once the memory was
 *     given to another; in between (held by the dead, or for a ticket that its sender has not looked at) it may be
 *     either, and if it is accepted, the stamp is there;
 *   - changed bytes change nothing (I4);
 *   - in the end, with everybody dead, everything is free (I5).
 */
#include "operations.h"

#include "lock.h"
#include "process.h"
#include "sentences.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MEMBERS = 3, HEIRS = 4, OBJECTS = 64, LETTERS = 16 };

typedef struct {
    hf_ref ref;
    uint64_t bytes, stamp; /* bytes 0: no object */
    uint32_t holders[MEMBERS];
    bool heirs[HEIRS];
    bool overwritten; /* its memory was given to another */
} object;

typedef struct {
    hf_wire wire;
    int object;      /* -1: no letter */
    bool unused;     /* its ticket, for certain; false: not known */
    uint32_t sender; /* its serial */
} letter;

enum { FREE = -1, ORPHAN = -2 }; /* of the lock; otherwise the member that holds it */

static struct {
    hf_process *keeper, *members[MEMBERS];
    object objects[OBJECTS];
    letter letters[LETTERS];
    pid_t heirs[HEIRS];
    int heir_pipes[HEIRS];
    hf_ref lock;
    int lock_holder;
    uint64_t stamps;
    const uint8_t *bytes, *end;
} game;

uint64_t operations_done[OPERATIONS];

static unsigned next_byte(void) {
    return game.bytes < game.end ? *game.bytes++ : 0;
}

/* ---- what must be --------------------------------------------------------------------------------------------------- */

static void say_fault(void *context, const char *text) {
    (void)context;
    fprintf(stderr, "fault: %s\n", text);
}

static void sound(hf_process *p) {
    CHECK_IS(hf_check(p, say_fault, NULL), 0);
}

static bool held_by_the_living(const object *o) {
    for (int m = 0; m < MEMBERS; m++)
        if (o->holders[m]) return true;
    for (int h = 0; h < HEIRS; h++)
        if (o->heirs[h]) return true;
    return false;
}

static bool has_letter(int object, bool only_unused) {
    for (int i = 0; i < LETTERS; i++)
        if (game.letters[i].object == object && (game.letters[i].unused || !only_unused)) return true;
    return false;
}

static bool must_be_there(int object) {
    return held_by_the_living(&game.objects[object]) || has_letter(object, true);
}

static void intact(hf_process *p, const object *o) {
    const uint64_t *words = hf_at(p, o->ref.block);
    for (uint64_t i = 0; i < o->bytes / 8; i++) CHECK_IS(words[i], o->stamp + i);
}

/* ---- who acts ---------------------------------------------------------------------------------------------------------- */

/* The member that the next byte names, alive; NULL: it cannot be had (no slot). */
static hf_process *some_member(int *number) {
    *number = (int)(next_byte() % MEMBERS);
    hf_process **m = &game.members[*number];
    if (*m) return *m;
    hf_process *p = hf_process_new();
    int result = hf_join(p, hf_descriptor(game.keeper));
    CHECK(result == HF_OK || result == HF_E_NO_SLOT);
    if (result == HF_OK)
        *m = p;
    else
        hf_process_delete(p);
    return *m;
}

/* Some object that member m holds, or -1. */
static int some_held(int m) {
    int start = (int)(next_byte() % OBJECTS);
    for (int i = 0; i < OBJECTS; i++) {
        int at = (start + i) % OBJECTS;
        if (game.objects[at].bytes && game.objects[at].holders[m]) return at;
    }
    return -1;
}

/* Some letter, or NULL. */
static letter *some_letter(void) {
    int start = (int)(next_byte() % LETTERS);
    for (int i = 0; i < LETTERS; i++) {
        letter *l = &game.letters[(start + i) % LETTERS];
        if (l->object >= 0) return l;
    }
    return NULL;
}

/* ---- operations: each true if it did something --------------------------------------------------------------------------- */

static bool op_alloc(void) {
    static const uint64_t sizes[] = {8, 64, 64, 200, 640, 4096, 4104, 3ull * HF_CHUNK_BYTES};
    int m, at = 0;
    hf_process *p = some_member(&m);
    while (at < OBJECTS && game.objects[at].bytes && (must_be_there(at) || has_letter(at, false))) at++;
    if (!p || at == OBJECTS) return false;
    uint64_t bytes = sizes[next_byte() % 8];
    hf_ref ref;
    int result = hf_alloc(p, bytes, 0, &ref);
    CHECK(result == HF_OK || result == HF_E_HEAP_FULL);
    if (result != HF_OK) return false;
    uint64_t *words = hf_at(p, ref.block);
    for (uint64_t i = 0; i < bytes / 8; i++) CHECK_IS(words[i], 0);
    for (int i = 0; i < OBJECTS; i++) {
        object *o = &game.objects[i];
        if (!o->bytes || ref.block.at >= o->ref.block.at + o->bytes || o->ref.block.at >= ref.block.at + bytes)
            continue;
        CHECK(!must_be_there(i)); /* I2 */
        o->overwritten = true;
    }
    game.stamps += 1ull << 32;
    game.objects[at] = (object){.ref = ref, .bytes = bytes, .stamp = game.stamps};
    game.objects[at].holders[m] = 1;
    for (uint64_t i = 0; i < bytes / 8; i++) words[i] = game.stamps + i;
    return true;
}

static bool op_drop(void) {
    int m;
    hf_process *p = some_member(&m);
    int at = p ? some_held(m) : -1;
    if (at < 0) return false;
    object *o = &game.objects[at];
    CHECK(hf_holds(p, o->ref.block));                                    /* I1 */
    for (uint32_t n = next_byte() % 4 ? o->holders[m] : 1; n > 0; n--) { /* mostly all: what is free is reused */
        intact(p, o);
        o->holders[m]--;
        hf_drop(p, o->ref.block);
    }
    return true;
}

static bool op_hold(void) {
    int m;
    hf_process *p = some_member(&m);
    int at = p ? some_held(m) : -1;
    if (at < 0) return false;
    CHECK_IS(hf_hold(p, game.objects[at].ref.block), HF_OK);
    game.objects[at].holders[m]++;
    return true;
}

static bool op_issue(void) {
    int m;
    hf_process *p = some_member(&m);
    int at = p ? some_held(m) : -1;
    if (at < 0) return false;
    letter *l = &game.letters[next_byte() % LETTERS];
    int result = hf_issue(p, game.objects[at].ref, game.objects[at].bytes, &l->wire);
    CHECK(result == HF_OK || result == HF_E_HEAP_FULL);
    if (result != HF_OK) return false;
    l->object = at;
    l->unused = true;
    l->sender = hf_serial(p);
    return true;
}

static void received(hf_process *p, int m, letter *l, const hf_ref *ref) {
    object *o = &game.objects[l->object];
    CHECK(!o->overwritten);
    CHECK_IS(ref->block.at, o->ref.block.at);
    intact(p, o);
    l->unused = false;
    o->holders[m]++;
}

static bool op_attach(void) {
    int m;
    hf_process *p = some_member(&m);
    letter *l = some_letter();
    if (!p || !l) return false;
    hf_ref ref;
    bool must = must_be_there(l->object);
    int result = hf_attach(p, &l->wire, &ref);
    CHECK(result == HF_OK || (result == HF_E_STALE && !must));
    if (result == HF_OK) received(p, m, l, &ref);
    return true;
}

/* Whatever it says: nothing that is alive may suffer. */
static bool op_attach_changed(void) {
    int m;
    hf_process *p = some_member(&m);
    letter *l = some_letter();
    if (!p || !l) return false;
    hf_wire wire = l->wire;
    unsigned at = next_byte() % sizeof wire;
    ((uint8_t *)&wire)[at] ^= (uint8_t)next_byte();
    if (at % 8 == 0) ((uint8_t *)&wire)[(at + 41) % sizeof wire] ^= (uint8_t)next_byte();
    hf_ref ref;
    int result = hf_attach(p, &wire, &ref);
    CHECK(result == HF_OK || result == HF_E_STALE || result == HF_E_FORGED || result == HF_E_FOREIGN);
    if (result != HF_OK) return true;
    CHECK(memcmp(&wire, &l->wire, offsetof(hf_wire, block)) == 0); /* magic, size, family */
    hf_drop(p, ref.block);
    for (int i = 0; i < LETTERS; i++) { /* it may have named the ticket of any letter of that block */
        letter *other = &game.letters[i];
        if (other->wire.block == wire.block && other->wire.incarnation == wire.incarnation) other->unused = false;
    }
    return true;
}

static _Noreturn void heir_lives(hf_process *p, int h, const int orders[2]) {
    char order;
    close(orders[1]); /* when the driver dies, the pipe ends, and so do its heirs, the youngest first */
    if (read(orders[0], &order, 1) != 1) _exit(1);
    for (int i = 0; i < OBJECTS; i++)
        if (game.objects[i].heirs[h]) intact(p, &game.objects[i]);
    sound(p);
    _exit(0);
}

static bool op_fork(void) {
    int m, h = 0, ends[2];
    hf_process *p = some_member(&m);
    while (h < HEIRS && game.heirs[h]) h++;
    if (!p || h == HEIRS) return false;
    CHECK_IS(pipe(ends), 0);
    for (int i = 0; i < OBJECTS; i++) game.objects[i].heirs[h] = game.objects[i].bytes && game.objects[i].holders[m];
    CHECK_IS(hf_watch_forks(p), HF_OK);
    for (int i = 0; i < MEMBERS;
         i++) /* a fork copies one process, so the other members must not live on in this child */
        if (game.members[i] && game.members[i] != p) hf_os_lifeline_keep(&game.members[i]->lifeline);
    hf_os_lifeline_keep(&game.keeper->lifeline);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) heir_lives(p, h, ends);
    hf_i_forks_forget(p);
    close(ends[0]);
    game.heirs[h] = pid;
    game.heir_pipes[h] = ends[1];
    return true;
}

static bool heir_ends(bool killed) {
    int h = (int)(next_byte() % HEIRS), status;
    if (!game.heirs[h]) return false;
    if (killed)
        CHECK_IS(kill(game.heirs[h], SIGKILL), 0);
    else
        CHECK_IS(write(game.heir_pipes[h], "", 1), 1);
    CHECK_IS(waitpid(game.heirs[h], &status, 0), game.heirs[h]);
    if (!killed) CHECK_IS(status, 0);
    close(game.heir_pipes[h]);
    game.heirs[h] = 0;
    for (int i = 0; i < OBJECTS; i++) game.objects[i].heirs[h] = false;
    return true;
}

static bool op_heir_leaves(void) {
    return heir_ends(false);
}

static bool op_heir_is_killed(void) {
    return heir_ends(true);
}

static bool op_kill(void) {
    unsigned which = next_byte(), m = which % MEMBERS;
    if (!game.members[m] || which / MEMBERS % 4) return false; /* seldom, so that somebody gets to hold something */
    hf_process_delete(game.members[m]);
    game.members[m] = NULL;
    if (game.lock_holder == (int)m) game.lock_holder = ORPHAN;
    for (int i = 0; i < OBJECTS; i++) game.objects[i].holders[m] = 0;
    return true;
}

static bool op_reap(void) {
    int m;
    hf_process *p = some_member(&m);
    return p && hf_reap(p) > 0;
}

static bool op_trim(void) {
    int m;
    hf_process *p = some_member(&m);
    return p && hf_trim(p) > 0;
}

static bool op_sweep(void) {
    int m;
    hf_process *p = some_member(&m);
    if (p) hf_sweep_tickets(p);
    return p != NULL;
}

/* Tries, or recovers. */
static bool op_lock(void) {
    int m, holder = game.lock_holder;
    hf_process *p = some_member(&m);
    if (!p) return false;
    hf_lock *lock = hf_at(p, game.lock.block);
    hf_death death;
    if (next_byte() % 2) {
        CHECK_IS(hf_lock_recover(p, lock, 0, &death), holder == ORPHAN ? HF_LOCK_ACQUIRED : HF_LOCK_NOT_ORPHANED);
        if (holder == ORPHAN) game.lock_holder = m;
        return holder == ORPHAN;
    }
    int expected = holder == FREE ? HF_LOCK_ACQUIRED : holder == ORPHAN ? HF_LOCK_ORPHANED : HF_LOCK_BUSY;
    CHECK_IS(hf_lock_try(p, lock), expected);
    if (holder == FREE) game.lock_holder = m;
    return true;
}

static bool op_unlock(void) {
    int m;
    hf_process *p = some_member(&m);
    if (!p || game.lock_holder != m) return false;
    CHECK_IS(hf_lock_release(hf_at(p, game.lock.block)), HF_LOCK_ACQUIRED);
    game.lock_holder = FREE;
    return true;
}

/* Every estate's grace is over: what the dead sent is as good as dropped. */
static bool op_graces_end(void) {
    hf_process *k = game.keeper;
    bool any = false;
    hf_reap(k);
    for (uint32_t s = 0; s < k->header->slots; s++) {
        if ((hf_load64_seq_cst(&k->cards[s].word_shared) & 3u) != HF_SLOT_ESTATE) continue;
        hf_store64_seq_cst(&k->cards[s].expires_ns_shared, 0);
        any = true;
    }
    hf_reap(k);
    for (int i = 0; i < LETTERS; i++) {
        bool alive = false;
        for (int m = 0; m < MEMBERS; m++)
            alive |= game.members[m] && game.letters[i].sender == hf_serial(game.members[m]);
        if (!alive) game.letters[i].unused = false;
    }
    return any;
}

static const struct {
    const char *name;
    bool (*run)(void);
} operations[OPERATIONS] = {
    {"alloc", op_alloc},
    {"alloc", op_alloc},
    {"drop", op_drop},
    {"drop", op_drop},
    {"hold", op_hold},
    {"issue", op_issue},
    {"attach", op_attach},
    {"attach changed", op_attach_changed},
    {"fork", op_fork},
    {"heir leaves", op_heir_leaves},
    {"heir is killed", op_heir_is_killed},
    {"kill", op_kill},
    {"reap", op_reap},
    {"trim", op_trim},
    {"sweep", op_sweep},
    {"graces end", op_graces_end},
    {"lock", op_lock},
    {"unlock", op_unlock},
};

const char *operations_name(int i) {
    return operations[i].name;
}

/* ---- a run ------------------------------------------------------------------------------------------------------------------ */

static void begin(const uint8_t *bytes, size_t count) {
    memset(&game, 0, sizeof game);
    game.bytes = bytes;
    game.end = bytes + count;
    game.lock_holder = FREE;
    for (int i = 0; i < LETTERS; i++) game.letters[i].object = -1;
    game.keeper = hf_process_new();
    CHECK_IS(hf_create(game.keeper, HF_DATA_BYTES_MIN), HF_OK);
    CHECK_IS(hf_alloc(game.keeper, sizeof(hf_lock), 0, &game.lock), HF_OK);
}

/* Everybody dies but the keeper, and nothing of them may be left. */
static void end(void) {
    hf_figures f;
    int status;
    for (int h = 0; h < HEIRS; h++) {
        if (!game.heirs[h]) continue;
        kill(game.heirs[h], SIGKILL);
        waitpid(game.heirs[h], &status, 0);
        close(game.heir_pipes[h]);
    }
    for (int m = 0; m < MEMBERS; m++) {
        hf_process_delete(game.members[m]);
        game.members[m] = NULL;
    }
    op_graces_end();
    hf_drop(game.keeper, game.lock.block);
    hf_trim(game.keeper);
    sound(game.keeper);
    hf_count(game.keeper, &f);
    CHECK_IS(f.slots_live, 1);
    CHECK_IS(f.slots_dead + f.slots_estate, 0);
    CHECK_IS(f.tickets_outstanding, f.forks_pinned ? f.tickets_outstanding : 0);
    CHECK_IS(f.blocks, f.forks_pinned ? f.blocks : 0);
    CHECK_IS(f.chunks_in_use, f.forks_pinned ? f.chunks_in_use : 0);
    hf_process_delete(game.keeper);
}

void operations_run(const uint8_t *bytes, size_t count) {
    begin(bytes, count);
    while (game.bytes < game.end) {
        unsigned which = next_byte() % OPERATIONS;
        operations_done[which] += operations[which].run();
        for (int m = 0; m < MEMBERS; m++)
            if (game.members[m]) sound(game.members[m]);
        sound(game.keeper);
    }
    end();
}
