"""_core/cells.h and _core/pair.h, as far as the border needs them."""

from libc.stdint cimport uint64_t

from ._c_heap cimport hf_a64, hf_process
from ._c_lock cimport hf_lock


cdef extern from "_core/cells.h" nogil:
    ctypedef enum hf_scalar:
        HF_I8
        HF_I16
        HF_I32
        HF_I64
        HF_U8
        HF_U16
        HF_U32
        HF_U64
        HF_F32
        HF_F64
        HF_BOOL
        HF_CHAR
        HF_WCHAR
    ctypedef enum hf_scalar_op:
        HF_OP_ADD
        HF_OP_SUB
        HF_OP_AND
        HF_OP_OR
        HF_OP_XOR
        HF_OP_MAX
        HF_OP_MIN
    const unsigned HF_SCALAR_SIGNED
    const unsigned HF_SCALAR_UNSIGNED
    const unsigned HF_SCALAR_FLOAT
    const unsigned HF_SCALAR_BOOL
    unsigned HF_SCALAR_CLASS(unsigned scalar)
    unsigned HF_SCALAR_LOG2(unsigned scalar)
    unsigned HF_SCALAR_BYTES(unsigned scalar)

    uint64_t hf_scalar_load_seq_cst(unsigned scalar, const void *at)
    void hf_scalar_store_seq_cst(unsigned scalar, void *at, uint64_t bits)
    void hf_scalar_store_release(unsigned scalar, void *at, uint64_t bits)
    uint64_t hf_scalar_exchange_seq_cst(unsigned scalar, void *at, uint64_t bits)
    bint hf_scalar_cas_seq_cst(unsigned scalar, void *at, uint64_t *expected, uint64_t bits)
    uint64_t hf_scalar_fetch_seq_cst(unsigned scalar, hf_scalar_op op, void *at, uint64_t bits)
    float hf_float_of(uint64_t bits)
    double hf_double_of(uint64_t bits)
    uint64_t hf_bits_of_float(float value)
    uint64_t hf_bits_of_double(double value)


cdef extern from "_core/pair.h" nogil:
    ctypedef struct hf_pair:
        hf_a64 value_shared
        hf_lock lock
    bint hf_pair_store(hf_process *p, hf_pair *pair, uint64_t desired)
