/* The campaign: players on one heap, killed one after the other at random moments and at every named point.
 *
 *     campaign [--kills N] [--seed S] [--players P]
 *
 * After each kill the survivors must go on (each makes a step, the main process works), the checker must find nothing;
 * every now and then all stop and check everything that they hold. In the end everybody is killed, and nothing may be
 * left: no block, ticket, slot, lost chunk, descriptor, mapping or process. (I1 to I5 all together.)
 */
#include "player.h"
#include "process.h"
#include "workload.h"

#include <dirent.h>
#include <errno.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* 64 MiB: small enough that chunks change hands all the time, large enough that nobody starves */
#define HEAP_BYTES (64ull << 20)
#define GO_ON_EVERY 4
#define PAUSE_EVERY 64
#define TELL_EVERY 500

typedef struct {
    pid_t pid;
    int armed; /* its point; -1: to be killed from outside */
} seat;

static seat seats[PLAYERS_MAX];
static player mine = {.random = 1, .seat = PLAYERS_MAX - 1}; /* the main process's part; it never steps */
static int players = 6;
static uint64_t random_state;
static uint64_t kills, kills_outside, left_on_their_own, orphans, kills_at[hf_points_end];

static int entries(const char *folder) {
    int count = 0;
    DIR *dir = opendir(folder);
    CHECK(dir != NULL);
    while (readdir(dir)) count++;
    closedir(dir);
    return count;
}

static int mappings(void) {
    int count = 0, c;
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    while ((c = fgetc(maps)) != EOF) count += c == '\n';
    fclose(maps);
    return count;
}

static _Noreturn void play(int number, uint64_t random, int armed, uint32_t nth) {
    player p = {.random = random | 1, .seat = number};
    player_drop_all(&mine); /* inherited */
    if (armed >= 0) die_at(armed, nth);
    for (int i = 0; i < 900; i++) {
        if (i == 800) disarm(); /* not reached: leave as one does */
        player_step(&p);
    }
    player_check(&p);
    if (below(&p.random, 2)) player_drop_all(&p);
    collect_orphans();
    leave();
}

static void seat_player(int i) {
    static uint64_t turn;
    /* every point in turn, and as often a player for a kill from outside */
    seats[i].armed = turn % 2 ? (int)(turn / 2 % (uint64_t)hf_points_count()) : -1;
    turn++;
    uint64_t random = random_of(&random_state);
    uint32_t nth = below(&random_state, 2) ? 1 : 1 + (uint32_t)below(&random_state, 20);
    seats[i].pid = child();
    if (seats[i].pid == 0) play(i, random, seats[i].armed, nth);
}

static void ended(int i, int status) {
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        kills++;
        if (seats[i].armed >= 0)
            kills_at[seats[i].armed]++;
        else
            kills_outside++;
    } else {
        CHECK_IS(status, 0);
        left_on_their_own++;
    }
    seats[i].pid = 0;
}

