# Waiting for locks: slices of sleep without the GIL, and a look at signals between them.

cdef extern from *:
    """
    static inline void hf_border_relax(void) { hf_relax(); }
    """
    void hf_border_relax() noexcept nogil


cdef uint64_t deadline_of(object timeout) except 0:
    """When a wait of `timeout` seconds from now ends, on hf_now_ns's clock. Negative is 0."""
    cdef double seconds
    if timeout is None:
        return HF_NO_DEADLINE
    seconds = timeout
    if seconds != seconds:
        raise ValueError("timeout must be a number of seconds, not NaN")
    if seconds <= 0:
        return hf_now_ns()
    # thirty years: a limit that keeps the sum below 2**63
    if seconds > 1e9:
        return HF_NO_DEADLINE
    return hf_now_ns() + <uint64_t> (seconds * 1e9)


cdef int must_be_seconds(object timeout) except -1:
    """A timeout that makes no sense is refused whether or not there is anything to wait for."""
    if timeout is not None:
        deadline_of(timeout)
    return 0


cdef int need_slot() except -1:
    """A lock names its owner by its slot; a child whose inheritance was pinned has none yet."""
    cdef int status
    if hf_serial(P) == 0:
        status = hf_take_slot(P)
        if status < 0:
            failed(status)
    return 0


cdef int take_slowly(
    hf_lock *lock, unsigned long thread, bint block, object timeout
) except -1:
    """1: the lock is held now; 0: it is not, for want of time. `thread` 0: not recursive.

    Raises OwnerDiedError, and what signal handlers raise; the lock is not held then.
    """
    cdef hf_lock_status status
    cdef hf_waiting waiting
    cdef uint64_t deadline
    need_slot()
    if not block:
        status = hf_rlock_try(P, lock, thread) if thread else hf_lock_try(P, lock)
        return taken(lock, status)
    deadline = deadline_of(timeout)
    memset(&waiting, 0, sizeof(waiting))
    while True:
        with nogil:
            if thread:
                status = hf_rlock_wait_slice(P, lock, thread, &waiting, deadline)
            else:
                status = hf_lock_wait_slice(P, lock, &waiting, deadline)
        if status != HF_LOCK_BUSY:
            return taken(lock, status)
        PyErr_CheckSignals()


cdef int taken(hf_lock *lock, hf_lock_status status) except -1:
    """What a try or a wait has come to: 1, 0 or OwnerDiedError."""
    if status == HF_LOCK_ACQUIRED:
        return 1
    if status == HF_LOCK_ORPHANED:
        return raise_owner_died(lock)
    if status == HF_LOCK_TOO_DEEP:
        raise OverflowError("an RLock can be acquired 2**32 - 1 times by its owner")
    return 0


cdef dict owner_fields(const hf_death *death):
    """The arguments of OwnerDiedError."""
    cdef uint64_t now = hf_now_ns()
    return {
        "owner_pid": death.pid,
        "owner_name": death.name[:strlen(death.name)].decode("utf-8", "replace") or None,
        "died_ago": (now - death.died_ns) / 1e9 if 0 < death.died_ns <= now else None,
    }


cdef int raise_owner_died(const hf_lock *lock) except -1:
    from holdfast.errors import OwnerDiedError
    cdef hf_death death
    if not hf_lock_death(P, lock, &death):
        # somebody recovered it between the try and the question
        raise OwnerDiedError()
    raise OwnerDiedError(**owner_fields(&death))


cdef recover(hf_lock *lock, unsigned long thread):
    """Get into an orphan. True: the caller holds it; False: it is none."""
    cdef hf_death death
    need_slot()
    return hf_lock_recover(P, lock, thread, &death) == HF_LOCK_ACQUIRED


cdef int refuse_release(hf_lock *lock, hf_lock_status status, bint recursive) except -1:
    """Why a release was none."""
    if status == HF_LOCK_ORPHANED:
        return raise_owner_died(lock)
    if recursive:
        # multiprocessing's class and text
        raise AssertionError("attempt to release recursive lock not owned by thread")
    raise ValueError("semaphore or lock released too many times")


cdef str who_has(const hf_lock *lock, unsigned long thread_of_ours):
    """The owner as multiprocessing's reprs have it. `thread_of_ours`: who has it if we have."""
    cdef hf_lock_figures figures
    hf_lock_count(P, lock, &figures)
    if figures.owner_serial == 0:
        return "None"
    if figures.orphaned:
        return "dead process"
    if figures.owner_serial != hf_serial(P):
        return "SomeOtherProcess"
    if thread_of_ours != PyThread_get_thread_ident():
        return "SomeOtherThread"
    import threading
    from holdfast import _family
    name = _family.process_name()
    thread = threading.current_thread().name
    return name if thread == "MainThread" else f"{name}|{thread}"


cdef figures_of(const hf_lock *lock):
    cdef hf_lock_figures figures
    hf_lock_count(P, lock, &figures)
    return port("lock_statistics")(
        acquisitions=figures.acquisitions,
        contended=figures.contended,
        owner_deaths=figures.owner_deaths,
        recoveries=figures.recoveries,
        owner_pid=figures.owner_pid or None,
        depth=figures.depth,
        orphaned=bool(figures.orphaned),
        waiters=bool(figures.waiters),
    )
