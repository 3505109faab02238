/* Chunks and size classes: where small blocks come from.
 *
 * A chunk entry is one word, changed by compare-and-swap or by its owner alone: FREE -> SMALL(owner) -> FREE. A process
 * that dies leaves SMALL(owner); whoever reaps it makes that SMALL(nobody), which anyone may adopt. A chunk is FREE only
 * when the meta words of all its granules are FREE and its pages are holes; so a fresh owner finds every block free.
 *
 * A pool is what one process knows of its chunks of one class. Blocks that its process dropped are found again by
 * walking the pool's words with the scan of scan.c. A walk starts when about a quarter of the pool's blocks may have come
 * free, or when the pool has grown by a quarter since the last; so its cost is constant per block, and the memory of a
 * steady program is bounded by a constant times what it holds.
 */
#include "process.h"

#include <stdlib.h>
#include <string.h>

/* sizes in granules: about a third apart, so at most a third of a block is unused */
static const uint16_t class_sizes[HF_CLASSES_MAX] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512};

void hf_i_classes_init(hf_process *p) {
    p->classes = 0;
    for (uint32_t c = 0; c < HF_CLASSES_MAX && class_sizes[c] <= HF_SMALL_GRANULES; c++) {
        uint32_t size = class_sizes[c];
        p->class_granules[c] = size;
        for (uint32_t g = c == 0 ? 0 : class_sizes[c - 1] + 1u; g <= size; g++) p->class_of[g] = (uint8_t)c;
        memset(p->heads[c], 0, sizeof p->heads[c]);
        for (uint32_t g = 0; g + size <= HF_CHUNK_GRANULES; g += size) p->heads[c][g / 64] |= 1ull << (g % 64);
        p->classes = c + 1;
    }
}

static uint64_t blocks_per_chunk(const hf_process *p, unsigned cls) {
    return HF_CHUNK_GRANULES / p->class_granules[cls];
}

uint64_t hf_i_chunks_extend(hf_process *p, uint64_t n, uint64_t align) {
    hf_a64 *top_shared = &p->header->chunks_top_shared;
    uint64_t top = hf_load64_seq_cst(top_shared);
    for (;;) {
        uint64_t start = (top + align - 1) / align * align;
        if (start + n > p->chunks || start + n < start) {
            hf_i_fail(p, HF_E_HEAP_FULL, "heap", 0, n * HF_CHUNK_BYTES, (p->chunks - top) * HF_CHUNK_BYTES);
            return UINT64_MAX;
        }
        /* the table must be there before anyone is told that it reaches so far */
        if (hf_i_reserve(p, &p->chunk_table[top], (start + n - top) * sizeof(hf_a64)) != HF_OK) return UINT64_MAX;
        if (!hf_cas64_seq_cst(top_shared, &top, start + n)) continue;
        if (start > top) hf_add64_seq_cst(&p->header->chunks_freed_shared, 1); /* the gap is for others to find */
        return start;
    }
}

static int pool_add(hf_process *p, hf_pool *pool, uint64_t chunk, unsigned cls) {
    if (pool->count == pool->room) {
        uint32_t room = pool->room ? pool->room * 2 : 8;
        uint32_t *more = realloc(pool->chunks, room * sizeof *more);
        if (!more) return hf_i_fail(p, HF_E_NO_MEMORY, "malloc", 0, room * sizeof *more, 0);
        pool->chunks = more;
        pool->room = room;
    }
    pool->chunks[pool->count] = (uint32_t)chunk;
    pool->at_chunk = pool->count++;
    pool->at_word = 0;
    pool->walk_left = HF_CHUNK_WORDS;
    pool->claimed += blocks_per_chunk(p, cls);
    return HF_OK;
}

static bool chunk_all_free(hf_process *p, uint64_t chunk, unsigned cls) {
    bool all = true; /* no early end: each word's blocks become FREE, which is what a fresh owner relies on */
    for (uint32_t w = 0; w < HF_CHUNK_WORDS; w++)
        all &= hf_i_scan_word(p, chunk * HF_CHUNK_WORDS + w, p->heads[cls][w]) == p->heads[cls][w];
    return all;
}

