/* The reuse protocol: when a block may be given to somebody else, and when a ticket may still have it.
 *
 * Theorem (I2): a block's incarnation moves only at a moment at which no live process holds the block and none can
 * come to hold it. Argument, for one block b of incarnation k:
 *
 * A scanner announces (meta: LIVE -> SCANNING), then reads every row. A hold that it could miss is one of three.
 *   (a) Set by an attach. The attacher sets its bit, then reads meta. Announcement-before-rows against bit-before-meta
 *       is Dekker's pattern: with both sides sequentially consistent (hf_fence_seq_cst here, hf_i_own_set_seq_cst
 *       there) one sees the other. If the scanner missed the bit, the attacher sees SCANNING and *vetoes*: it puts LIVE
 *       back by compare-and-swap; then the scanner's own compare-and-swap to FREE fails. Or the attacher sees FREE or
 *       k+1 and refuses. Exactly one of the two compare-and-swaps wins; nobody ever waits for anybody.
 *   (b) Copied by a fork from a row that the scanner read after the holder's drop to a row that it read before the
 *       copy. The fork moves the epoch after the copy and before the parent can drop; the scanner reads the epoch
 *       before and after the rows and gives up when it moved.
 *   (c) In the row of a child that got no slot. Such bits are in the row of pinned blocks, or reuse is forbidden.
 * So a verdict "not held" is final: FREE means that nobody holds b and nobody can attach to it.
 *
 * Why not simply refuse an attach during a scan ("busy"): a ticket's promise would break, since the scan may run while
 * the sender still holds the block. Why not wait for the verdict: the scanner may be stopped or dead.
 * The model checks all this with its mutants: models/.
 */
#include "process.h"

uint64_t hf_i_blocks_in(const hf_process *p, uint64_t word, uint64_t *bytes, uint64_t *entry) {
    uint64_t chunk = word / HF_CHUNK_WORDS, within = word % HF_CHUNK_WORDS;
    if (chunk >= hf_load64_seq_cst(&p->header->chunks_top_shared)) return 0;
    uint64_t e = hf_load64_seq_cst(&p->chunk_table[chunk]);
    if (entry) *entry = e;
    switch (HF_CHUNK_STATE(e)) {
    case HF_CHUNK_SMALL:
        if (HF_CHUNK_CLASS(e) >= p->classes) return 0;
        *bytes = (uint64_t)p->class_granules[HF_CHUNK_CLASS(e)] * HF_GRANULE;
        return p->heads[HF_CHUNK_CLASS(e)][within];
    case HF_CHUNK_HEAD:
        *bytes = HF_CHUNK_LENGTH(e) * HF_CHUNK_BYTES;
        return within == 0 && HF_CHUNK_LENGTH(e) > 0 && HF_CHUNK_LENGTH(e) <= p->chunks - chunk;
    default:
        return 0;
    }
}

bool hf_i_block_at(const hf_process *p, uint64_t granule, uint64_t *bytes, uint64_t *entry) {
    return granule < p->granules && (hf_i_blocks_in(p, granule / 64, bytes, entry) >> (granule % 64) & 1u);
}

