/* Threads that play processes, each with a membership of its own in one heap: what ThreadSanitizer can follow.
 *
 * In its build all memberships see the heap at one address (one_map.c), and the payload of blocks is written and read
 * plainly. So it proves what the protocol claims: whatever one process did to a block happens before whatever the
 * block's next holder does (I2), with no help but the orderings in the core. A membership that is deleted while it holds
 * blocks and tickets is a death: its lifeline goes as that of the killed does (I5).
 */
#include "player.h"

#include <pthread.h>

enum { PROCESSES = 4, LIVES = 8, STEPS = 300, THREADS_OF_ONE = 4, ROUNDS = 400 };

typedef struct {
    uint64_t random;
    int seat;
} part;

static void *play_lives(void *context) {
    part *mine = context;
    for (int life = 0; life < LIVES; life++) {
        player p = {.random = random_of(&mine->random), .seat = mine->seat};
        scene_player = hf_process_new();
        CHECK_IS(hf_join(scene_player, hf_descriptor(scene_me)), HF_OK);
        for (int i = 0; i < STEPS; i++) player_step(&p);
        player_check(&p);
        if (life % 2) player_drop_all(&p);
        hf_process_delete(scene_player); /* else it dies holding all that */
        scene_player = NULL;
        game_tidy();
    }
    return NULL;
}

static void run_threads(int count, void *(*play)(void *), part *parts) {
    pthread_t threads[16];
    uint64_t random = seed();
    for (int i = 0; i < count; i++) {
        parts[i] = (part){random_of(&random) | 1, i};
        CHECK_IS(pthread_create(&threads[i], NULL, play, &parts[i]), 0);
    }
    for (int i = 0; i < count; i++) CHECK_IS(pthread_join(threads[i], NULL), 0);
}

static void test_memberships_never_see_each_others_bytes(void) {
    part parts[PROCESSES];
    scene_open(0);
    game_open(false);
    run_threads(PROCESSES, play_lives, parts);
    sound();
    game_close();
    as_good_as_new();
    scene_close();
}

/* All threads of one process share its membership, and with it one lock. */
static void *work_together(void *context) {
    part *mine = context;
    held blocks[16];
    for (int round = 0; round < ROUNDS; round++) {
        int count = 1 + (int)below(&mine->random, 16);
        for (int i = 0; i < count; i++) blocks[i] = make(8 + below(&mine->random, 200));
        letter message = send(&blocks[0]);
        CHECK_IS(hf_hold(me, blocks[0].ref.block), HF_OK);
        held again = receive(&message);
        hf_sweep_tickets(me);
        drop(&again);
        drop(&blocks[0]);
        drop_many(blocks, count);
        if (round % 64 == 0) sound();
        if (round % 100 == 0) hf_trim(me);
    }
    return NULL;
}

static void test_threads_of_one_process_share_its_membership(void) {
    part parts[THREADS_OF_ONE];
    scene_open(0);
    run_threads(THREADS_OF_ONE, work_together, parts);
    as_good_as_new();
    scene_close();
}

/* One membership hands a block to another and takes it back, by nothing but the heap: the letter lies in a block. */
static void *echo(void *context) {
    letter *box = context;
    hf_process *own = hf_process_new();
    CHECK_IS(hf_join(own, hf_descriptor(scene_me)), HF_OK);
    scene_player = own;
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        UNTIL(hf_load32_seq_cst(&scene->gate[0]) == 2 * round - 1);
        held block = receive(box);
        restamp(&block); /* plainly: the ticket is used, so its sender waits */
        *box = send(&block);
        hf_drop(me, block.ref.block);
        hf_add32_seq_cst(&scene->gate[0], 1);
    }
    scene_player = NULL;
    UNTIL(hf_load32_seq_cst(&scene->gate[1]) == 1);
    hf_process_delete(own);
    return NULL;
}

static void test_what_was_written_before_a_drop_is_seen_after_the_attach(void) {
    pthread_t thread;
    letter box;
    scene_open(0);
    CHECK_IS(pthread_create(&thread, NULL, echo, &box), 0);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        held block = make(8 + round % 100 * 8);
        box = send(&block);
        hf_drop(me, block.ref.block);
        hf_add32_seq_cst(&scene->gate[0], 1);
        UNTIL(hf_load32_seq_cst(&scene->gate[0]) == 2 * round);
        held back = receive(&box);
        drop(&back);
        hf_sweep_tickets(me);
    }
    hf_add32_seq_cst(&scene->gate[1], 1);
    CHECK_IS(pthread_join(thread, NULL), 0);
    as_good_as_new();
    scene_close();
}

MAIN(TEST(memberships_never_see_each_others_bytes), TEST(threads_of_one_process_share_its_membership),
     TEST(what_was_written_before_a_drop_is_seen_after_the_attach))