/* The pages that an owner of this chunk needs: its data, its meta words, its page of hold bits. */
static int chunk_ready(hf_process *p, uint64_t chunk) {
    int result = hf_i_row_ready(p, chunk * HF_CHUNK_GRANULES);
    if (result == HF_OK)
        result = hf_i_reserve(p, &p->meta[chunk * HF_CHUNK_GRANULES], HF_CHUNK_GRANULES * sizeof(hf_a64));
    if (result == HF_OK) result = hf_i_reserve(p, hf_at(p, hf_i_chunk_off(p, chunk)), HF_CHUNK_BYTES);
    return result;
}

/* An orphaned chunk, just made ours: put to use for (kind, cls) if it is of that sort or empty, else kept in the pool that
 * it belongs to. True if (kind, cls) has it. */
static bool chunk_adopt(hf_process *p, uint64_t chunk, uint64_t entry, unsigned kind, unsigned cls, int *result) {
    unsigned its_class = HF_CHUNK_CLASS(entry), its_kind = HF_CHUNK_KIND(entry);
    HF_POINT(chunk_adopted);
    *result = its_class < p->classes && its_kind < HF_KINDS ? chunk_ready(p, chunk) : HF_OK;
    if (*result != HF_OK || its_class >= p->classes || its_kind >= HF_KINDS) {
        hf_store64_seq_cst(&p->chunk_table[chunk], HF_CHUNK_MAKE_SMALL(its_class, its_kind, 0));
        return false;
    }
    if (its_class != cls || its_kind != kind) {
        if (!chunk_all_free(p, chunk, its_class)) {
            *result = pool_add(p, &p->pools[its_kind][its_class], chunk, its_class);
            if (*result != HF_OK)
                hf_store64_seq_cst(&p->chunk_table[chunk], HF_CHUNK_MAKE_SMALL(its_class, its_kind, 0));
            return false;
        }
        hf_store64_seq_cst(&p->chunk_table[chunk], HF_CHUNK_MAKE_SMALL(cls, kind, p->serial));
    }
    return true;
}

/* Looks for a free or orphaned chunk below the top. HF_E_HEAP_FULL: there is none. */
static int chunk_find(hf_process *p, unsigned kind, unsigned cls, uint64_t *chunk) {
    uint64_t freed = hf_load64_seq_cst(&p->header->chunks_freed_shared);
    if (freed == p->seen_freed) return HF_E_HEAP_FULL;
    uint64_t top = hf_load64_seq_cst(&p->header->chunks_top_shared);
    for (uint64_t c = 0; c < top; c++) {
        uint64_t e = hf_load64_seq_cst(&p->chunk_table[c]);
        if (HF_CHUNK_STATE(e) == HF_CHUNK_HEAD) {
            c += HF_CHUNK_LENGTH(e) ? HF_CHUNK_LENGTH(e) - 1 : 0;
        } else if (HF_CHUNK_STATE(e) == HF_CHUNK_FREE) {
            if (!hf_cas64_seq_cst(&p->chunk_table[c], &e, HF_CHUNK_MAKE_SMALL(cls, kind, p->serial))) continue;
            *chunk = c;
            return HF_OK;
        } else if (HF_CHUNK_STATE(e) == HF_CHUNK_SMALL && HF_CHUNK_OWNER(e) == 0) {
            uint64_t mine = HF_CHUNK_MAKE_SMALL(HF_CHUNK_CLASS(e), HF_CHUNK_KIND(e), p->serial);
            int result;
            if (!hf_cas64_seq_cst(&p->chunk_table[c], &e, mine)) continue;
            *chunk = c;
            if (chunk_adopt(p, c, mine, kind, cls, &result) || result != HF_OK) return result;
        }
    }
    p->seen_freed = freed;
    return HF_E_HEAP_FULL;
}

