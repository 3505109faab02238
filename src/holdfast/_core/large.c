/* Large blocks: runs of chunks, one block each.
 *
 * Nobody owns a large block for allocation: whoever drops it last looks whether it is free (the scan of scan.c, for one
 * block) and then keeps the run for itself or gives it back. So that two droppers do not each see the other's hold and
 * both leave: who finds a scan running marks it RESCAN, and the scanner looks again (its compare-and-swap fails).
 *
 * A run is born in this order: every chunk RUN(me); pages; meta word (FREE, tag me); first entry HEAD(n); own bit; meta
 * LIVE. It dies in this order: meta (FREE, tag me); pages given back; further chunks RUN(me); first entry RUN(me); all
 * FREE. A RUN outside of any HEAD therefore belongs to its owner alone, and a HEAD whose meta word is FREE to the process
 * in the slot `tag`. Whoever reaps that slot finishes the death (hf_i_large_disown), with the dead one's serial in the
 * entries, so that a reaper that dies leaves what the next one understands.
 */
#include "process.h"

#include <string.h>

static hf_a64 *head_meta(hf_process *p, uint64_t chunk) {
    return &p->meta[chunk * HF_CHUNK_GRANULES];
}

/* The run is ours (meta FREE, tag ours or of the slot whose lifeline we have): back to the heap. */
static void run_return(hf_process *p, uint64_t chunk, uint64_t length, uint32_t owner) {
    hf_os_discard(hf_at(p, hf_i_chunk_off(p, chunk)), length * HF_CHUNK_BYTES);
    for (uint64_t c = chunk + 1; c < chunk + length; c++) {
        hf_store64_seq_cst(&p->chunk_table[c], HF_CHUNK_MAKE_RUN(owner));
        HF_POINT(large_return_half);
    }
    hf_store64_seq_cst(&p->chunk_table[chunk], HF_CHUNK_MAKE_RUN(owner));
    HF_POINT(large_return_headless);
    for (uint64_t c = chunk; c < chunk + length; c++) hf_store64_seq_cst(&p->chunk_table[c], HF_CHUNK_FREE);
    hf_add64_seq_cst(&p->header->chunks_freed_shared, 1);
}

static bool run_take(hf_process *p, uint64_t chunk, uint64_t length) {
    for (uint64_t c = chunk; c < chunk + length; c++) {
        uint64_t none = HF_CHUNK_FREE;
        if (!hf_cas64_seq_cst(&p->chunk_table[c], &none, HF_CHUNK_MAKE_RUN(p->serial))) {
            while (c-- > chunk) hf_store64_seq_cst(&p->chunk_table[c], HF_CHUNK_FREE);
            hf_add64_seq_cst(&p->header->chunks_freed_shared, 1); /* who looked meanwhile has to look again */
            return false;
        }
        HF_POINT(large_claim_half);
    }
    return true;
}

/* First fit among the free chunks below the top; UINT64_MAX: none. */
static uint64_t run_find(hf_process *p, uint64_t length, uint64_t align) {
    uint64_t top = hf_load64_seq_cst(&p->header->chunks_top_shared), start = 0, next;
    for (uint64_t c = 0; c < top; c = next) {
        uint64_t e = hf_load64_seq_cst(&p->chunk_table[c]);
        next = c + (HF_CHUNK_STATE(e) == HF_CHUNK_HEAD && HF_CHUNK_LENGTH(e) ? HF_CHUNK_LENGTH(e) : 1);
        if (HF_CHUNK_STATE(e) != HF_CHUNK_FREE) {
            start = (next + align - 1) / align * align;
        } else if (c >= start && c + 1 - start >= length) {
            if (run_take(p, start, length)) return start;
            start = (next + align - 1) / align * align;
        }
    }
    return UINT64_MAX;
}

static int run_claim(hf_process *p, uint64_t length, uint64_t *chunk) {
    /* a block of a large page or more starts at one */
    uint64_t large_page = (2ull << 20) / HF_CHUNK_BYTES;
    uint64_t align = length >= large_page && length < p->chunks / 2 ? large_page : 1;
    *chunk = run_find(p, length, align);
    for (int tries = 0; *chunk == UINT64_MAX && tries < 64; tries++) {
        uint64_t start = hf_i_chunks_extend(p, length, align);
        if (start == UINT64_MAX && align > 1) start = hf_i_chunks_extend(p, length, align = 1);
        if (start == UINT64_MAX) return p->error.os_errno ? HF_E_NO_MEMORY : HF_E_HEAP_FULL;
        if (run_take(p, start, length)) *chunk = start; /* else somebody found a chunk of it first */
    }
    return *chunk == UINT64_MAX ? hf_i_fail(p, HF_E_HEAP_FULL, "heap", 0, length * HF_CHUNK_BYTES, 0) : HF_OK;
}

