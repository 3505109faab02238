/* Slots: who is in the family, who is dead, and what becomes of the dead.
 *
 * A slot belongs to whoever has its lifeline: the kernel gives it to one file description at a time and takes it back
 * when the last process with that description is gone, however it died. Every write to a card's word, and every
 * clearing of another process's row (I3), happens with that lifeline held; so two reapers never meet, and a reaper
 * that dies leaves the slot to the next one: each step may be done again (I5).
 *
 * Order in which a slot comes alive: lifeline, used bit, [row], card word, [epoch]. Order in which it is cleared:
 * chunks disowned, row wiped, card word, used bit. A slot that is LIVE or ESTATE therefore always has its used bit.
 */
#include "process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REAP_INTERVAL_NS 10000000u /* 10 ms: a liveness question costs 0.7 us a slot */

static uint64_t card_word(uint32_t serial, unsigned state) {
    return (uint64_t)serial << 2 | state;
}

static uint64_t card_off(const hf_process *p, uint32_t slot) {
    return p->header->cards_off + slot * sizeof(hf_card);
}

static uint32_t next_serial(uint32_t serial, uint32_t slot) {
    uint32_t generation = (serial >> HF_SERIAL_SLOT_BITS) + 1;
    if (generation >= 1u << (32 - HF_SERIAL_SLOT_BITS)) generation = 1; /* 0 is nobody */
    return generation << HF_SERIAL_SLOT_BITS | slot;
}

static void raise_to(hf_a64 *figure, uint64_t least) {
    uint64_t now = hf_load64_seq_cst(figure);
    while (now < least && !hf_cas64_seq_cst(figure, &now, least)) {
    }
}

/* Everything in hf_card but the word. Holding the lifeline. */
static void card_fill(hf_process *p, uint32_t slot, uint32_t parent_serial) {
    hf_card *card = &p->cards[slot];
    hf_store64_relaxed(&card->joined_ns_shared, hf_now_ns());
    hf_store64_relaxed(&card->died_ns_shared, 0);
    hf_store64_relaxed(&card->expires_ns_shared, 0);
    hf_store32_relaxed(&card->parent_serial_shared, parent_serial);
    hf_i_card_write(p, card);
}

void hf_i_card_write(hf_process *p, hf_card *card) {
    uint64_t name[4];
    memcpy(name, p->name, sizeof name);
    p->pid = hf_os_pid();
    hf_store32_relaxed(&card->pid_shared, p->pid);
    for (int i = 0; i < 4; i++) hf_store64_relaxed(&card->name_shared[i], name[i]);
}

/* With the lifeline of a slot whose word is `word` (FREE): make it LIVE. */
static int come_alive(hf_process *p, uint32_t parent_serial, uint32_t slot, uint64_t word, uint32_t *serial) {
    hf_a64 *row = hf_i_row(p, slot);
    int result = hf_i_reserve(p, row, p->row_bytes - p->granules / 8);
    if (result != HF_OK) return result;
    HF_POINT(claim_lifeline);
    raise_to(&p->header->slots_top_shared, slot + 1);
    hf_or64_seq_cst(&p->used[slot / 64], 1ull << (slot % 64));
    HF_POINT(claim_used);
    *serial = next_serial((uint32_t)(word >> 2), slot);
    card_fill(p, slot, parent_serial);
    hf_store64_seq_cst(&p->cards[slot].word_shared, card_word(*serial, HF_SLOT_LIVE));
    return HF_OK;
}

static int claim_once(hf_process *p, uint32_t parent_serial, uint32_t *slot, uint32_t *serial, hf_os_lifeline *line) {
    int fd = hf_i_fd(p);
    if (fd < 0)
        return hf_i_fail(p, HF_E_NO_DESCRIPTOR, "the heap's own descriptor (the program closed it)", EBADF, 1, 0);
    bool reaped = false;
    for (uint32_t s = 0; s < p->header->slots; s++) {
        /* A slot that was never used costs fresh pages for its row, and page tables to reach them; a dead one has both. */
        if (!reaped && s >= HF_FRESH_SLOTS && s >= hf_load64_seq_cst(&p->header->slots_top_shared)) {
            reaped = true;
            if (hf_i_reap_sometimes(p) > 0) s = 0;
        }
        /* cards below the top exist; those above may be holes, also when their neighbour on the page is not */
        int result = s < hf_load64_seq_cst(&p->header->slots_top_shared)
                         ? HF_OK
                         : hf_i_reserve(p, &p->cards[s], sizeof(hf_card));
        if (result != HF_OK) return result;
        if ((hf_load64_seq_cst(&p->cards[s].word_shared) & 3u) != HF_SLOT_FREE) continue;
        const char *what;
        int error = hf_os_lifeline_take(fd, s, card_off(p, s), line, &what);
        if (error == EAGAIN) continue;
        if (error) return hf_i_fail_os(p, what, error);
        uint64_t word = hf_load64_seq_cst(&p->cards[s].word_shared);
        result = (word & 3u) == HF_SLOT_FREE ? come_alive(p, parent_serial, s, word, serial) : HF_E_STALE;
        if (result == HF_OK) {
            *slot = s;
            return HF_OK;
        }
        hf_os_lifeline_drop(line);
        if (result != HF_E_STALE) return result; /* stale: somebody sat there for a moment and died */
    }
    return hf_i_fail(p, HF_E_NO_SLOT, "slots", 0, 1, p->header->slots);
}

