/* Races: processes on several processors that do the same thing at the same time, with nothing stopped (I1, I2, I3).
 *
 * What each must find is known: stamps in all blocks, letters that arrive, one owner in a lock. The players do whatever
 * there is to do (player.c); the duels put two processes on one block, over and over, so that their steps meet.
 */
#include "player.h"

enum { STEPS = 1500, ROUNDS = 600 };

static void play_with(int count) {
    uint64_t random = seed();
    pid_t pids[PLAYERS_MAX];
    scene_open(64ull << 20);
    game_open(true);
    for (int i = 0; i < count; i++) {
        player p = {.random = random_of(&random) | 1, .seat = i};
        pids[i] = child();
        if (pids[i] != 0) continue;
        for (int step = 0; step < STEPS; step++) player_step(&p);
        player_check(&p);
        player_drop_all(&p);
        collect_orphans();
        leave();
    }
    for (int i = 0; i < count; i++) ended_well(pids[i]);
    game_close();
    as_good_as_new();
    scene_close();
}

static void test_two_processes_do_everything_at_once(void) {
    play_with(2);
}

static void test_four_processes_do_everything_at_once(void) {
    play_with(4);
}

/* gate[0] counts rounds: the maker opens one, each of the others answers in gate[1]. */
static void await_round(uint32_t round) {
    UNTIL(hf_load32_seq_cst(&scene->gate[0]) >= round);
}

/* The maker drops a block and looks for free ones at once, while the reader attaches by a letter that was read before:
 * either the attach is refused, or the block is the reader's, with its stamp (Dekker: bit and meta word). A third holds
 * the block until the same moment, or there would be nothing to attach. */
static void duel(uint64_t bytes) {
    scene_open(64ull << 20);
    pid_t pids[2];
    uint64_t arrived = 0;
    for (int who = 0; who < 2; who++) {
        pids[who] = child();
        if (pids[who] != 0) continue;
        for (uint32_t round = 1; round <= ROUNDS; round++) {
            held block;
            await_round(round);
            if (who == 0) block = receive(&scene->letters[0]);
            hf_add32_seq_cst(&scene->gate[1], 1);
            UNTIL(hf_load32_seq_cst(&scene->gate[2]) >= round);
            if (who == 0) { /* holds, and lets go now */
                drop(&block);
            } else if (try_receive(&scene->letters[0], &block) == HF_OK) {
                hf_add64_seq_cst(&scene->number[0], 1);
                for (int i = 0; i < 50; i++) intact(&block);
                drop(&block);
            }
            hf_add32_seq_cst(&scene->gate[1], 1);
        }
        leave();
    }
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        held block = make(bytes), more[8];
        scene->letters[0] = send(&block);
        drop(&block);
        hf_add32_seq_cst(&scene->gate[0], 1);
        UNTIL(hf_load32_seq_cst(&scene->gate[1]) >= 4 * round - 2);
        hf_sweep_tickets(me); /* from now on only the first child holds it */
        hf_add32_seq_cst(&scene->gate[2], 1);
        for (int tries = 0; hf_load32_seq_cst(&scene->gate[1]) < 4 * round; tries++) {
            make_many(more, 8, bytes); /* stamps whatever it is given */
            drop_many(more, 8);
            if (tries % 8 == 7) hf_trim(me); /* looks at every block */
        }
    }
    arrived = hf_load64_seq_cst(&scene->number[0]);
    for (int who = 0; who < 2; who++) ended_well(pids[who]);
    hf_test_say("%llu of %d attached in time", (unsigned long long)arrived, ROUNDS);
    as_good_as_new();
    scene_close();
}

static void test_an_attach_and_a_scan_of_the_same_block_never_both_win(void) {
    duel(SMALLEST);
}

static void test_an_attach_and_the_end_of_the_same_large_block_never_both_win(void) {
    duel(LARGE);
}

/* The holder forks, and lets go in the parent, while the maker looks for free blocks. */
static void test_a_fork_and_a_scan_never_make_a_hold_disappear(void) {
    enum { FORKS = 150 };
    scene_open(64ull << 20);
    pid_t pid = child();
    if (pid == 0) {
        for (uint32_t round = 1; round <= FORKS; round++) {
            await_round(round);
            held block = receive(&scene->letters[0]);
            hf_add32_seq_cst(&scene->gate[1], 1);
            UNTIL(hf_load32_seq_cst(&scene->gate[2]) >= round);
            pid_t heir = child();
            if (heir == 0) {
                for (int i = 0; i < 200; i++) intact(&block);
                drop(&block);
                leave();
            }
            drop(&block);
            ended_well(heir);
            hf_add32_seq_cst(&scene->gate[1], 1);
        }
        leave();
    }
    for (uint32_t round = 1; round <= FORKS; round++) {
        held block = make(SMALLEST), more[16];
        scene->letters[0] = send(&block);
        drop(&block);
        hf_add32_seq_cst(&scene->gate[0], 1);
        UNTIL(hf_load32_seq_cst(&scene->gate[1]) >= 2 * round - 1);
        hf_sweep_tickets(me);
        hf_add32_seq_cst(&scene->gate[2], 1);
        for (int tries = 0; hf_load32_seq_cst(&scene->gate[1]) < 2 * round; tries++) {
            make_many(more, 16, SMALLEST);
            drop_many(more, 16);
            if (tries % 4 == 3) hf_trim(me);
        }
    }
    ended_well(pid);
    as_good_as_new();
    scene_close();
}

MAIN(TEST(two_processes_do_everything_at_once), TEST(four_processes_do_everything_at_once),
     TEST(an_attach_and_a_scan_of_the_same_block_never_both_win),
     TEST(an_attach_and_the_end_of_the_same_large_block_never_both_win),
     TEST(a_fork_and_a_scan_never_make_a_hold_disappear))