void hf_i_chunks_adopt_all(hf_process *p) {
    uint64_t top = hf_load64_seq_cst(&p->header->chunks_top_shared);
    for (uint64_t c = 0; c < top; c++) {
        uint64_t e = hf_load64_seq_cst(&p->chunk_table[c]);
        unsigned cls = HF_CHUNK_CLASS(e), kind = HF_CHUNK_KIND(e);
        if (HF_CHUNK_STATE(e) == HF_CHUNK_HEAD && HF_CHUNK_LENGTH(e)) c += HF_CHUNK_LENGTH(e) - 1;
        if (HF_CHUNK_STATE(e) != HF_CHUNK_SMALL || HF_CHUNK_OWNER(e) != 0 || cls >= p->classes || kind >= HF_KINDS)
            continue;
        if (!hf_cas64_seq_cst(&p->chunk_table[c], &e, HF_CHUNK_MAKE_SMALL(cls, kind, p->serial))) continue;
        HF_POINT(chunk_adopted);
        if (chunk_ready(p, c) != HF_OK || pool_add(p, &p->pools[kind][cls], c, cls) != HF_OK)
            hf_store64_seq_cst(&p->chunk_table[c], HF_CHUNK_MAKE_SMALL(cls, kind, 0));
    }
}

static int chunk_claim(hf_process *p, hf_pool *pool, unsigned kind, unsigned cls) {
    uint64_t chunk, none = HF_CHUNK_FREE;
    int result = chunk_find(p, kind, cls, &chunk);
    while (result == HF_E_HEAP_FULL) {
        chunk = hf_i_chunks_extend(p, 1, 1);
        if (chunk == UINT64_MAX) return p->error.os_errno ? HF_E_NO_MEMORY : HF_E_HEAP_FULL;
        /* it may fail: from now on others can find it too */
        if (hf_cas64_seq_cst(&p->chunk_table[chunk], &none, HF_CHUNK_MAKE_SMALL(cls, kind, p->serial))) result = HF_OK;
        none = HF_CHUNK_FREE;
    }
    if (result != HF_OK) return result;
    HF_POINT(chunk_claimed);
    result = chunk_ready(p, chunk);
    if (result == HF_OK) result = pool_add(p, pool, chunk, cls);
    if (result != HF_OK) { /* orphaned rather than free: an adopted one may hold blocks */
        hf_store64_seq_cst(&p->chunk_table[chunk], HF_CHUNK_MAKE_SMALL(cls, kind, 0));
        hf_add64_seq_cst(&p->header->chunks_freed_shared, 1);
    }
    return result;
}

/* Gives back chunks of which every block is free, until `leave` are left. */
static uint64_t pool_trim(hf_process *p, hf_pool *pool, unsigned cls, uint32_t leave) {
    uint64_t bytes = 0;
    pool->ready = 0; /* those blocks are FREE in their meta words, so the next walk finds them again */
    for (uint32_t i = 0; i < pool->count && pool->count > leave;) {
        uint64_t chunk = pool->chunks[i];
        if (!chunk_all_free(p, chunk, cls)) {
            i++;
            continue;
        }
        HF_POINT(chunk_before_return);
        hf_os_discard(hf_at(p, hf_i_chunk_off(p, chunk)), HF_CHUNK_BYTES);
        hf_store64_seq_cst(&p->chunk_table[chunk], HF_CHUNK_FREE);
        hf_add64_seq_cst(&p->header->chunks_freed_shared, 1);
        pool->chunks[i] = pool->chunks[--pool->count];
        bytes += HF_CHUNK_BYTES;
    }
    pool->at_chunk = pool->at_word = 0;
    pool->walk_left = (uint64_t)pool->count * HF_CHUNK_WORDS;
    return bytes;
}

static bool walk_is_worth_while(const hf_process *p, const hf_pool *pool, unsigned cls) {
    return pool->count && (pool->dropped + pool->claimed) * 4 >= pool->count * blocks_per_chunk(p, cls);
}