uint64_t hf_i_scan_word(hf_process *p, uint64_t word, uint64_t heads) {
    /* First without announcing anything: most words of a full heap end here. */
    uint64_t candidates = heads & ~hf_load64_relaxed(&hf_i_row_words(p, p->row)[word]);
    if (candidates) candidates &= ~hf_i_rows_word(p, word, candidates, NULL);
    uint64_t free = 0, announced = 0;
    hf_a64 *meta = &p->meta[word * 64];
    for (uint64_t left = candidates; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        uint64_t m = hf_load64_seq_cst(&meta[i]);
        if (HF_META_STATE(m) == HF_META_FREE) {
            free |= 1ull << i;
            continue;
        }
        /* A plain store: in a small chunk only the owner announces, and a veto that this overwrites (of a dead owner's
         * announcement) left its bit in a row that is read below. */
        hf_store64_relaxed(&meta[i], HF_META_MAKE(HF_META_INCARNATION(m), p->slot, HF_META_SCANNING));
        announced |= 1ull << i;
    }
    if (!announced) return free;
    HF_POINT(scan_announced);
    hf_fence_seq_cst(); /* partner: hf_i_own_set_seq_cst in hf_i_attach */
    uint64_t epoch = hf_load64_seq_cst(&p->header->epoch_shared);
    uint64_t held = hf_i_rows_word(p, word, announced, NULL);
    HF_POINT(scan_read);
    /* partner: the epoch moved by hf_i_fork_prepare after the copy */
    if (hf_load64_seq_cst(&p->header->epoch_shared) != epoch || hf_load64_seq_cst(&p->header->reuse_forbidden_shared))
        held = announced;
    for (uint64_t left = announced; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        uint64_t mine = hf_load64_relaxed(&meta[i]), next = HF_META_INCARNATION(mine);
        if (HF_META_STATE(mine) != HF_META_SCANNING) continue; /* vetoed */
        bool reuse = !(held >> i & 1u);
        /* The tag says nothing about a small block. It is ours all the same, because 0 is a slot too: a reaper of slot 0
         * that read this chunk's entry when it was a large block's would take the block for what its dead one kept
         * (hf_i_large_disown). */
        uint64_t verdict = reuse ? HF_META_MAKE((next + 1) & HF_INCARNATION_MASK, p->slot, HF_META_FREE)
                                 : HF_META_MAKE(next, 0, HF_META_LIVE);
        HF_POINT(scan_before_verdict);
        /* against a veto at this very moment; a failed one leaves LIVE, which is what a veto means */
        if (hf_cas64_seq_cst(&meta[i], &mine, verdict) && reuse) free |= 1ull << i;
        HF_POINT(scan_half_decided);
    }
    return free;
}

/* A block that everybody has dropped is dead, whether or not a scan has noticed: without this question the same stale
 * bytes would sometimes work. An unused ticket is a hold of its sender, so it never fails one. A second unpickling may be
 * refused while holds move from process to process: what it is promised is a block that *some one* process holds all
 * the time. */
static bool held_by_another(const hf_process *p, uint64_t granule) {
    uint64_t bit = 1ull << (granule % 64), epoch;
    do {
        epoch = hf_load64_seq_cst(&p->header->epoch_shared);
        if (hf_i_rows_word(p, granule / 64, bit, p->row) & bit) return true;
    } while (hf_load64_seq_cst(&p->header->epoch_shared) != epoch);
    return false;
}

int hf_i_attach(hf_process *p, uint64_t granule, uint64_t incarnation) {
    hf_a64 *meta = &p->meta[granule];
    if (hf_i_own_has(p, granule)) { /* held already, so it cannot change: only which incarnation it is must be asked */
        uint64_t found = HF_META_INCARNATION(hf_load64_seq_cst(meta));
        if (found != incarnation) return hf_i_fail(p, HF_E_STALE, "block", 0, incarnation, found);
        return hf_i_hold_again(p, granule);
    }
    int result = hf_i_row_ready(p, granule);
    if (result != HF_OK) return result;
    hf_i_own_set_seq_cst(p, granule); /* before meta is read; partner: the fence in hf_i_scan_word and large.c */
    HF_POINT(attach_bit_set);
    uint64_t m = hf_load64_seq_cst(meta);
    while (HF_META_INCARNATION(m) == incarnation && HF_META_STATE(m) != HF_META_FREE) {
        if (HF_META_STATE(m) != HF_META_LIVE && !hf_cas64_seq_cst(meta, &m, HF_META_MAKE(incarnation, 0, HF_META_LIVE)))
            continue;
        if (!held_by_another(p, granule)) break; /* dropped by all, only not found by a scan yet */
        HF_POINT(attach_accepted);
        return HF_OK;
    }
    hf_i_own_clear_release(p, granule);
    uint64_t bytes, entry;
    /* Who scanned meanwhile may have taken this bit for a hold; of a large block nobody else would look again. */
    if (hf_i_block_at(p, granule, &bytes, &entry) && HF_CHUNK_STATE(entry) == HF_CHUNK_HEAD)
        hf_i_large_dropped(p, granule);
    return hf_i_fail(p, HF_E_STALE, "block", 0, incarnation, HF_META_INCARNATION(m));
}
