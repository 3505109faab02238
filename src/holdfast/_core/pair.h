/* A value and the word of its lock, written together.
 *
 * `v.value = x` must wait for whoever holds the value's lock and must not slip in behind a check. Taking the lock
 * costs two read-modify-writes; comparing and swapping both 8-byte halves at once costs one, and nobody can die in it.
 *
 * x86-64 has the instruction (cmpxchg16b; every processor since 2006). Elsewhere, and under ThreadSanitizer, which
 * does not see into assembly, the lock is taken for a moment.
 */
#ifndef HF_PAIR_H
#define HF_PAIR_H

#include "atomics.h"
#include "lock.h"

/* How the first 16 bytes of a cell are read: the value, then the first word of the lock. Blocks are granules, which
 * are 64 bytes, so the pair never straddles a cache line. */
typedef struct {
    _Alignas(16) hf_a64 value_shared;
    hf_lock lock;
} hf_pair;
_Static_assert(offsetof(hf_pair, lock) == 8, "the word lies directly behind the value");
_Static_assert(sizeof(hf_pair) <= HF_GRANULE, "a cell is one granule");

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define HF_PAIR_AT_ONCE 1
#else
#define HF_PAIR_AT_ONCE 0
#endif

#if HF_PAIR_AT_ONCE
/* True when value and word were as expected and the value is now `desired`, the word untouched; otherwise *value and
 * *word are what was found. seq_cst (a locked instruction); partners: every load and compare-and-swap of either half. */
static inline bool hf_pair_cas_seq_cst(hf_pair *pair, uint64_t *value, uint64_t *word, uint64_t desired) {
    bool done;
    /* SAFETY: 16-byte aligned by the type; both halves are always mapped and writable together. */
    __asm__ volatile("lock cmpxchg16b %[pair]"
                     : [pair] "+m"(*(unsigned __int128 *)(void *)pair), "+a"(*value), "+d"(*word), "=@ccz"(done)
                     : "b"(desired), "c"(*word)
                     : "memory");
    return done;
}
#endif

/* Stores unless somebody holds the lock; false: it is held or orphaned, nothing has changed. */
static inline bool hf_pair_store(hf_process *p, hf_pair *pair, uint64_t desired) {
#if HF_PAIR_AT_ONCE
    (void)p;
    uint64_t value = hf_load64_relaxed(&pair->value_shared);
    uint64_t word = hf_load64_relaxed(&pair->lock.word_shared);
    while (HF_LOCK_IS_FREE(word)) {
        if (hf_pair_cas_seq_cst(pair, &value, &word, desired)) {
            return true;
        }
    }
    return false;
#else
    if (!hf_lock_grab(p, &pair->lock)) {
        return false;
    }
    hf_store64_seq_cst(&pair->value_shared, desired);
    (void)hf_lock_release(&pair->lock); /* this thread holds it */
    return true;
#endif
}

#endif