static int run_make(hf_process *p, uint64_t length, uint64_t *chunk) {
    int result = run_claim(p, length, chunk);
    if (result != HF_OK) return result;
    uint64_t granule = *chunk * HF_CHUNK_GRANULES, bytes = length * HF_CHUNK_BYTES;
    void *data = hf_at(p, hf_i_chunk_off(p, *chunk));
    result = hf_i_reserve(p, data, bytes);
    if (result == HF_OK) result = hf_i_reserve(p, head_meta(p, *chunk), sizeof(hf_a64));
    if (result == HF_OK) result = hf_i_row_ready(p, granule);
    if (result != HF_OK) {
        hf_os_discard(data, bytes);
        for (uint64_t c = *chunk; c < *chunk + length; c++) hf_store64_seq_cst(&p->chunk_table[c], HF_CHUNK_FREE);
        hf_add64_seq_cst(&p->header->chunks_freed_shared, 1);
        return result;
    }
    uint64_t m = hf_load64_relaxed(head_meta(p, *chunk));
    hf_store64_seq_cst(head_meta(p, *chunk), HF_META_MAKE(HF_META_INCARNATION(m), p->slot, HF_META_FREE));
    HF_POINT(large_before_head);
    hf_store64_seq_cst(&p->chunk_table[*chunk], HF_CHUNK_MAKE_HEAD(length, p->serial));
    HF_POINT(large_after_head);
    return HF_OK;
}

/* ---- kept runs -------------------------------------------------------------------------------------------------------- */

static void kept_remove(hf_process *p, uint32_t i) {
    p->kept_bytes -= p->kept[i].length * HF_CHUNK_BYTES;
    p->kept[i] = p->kept[--p->kept_count];
}

uint64_t hf_i_kept_evict(hf_process *p, bool all) {
    uint64_t now = p->kept_count ? hf_now_ns() : 0, bytes = 0;
    for (uint32_t i = 0; i < p->kept_count;) {
        hf_kept k = p->kept[i];
        if (!all && now - k.since_ns < HF_KEPT_NS) {
            i++;
            continue;
        }
        kept_remove(p, i);
        run_return(p, k.chunk, k.length, p->serial);
        bytes += k.length * HF_CHUNK_BYTES;
    }
    return bytes;
}

static void run_keep(hf_process *p, uint64_t chunk, uint64_t length) {
    uint64_t bytes = length * HF_CHUNK_BYTES;
    if (bytes > HF_KEPT_BYTES / 2) {
        run_return(p, chunk, length, p->serial);
        return;
    }
    while (p->kept_count && (p->kept_count == HF_KEPT_MAX || p->kept_bytes + bytes > HF_KEPT_BYTES)) {
        uint32_t oldest = 0;
        for (uint32_t i = 1; i < p->kept_count; i++)
            if (p->kept[i].since_ns < p->kept[oldest].since_ns) oldest = i;
        hf_kept k = p->kept[oldest];
        kept_remove(p, oldest);
        run_return(p, k.chunk, k.length, p->serial);
    }
    p->kept[p->kept_count++] = (hf_kept){chunk, length, hf_now_ns()};
    p->kept_bytes += bytes;
}

/* Best fit with at most a quarter too much. */
static bool kept_find(hf_process *p, uint64_t length, uint64_t *chunk) {
    uint32_t best = HF_KEPT_MAX;
    for (uint32_t i = 0; i < p->kept_count; i++) {
        uint64_t has = p->kept[i].length;
        if (has >= length && has <= length + length / 4 && (best == HF_KEPT_MAX || has < p->kept[best].length))
            best = i;
    }
    if (best == HF_KEPT_MAX) return false;
    *chunk = p->kept[best].chunk;
    kept_remove(p, best);
    return true;
}

/* ---- allocate, drop ------------------------------------------------------------------------------------------------------ */

int hf_i_large_alloc(hf_process *p, uint64_t size, unsigned flags, hf_ref *out) {
    uint64_t length = size / HF_CHUNK_BYTES + (size % HF_CHUNK_BYTES != 0), chunk;
    if (length > p->chunks) return hf_i_fail(p, HF_E_TOO_LARGE, "heap", 0, size, p->chunks * HF_CHUNK_BYTES);
    hf_i_tickets_sweep(p, UINT64_MAX);
    hf_i_kept_evict(p, false);
    bool dirty = kept_find(p, length, &chunk);
    if (!dirty) {
        hf_i_reap_sometimes(p);
        int result = run_make(p, length, &chunk);
        if (result == HF_E_HEAP_FULL || result == HF_E_NO_MEMORY) { /* what is kept or dead may be what is missing */
            hf_i_give_back(p);
            result = run_make(p, length, &chunk);
        }
        if (result != HF_OK) return result;
    }
    uint64_t granule = chunk * HF_CHUNK_GRANULES;
    int result = hf_i_row_ready(p, granule);
    if (result != HF_OK) {
        run_return(p, chunk, HF_CHUNK_LENGTH(hf_load64_relaxed(&p->chunk_table[chunk])), p->serial);
        return result;
    }
    if (dirty && !(flags & HF_RAW)) memset(hf_at(p, hf_i_chunk_off(p, chunk)), 0, size);
    hf_i_own_set_relaxed(p, granule);
    uint64_t incarnation = HF_META_INCARNATION(hf_load64_relaxed(head_meta(p, chunk)));
    hf_store64_seq_cst(head_meta(p, chunk), HF_META_MAKE(incarnation, 0, HF_META_LIVE));
    *out = (hf_ref){hf_i_chunk_off(p, chunk), incarnation};
    return HF_OK;
}

