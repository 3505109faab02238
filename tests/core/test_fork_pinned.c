/* Forks whose child can be given no slot, for want of slots, descriptors or the heap's own descriptor.
 *
 * The fork itself cannot fail, so all that the child inherits is pinned: never reused (I2), by whomever it is dropped. The
 * child lives without a slot until it needs one. And what a program that closes all descriptors before it forks (daemons
 * do) leaves of the heap: all of it, as long as any process of the family can be asked for the descriptor.
 */
#include "exhaust.h"
#include "heirs.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- forks that cannot be given a slot ------------------------------------------------------------------------------------- */

/* In a child without a slot: it may do everything with what it inherited, and takes a slot when it needs one. */
static _Noreturn void live_without_slot(const held *blocks, int failure) {
    CHECK_IS(hf_serial(me), 0);
    intact_many(blocks, INHERITED);
    held other;
    letter message;
    CHECK_IS(try_make(SMALLEST, &other), failure);
    CHECK_IS(hf_issue(me, blocks[0].ref, SMALLEST, &message.wire), failure);
    CHECK_IS(hf_attach(me, &scene->letters[0].wire, &other.ref), failure);
    CHECK_IS(hf_hold(me, blocks[1].ref.block), HF_OK); /* pinned: holding and dropping it change nothing */
    hf_drop(me, blocks[1].ref.block);
    hf_drop(me, blocks[1].ref.block);
    pid_t grandchild = child(); /* pinned already */
    if (grandchild == 0) {
        intact_many(blocks, INHERITED);
        leave();
    }
    ended_well(grandchild);
    say(READY);
    until(GO, 1);
    intact_many(blocks, INHERITED);
    if (failure == HF_E_NO_DESCRIPTOR) descriptors_return(1024);
    CHECK_IS(hf_take_slot(me), HF_OK);
    CHECK(hf_serial(me) != 0);
    held own = make(SMALLEST), got = receive(&scene->letters[0]);
    scene->letters[1] = send(&blocks[0]); /* a block that it has by the pin alone */
    held again = receive(&scene->letters[1]);
    hf_sweep_tickets(me);
    drop(&own);
    drop(&got);
    drop(&again);
    pid_t last = child();
    if (last == 0) {
        CHECK(hf_serial(me) != 0);
        intact_many(blocks, INHERITED);
        leave();
    }
    ended_well(last);
    leave();
}

static void pinned_by(int failure) {
    static taken_slots slots;
    held blocks[INHERITED], later;
    rlim_t limit = 0;
    scene_open(SMALL_HEAP);
    make_inheritance(blocks);
    later = make(7 * SMALLEST);
    pid_t first = child(); /* an ordinary one, before */
    if (first == 0) leave();
    ended_well(first);
    hf_reap(me);
    scene->letters[0] = send(&later);
    if (failure == HF_E_NO_SLOT) slots_take(&slots);
    if (failure == HF_E_NO_DESCRIPTOR) limit = descriptors_take();
    uint64_t epoch = figures().epoch;
    pid_t heir = child();
    if (heir == 0) live_without_slot(blocks, failure);
    if (failure == HF_E_NO_DESCRIPTOR) descriptors_return(limit);
    hf_figures f = figures();
    CHECK_IS(f.forks, 1);
    CHECK_IS(f.forks_pinned, 1);
    CHECK_IS(f.pinned_blocks, INHERITED + 2); /* with the ticket and its target */
    CHECK_IS(f.epoch, epoch + 1);
    CHECK_IS(f.reuse_forbidden, 0);
    until(READY, 1);
    drop_many(blocks, INHERITED);
    fill(blocks, INHERITED, NULL);
    if (failure == HF_E_NO_SLOT) slots_return(&slots);
    say(GO);
    ended_well(heir);
    hf_reap(me);
    fill(blocks, INHERITED, NULL); /* for ever: nobody knows when the last who knows them is gone */
    hf_sweep_tickets(me);
    drop(&later);
    held after = make(SMALLEST);
    drop(&after);
    scene_close();
}

