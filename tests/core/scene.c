/* The scene of a test: see scene.h. */
#include "scene.h"

#include "process.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

hf_scene *scene;
hf_process *scene_me;
_Thread_local hf_process *scene_player;

/* ---- the heap ------------------------------------------------------------------------------------------------------- */

void scene_open(uint64_t data_bytes) {
    scene = mmap(NULL, sizeof *scene, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(scene != MAP_FAILED);
    me = hf_process_new();
    CHECK(me != NULL);
    CHECK_IS(hf_create(me, data_bytes), HF_OK);
    CHECK_IS(hf_watch_forks(me), HF_OK);
}

void scene_close(void) {
    sound();
    hf_process_delete(me);
    me = NULL;
    munmap(scene, sizeof *scene);
}

static void say_fault(void *context, const char *text) {
    (void)context;
    fprintf(stderr, "pid %d: fault: %s %s\n", (int)getpid(), text, hf_test_case);
}

void sound(void) {
    CHECK_IS(hf_check(me, say_fault, NULL), 0);
}

hf_figures figures(void) {
    hf_figures f;
    hf_count(me, &f);
    return f;
}

/* Every chunk is free, or ours and empty, or there for whoever wants it. */
static void no_chunk_is_lost(void) {
    uint64_t top = hf_load64_seq_cst(&me->header->chunks_top_shared);
    for (uint64_t c = 0; c < top; c++) {
        uint64_t e = hf_load64_seq_cst(&me->chunk_table[c]);
        if (HF_CHUNK_STATE(e) == HF_CHUNK_FREE) continue;
        CHECK_IS(HF_CHUNK_STATE(e), HF_CHUNK_SMALL);
        if (HF_CHUNK_OWNER(e) != 0) CHECK_IS(HF_CHUNK_OWNER(e), hf_serial(me));
    }
}

void graces_end(void) {
    hf_reap(me);
    for (uint32_t s = 0; s < me->header->slots; s++)
        if ((hf_load64_seq_cst(&me->cards[s].word_shared) & 3u) == HF_SLOT_ESTATE)
            hf_store64_seq_cst(&me->cards[s].expires_ns_shared, 0);
    hf_reap(me);
}

void as_good_as_new(void) {
    hf_sweep_tickets(me);
    graces_end();
    hf_trim(me);
    hf_figures f = figures();
    CHECK_IS(f.blocks, 0);
    CHECK_IS(f.own_blocks, 0);
    CHECK_IS(f.tickets_outstanding, 0);
    CHECK_IS(f.slots_live, 1);
    CHECK_IS(f.slots_dead, 0);
    CHECK_IS(f.slots_estate, 0);
    CHECK_IS(f.cached_bytes, 0);
    no_chunk_is_lost();
    for (uint32_t s = 0; s < me->header->slots; s++)
        if (hf_load64_seq_cst(&me->used[s / 64]) >> (s % 64) & 1u) CHECK_IS(s, me->slot);
    sound();
}

/* ---- blocks --------------------------------------------------------------------------------------------------------- */

/* Word i of a block with this stamp. A large block is checked at both ends of each page. */
static uint64_t word_of(uint64_t stamp, uint64_t i) {
    return stamp * 0x9e3779b97f4a7c15ull + i;
}

static uint64_t next_word(uint64_t i, uint64_t words) {
    if (words <= 1024) return i + 1;
    uint64_t within = i % (HF_PAGE / 8);
    return within == 0 ? i + HF_PAGE / 8 - 1 : i + 1;
}

static uint64_t *words_of(const held *block, uint64_t *count) {
    *count = block->bytes / 8;
    return hf_at(me, block->ref.block);
}

static void stamp_words(const held *block) {
    uint64_t count, *words = words_of(block, &count);
    for (uint64_t i = 0; i < count; i = next_word(i, count)) words[i] = word_of(block->stamp, i);
}

void restamp(held *block) {
    block->stamp = hf_add64_seq_cst(&scene->stamps, 1) + 1;
    stamp_words(block);
}

int try_make(uint64_t bytes, held *out) {
    *out = (held){.bytes = bytes};
    int result = hf_alloc(me, bytes, 0, &out->ref);
    if (result != HF_OK) return result;
    uint64_t count, *words = words_of(out, &count);
    for (uint64_t i = 0; i < count; i = next_word(i, count)) CHECK_IS(words[i], 0);
    restamp(out);
    return HF_OK;
}

held make(uint64_t bytes) {
    held block;
    CHECK_IS(try_make(bytes, &block), HF_OK);
    return block;
}

void intact(const held *block) {
    uint64_t count, *words = words_of(block, &count);
    for (uint64_t i = 0; i < count; i = next_word(i, count)) CHECK_IS(words[i], word_of(block->stamp, i));
}

void drop(const held *block) {
    intact(block);
    hf_drop(me, block->ref.block);
}

void make_many(held *blocks, int count, uint64_t bytes) {
    for (int i = 0; i < count; i++) blocks[i] = make(bytes);
}

void intact_many(const held *blocks, int count) {
    for (int i = 0; i < count; i++) intact(&blocks[i]);
}

void drop_many(const held *blocks, int count) {
    for (int i = 0; i < count; i++) drop(&blocks[i]);
}

letter send(const held *block) {
    letter message = {.bytes = block->bytes, .stamp = block->stamp};
    CHECK_IS(hf_issue(me, block->ref, block->bytes, &message.wire), HF_OK);
    return message;
}

int try_receive(const letter *message, held *out) {
    *out = (held){.bytes = message->bytes, .stamp = message->stamp};
    int result = hf_attach(me, &message->wire, &out->ref);
    if (result == HF_OK) intact(out);
    return result;
}

held receive(const letter *message) {
    held block;
    CHECK_IS(try_receive(message, &block), HF_OK);
    return block;
}

/* ---- processes ------------------------------------------------------------------------------------------------------ */

pid_t child(void) {
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        disarm();
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) raise(SIGKILL); /* it died before that was said */
    }
    return pid;
}