/* Announced as SCANNING with our tag: is it free? Then it is ours, as FREE with our tag. */
static bool scan_large(hf_process *p, uint64_t granule, uint64_t m) {
    hf_a64 *meta = &p->meta[granule];
    uint64_t bit = 1ull << (granule % 64);
    for (;;) {
        HF_POINT(large_announced);
        hf_fence_seq_cst(); /* partner: hf_i_own_set_seq_cst in hf_i_attach */
        uint64_t epoch = hf_load64_seq_cst(&p->header->epoch_shared);
        bool held = hf_i_rows_word(p, granule / 64, bit, NULL) & bit;
        if (hf_load64_seq_cst(&p->header->epoch_shared) != epoch) continue; /* partner: hf_i_fork_prepare */
        if (hf_load64_seq_cst(&p->header->reuse_forbidden_shared)) held = true;
        uint64_t k = HF_META_INCARNATION(m), expected = m;
        uint64_t verdict = held ? HF_META_MAKE(k, 0, HF_META_LIVE)
                                : HF_META_MAKE((k + 1) & HF_INCARNATION_MASK, p->slot, HF_META_FREE);
        HF_POINT(large_before_verdict);
        if (hf_cas64_seq_cst(meta, &expected, verdict)) return !held;
        /* Only our own announcement with RESCAN on it is taken up again. Anything else is a veto (who attached will drop
         * it some day), or an announcement of another process or a later incarnation, which came after our drop. */
        if (expected != (m | HF_META_RESCAN) || !hf_cas64_seq_cst(meta, &expected, m)) return false;
    }
}

void hf_i_large_dropped(hf_process *p, uint64_t granule) {
    hf_a64 *meta = &p->meta[granule];
    uint64_t chunk = granule / HF_CHUNK_GRANULES;
    if (!p->serial) return; /* no slot, so no tag; what this process knows is pinned anyway */
    HF_POINT(large_before_look);
    for (;;) {
        /* The meta word first, then the entry: since this process let go, the run may have been given back and its first
         * granule be somebody's small block. An incarnation never comes back, so a compare-and-swap from this m that
         * succeeds says that the block was the same, and large, all the time. */
        uint64_t m = hf_load64_seq_cst(meta);
        if (HF_CHUNK_STATE(hf_load64_seq_cst(&p->chunk_table[chunk])) != HF_CHUNK_HEAD) return;
        if (HF_META_STATE(m) == HF_META_FREE) return;
        if (HF_META_STATE(m) == HF_META_SCANNING) {
            if ((m & HF_META_RESCAN) || hf_cas64_seq_cst(meta, &m, m | HF_META_RESCAN)) return;
            continue;
        }
        uint64_t mine = HF_META_MAKE(HF_META_INCARNATION(m), p->slot, HF_META_SCANNING);
        if (!hf_cas64_seq_cst(meta, &m, mine)) continue;
        if (!scan_large(p, granule, mine)) return;
        HF_POINT(large_decided);
        run_keep(p, chunk, HF_CHUNK_LENGTH(hf_load64_relaxed(&p->chunk_table[chunk])));
        return;
    }
}

void hf_i_large_sweep(hf_process *p) {
    uint64_t top = hf_load64_seq_cst(&p->header->chunks_top_shared);
    for (uint64_t c = 0; c < top; c++) {
        uint64_t e = hf_load64_seq_cst(&p->chunk_table[c]);
        if (HF_CHUNK_STATE(e) != HF_CHUNK_HEAD || HF_CHUNK_LENGTH(e) == 0) continue;
        uint64_t granule = c * HF_CHUNK_GRANULES, bit = 1ull << (granule % 64);
        uint64_t m = hf_load64_seq_cst(head_meta(p, c));
        /* also one that is being scanned: that scan may have read the row of the dead before it was wiped */
        if (HF_META_STATE(m) != HF_META_FREE && !(hf_i_rows_word(p, granule / 64, bit, NULL) & bit))
            hf_i_large_dropped(p, granule);
        c += HF_CHUNK_LENGTH(e) - 1;
    }
}

bool hf_i_large_disown(hf_process *p, uint64_t chunk, uint64_t length, uint32_t slot) {
    hf_a64 *meta = head_meta(p, chunk);
    uint64_t m = hf_load64_seq_cst(meta);
    if (HF_META_STATE(m) == HF_META_LIVE || HF_META_TAG(m) != slot) return false;
    if (HF_META_STATE(m) == HF_META_SCANNING) {
        /* by compare-and-swap against a veto; the sweep after the reaping looks whether anyone holds it */
        while (HF_META_STATE(m) == HF_META_SCANNING && HF_META_TAG(m) == slot &&
               !hf_cas64_seq_cst(meta, &m, HF_META_MAKE(HF_META_INCARNATION(m), 0, HF_META_LIVE))) {
        }
        return false;
    }
    run_return(p, chunk, length, (uint32_t)(hf_load64_seq_cst(&p->cards[slot].word_shared) >> 2));
    return true;
}
