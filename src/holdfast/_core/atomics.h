/* Every atomic access of the core goes through this file, and every name says its ordering.
 *
 * A field that several processes write is an hf_a64 or hf_a32: a one-member struct, so that the compiler
 * refuses a plain read or write of it. The functions are a seam: a model checker or a sanitizer can stand
 * behind them. ThreadSanitizer does not understand fences, so its build replaces the fence by a
 * read-modify-write on a dummy, which is as strong.
 *
 * Lock-free on every supported machine (x86-64, aarch64); the static assertions below say so.
 */
#ifndef HF_ATOMICS_H
#define HF_ATOMICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    _Atomic(uint64_t) shared;
} hf_a64;
typedef struct {
    _Atomic(uint32_t) shared;
} hf_a32;

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics must never take a lock: another process could die in it");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "32-bit atomics must never take a lock");
_Static_assert(sizeof(hf_a64) == 8 && sizeof(hf_a32) == 4, "an atomic is as large as its value");

#define HF_ATOMIC_FUNCTIONS(BITS)                                                                                \
    static inline uint##BITS##_t hf_load##BITS##_relaxed(const hf_a##BITS *a) {                                  \
        return atomic_load_explicit(&((hf_a##BITS *)(uintptr_t)a)->shared, memory_order_relaxed);                \
    }                                                                                                            \
    static inline uint##BITS##_t hf_load##BITS##_acquire(const hf_a##BITS *a) {                                  \
        return atomic_load_explicit(&((hf_a##BITS *)(uintptr_t)a)->shared, memory_order_acquire);                \
    }                                                                                                            \
    static inline uint##BITS##_t hf_load##BITS##_seq_cst(const hf_a##BITS *a) {                                  \
        return atomic_load_explicit(&((hf_a##BITS *)(uintptr_t)a)->shared, memory_order_seq_cst);                \
    }                                                                                                            \
    static inline void hf_store##BITS##_relaxed(hf_a##BITS *a, uint##BITS##_t value) {                           \
        atomic_store_explicit(&a->shared, value, memory_order_relaxed);                                          \
    }                                                                                                            \
    static inline void hf_store##BITS##_release(hf_a##BITS *a, uint##BITS##_t value) {                           \
        atomic_store_explicit(&a->shared, value, memory_order_release);                                          \
    }                                                                                                            \
    static inline void hf_store##BITS##_seq_cst(hf_a##BITS *a, uint##BITS##_t value) {                           \
        atomic_store_explicit(&a->shared, value, memory_order_seq_cst);                                          \
    }                                                                                                            \
    /* True when *a was *expected and is now `desired`; otherwise *expected is what was found. */                \
    static inline bool hf_cas##BITS##_seq_cst(hf_a##BITS *a, uint##BITS##_t *expected, uint##BITS##_t desired) { \
        return atomic_compare_exchange_strong_explicit(&a->shared, expected, desired, memory_order_seq_cst,      \
                                                       memory_order_seq_cst);                                    \
    }                                                                                                            \
    static inline bool hf_cas##BITS##_acquire(hf_a##BITS *a, uint##BITS##_t *expected, uint##BITS##_t desired) { \
        return atomic_compare_exchange_strong_explicit(&a->shared, expected, desired, memory_order_acquire,      \
                                                       memory_order_relaxed);                                    \
    }                                                                                                            \
    static inline uint##BITS##_t hf_swap##BITS##_seq_cst(hf_a##BITS *a, uint##BITS##_t value) {                  \
        return atomic_exchange_explicit(&a->shared, value, memory_order_seq_cst);                                \
    }                                                                                                            \
    static inline uint##BITS##_t hf_add##BITS##_relaxed(hf_a##BITS *a, uint##BITS##_t value) {                   \
        return atomic_fetch_add_explicit(&a->shared, value, memory_order_relaxed);                               \
    }                                                                                                            \
    static inline uint##BITS##_t hf_add##BITS##_seq_cst(hf_a##BITS *a, uint##BITS##_t value) {                   \
        return atomic_fetch_add_explicit(&a->shared, value, memory_order_seq_cst);                               \
    }                                                                                                            \
    static inline uint##BITS##_t hf_or##BITS##_seq_cst(hf_a##BITS *a, uint##BITS##_t value) {                    \
        return atomic_fetch_or_explicit(&a->shared, value, memory_order_seq_cst);                                \
    }                                                                                                            \
    static inline uint##BITS##_t hf_and##BITS##_seq_cst(hf_a##BITS *a, uint##BITS##_t value) {                   \
        return atomic_fetch_and_explicit(&a->shared, value, memory_order_seq_cst);                               \
    }

HF_ATOMIC_FUNCTIONS(64)
HF_ATOMIC_FUNCTIONS(32)

/* The fence of Dekker's argument: what this thread wrote before it is visible to whoever does not see its later reads. */
static inline void hf_fence_seq_cst(void) {
#if defined(__SANITIZE_THREAD__)
    static hf_a32 dummy;
    hf_add32_seq_cst(&dummy, 1);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* A hint to the processor inside a short spin. */
static inline void hf_relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#endif
}

#endif