/* The seat of somebody who has ended, or -1. Orphans of the dead end here as well. */
static int somebody_ended(int options) {
    int status;
    for (;;) {
        pid_t pid = waitpid(-1, &status, options);
        if (pid <= 0) return -1;
        for (int i = 0; i < players; i++) {
            if (seats[i].pid != pid) continue;
            ended(i, status);
            return i;
        }
        CHECK(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
        orphans++;
    }
}

static uint64_t steps_of(int i) {
    return hf_load64_relaxed(&game->steps[i]);
}

/* Its player has ended, collected or not. */
static bool is_gone(int i) {
    siginfo_t info = {0};
    if (seats[i].pid == 0) return true;
    CHECK_IS(waitid(P_PID, (id_t)seats[i].pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    return info.si_pid != 0;
}

/* Every survivor makes a step or comes to its end. */
static void survivors_go_on(void) {
    for (int i = 0; i < players; i++) {
        uint64_t before = steps_of(i);
        UNTIL(steps_of(i) != before || is_gone(i));
    }
}

static void all_check(void) {
    uint32_t pause = hf_add32_seq_cst(&game->pause, 1) + 1;
    for (int i = 0; i < players; i++) {
        UNTIL(hf_load32_seq_cst(&game->paused[i]) == pause || is_gone(i));
    }
    sound();
    hf_add32_seq_cst(&game->pause, 1);
}

/* Until somebody ends: at its point, or killed from outside after so many steps of all. */
static int next_end(void) {
    uint64_t goal = 1 + below(&random_state, below(&random_state, 8) ? 60 : 1500), before = 0, now = 0;
    for (int i = 0; i < players; i++) before += steps_of(i);
    for (int looks = 0;; looks++) {
        int i = somebody_ended(WNOHANG);
        if (i >= 0) return i;
        now = 0;
        for (int j = 0; j < players; j++) now += steps_of(j);
        if (now - before >= goal) break;
        hf_test_rest(looks);
    }
    int victim = (int)below(&random_state, (uint64_t)players); /* also one that has an appointment with a point */
    seats[victim].armed = -1;
    kill(seats[victim].pid, SIGKILL);
    int i;
    do i = somebody_ended(0);
    while (i < 0);
    return i;
}

/* The main process works on the same heap. */
static void work_here(void) {
    for (int n = 0; n < 3; n++) {
        if (mine.count == 8) player_drop_all(&mine);
        if (try_make(8, &mine.blocks[mine.count]) == HF_OK) mine.count++;
    }
    intact_many(mine.blocks, mine.count);
}

/* A point that chance did not reach: a worker that passes every point. */
static void kill_at(int at) {
    worker w;
    work_before(&w);
    pid_t pid = child();
    if (pid == 0) {
        player_drop_all(&mine);
        game_let_go();
        work_begin(&w);
        die_at(at, 1);
        work(&w);
        leave();
    }
    int status;
    CHECK_IS(waitpid(pid, &status, 0), pid);
    CHECK(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
    collect_orphans();
    CHECK(hf_load32_seq_cst(&scene->passed[at]) > 0);
    kills_at[at]++;
    kills++;
    drop_many(w.inherited + 3, WORK_BLOCKS - 3);
    for (int i = 0; i < 3; i++) {
        held block;
        if (try_receive(&scene->letters[WORK_RECEIVED + i], &block) == HF_OK) drop(&block);
    }
    sound();
}

/* Every byte of the heap can be had again. */
static void fill_the_heap(void) {
    uint64_t bytes = (uint64_t)HF_SMALL_GRANULES * HF_GRANULE, most = HEAP_BYTES / bytes, made = 0;
    hf_ref *refs = calloc(most, sizeof *refs);
    CHECK(refs != NULL);
    while (made < most && hf_alloc(me, bytes, HF_RAW, &refs[made]) == HF_OK) made++;
    CHECK_IS(made, most);
    while (made > 0) hf_drop(me, refs[--made].block);
    free(refs);
    as_good_as_new();
}

static void tell(double seconds) {
    printf("%-28s %8s\n", "point", "kills");
    for (int i = 0; i < hf_points_count(); i++)
        printf("%-28s %8llu\n", hf_points_name(i), (unsigned long long)kills_at[i]);
    printf("%-28s %8llu\n", "(from outside)", (unsigned long long)kills_outside);
    printf("\n%-28s %8s\n", "move", "times");
    for (int i = 0; game_move_name(i); i++)
        printf("%-28s %8llu\n", game_move_name(i), (unsigned long long)hf_load64_relaxed(&game->moves[i]));
    hf_figures f = figures();
    printf("\n%llu kills, %llu left on their own, %llu orphans; %llu deaths reaped, %llu holds reclaimed, %llu tickets "
           "used of "
           "%llu; refused %llu; %.1f s\n",
           (unsigned long long)kills, (unsigned long long)left_on_their_own, (unsigned long long)orphans,
           (unsigned long long)f.deaths, (unsigned long long)f.holds_reclaimed, (unsigned long long)f.tickets_used,
           (unsigned long long)f.tickets_issued, (unsigned long long)hf_load64_relaxed(&game->refused), seconds);
}

/* A long campaign says now and then how far it is. */
static void tell_progress(uint64_t wanted, uint64_t since) {
    static uint64_t told = 0;
    if (kills < told + TELL_EVERY) return;
    told = kills;
    printf("%llu of %llu kills, %.0f s\n", (unsigned long long)kills, (unsigned long long)wanted,
           (double)(hf_now_ns() - since) / 1e9);
    fflush(stdout);
}

static void campaign(uint64_t wanted) {
    uint64_t since = hf_now_ns();
    scene_open(HEAP_BYTES);
    int files = entries("/proc/self/fd"), maps = mappings();
    game_open(true);
    for (int i = 0; i < players; i++) seat_player(i);
    while (kills < wanted) {
        alarm(HF_TEST_WATCHDOG_S);
        int i = next_end();
        if (i < 0) continue;
        hf_reap(me);
        sound();
        game_tidy();
        work_here();
        if (kills % GO_ON_EVERY == 0) survivors_go_on();
        seat_player(i);
        if (kills % PAUSE_EVERY == 0) all_check();
        tell_progress(wanted, since);
    }
    for (int i = 0; i < players; i++) {
        if (seats[i].pid == 0) continue;
        kill(seats[i].pid, SIGKILL);
        seats[i].armed = -1;
    }
    while (somebody_ended(0) >= 0) {
    }
    CHECK_IS(errno, ECHILD);
    for (int i = 0; i < hf_points_count(); i++)
        if (kills_at[i] == 0) kill_at(i);
    player_drop_all(&mine);
    tell((double)(hf_now_ns() - since) / 1e9);
    game_close();
    as_good_as_new();
    fill_the_heap();
    CHECK_IS(entries("/proc/self/fd"), files);
    CHECK_IS(mappings(), maps);
    scene_close();
}

static uint64_t number_after(int argc, char **argv, const char *option, uint64_t otherwise) {
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], option) == 0) return strtoull(argv[i + 1], NULL, 10);
    return otherwise;
}

int main(int argc, char **argv) {
    uint64_t wanted = number_after(argc, argv, "--kills", 300),
             seed = number_after(argc, argv, "--seed", hf_now_ns() % 1000000007u);
    players = (int)number_after(argc, argv, "--players", 6);
    if (players < 2 || players > PLAYERS_MAX - 1) return 2;
    random_state = seed * 0x9e3779b97f4a7c15ull + 1;
    hf_test_say("--kills %llu --seed %llu", (unsigned long long)wanted, (unsigned long long)seed);
    printf("campaign %s\n", hf_test_case);
    fflush(stdout);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    campaign(wanted);
    return 0;
}
