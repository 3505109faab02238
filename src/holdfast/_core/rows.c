/* Rows: the hold bits, one row a slot.
 *
 * Keeps I1 and I3: a bit is set only by its own process (hf_i_own_*, under the process's lock) or by a parent in the
 * row of the child that it is about to fork (hf_i_row_copy, holding the child's lifeline); it is cleared by its own
 * process or by whoever holds the lifeline of the dead slot (hf_i_row_wipe).
 *
 * A row is sparse: 128 MiB of bits of which few pages exist. The summary says which. A reader looks at the summary
 * first and never touches a page that is not there: reading a hole of a memory file would allocate it.
 * Order of a setter: page reserved, summary bit, hold bit, all before it reads a meta word; order of a scanner: meta
 * word, fence, summary, hold bit. So a summary read as 0 is as good as a hold bit read as 0 (see scan.c).
 */
#include "process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_PER_PAGE (HF_PAGE / 8u)

hf_a64 *hf_i_row(const hf_process *p, uint32_t row) {
    return (hf_a64 *)(void *)(p->base + p->rows_off + row * p->row_bytes);
}

static bool page_exists(hf_a64 *row, uint64_t page) {
    return hf_load64_seq_cst(&row[page / 64]) >> (page % 64) & 1u;
}

static hf_a64 *page_words(const hf_process *p, hf_a64 *row, uint64_t page) {
    return hf_i_row_words(p, row) + page * WORDS_PER_PAGE;
}

/* Words of the summary in use. */
static uint64_t summary_words(const hf_process *p) {
    return (p->granules / HF_PAGE_BITS + 63) / 64;
}

static int page_make(hf_process *p, hf_a64 *row, uint64_t page, uint64_t pages) {
    int result = hf_i_reserve(p, page_words(p, row, page), pages * HF_PAGE);
    /* several writers only in the row of pinned blocks; an OR serves all rows */
    for (uint64_t i = page; result == HF_OK && i < page + pages; i++) hf_or64_seq_cst(&row[i / 64], 1ull << (i % 64));
    return result;
}

int hf_i_row_ready(hf_process *p, uint64_t granule) {
    uint64_t page = granule / HF_PAGE_BITS;
    return page_exists(p->row, page) ? HF_OK : page_make(p, p->row, page, 1);
}

bool hf_i_row_has(const hf_process *p, hf_a64 *row, uint64_t granule) {
    return page_exists(row, granule / HF_PAGE_BITS) &&
           (hf_load64_seq_cst(&hf_i_row_words(p, row)[granule / 64]) >> (granule % 64) & 1u);
}

/* Own bits have one writing process and that process's lock, so load and store do; no other may write between. */
void hf_i_own_set_relaxed(hf_process *p, uint64_t granule) {
    hf_a64 *word = &hf_i_row_words(p, p->row)[granule / 64];
    hf_store64_relaxed(word, hf_load64_relaxed(word) | 1ull << (granule % 64));
}

/* For attach: the bit must be seen by every scanner whose announcement this process does not see (Dekker; the
 * partner is the fence in scan.c between the announcement and the reading of rows). */
void hf_i_own_set_seq_cst(hf_process *p, uint64_t granule) {
    hf_or64_seq_cst(&hf_i_row_words(p, p->row)[granule / 64], 1ull << (granule % 64));
    hf_fence_seq_cst();
}

/* Release: the scanner that reads the cleared bit also sees everything that this process wrote to the block. Its
 * partner is the seq_cst (hence acquire) load in hf_i_rows_word. */
void hf_i_own_clear_release(hf_process *p, uint64_t granule) {
    hf_a64 *word = &hf_i_row_words(p, p->row)[granule / 64];
    hf_store64_release(word, hf_load64_relaxed(word) & ~(1ull << (granule % 64)));
}

uint64_t hf_i_rows_word(const hf_process *p, uint64_t word, uint64_t enough, const hf_a64 *except) {
    uint64_t page = word / WORDS_PER_PAGE;
    hf_a64 *pinned = hf_i_row(p, p->header->slots);
    uint64_t held = page_exists(pinned, page) ? hf_load64_seq_cst(&hf_i_row_words(p, pinned)[word]) : 0;
    uint64_t groups = (hf_load64_seq_cst(&p->header->slots_top_shared) + 63) / 64;
    for (uint64_t group = 0; group < groups; group++) {
        for (uint64_t bits = hf_load64_seq_cst(&p->used[group]); bits; bits &= bits - 1) {
            hf_a64 *row = hf_i_row(p, (uint32_t)(group * 64 + (uint64_t)__builtin_ctzll(bits)));
            if (row == except || !page_exists(row, page)) continue;
            held |= hf_load64_seq_cst(&hf_i_row_words(p, row)[word]);
            if ((held & enough) == enough) return held;
            HF_POINT(scan_between_rows);
        }
    }
    return held;
}

