/* Bytes that nobody should trust: pickles that were changed, of another family, or too late; files that are no heap of ours.
 *
 * Nothing that comes from outside is believed before it is checked (I4): what is refused leaves every hold, block and ticket
 * as it was, and what is accepted in spite of a change is a live block that the reader then holds (I2).
 */
#include "exhaust.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>

/* ---- pickles ----------------------------------------------------------------------------------------------------------------- */

/* What a reader is told when it reads a wire of which this byte was changed. */
static int expected_error(size_t byte) {
    if (byte < offsetof(hf_wire, token)) return HF_E_FORGED; /* magic, size_check */
    if (byte < offsetof(hf_wire, block)) return HF_E_FOREIGN;
    if (byte < offsetof(hf_wire, incarnation)) return 1; /* FORGED or STALE: depends on what is there */
    if (byte < offsetof(hf_wire, size)) return HF_E_STALE;
    if (byte < offsetof(hf_wire, ticket))
        return HF_E_FORGED; /* larger than the block: it is asked for with all its bytes */
    return HF_OK;           /* the ticket's half only tells the sender that it may let go; the rest are hints */
}

static void changed_byte(hf_process *reader, const held *block, const hf_wire *good, size_t byte, uint8_t flip) {
    hf_wire wire = *good;
    ((uint8_t *)&wire)[byte] ^= flip;
    hf_test_say("byte %zu changed by %02x, read by %s", byte, flip, reader == me ? "its sender" : "another");
    bool had = hf_holds(reader, block->ref.block);
    hf_figures before = figures();
    hf_ref out = {{77}, 77};
    int expected = expected_error(byte), result = hf_attach(reader, &wire, &out);
    if (expected == 1) expected = result == HF_E_FORGED ? HF_E_FORGED : HF_E_STALE;
    CHECK_IS(result, expected);
    if (result == HF_OK) {
        CHECK_IS(out.block.at, block->ref.block.at);
        hf_drop(reader, out.block);
    } else {
        CHECK_IS(out.block.at, 77);
    }
    hf_figures after = figures();
    CHECK_IS(hf_holds(reader, block->ref.block), had);
    CHECK_IS(after.blocks, before.blocks);
    CHECK_IS(after.own_blocks, before.own_blocks);
    CHECK_IS(after.slots_live, before.slots_live);
    bool only_hints = byte >= offsetof(hf_wire, sender_pid);
    CHECK_IS(after.tickets_outstanding, only_hints ? 0 : 1);
    intact(block);
    sound();
}

static void test_a_pickle_with_any_byte_changed_is_refused_or_harmless(void) {
    static const uint64_t sizes[] = {SMALLEST, 3 * SMALLEST, LARGE};
    scene_open(SMALL_HEAP);
    hf_process *other = hf_process_new();
    CHECK_IS(hf_join(other, hf_descriptor(me)), HF_OK);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        held block = make(sizes[s]);
        for (int i = 0; i < 2; i++) {
            hf_process *reader = i ? me : other;
            letter message = send(&block);
            for (size_t byte = 0; byte < sizeof(hf_wire); byte++) {
                static const uint8_t flips[] = {0x01, 0x80, 0xff};
                for (size_t f = 0; f < sizeof flips; f++) {
                    hf_wire smaller = message.wire; /* less than the block has may be asked for */
                    ((uint8_t *)&smaller)[byte] ^= flips[f];
                    if (smaller.size < block.bytes) continue;
                    changed_byte(reader, &block, &message.wire, byte, flips[f]);
                    if (byte < offsetof(hf_wire, sender_pid)) continue;
                    message = send(&block); /* that one was used up */
                }
            }
            hf_ref out;
            CHECK_IS(hf_attach(reader, &message.wire, &out), HF_OK);
            hf_drop(reader, out.block);
            hf_sweep_tickets(me);
            CHECK_IS(figures().tickets_outstanding, 0);
        }
        drop(&block);
    }
    hf_process_delete(other);
    as_good_as_new();
    scene_close();
}

/* The second half of a wire may name any granule as the ticket. */
static void test_a_forged_ticket_uses_up_nobody_elses(void) {
    scene_open(SMALL_HEAP);
    held first = make(SMALLEST), second = make(SMALLEST), large = make(LARGE);
    letter one = send(&first), two = send(&second);
    uint64_t tickets[] = {two.wire.ticket,
                          first.ref.block.at,
                          large.ref.block.at,
                          large.ref.block.at + HF_CHUNK_BYTES,
                          one.wire.ticket + 8,
                          1,
                          UINT64_MAX,
                          me->data_off - 64,
                          me->header->file_bytes};
    for (size_t i = 0; i < sizeof tickets / sizeof tickets[0]; i++) {
        hf_wire wire = one.wire;
        hf_ref out;
        wire.ticket = tickets[i];
        CHECK_IS(hf_attach(me, &wire, &out), HF_OK); /* `first` is held, whatever is said of tickets */
        hf_drop(me, out.block);
        CHECK_IS(figures().tickets_outstanding, 2);
        intact(&first);
        intact(&second);
        intact(&large);
        sound();
    }
    hf_wire wire = one.wire; /* a ticket is no block for anyone */
    hf_ref out;
    wire.block = wire.ticket;
    wire.incarnation = wire.ticket_incarnation;
    CHECK_IS(hf_attach(me, &wire, &out), HF_E_FORGED);
    CHECK_IS(figures().tickets_outstanding, 2);
    held a = receive(&one), b = receive(&two);
    drop(&a);
    drop(&b);
    drop(&first);
    drop(&second);
    drop(&large);
    as_good_as_new();
    scene_close();
}