int hf_i_slot_claim(hf_process *p, uint32_t parent_serial, uint32_t *slot, uint32_t *serial, hf_os_lifeline *line) {
    int result = claim_once(p, parent_serial, slot, serial, line);
    if (result == HF_E_NO_SLOT && hf_i_reap_locked(p) > 0) result = claim_once(p, parent_serial, slot, serial, line);
    return result;
}

int hf_i_need_slot(hf_process *p) {
    if (p->serial) return HF_OK;
    if (!p->open) return hf_i_fail(p, HF_E_CLOSED, "heap", 0, 0, 0);
    int result = hf_i_slot_claim(p, 0, &p->slot, &p->serial, &p->lifeline);
    if (result != HF_OK) {
        p->serial = 0;
        return result;
    }
    p->row = hf_i_row(p, p->slot);
    return HF_OK;
}

int hf_take_slot(hf_process *p) {
    hf_i_lock(p);
    int result = hf_i_need_slot(p);
    hf_i_unlock(p);
    return result;
}

/* ---- the dead ------------------------------------------------------------------------------------------------------ */

/* Holding the lifeline of a slot that is not FREE: clears it. True if it is free now. */
static bool reap_slot(hf_process *p, uint32_t slot, uint64_t word) {
    hf_card *card = &p->cards[slot];
    uint32_t serial = (uint32_t)(word >> 2);
    uint64_t now = hf_now_ns();
    if (hf_load64_relaxed(&card->died_ns_shared) == 0) hf_store64_relaxed(&card->died_ns_shared, now);
    HF_POINT(reap_locked);
    hf_i_chunks_disown(p, slot, serial);
    bool expired = (word & 3u) == HF_SLOT_ESTATE && now >= hf_load64_relaxed(&card->expires_ns_shared);
    uint64_t *keep = NULL, keeps = 0;
    if (!expired && hf_i_tickets_of(p, slot, &keep, &keeps) != HF_OK) return false; /* again when there is memory */
    hf_i_row_wipe(p, slot, keep, keeps);
    free(keep);
    if ((word & 3u) == HF_SLOT_LIVE) hf_add64_relaxed(&p->header->deaths_shared, 1);
    if (keeps) {
        if ((word & 3u) == HF_SLOT_LIVE)
            hf_store64_relaxed(&card->expires_ns_shared, now + hf_load64_relaxed(&p->header->grace_ns_shared));
        HF_POINT(reap_estate);
        hf_store64_seq_cst(&card->word_shared, card_word(serial, HF_SLOT_ESTATE));
        return false;
    }
    HF_POINT(reap_row_done);
    /* in this order: who dies in between leaves a free slot with a used bit, which the next reaper puts right */
    hf_store64_seq_cst(&card->word_shared, card_word(serial, HF_SLOT_FREE));
    HF_POINT(reap_freed);
    hf_and64_seq_cst(&p->used[slot / 64], ~(1ull << (slot % 64)));
    return true;
}

/* An estate in its grace: what its tickets stood for shrinks as they are used, but looking costs system calls and a walk,
 * and there may be as many as dead senders. So only who wants everything looks before the grace is over. */
static bool estate_may_wait(hf_process *p, uint32_t slot, uint64_t now) {
    return (hf_load64_seq_cst(&p->cards[slot].word_shared) & 3u) == HF_SLOT_ESTATE &&
           now < hf_load64_relaxed(&p->cards[slot].expires_ns_shared);
}

