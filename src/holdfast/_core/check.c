/* The invariant checker and the figures: both walk the whole heap.
 *
 * The checker is the test: after every test it must find nothing. It holds the process's lock, so what only this process
 * changes is judged exactly; of what others change at the same time it judges only what no correct step can show.
 * Each fault names the invariant (I1 ... I5 in DESIGN.md) that it breaks.
 */
#include "process.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct {
    hf_report report;
    void *context;
    int faults;
} findings;

__attribute__((format(printf, 2, 3))) static void fault(findings *f, const char *format, ...) {
    char text[240];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    f->faults++;
    if (f->report) f->report(f->context, text);
}

static bool page_there(hf_a64 *row, uint64_t page) {
    return hf_load64_seq_cst(&row[page / 64]) >> (page % 64) & 1u;
}

/* ---- the chunk table: every chunk is in one run, one small chunk, or free ---------------------------------------------- */

static void check_free_chunk(hf_process *p, uint64_t c, findings *f) {
    /* the meta pages of a chunk that was never used do not exist; reading would make them, so ask the data's top only */
    for (uint64_t g = c * HF_CHUNK_GRANULES; g < (c + 1) * HF_CHUNK_GRANULES; g++)
        if (hf_i_own_has(p, g))
            fault(f, "I1: granule %llu is held by this process but its chunk %llu is free", (unsigned long long)g,
                  (unsigned long long)c);
}

static void check_chunks(hf_process *p, findings *f) {
    uint64_t top = hf_load64_seq_cst(&p->header->chunks_top_shared);
    if (top > p->chunks)
        fault(f, "I4: %llu chunks in use of %llu", (unsigned long long)top, (unsigned long long)p->chunks);
    for (uint64_t c = 0; c < top && c < p->chunks; c++) {
        uint64_t e = hf_load64_seq_cst(&p->chunk_table[c]);
        uint64_t length = HF_CHUNK_LENGTH(e);
        switch (HF_CHUNK_STATE(e)) {
        case HF_CHUNK_FREE:
            check_free_chunk(p, c, f);
            break;
        case HF_CHUNK_SMALL:
            if (HF_CHUNK_CLASS(e) >= p->classes || HF_CHUNK_KIND(e) >= HF_KINDS)
                fault(f, "I4: chunk %llu has class %u kind %u", (unsigned long long)c, HF_CHUNK_CLASS(e),
                      HF_CHUNK_KIND(e));
            break;
        case HF_CHUNK_HEAD:
            if (length == 0 || length > p->chunks - c)
                fault(f, "I4: the run at chunk %llu is %llu long", (unsigned long long)c, (unsigned long long)length);
            else if (hf_load64_seq_cst(&p->chunk_table[c]) == e) { /* still that run */
                for (uint64_t i = c + 1; i < c + length; i++) {
                    uint64_t inner = hf_load64_seq_cst(&p->chunk_table[i]);
                    if (HF_CHUNK_STATE(inner) != HF_CHUNK_RUN && hf_load64_seq_cst(&p->chunk_table[c]) == e)
                        fault(f, "I2: chunk %llu inside the run at %llu has state %u", (unsigned long long)i,
                              (unsigned long long)c, HF_CHUNK_STATE(inner));
                }
                c += length - 1;
            }
            break;
        case HF_CHUNK_RUN: /* being made or given back by its owner; by this process never while it has the lock */
            if (HF_CHUNK_OWNER(e) == p->serial && p->serial)
                fault(f, "I5: chunk %llu is in a half-made run of this process", (unsigned long long)c);
            break;
        default:
            fault(f, "I4: chunk %llu has state %u", (unsigned long long)c, HF_CHUNK_STATE(e));
        }
    }
}

/* ---- own holds ------------------------------------------------------------------------------------------------------------ */

static void check_own_row(hf_process *p, findings *f) {
    hf_a64 *words = hf_i_row_words(p, p->row);
    for (uint64_t page = 0; page < p->granules / HF_PAGE_BITS; page++) {
        if (!page_there(p->row, page)) continue;
        for (uint64_t w = page * (HF_PAGE / 8u); w < (page + 1) * (HF_PAGE / 8u); w++) {
            for (uint64_t bits = hf_load64_relaxed(&words[w]); bits; bits &= bits - 1) {
                uint64_t g = w * 64 + (uint64_t)__builtin_ctzll(bits), bytes;
                if (!hf_i_block_at(p, g, &bytes, NULL))
                    fault(f, "I1: this process holds granule %llu, where no block starts", (unsigned long long)g);
                else if (HF_META_STATE(hf_load64_seq_cst(&p->meta[g])) == HF_META_FREE)
                    fault(f, "I2: this process holds granule %llu, which is free", (unsigned long long)g);
            }
        }
    }
}

/* Held by this process, or inherited without a slot and pinned: there the bit may be gone before the last holder is, since
 * what was inherited is not counted (hf_hold). */
