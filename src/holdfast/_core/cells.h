/* Atomic operations on one scalar of a block, for the border: `Value.add` and its kin, and the elements of arrays.
 *
 * What holds: every function here is one indivisible access of the scalar's own width, lock-free, and sequentially
 * consistent where its name does not say otherwise, so that all of them on all scalars of a family have one order that
 * everybody agrees on (C11, 7.17.3). Integers wrap at their width, as C's atomic_fetch_add does. A scalar travels as
 * `bits`: its bytes in the low end of a uint64_t, the rest zero. Callers sign-extend; nothing here looks at a sign but
 * hf_scalar_extreme.
 *
 * A cell's lock does not matter here: these operations are for programs that use no lock. What respects the lock
 * (`.value`) is in pair.h.
 *
 * Raw builtins and not atomics.h, because the width is the caller's choice at run time and the memory is the user's:
 * NumPy, ctypes and C libraries write the same bytes as plain variables.
 */
#ifndef HF_CELLS_H
#define HF_CELLS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* class << 2 | log2(bytes): the width is needed most often, and is the cheapest to take out. */
#define HF_SCALAR_SIGNED 0u
#define HF_SCALAR_UNSIGNED 1u
#define HF_SCALAR_FLOAT 2u
#define HF_SCALAR_BOOL 3u
#define HF_SCALAR_CHAR 4u
#define HF_SCALAR_WCHAR 5u
typedef enum {
    HF_I8 = HF_SCALAR_SIGNED << 2 | 0,
    HF_I16 = HF_SCALAR_SIGNED << 2 | 1,
    HF_I32 = HF_SCALAR_SIGNED << 2 | 2,
    HF_I64 = HF_SCALAR_SIGNED << 2 | 3,
    HF_U8 = HF_SCALAR_UNSIGNED << 2 | 0,
    HF_U16 = HF_SCALAR_UNSIGNED << 2 | 1,
    HF_U32 = HF_SCALAR_UNSIGNED << 2 | 2,
    HF_U64 = HF_SCALAR_UNSIGNED << 2 | 3,
    HF_F32 = HF_SCALAR_FLOAT << 2 | 2,
    HF_F64 = HF_SCALAR_FLOAT << 2 | 3,
    HF_BOOL = HF_SCALAR_BOOL << 2 | 0,
    HF_CHAR = HF_SCALAR_CHAR << 2 | 0,
    HF_WCHAR = HF_SCALAR_WCHAR << 2 | 2,
} hf_scalar;
#define HF_SCALAR_CLASS(scalar) ((unsigned)(scalar) >> 2)
#define HF_SCALAR_LOG2(scalar) ((unsigned)(scalar) & 3u)
#define HF_SCALAR_BYTES(scalar) (1u << HF_SCALAR_LOG2(scalar))

_Static_assert(sizeof(float) == 4 && sizeof(double) == 8 && sizeof(bool) == 1, "IEC 60559 and one-byte bools");
_Static_assert(sizeof(wchar_t) == 4, "a wchar_t is a code point here");

/* Calls MACRO(type) for the unsigned type of the scalar's width. SAFETY: `at` is aligned to its width: blocks start at
 * granules, and elements follow one another at multiples of their size. */
#define HF_SCALAR_BY_WIDTH(scalar, MACRO) \
    do {                                  \
        switch (HF_SCALAR_LOG2(scalar)) { \
        case 0:                           \
            MACRO(uint8_t);               \
        case 1:                           \
            MACRO(uint16_t);              \
        case 2:                           \
            MACRO(uint32_t);              \
        default:                          \
            MACRO(uint64_t);              \
        }                                 \
    } while (0)

static inline uint64_t hf_scalar_load_seq_cst(hf_scalar scalar, const void *at) {
#define HF_LOAD(type) return __atomic_load_n((const type *)at, __ATOMIC_SEQ_CST)
    HF_SCALAR_BY_WIDTH(scalar, HF_LOAD);
#undef HF_LOAD
}

static inline void hf_scalar_store_seq_cst(hf_scalar scalar, void *at, uint64_t bits) {
#define HF_STORE(type)                                          \
    __atomic_store_n((type *)at, (type)bits, __ATOMIC_SEQ_CST); \
    return
    HF_SCALAR_BY_WIDTH(scalar, HF_STORE);
#undef HF_STORE
}

/* A raw value's `.value = x`: what a C program's plain assignment gives on x86-64, and its exact equal elsewhere. */
static inline void hf_scalar_store_release(hf_scalar scalar, void *at, uint64_t bits) {
#define HF_STORE(type)                                          \
    __atomic_store_n((type *)at, (type)bits, __ATOMIC_RELEASE); \
    return
    HF_SCALAR_BY_WIDTH(scalar, HF_STORE);
#undef HF_STORE
}

/* The read-modify-writes return the bits that were there before. */
static inline uint64_t hf_scalar_exchange_seq_cst(hf_scalar scalar, void *at, uint64_t bits) {
#define HF_EXCHANGE(type) return __atomic_exchange_n((type *)at, (type)bits, __ATOMIC_SEQ_CST)
    HF_SCALAR_BY_WIDTH(scalar, HF_EXCHANGE);
#undef HF_EXCHANGE
}