static int reap(hf_process *p, bool everything) {
    int freed = 0;
    bool touched = false;
    uint64_t now = hf_now_ns();
    int fd = hf_i_fd(p);
    if (fd < 0) return 0; /* nobody can be asked, so everybody counts as alive */
    uint64_t groups = (hf_load64_seq_cst(&p->header->slots_top_shared) + 63) / 64;
    for (uint64_t group = 0; group < groups; group++) {
        for (uint64_t bits = hf_load64_seq_cst(&p->used[group]); bits; bits &= bits - 1) {
            uint32_t slot = (uint32_t)(group * 64 + (uint64_t)__builtin_ctzll(bits));
            if (!everything && estate_may_wait(p, slot, now)) continue;
            if ((p->serial && slot == p->slot) || hf_os_lifeline_held(fd, slot) != 0) continue;
            hf_os_lifeline line;
            const char *what;
            if (hf_os_lifeline_take(fd, slot, card_off(p, slot), &line, &what) != 0) continue;
            uint64_t word = hf_load64_seq_cst(&p->cards[slot].word_shared);
            if ((word & 3u) != HF_SLOT_FREE) {
                freed += reap_slot(p, slot, word);
                touched = true;
            } else if (hf_load64_relaxed(&p->used[group]) >> (slot % 64) & 1u) {
                /* killed while it came alive: the row is empty, only the used bit is left */
                hf_and64_seq_cst(&p->used[group], ~(1ull << (slot % 64)));
            }
            hf_os_lifeline_drop(&line);
        }
    }
    p->last_reap_ns = hf_now_ns();
    p->owes_sweep |= touched;
    if (p->owes_sweep && p->serial) {
        hf_i_large_sweep(p);
        p->owes_sweep = false;
    }
    return freed;
}

int hf_i_reap_locked(hf_process *p) {
    return reap(p, true);
}

int hf_i_reap_sometimes(hf_process *p) {
    return hf_now_ns() - p->last_reap_ns >= REAP_INTERVAL_NS ? reap(p, false) : 0;
}

int hf_reap(hf_process *p) {
    hf_i_lock(p);
    int freed = p->open ? hf_i_reap_locked(p) : 0;
    hf_i_unlock(p);
    return freed;
}

/* ---- questions -------------------------------------------------------------------------------------------------------- */

static uint64_t word_of(hf_process *p, uint32_t serial, uint32_t *slot) {
    *slot = HF_SERIAL_SLOT(serial);
    if (*slot >= hf_load64_seq_cst(&p->header->slots_top_shared)) return 0;
    return hf_load64_seq_cst(&p->cards[*slot].word_shared);
}

hf_liveness hf_ask(hf_process *p, uint32_t serial) {
    uint32_t slot;
    if (!p->open || (serial && serial == p->serial)) return HF_PROCESS_ALIVE;
    uint64_t live = card_word(serial, HF_SLOT_LIVE);
    if (serial == 0 || word_of(p, serial, &slot) != live) return HF_PROCESS_DEAD;
    hf_i_lock(p);
    int fd = hf_i_fd(p);
    hf_i_unlock(p);
    if (hf_os_lifeline_held(fd, slot) != 0) return HF_PROCESS_ALIVE;
    hf_card *card = &p->cards[slot];
    uint64_t not_noticed = 0, now = hf_now_ns();
    /* Without the lifeline, so whoever has it meanwhile may give the slot to a new process, whose card must not say that
     * it died: look again, and take it back. */
    if (hf_load64_seq_cst(&card->word_shared) == live && hf_cas64_seq_cst(&card->died_ns_shared, &not_noticed, now) &&
        hf_load64_seq_cst(&card->word_shared) != live)
        hf_cas64_seq_cst(&card->died_ns_shared, &now, 0);
    return HF_PROCESS_DEAD;
}

bool hf_card_of(hf_process *p, uint32_t serial, hf_card_copy *out) {
    uint32_t slot;
    if (!p->open || serial == 0 || word_of(p, serial, &slot) >> 2 != serial) return false;
    const hf_card *card = &p->cards[slot];
    uint64_t name[4];
    for (int i = 0; i < 4; i++) name[i] = hf_load64_relaxed(&card->name_shared[i]);
    memcpy(out->name, name, sizeof name);
    out->name[32] = 0;
    out->pid = hf_load32_relaxed(&card->pid_shared);
    out->parent_serial = hf_load32_relaxed(&card->parent_serial_shared);
    out->joined_ns = hf_load64_relaxed(&card->joined_ns_shared);
    out->died_ns = hf_load64_relaxed(&card->died_ns_shared);
    return hf_load64_seq_cst(&p->cards[slot].word_shared) >> 2 == serial;
}