/* Calls copy for each run of existing pages of the own row. */
static int for_own_pages(hf_process *p, hf_a64 *to,
                         int (*copy)(hf_process *, hf_a64 *to, uint64_t page, uint64_t pages)) {
    uint64_t words = summary_words(p);
    for (uint64_t w = 0; w < words; w++) {
        uint64_t bits = hf_load64_relaxed(&p->row[w]);
        while (bits) {
            uint64_t first = (uint64_t)__builtin_ctzll(bits);
            uint64_t rest = ~(bits >> first);
            uint64_t run = rest ? (uint64_t)__builtin_ctzll(rest) : 64;
            int result = copy(p, to, w * 64 + first, run);
            if (result != HF_OK) return result;
            bits = first + run >= 64 ? 0 : bits & ~((1ull << (first + run)) - 1);
        }
    }
    return HF_OK;
}

/* The child's row is written only here, before the child exists, so plain stores do; what makes them visible to
 * scanners in time is the epoch that moves afterwards (fork.c). */
static int copy_pages(hf_process *p, hf_a64 *to, uint64_t page, uint64_t pages) {
    int result = page_make(p, to, page, pages);
    if (result != HF_OK) return result;
    hf_a64 *from = page_words(p, p->row, page), *into = page_words(p, to, page);
    for (uint64_t i = 0; i < pages * WORDS_PER_PAGE; i++) {
        if (i == WORDS_PER_PAGE / 2) HF_POINT(fork_copy_half);
        hf_store64_relaxed(&into[i], hf_load64_relaxed(&from[i]));
    }
    return HF_OK;
}

static int pin_pages(hf_process *p, hf_a64 *to, uint64_t page, uint64_t pages) {
    int result = page_make(p, to, page, pages);
    hf_a64 *from = page_words(p, p->row, page), *into = page_words(p, to, page);
    for (uint64_t i = 0; result == HF_OK && i < pages * WORDS_PER_PAGE; i++) {
        uint64_t bits = hf_load64_relaxed(&from[i]);
        if (bits) hf_or64_seq_cst(&into[i], bits);
    }
    return result;
}

int hf_i_row_copy(hf_process *p, uint32_t to) {
    return p->row ? for_own_pages(p, hf_i_row(p, to), copy_pages) : HF_OK;
}

int hf_i_row_pin(hf_process *p) {
    if (!p->row) return HF_OK; /* whatever this process inherited is pinned already */
    hf_a64 *pinned = hf_i_row(p, p->header->slots);
    int result = hf_i_reserve(p, pinned, p->row_bytes - p->granules / 8);
    return result == HF_OK ? for_own_pages(p, pinned, pin_pages) : result;
}

static int compare_granules(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Bits of this word that are in keep. */
static uint64_t kept_bits(uint64_t word, uint64_t bits, const uint64_t *keep, uint64_t keeps) {
    uint64_t kept = 0;
    for (uint64_t left = bits; keeps && left; left &= left - 1) {
        uint64_t granule = word * 64 + (uint64_t)__builtin_ctzll(left);
        if (bsearch(&granule, keep, keeps, sizeof *keep, compare_granules)) kept |= left & (~left + 1);
    }
    return kept;
}

void hf_i_row_wipe(hf_process *p, uint32_t slot, const uint64_t *keep, uint64_t keeps) {
    hf_a64 *row = hf_i_row(p, slot), *words = hf_i_row_words(p, row);
    uint64_t holds = 0, bytes = 0, summary = summary_words(p), kept_pages = 0;
    for (uint64_t s = 0; s < summary; s++) {
        for (uint64_t pages = hf_load64_relaxed(&row[s]); pages; pages &= pages - 1) {
            uint64_t page = s * 64 + (uint64_t)__builtin_ctzll(pages);
            bool left = false;
            for (uint64_t w = page * WORDS_PER_PAGE; w < (page + 1) * WORDS_PER_PAGE; w++) {
                uint64_t bits = hf_load64_relaxed(&words[w]);
                if (!bits) continue;
                uint64_t kept = kept_bits(w, bits, keep, keeps);
                uint64_t size = 0, gone = bits & ~kept & hf_i_blocks_in(p, w, &size, NULL);
                holds += (uint64_t)__builtin_popcountll(gone);
                bytes += (uint64_t)__builtin_popcountll(gone) * size;
                hf_store64_release(&words[w], kept);
                left |= kept != 0;
                HF_POINT(reap_row_half);
            }
            if (left || (slot < HF_FRESH_SLOTS && kept_pages++ == 0))
                continue; /* the slot's next child needs one, too */
            /* The summary bit first: a page that is not announced may be a hole. */
            hf_and64_seq_cst(&row[s], ~(pages & (~pages + 1)));
            hf_os_discard(&words[page * WORDS_PER_PAGE], HF_PAGE);
        }
    }
    hf_add64_relaxed(&p->header->holds_reclaimed_shared, holds);
    hf_add64_relaxed(&p->header->bytes_reclaimed_shared, bytes);
}