static void test_a_fork_without_descriptors_pins_what_the_child_inherits(void) {
    pinned_by(HF_E_NO_DESCRIPTOR);
}

static void test_a_fork_without_slots_pins_what_the_child_inherits(void) {
    pinned_by(HF_E_NO_SLOT);
}

/* ---- the heap's own descriptor ----------------------------------------------------------------------------------------- */

/* As an ordinary user has it: no privilege to open a mapping's file by its address. */
static void become_ordinary(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    CHECK_IS(syscall(SYS_capset, &header, none), 0);
}

static void close_all(void) {
    CHECK_IS(syscall(SYS_close_range, 3u, ~0u, 0u), 0);
}

static bool mapping_can_be_reopened(void) {
    int fd = hf_os_reopen_mapping(me->base, (size_t)me->header->file_bytes, me->file);
    hf_os_close(fd);
    return fd >= 0;
}

/* A fork after close_all: the child has what it inherits, with a slot (pinned == 0) or without. */
static void fork_after_all_are_closed(uint64_t pinned) {
    held blocks[INHERITED];
    uint64_t before = figures().forks_pinned;
    make_inheritance(blocks);
    close_all();
    int number = open("/dev/null", O_RDWR), other;
    CHECK(number >= 0);
    if (me->fd >= 0 && me->fd != number)
        CHECK_IS(other = dup2(number, me->fd), me->fd); /* somebody else's now */
    else
        other = number;
    pid_t heir = child();
    if (heir == 0) {
        CHECK_IS(hf_serial(me) != 0, pinned == 0);
        intact_many(blocks, INHERITED);
        say(READY);
        until(GO, 1);
        intact_many(blocks, INHERITED);
        leave();
    }
    CHECK_IS(figures().forks_pinned - before, pinned);
    CHECK(fcntl(other, F_GETFD) >= 0); /* and was left alone */
    CHECK(!hf_os_is(other, me->file));
    until(READY, 1);
    drop_many(blocks, INHERITED);
    fill(blocks, INHERITED, NULL);
    say(GO);
    ended_well(heir);
    held after = make(SMALLEST), large = make(LARGE);
    drop(&after);
    drop(&large);
    if (other != number) close(other);
    close(number);
}

static void test_a_closed_descriptor_is_found_again_at_another_process(void) {
    scene_open(SMALL_HEAP);
    become_ordinary();
    pid_t other = child();
    if (other == 0) {
        say(THERE);
        until(DONE, 1);
        leave();
    }
    until(THERE, 1); /* its card bears its own pid from its first step on */
    fork_after_all_are_closed(0);
    say(DONE);
    ended_well(other);
    as_good_as_new();
    scene_close();
}

static void test_a_closed_descriptor_is_found_again_by_privilege_alone(void) {
    scene_open(SMALL_HEAP);
    fork_after_all_are_closed(mapping_can_be_reopened() ? 0 : 1);
    scene_close();
}

static void test_forks_are_pinned_when_the_descriptor_cannot_be_found_again(void) {
    held block;
    scene_open(SMALL_HEAP);
    become_ordinary();
    fork_after_all_are_closed(1);
    CHECK_IS(hf_descriptor(me), -1);
    block = make(SMALLEST); /* what needs no descriptor goes on */
    scene->letters[0] = send(&block);
    held received = receive(&scene->letters[0]);
    drop(&received);
    CHECK_IS(hf_reap(me), 0); /* nobody can be asked, so nobody counts as dead */
    drop(&block);
    scene_close();
}

MAIN(TEST(a_fork_without_descriptors_pins_what_the_child_inherits),
     TEST(a_fork_without_slots_pins_what_the_child_inherits),
     TEST(a_closed_descriptor_is_found_again_at_another_process),
     TEST(a_closed_descriptor_is_found_again_by_privilege_alone),
     TEST(forks_are_pinned_when_the_descriptor_cannot_be_found_again))