static bool held_or_pinned(hf_process *p, uint64_t granule) {
    return hf_i_own_has(p, granule) || hf_i_row_has(p, hf_i_row(p, p->header->slots), granule);
}

static void check_private(hf_process *p, findings *f) {
    for (uint64_t i = 0, n = 0; p->again_count && i < p->again_room; i++) {
        if (p->again[i].granule == HF_NO_GRANULE) continue;
        if (!held_or_pinned(p, p->again[i].granule))
            fault(f, "I1: granule %llu is counted but not held", (unsigned long long)p->again[i].granule);
        if (++n > p->again_count) fault(f, "I1: more counted blocks than %llu", (unsigned long long)p->again_count);
    }
    for (uint64_t i = 0; i < p->issued_count; i++) {
        hf_ticket *t = hf_at(p, p->issued[i].ticket);
        uint64_t state = hf_load64_seq_cst(&t->state_shared), target = hf_i_granule(p, p->issued[i].target);
        if (state != HF_TICKET_UNUSED && state != HF_TICKET_USED)
            fault(f, "I2: an outstanding ticket was overwritten: state %llx", (unsigned long long)state);
        if (!hf_i_own_has(p, hf_i_granule(p, p->issued[i].ticket)) || !held_or_pinned(p, target))
            fault(f, "I1: an outstanding ticket of this process is not held");
        else if (HF_META_INCARNATION(hf_load64_seq_cst(&p->meta[target])) != hf_load64_relaxed(&t->incarnation_shared))
            fault(f, "I2: the target of an outstanding ticket was reused");
    }
    for (uint32_t i = 0; i < p->kept_count; i++) {
        uint64_t m = hf_load64_seq_cst(&p->meta[p->kept[i].chunk * HF_CHUNK_GRANULES]),
                 e = hf_load64_seq_cst(&p->chunk_table[p->kept[i].chunk]);
        if (HF_META_STATE(m) != HF_META_FREE || HF_META_TAG(m) != p->slot || HF_CHUNK_STATE(e) != HF_CHUNK_HEAD ||
            HF_CHUNK_LENGTH(e) != p->kept[i].length)
            fault(f, "I2: the kept run at chunk %llu is not ours", (unsigned long long)p->kept[i].chunk);
    }
    for (unsigned kind = 0; kind < HF_KINDS; kind++) {
        for (unsigned cls = 0; cls < p->classes; cls++) {
            hf_pool *pool = &p->pools[kind][cls];
            for (uint32_t i = 0; i < pool->count; i++) {
                uint64_t e = hf_load64_seq_cst(&p->chunk_table[pool->chunks[i]]);
                if (e != HF_CHUNK_MAKE_SMALL(cls, kind, p->serial))
                    fault(f, "I2: chunk %u of this process has entry %llx", pool->chunks[i], (unsigned long long)e);
            }
            for (uint64_t left = pool->ready; left; left &= left - 1) {
                uint64_t g = pool->ready_word * 64 + (uint64_t)__builtin_ctzll(left);
                if (HF_META_STATE(hf_load64_seq_cst(&p->meta[g])) != HF_META_FREE)
                    fault(f, "I2: granule %llu is ready but not free", (unsigned long long)g);
            }
        }
    }
}

/* ---- slots ------------------------------------------------------------------------------------------------------------------- */

static void check_slots(hf_process *p, findings *f) {
    uint64_t top = hf_load64_seq_cst(&p->header->slots_top_shared);
    if (top > p->header->slots) fault(f, "I4: %llu slots in use of %u", (unsigned long long)top, p->header->slots);
    for (uint32_t s = 0; s < top && s < p->header->slots; s++) {
        uint64_t word = hf_load64_seq_cst(&p->cards[s].word_shared);
        bool used = hf_load64_seq_cst(&p->used[s / 64]) >> (s % 64) & 1u;
        if ((word & 3u) != HF_SLOT_FREE && !used && hf_load64_seq_cst(&p->cards[s].word_shared) == word)
            fault(f, "I2: slot %u has state %u but scans do not read its row", s, (unsigned)(word & 3u));
        if ((word & 3u) != HF_SLOT_FREE && HF_SERIAL_SLOT((uint32_t)(word >> 2)) != s)
            fault(f, "I4: slot %u has the serial of another", s);
    }
    if (p->serial && hf_load64_seq_cst(&p->cards[p->slot].word_shared) != ((uint64_t)p->serial << 2 | HF_SLOT_LIVE))
        fault(f, "I3: the slot of this process is not its own");
    if (p->serial && hf_os_lifeline_held(hf_i_fd(p), p->slot) == 0) fault(f, "I3: this process has lost its lifeline");
}

int hf_check(hf_process *p, hf_report report, void *context) {
    findings f = {report, context, 0};
    hf_i_lock(p);
    if (p->open) {
        check_chunks(p, &f);
        check_slots(p, &f);
        if (p->row) check_own_row(p, &f);
        check_private(p, &f);
    }
    hf_i_unlock(p);
    return f.faults;
}

