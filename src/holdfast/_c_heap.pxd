"""_core/layout.h and _core/holdfast.h, as far as the border needs them.

No function of the core raises: a negative result is an hf_status, and `failed()` in _heap.pxi
turns it into an exception.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t


cdef extern from "_core/layout.h" nogil:
    ctypedef struct hf_a64:
        pass
    ctypedef struct hf_off:
        uint64_t at
    ctypedef struct hf_header:
        uint64_t data_bytes
        uint32_t slots
        uint32_t chunk_bytes
        uint32_t layout_version
        hf_a64 forks_pinned_shared
        hf_a64 chunks_top_shared
    const uint32_t HF_LAYOUT_VERSION
    const uint32_t HF_GRANULE

    uint64_t hf_load64_relaxed(const hf_a64 *a)
    uint64_t hf_load64_acquire(const hf_a64 *a)


cdef extern from "_core/holdfast.h" nogil:
    ctypedef struct hf_process:
        pass

    ctypedef enum hf_status:
        HF_OK
        HF_E_HEAP_FULL
        HF_E_NO_MEMORY
        HF_E_NO_SLOT
        HF_E_NO_DESCRIPTOR
        HF_E_STALE
        HF_E_FOREIGN
        HF_E_FORGED
        HF_E_LAYOUT
        HF_E_SYSTEM
        HF_E_UNSUPPORTED
        HF_E_TOO_LARGE
        HF_E_CLOSED

    ctypedef struct hf_error:
        int os_errno
        const char *what
        uint64_t wanted
        uint64_t found

    ctypedef struct hf_ref:
        hf_off block
        uint64_t incarnation

    ctypedef struct hf_wire:
        char magic[4]
        uint32_t size_check
        uint8_t token[16]
        uint64_t block
        uint64_t incarnation
        uint64_t size
        uint64_t ticket
        uint64_t ticket_incarnation
        uint32_t sender_pid
        int32_t sender_fd

    ctypedef struct hf_figures:
        uint64_t data_bytes
        uint64_t data_bytes_wished
        uint64_t chunks_in_use
        uint64_t chunk_bytes
        uint64_t blocks
        uint64_t block_bytes
        uint64_t own_blocks
        uint64_t slots
        uint64_t slots_live
        uint64_t slots_dead
        uint64_t slots_estate
        uint64_t tickets_outstanding
        uint64_t tickets_issued
        uint64_t tickets_used
        uint64_t deaths
        uint64_t holds_reclaimed
        uint64_t bytes_reclaimed
        uint64_t forks
        uint64_t forks_pinned
        uint64_t pinned_blocks
        uint64_t reuse_forbidden
        uint64_t cached_bytes
        uint64_t epoch

    ctypedef struct hf_card_copy:
        uint32_t pid
        uint32_t parent_serial
        uint64_t joined_ns
        uint64_t died_ns
        char name[33]

    hf_process *hf_process_new()
    bint hf_is_open(const hf_process *p)
    int hf_create(hf_process *p, uint64_t data_bytes)
    int hf_join(hf_process *p, int fd)
    int hf_descriptor(hf_process *p)
    const uint8_t *hf_token(const hf_process *p)
    const hf_error *hf_last_error(const hf_process *p)
    uint32_t hf_serial(const hf_process *p)
    int hf_take_slot(hf_process *p)
    void hf_set_name(hf_process *p, const char *utf8)
    void hf_set_grace(hf_process *p, uint64_t ns)
    int hf_watch_forks(hf_process *p)
    bint hf_fork_was_pinned(const hf_process *p)

    const unsigned HF_RAW
    int hf_alloc(hf_process *p, uint64_t size, unsigned flags, hf_ref *out)
    void hf_hold(hf_process *p, hf_off block)
    void hf_drop(hf_process *p, hf_off block)
    void *hf_at(const hf_process *p, hf_off block)
    int hf_issue(hf_process *p, hf_ref ref, uint64_t size, hf_wire *out)
    int hf_attach(hf_process *p, const hf_wire *wire, hf_ref *out)
    void hf_sweep_tickets(hf_process *p)

    bint hf_card_of(hf_process *p, uint32_t serial, hf_card_copy *out)
    int hf_reap(hf_process *p)
    uint64_t hf_trim(hf_process *p)
    void hf_count(hf_process *p, hf_figures *out)
    int hf_points_count()
    const char *hf_points_name(int index)
    void hf_points_arm(int index, uint32_t nth)

    uint64_t hf_now_ns()
    ctypedef void (*hf_report)(void *context, const char *text) noexcept nogil
    int hf_check(hf_process *p, hf_report report, void *context)