_Noreturn void leave(void) {
    sound();
    _exit(0);
}

void ended_well(pid_t pid) {
    int status;
    CHECK_IS(waitpid(pid, &status, 0), pid);
    CHECK_IS(status, 0);
}

void ended_by_sigkill(pid_t pid) {
    int status;
    CHECK_IS(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

void murder(pid_t pid) {
    CHECK_IS(kill(pid, SIGKILL), 0);
    ended_by_sigkill(pid);
}

void collect_orphans(void) {
    int status;
    while (waitpid(-1, &status, 0) > 0 || errno == EINTR) {
        bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        CHECK(killed || status == 0);
    }
    CHECK_IS(errno, ECHILD);
}

/* ---- points --------------------------------------------------------------------------------------------------------- */

static uint32_t stops_in;   /* passes until this process stops; 0: it is armed to die, or not armed */
static scene_stop later[8]; /* the stops after that one */
static int later_count;

int point(const char *name) {
    for (int i = 0; i < hf_points_count(); i++)
        if (strcmp(hf_points_name(i), name) == 0) return i;
    hf_test_failed(name, 0, "there is a point of this name");
}

void die_at(int point, uint32_t nth) {
    stops_in = 0;
    hf_points_arm(point, nth);
}

void stop_at(int point, uint32_t nth) {
    stops_in = nth;
    hf_points_arm(point, nth);
}

void stops_in_turn(const scene_stop *stops, int count) {
    later_count = 0;
    for (int i = 1; i < count; i++) later[later_count++] = stops[i];
    if (count) stop_at(stops[0].point, stops[0].nth);
}

void disarm(void) {
    stops_in = 0;
    later_count = 0;
    hf_points_arm(-1, 0);
}

static void arm_next(void) {
    if (later_count == 0) {
        disarm();
        return;
    }
    stop_at(later[0].point, later[0].nth);
    later_count--;
    for (int i = 0; i < later_count; i++) later[i] = later[i + 1];
}

/* In the place of hf_i_point_reached, by the linker. */
void __real_hf_i_point_reached(void);
void __wrap_hf_i_point_reached(void);
void __wrap_hf_i_point_reached(void) {
    hf_add32_seq_cst(&scene->passed[hf_load32_relaxed(&hf_i_armed) - 1], 1);
    if (stops_in == 0) {
        __real_hf_i_point_reached();
    } else if (--stops_in == 0) {
        arm_next();
        hf_store64_seq_cst(&scene->stopped, (uint64_t)getpid());
        raise(SIGSTOP);
    }
}

/* 'T' for a stopped process; 0 if there is none. */
static char state_of(pid_t pid) {
    char path[40], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *stat = fopen(path, "r");
    if (!stat) return 0;
    if (fscanf(stat, "%*d (%*[^)]) %c", &state) != 1) state = 0;
    fclose(stat);
    return state;
}

bool stands_still(pid_t pid) {
    return state_of(pid) == 'T';
}

bool is_zombie(pid_t pid) {
    char state = state_of(pid);
    return state == 'Z' || state == 0;
}

pid_t stopped(pid_t pid, int *status) {
    for (int looks = 0;; looks++) {
        pid_t it = (pid_t)hf_load64_seq_cst(&scene->stopped);
        if (it && state_of(it) == 'T') {
            hf_store64_seq_cst(&scene->stopped, 0);
            return it;
        }
        pid_t ended = waitpid(pid, status, WNOHANG);
        CHECK(ended >= 0);
        if (ended == pid) return 0;
        hf_test_rest(looks);
    }
}

void go_on(pid_t pid) {
    CHECK_IS(kill(pid, SIGCONT), 0);
}

/* ---- numbers -------------------------------------------------------------------------------------------------------- */

uint64_t seed(void) {
    const char *given = getenv("HOLDFAST_SEED");
    uint64_t value = given ? strtoull(given, NULL, 10) : hf_now_ns() % 1000000007u;
    hf_test_say("HOLDFAST_SEED=%llu", (unsigned long long)value);
    return value * 2654435761u + 1;
}

uint64_t random_of(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dull;
}

uint64_t below(uint64_t *state, uint64_t end) {
    return (random_of(state) >> 33) % end;
}