/* ---- figures --------------------------------------------------------------------------------------------------------------------- */

static void count_block(hf_process *p, uint64_t granule, uint64_t bytes, unsigned kind, hf_figures *out) {
    if (kind == HF_KIND_TICKET) {
        hf_ticket *t = hf_at(p, hf_i_off(p, granule));
        out->tickets_outstanding += hf_load64_relaxed(&t->state_shared) == HF_TICKET_UNUSED;
        return;
    }
    out->blocks++;
    out->block_bytes += bytes;
    out->own_blocks += hf_i_own_has(p, granule);
}

static void count_blocks(hf_process *p, hf_figures *out) {
    uint64_t top = hf_load64_seq_cst(&p->header->chunks_top_shared);
    for (uint64_t c = 0; c < top; c++) {
        uint64_t e = hf_load64_seq_cst(&p->chunk_table[c]), first = c * HF_CHUNK_GRANULES, length = HF_CHUNK_LENGTH(e);
        if (HF_CHUNK_STATE(e) == HF_CHUNK_FREE) continue;
        out->chunks_in_use++;
        if (HF_CHUNK_STATE(e) == HF_CHUNK_HEAD && length) {
            if (HF_META_STATE(hf_load64_seq_cst(&p->meta[first])) != HF_META_FREE)
                count_block(p, first, length * HF_CHUNK_BYTES, HF_KIND_PLAIN, out);
            out->chunks_in_use += length - 1;
            c += length - 1;
        }
        if (HF_CHUNK_STATE(e) != HF_CHUNK_SMALL || HF_CHUNK_CLASS(e) >= p->classes) continue;
        for (uint32_t w = 0; w < HF_CHUNK_WORDS; w++) {
            uint64_t heads = p->heads[HF_CHUNK_CLASS(e)][w];
            for (uint64_t held = hf_i_rows_word(p, first / 64 + w, heads, NULL) & heads; held; held &= held - 1)
                count_block(p, first + w * 64 + (uint64_t)__builtin_ctzll(held),
                            (uint64_t)p->class_granules[HF_CHUNK_CLASS(e)] * HF_GRANULE, HF_CHUNK_KIND(e), out);
        }
    }
}

static void count_slots(hf_process *p, hf_figures *out) {
    int fd = hf_i_fd(p);
    uint64_t top = hf_load64_seq_cst(&p->header->slots_top_shared);
    out->slots = p->header->slots;
    for (uint32_t s = 0; s < top; s++) {
        unsigned state = (unsigned)(hf_load64_seq_cst(&p->cards[s].word_shared) & 3u);
        if (state == HF_SLOT_ESTATE) out->slots_estate++;
        if (state != HF_SLOT_LIVE) continue;
        if (s != p->slot && hf_os_lifeline_held(fd, s) == 0)
            out->slots_dead++;
        else
            out->slots_live++;
    }
}

void hf_count(hf_process *p, hf_figures *out) {
    *out = (hf_figures){0};
    hf_i_lock(p);
    if (p->open) {
        hf_i_tickets_sweep(
            p, UINT64_MAX); /* what was received is not this process's any more: the figures should say so */
        const hf_header *h = p->header;
        count_blocks(p, out);
        count_slots(p, out);
        hf_a64 *pinned = hf_i_row(p, h->slots);
        for (uint64_t page = 0; page < p->granules / HF_PAGE_BITS && hf_load64_relaxed(&h->forks_pinned_shared);
             page++) {
            if (!page_there(pinned, page)) continue;
            for (uint64_t w = page * (HF_PAGE / 8u); w < (page + 1) * (HF_PAGE / 8u); w++)
                out->pinned_blocks += (uint64_t)__builtin_popcountll(hf_load64_relaxed(&hf_i_row_words(p, pinned)[w]));
        }
        out->data_bytes = h->data_bytes;
        out->data_bytes_wished = (uint64_t)h->data_bytes_wished_mib << 20;
        out->chunk_bytes = HF_CHUNK_BYTES;
        out->tickets_issued = hf_load64_relaxed(&h->tickets_issued_shared);
        out->tickets_used = hf_load64_relaxed(&h->tickets_used_shared);
        out->deaths = hf_load64_relaxed(&h->deaths_shared);
        out->holds_reclaimed = hf_load64_relaxed(&h->holds_reclaimed_shared);
        out->bytes_reclaimed = hf_load64_relaxed(&h->bytes_reclaimed_shared);
        out->forks = hf_load64_relaxed(&h->forks_shared);
        out->forks_pinned = hf_load64_relaxed(&h->forks_pinned_shared);
        out->reuse_forbidden = hf_load64_relaxed(&h->reuse_forbidden_shared);
        out->epoch = hf_load64_relaxed(&h->epoch_shared);
        out->cached_bytes = p->kept_bytes;
    }
    hf_i_unlock(p);
}
