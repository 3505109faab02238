"""_core/lock.h and _core/semaphore.h, as far as the border needs them."""

from libc.stdint cimport uint32_t, uint64_t

from ._c_heap cimport hf_process


cdef extern from "_core/lock.h" nogil:
    ctypedef struct hf_lock:
        pass
    ctypedef enum hf_lock_status:
        HF_LOCK_ACQUIRED
        HF_LOCK_BUSY
        HF_LOCK_TIMED_OUT
        HF_LOCK_ORPHANED
        HF_LOCK_NOT_HELD
        HF_LOCK_NOT_OWNER
        HF_LOCK_NOT_ORPHANED
        HF_LOCK_TOO_DEEP
    ctypedef struct hf_waiting:
        uint64_t slice_ns
    ctypedef struct hf_death:
        uint32_t serial
        uint32_t pid
        uint64_t died_ns
        char name[33]
    ctypedef struct hf_lock_figures:
        uint64_t acquisitions
        uint64_t contended
        uint64_t owner_deaths
        uint64_t recoveries
        uint32_t owner_serial
        uint32_t owner_pid
        uint32_t depth
        bint orphaned
        bint waiters
    const uint64_t HF_NO_DEADLINE

    bint HF_LOCK_IS_FREE(uint64_t word)
    uint64_t hf_lock_word(const hf_lock *lock)
    bint hf_lock_grab(hf_process *p, hf_lock *lock)
    hf_lock_status hf_lock_try(hf_process *p, hf_lock *lock)
    hf_lock_status hf_lock_wait_slice(
        hf_process *p, hf_lock *lock, hf_waiting *waiting, uint64_t deadline_ns)
    hf_lock_status hf_lock_release(hf_lock *lock)
    hf_lock_status hf_lock_recover(
        hf_process *p, hf_lock *lock, uint64_t thread, hf_death *out)
    bint hf_lock_death(hf_process *p, const hf_lock *lock, hf_death *out)
    void hf_lock_count(hf_process *p, const hf_lock *lock, hf_lock_figures *out)

    bint hf_rlock_is_mine(const hf_process *p, const hf_lock *lock, uint64_t thread)
    bint hf_rlock_grab(hf_process *p, hf_lock *lock, uint64_t thread)
    hf_lock_status hf_rlock_try(hf_process *p, hf_lock *lock, uint64_t thread)
    hf_lock_status hf_rlock_wait_slice(
        hf_process *p, hf_lock *lock, uint64_t thread, hf_waiting *waiting, uint64_t deadline_ns)
    hf_lock_status hf_rlock_release(hf_process *p, hf_lock *lock, uint64_t thread)


cdef extern from "_core/semaphore.h" nogil:
    const uint32_t HF_SEMAPHORE_VALUE_MAX
    ctypedef enum hf_semaphore_status:
        HF_SEMAPHORE_OK
        HF_SEMAPHORE_ZERO
        HF_SEMAPHORE_TIMED_OUT
        HF_SEMAPHORE_FULL
    ctypedef struct hf_semaphore:
        uint32_t max_value
    void hf_semaphore_init(hf_semaphore *semaphore, uint32_t value, uint32_t max_value)
    uint32_t hf_semaphore_value(const hf_semaphore *semaphore)
    hf_semaphore_status hf_semaphore_try(hf_semaphore *semaphore)
    hf_semaphore_status hf_semaphore_wait_slice(
        hf_semaphore *semaphore, hf_waiting *waiting, uint64_t deadline_ns)
    hf_semaphore_status hf_semaphore_post(hf_semaphore *semaphore)