/* True when the bits were *expected and are now `bits`; otherwise *expected is what was found. */
static inline bool hf_scalar_cas_seq_cst(hf_scalar scalar, void *at, uint64_t *expected, uint64_t bits) {
#define HF_CAS(type)                                                                                                \
    {                                                                                                               \
        type found = (type) * expected;                                                                             \
        bool done =                                                                                                 \
            __atomic_compare_exchange_n((type *)at, &found, (type)bits, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
        *expected = found;                                                                                          \
        return done;                                                                                                \
    }
    HF_SCALAR_BY_WIDTH(scalar, HF_CAS);
#undef HF_CAS
}

#define HF_SCALAR_FETCH(NAME, BUILTIN)                                                     \
    static inline uint64_t hf_i_scalar_##NAME(hf_scalar scalar, void *at, uint64_t bits) { \
        switch (HF_SCALAR_LOG2(scalar)) {                                                  \
        case 0:                                                                            \
            return BUILTIN((uint8_t *)at, (uint8_t)bits, __ATOMIC_SEQ_CST);                \
        case 1:                                                                            \
            return BUILTIN((uint16_t *)at, (uint16_t)bits, __ATOMIC_SEQ_CST);              \
        case 2:                                                                            \
            return BUILTIN((uint32_t *)at, (uint32_t)bits, __ATOMIC_SEQ_CST);              \
        default:                                                                           \
            return BUILTIN((uint64_t *)at, bits, __ATOMIC_SEQ_CST);                        \
        }                                                                                  \
    }
HF_SCALAR_FETCH(add, __atomic_fetch_add)
HF_SCALAR_FETCH(sub, __atomic_fetch_sub)
HF_SCALAR_FETCH(and, __atomic_fetch_and)
HF_SCALAR_FETCH(or, __atomic_fetch_or)
HF_SCALAR_FETCH(xor, __atomic_fetch_xor)

/* ---- floats: the machine has no atomic addition of them, so a compare-and-swap is repeated -------------------------- */
static inline float hf_float_of(uint64_t bits) {
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return value;
}

static inline uint64_t hf_bits_of_float(float value) {
    uint32_t low;
    memcpy(&low, &value, sizeof low);
    return low;
}

static inline double hf_double_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint64_t hf_bits_of_double(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The scalar's sum with bits, in its own precision; a - b is a + (-b) exactly, so there is no difference. */
static inline uint64_t hf_i_float_sum(hf_scalar scalar, uint64_t a, uint64_t b, bool negate) {
    if (scalar == HF_F32) {
        float addend = hf_float_of(b);
        return hf_bits_of_float(hf_float_of(a) + (negate ? -addend : addend));
    }
    double addend = hf_double_of(b);
    return hf_bits_of_double(hf_double_of(a) + (negate ? -addend : addend));
}

static inline uint64_t hf_i_float_add(hf_scalar scalar, void *at, uint64_t bits, bool negate) {
    uint64_t found = hf_scalar_load_seq_cst(scalar, at);
    while (!hf_scalar_cas_seq_cst(scalar, at, &found, hf_i_float_sum(scalar, found, bits, negate))) {
        /* found is what another process has just written */
    }
    return found;
}

/* ---- operations by number, so that the border has one function for all of them --------------------------------------- */
typedef enum { HF_OP_ADD, HF_OP_SUB, HF_OP_AND, HF_OP_OR, HF_OP_XOR, HF_OP_MAX, HF_OP_MIN } hf_scalar_op;

/* Should `bits` take the place of `found`? NaN never does, and a NaN that is there stays: comparisons with it are
 * false. Sign-extension happens here, because order is the one thing that depends on it. */
static inline bool hf_i_scalar_beats(hf_scalar scalar, uint64_t bits, uint64_t found, bool max) {
    unsigned unused = 64u - 8u * HF_SCALAR_BYTES(scalar);
    switch (HF_SCALAR_CLASS(scalar)) {
    case HF_SCALAR_SIGNED: {
        int64_t a = (int64_t)(bits << unused), b = (int64_t)(found << unused);
        return max ? a > b : a < b;
    }
    case HF_SCALAR_FLOAT:
        if (scalar == HF_F32) {
            float a = hf_float_of(bits), b = hf_float_of(found);
            return max ? a > b : a < b;
        } else {
            double a = hf_double_of(bits), b = hf_double_of(found);
            return max ? a > b : a < b;
        }
    default:
        return max ? bits > found : bits < found;
    }
}

/* Writes only if it changes something: a maximum that is not beaten stays a shared cache line. seq_cst all the same:
 * the load that decided is. */
static inline uint64_t hf_i_scalar_extreme(hf_scalar scalar, void *at, uint64_t bits, bool max) {
    uint64_t found = hf_scalar_load_seq_cst(scalar, at);
    while (hf_i_scalar_beats(scalar, bits, found, max)) {
        if (hf_scalar_cas_seq_cst(scalar, at, &found, bits)) {
            break;
        }
    }
    return found;
}

static inline uint64_t hf_scalar_fetch_seq_cst(hf_scalar scalar, hf_scalar_op op, void *at, uint64_t bits) {
    bool is_float = HF_SCALAR_CLASS(scalar) == HF_SCALAR_FLOAT;
    switch (op) {
    case HF_OP_ADD:
        return is_float ? hf_i_float_add(scalar, at, bits, false) : hf_i_scalar_add(scalar, at, bits);
    case HF_OP_SUB:
        return is_float ? hf_i_float_add(scalar, at, bits, true) : hf_i_scalar_sub(scalar, at, bits);
    case HF_OP_AND:
        return hf_i_scalar_and(scalar, at, bits);
    case HF_OP_OR:
        return hf_i_scalar_or(scalar, at, bits);
    case HF_OP_XOR:
        return hf_i_scalar_xor(scalar, at, bits);
    case HF_OP_MAX:
        return hf_i_scalar_extreme(scalar, at, bits, true);
    default:
        return hf_i_scalar_extreme(scalar, at, bits, false);
    }
}

#endif