static void test_made_up_pickles_never_reach_what_nobody_holds(void) {
    uint64_t random = seed();
    scene_open(SMALL_HEAP);
    held blocks[40];
    for (int i = 0; i < 40; i++)
        blocks[i] = make(i % 4 == 3 ? LARGE / (1 + (uint64_t)i % 2) : SMALLEST * (1 + (uint64_t)i % 5));
    letter real = send(&blocks[0]);
    for (int i = 10; i < 30; i++) drop(&blocks[i]);
    int accepted = 0;
    for (int i = 0; i < 20000; i++) {
        hf_wire wire = real.wire;
        wire.block = below(&random, 2) ? blocks[below(&random, 40)].ref.block.at /* half of them are dropped */
                                       : me->data_off + below(&random, me->granules + 8) * HF_GRANULE;
        wire.size = below(&random, 400);
        wire.incarnation = below(&random, 3);
        wire.ticket = below(&random, 2) ? me->data_off + below(&random, me->granules) * HF_GRANULE : random_of(&random);
        wire.ticket_incarnation = below(&random, 3);
        hf_ref out;
        int result = hf_attach(me, &wire, &out);
        CHECK(result == HF_OK || result == HF_E_STALE || result == HF_E_FORGED);
        if (result != HF_OK) continue;
        accepted++;
        hf_drop(me, out.block);
        CHECK(hf_holds(me, out.block)); /* it was held, so it is a block of ours */
    }
    CHECK(accepted > 0);
    CHECK_IS(figures().tickets_outstanding, 1);
    sound();
    intact_many(blocks, 10);
    drop_many(blocks, 10);
    intact_many(blocks + 30, 10);
    drop_many(blocks + 30, 10);
    held last = receive(&real);
    drop(&last);
    as_good_as_new();
    scene_close();
}

static void test_bytes_of_another_family_are_foreign(void) {
    scene_open(SMALL_HEAP);
    hf_process *stranger = hf_process_new(), *nobody = hf_process_new();
    CHECK_IS(hf_create(stranger, SMALL_HEAP), HF_OK);
    held block = make(SMALLEST);
    letter message = send(&block);
    hf_ref out;
    CHECK_IS(hf_attach(stranger, &message.wire, &out), HF_E_FOREIGN);
    CHECK_IS(hf_attach(nobody, &message.wire, &out), HF_E_CLOSED); /* a receiver that has no heap yet */
    CHECK_IS(hf_join(stranger, hf_descriptor(me)), HF_E_FOREIGN);
    CHECK_IS(hf_join(me, hf_descriptor(stranger)), HF_E_FOREIGN);
    CHECK_IS(hf_join(me, hf_descriptor(me)), HF_OK); /* its own, which it has */
    CHECK(memcmp(hf_token(me), hf_token(stranger), 16) != 0);
    held got = receive(&message);
    drop(&got);
    drop(&block);
    CHECK_IS(hf_check(stranger, NULL, NULL), 0);
    hf_process_delete(stranger);
    hf_process_delete(nobody);
    as_good_as_new();
    scene_close();
}

/* ---- too late ---------------------------------------------------------------------------------------------------------------- */

static void stale(const letter *message, uint64_t found) {
    held none;
    CHECK_IS(try_receive(message, &none), HF_E_STALE);
    CHECK_IS(hf_last_error(me)->wanted, message->wire.incarnation);
    if (found != UINT64_MAX) CHECK_IS(hf_last_error(me)->found, found);
    sound();
}

static void test_a_pickle_is_stale_once_everybody_has_dropped_the_block(void) {
    static const uint64_t sizes[] = {SMALLEST, 5 * SMALLEST, LARGE};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        hf_test_say("of %llu bytes", (unsigned long long)sizes[s]);
        scene_open(SMALL_HEAP);
        held block = make(sizes[s]);
        letter message = send(&block);
        held first = receive(&message), second = receive(&message); /* as often as one likes while it is held */
        hf_sweep_tickets(me);
        drop(&block);
        drop(&first);
        held third = receive(&message);
        drop(&third);
        drop(&second);
        stale(&message, UINT64_MAX); /* nobody holds it, though nobody has looked yet */
        held next = make(sizes[s]);
        if (sizes[s] == LARGE) CHECK(overlap(&next, &block)); /* kept for the next of its size */
        stale(&message, UINT64_MAX);
        drop(&next);
        CHECK(fill(NULL, 0, &block));
        stale(&message, UINT64_MAX); /* given away and given back */
        held whole = make(SMALL_HEAP);
        stale(&message, UINT64_MAX); /* inside, or the first byte, of another */
        intact(&whole);
        drop(&whole);
        as_good_as_new();
        scene_close();
    }
}

static void test_a_message_is_stale_when_its_dead_senders_grace_is_over(void) {
    scene_open(SMALL_HEAP);
    for (int late = 0; late < 2; late++) {
        pid_t sender = child();
        if (sender == 0) {
            held block = make(SMALLEST);
            scene->letters[0] = send(&block);
            _exit(0);
        }
        ended_well(sender);
        CHECK_IS(hf_reap(me), 0); /* an estate */
        CHECK_IS(figures().slots_estate, 1);
        if (late) {
            graces_end();
            CHECK_IS(figures().slots_estate, 0);
            stale(&scene->letters[0], UINT64_MAX);
        } else {
            held block = receive(&scene->letters[0]);
            drop(&block);
            graces_end();
        }
    }
    as_good_as_new();
    scene_close();
}

MAIN(TEST(a_pickle_with_any_byte_changed_is_refused_or_harmless), TEST(a_forged_ticket_uses_up_nobody_elses),
     TEST(made_up_pickles_never_reach_what_nobody_holds), TEST(bytes_of_another_family_are_foreign),
     TEST(a_pickle_is_stale_once_everybody_has_dropped_the_block),
     TEST(a_message_is_stale_when_its_dead_senders_grace_is_over))
