/* Puppets: see puppet.h. */
#include "puppet.h"

#include "process.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { STOPS_MAX = 8 };

typedef struct {
    hf_a32 turn; /* odd: an order is given; even: it is done */
    hf_a32 pid;
    order what;
    int a, result, stop_count;
    uint64_t b;
    scene_stop stops[STOPS_MAX];
} strings;

static strings *page;
static held blocks[PUPPET_BLOCKS];    /* of this puppet; bytes 0: none */
static hf_off made_at[PUPPET_BLOCKS]; /* where they are or were */
static int letters_from = 40;         /* of the scene's letters */

static letter *letter_at(uint64_t number) {
    return &scene->letters[(uint64_t)letters_from + number];
}

static void fill(void) {
    enum { COUNT = 2 * PER_CHUNK };
    held *all = calloc(COUNT, sizeof *all);
    CHECK(all != NULL);
    make_many(all, COUNT, SMALLEST);
    drop_many(all, COUNT);
    free(all);
}

static void look(void) {
    for (int i = 0; i < PUPPET_BLOCKS; i++)
        if (blocks[i].bytes) intact(&blocks[i]);
}

/* The walk goes on at this block's word; blocks that were ready are free, so a walk finds them again. */
static void aim(hf_off block) {
    uint64_t granule = (block.at - me->data_off) / HF_GRANULE;
    hf_pool *pool = &me->pools[HF_KIND_PLAIN][0];
    pool->ready = 0;
    pool->walk_left = HF_CHUNK_WORDS;
    pool->at_word = (uint32_t)(granule / 64 % HF_CHUNK_WORDS);
    pool->at_chunk = 0;
    while (pool->chunks[pool->at_chunk] != granule / HF_CHUNK_GRANULES) pool->at_chunk++;
}

static _Noreturn void obey(int number);

static int carry_out(strings *s) {
    held *block = &blocks[s->a], extra;
    int result = 0;
    switch (s->what) {
    case MAKE:
        result = try_make(s->b, block);
        made_at[s->a] = block->ref.block;
        return result;
    case AIM:
        aim(made_at[s->a]);
        break;
    case DROP:
        drop(block);
        block->bytes = 0;
        break;
    case LOOK:
        look();
        break;
    case SEND:
        *letter_at(s->b) = send(block);
        break;
    case RECEIVE:
        result = try_receive(letter_at(s->b), &extra);
        if (result == HF_OK) *block = extra;
        break;
    case FILL:
        fill();
        break;
    case MAKE_ONE:
        return try_make(SMALLEST, &extra);
    case FORK: {
        int seat = s->a;
        pid_t pid = fork(); /* no child(): it may outlive this process */
        CHECK(pid >= 0);
        if (pid == 0) obey(seat);
        break;
    }
    case SWEEP:
        hf_sweep_tickets(me);
        break;
    case REAP:
        return hf_reap(me);
    case TRIM:
        hf_trim(me);
        break;
    case LEAVE:
        look();
        leave();
    }
    return result;
}

static _Noreturn void obey(int number) {
    strings *s = &page[number];
    disarm();
    hf_store32_seq_cst(&s->pid, (uint32_t)getpid());
    for (;;) {
        UNTIL(hf_load32_seq_cst(&s->turn) & 1u);
        stops_in_turn(s->stops, s->stop_count);
        s->result = carry_out(s);
        disarm();
        sound();
        hf_add32_seq_cst(&s->turn, 1);
    }
}

void puppet_start(int number) {
    if (!page) {
        page = mmap(NULL, PUPPETS * sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        CHECK(page != MAP_FAILED);
    }
    pid_t pid = child();
    if (pid == 0) obey(number);
    UNTIL(hf_load32_seq_cst(&page[number].pid) == (uint32_t)pid);
}

pid_t puppet_pid(int number) {
    UNTIL(hf_load32_seq_cst(&page[number].pid) != 0);
    return (pid_t)hf_load32_seq_cst(&page[number].pid);
}

void begin(int number, order what, int a, uint64_t b, const scene_stop *stops, int count) {
    strings *s = &page[number];
    (void)puppet_pid(number);
    CHECK(!(hf_load32_seq_cst(&s->turn) & 1u) && count <= STOPS_MAX);
    s->what = what;
    s->a = a;
    s->b = b;
    s->stop_count = count;
    for (int i = 0; i < count; i++) s->stops[i] = stops[i];
    hf_add32_seq_cst(&s->turn, 1);
}

/* One that died in the middle of an order: its own failed sentence said why. */
static void still_alive(int number) {
    if (is_zombie(puppet_pid(number))) hf_test_failed("puppet", number, "it lives");
}

int done(int number) {
    strings *s = &page[number];
    for (int looks = 0; hf_load32_seq_cst(&s->turn) & 1u; looks++) {
        still_alive(number);
        if (stands_still(puppet_pid(number))) puppet_go_on(number);
        hf_test_rest(looks);
    }
    return s->result;
}

int tell(int number, order what, int a, uint64_t b) {
    begin(number, what, a, b, NULL, 0);
    return done(number);
}

void until_stopped(int number) {
    for (int looks = 0; !stands_still(puppet_pid(number)); looks++) {
        still_alive(number);
        if (!(hf_load32_seq_cst(&page[number].turn) & 1u)) hf_test_failed("puppet", number, "it comes to its stop");
        hf_test_rest(looks);
    }
}

void puppet_go_on(int number) {
    CHECK_IS(kill(puppet_pid(number), SIGCONT), 0);
}

static void forget(int number) {
    page[number] = (strings){0};
}

void puppet_kill(int number) {
    pid_t pid = puppet_pid(number);
    CHECK_IS(kill(pid, SIGKILL), 0);
    int status;
    /* a puppet's child is the test's own when its parent is dead; until then its parent's zombie, which holds nothing */
    if (waitpid(pid, &status, 0) < 0) UNTIL(is_zombie(pid));
    forget(number);
}

void puppets_leave(void) {
    for (int i = PUPPETS - 1; i >= 0; i--) {
        if (!page || hf_load32_seq_cst(&page[i].pid) == 0) continue;
        pid_t pid = puppet_pid(i);
        begin(i, LEAVE, 0, 0, NULL, 0);
        int status = 0;
        if (waitpid(pid, &status, 0) < 0) UNTIL(is_zombie(pid));
        CHECK_IS(status, 0);
        forget(i);
    }
    collect_orphans();
}