int hf_i_pool_refill(hf_process *p, hf_pool *pool, unsigned kind, unsigned cls) {
    for (bool looked_around = false, gave_back = false;;) {
        while (pool->walk_left) {
            uint32_t w = pool->at_word, chunk = pool->chunks[pool->at_chunk];
            pool->walk_left--;
            if (++pool->at_word == HF_CHUNK_WORDS) {
                pool->at_word = 0;
                pool->at_chunk = pool->at_chunk + 1 < pool->count ? pool->at_chunk + 1 : 0;
            }
            pool->ready_word = (uint64_t)chunk * HF_CHUNK_WORDS + w;
            pool->ready = hf_i_scan_word(p, pool->ready_word, p->heads[cls][w]);
            if (pool->ready) return HF_OK;
        }
        if (walk_is_worth_while(p, pool, cls)) {
            /* Mostly empty and not small: half of it goes back first. 16 chunks are 1 MiB. */
            if (pool->count >= 16 && pool->dropped * 4 >= pool->count * blocks_per_chunk(p, cls) * 3)
                pool_trim(p, pool, cls, pool->count / 2);
            pool->walk_left = (uint64_t)pool->count * HF_CHUNK_WORDS;
            pool->dropped = pool->claimed = 0;
        } else if (!looked_around) { /* before memory is asked for: what the dead and the receivers of tickets let go */
            looked_around = true;
            hf_i_reap_sometimes(p);
            hf_i_tickets_sweep(p, UINT64_MAX);
        } else {
            int result = chunk_claim(p, pool, kind, cls);
            if (result != HF_OK && gave_back) return result;
            if (result != HF_OK) { /* what is kept for later, or dead, or another pool's, may be what is missing */
                gave_back = true;
                hf_i_give_back(p);
            }
        }
    }
}

void hf_i_pools_forget(hf_process *p) {
    for (unsigned kind = 0; kind < HF_KINDS; kind++) {
        for (unsigned cls = 0; cls < p->classes; cls++) {
            free(p->pools[kind][cls].chunks);
            p->pools[kind][cls] = (hf_pool){0};
        }
    }
    p->seen_freed = 0;
}

uint64_t hf_i_pools_trim(hf_process *p) {
    uint64_t bytes = 0;
    for (unsigned kind = 0; kind < HF_KINDS; kind++)
        for (unsigned cls = 0; cls < p->classes; cls++)
            if (p->pools[kind][cls].count) bytes += pool_trim(p, &p->pools[kind][cls], cls, 0);
    return bytes;
}

void hf_i_chunks_disown(hf_process *p, uint32_t slot, uint32_t serial) {
    uint64_t top = hf_load64_seq_cst(&p->header->chunks_top_shared), freed = 0;
    for (uint64_t c = 0; c < top; c++) {
        uint64_t e = hf_load64_seq_cst(&p->chunk_table[c]);
        switch (HF_CHUNK_STATE(e)) {
        case HF_CHUNK_HEAD: /* a run is skipped whole, so that a RUN seen below is outside of any */
            if (hf_i_large_disown(p, c, HF_CHUNK_LENGTH(e), slot))
                freed++;
            else if (HF_CHUNK_LENGTH(e))
                c += HF_CHUNK_LENGTH(e) - 1;
            break;
        case HF_CHUNK_SMALL:
            if (HF_CHUNK_OWNER(e) == serial) {
                hf_store64_seq_cst(&p->chunk_table[c], HF_CHUNK_MAKE_SMALL(HF_CHUNK_CLASS(e), HF_CHUNK_KIND(e), 0));
                freed++;
            }
            break;
        case HF_CHUNK_RUN:
            if (HF_CHUNK_OWNER(e) == serial) {
                hf_store64_seq_cst(&p->chunk_table[c], HF_CHUNK_FREE);
                freed++;
            }
            break;
        default:
            break;
        }
        HF_POINT(reap_chunks_half);
    }
    /* one more than was found: a process killed after it moved the top left free chunks that nobody counted */
    hf_add64_seq_cst(&p->header->chunks_freed_shared, freed + 1);
}
