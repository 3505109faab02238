# RLock: as Lock, and its owner may acquire it again. Also the lock of every Value and Array.


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class RLock:
    """A recursive lock between processes that survives the death of its owner.

    Use it as `multiprocessing.RLock`: the thread that holds it may acquire it again, and must
    release it as often. `Value.get_lock()` and `Array.get_lock()` return one that lives in the
    memory of the value itself. It does not promise fairness.

    Concurrency: `acquire` and `release` are atomic; what was written before a release is visible
        after the next acquire, in every process.
    Crash: if its owner dies, `acquire` and `with` raise OwnerDiedError, leaving the lock not held,
        until somebody calls `recover()`. Nobody waits for a dead process.
    Fork: a child has the same lock and does not own what its parent owns.

    Example:
        >>> import holdfast
        >>> lock = holdfast.RLock()
        >>> with lock, lock:
        ...     print(lock)
        <RLock(MainProcess, 2)>
        >>> lock.release()
        Traceback (most recent call last):
        AssertionError: attempt to release recursive lock not owned by thread

    Source: multiprocessing.RLock in the Python library reference; "Futexes Are Tricky",
        U. Drepper, 2011, section 6.
    New in version 0.1.
    """

    cdef hf_lock *lock
    cdef uint64_t incarnation
    cdef object __weakref__

    def __init__(self):
        cdef char *at
        if self.lock is not NULL:
            raise TypeError("an RLock is made once")
        at = <char *> allocate(LOCK_BLOCK, 0, &self.incarnation)
        self.lock = <hf_lock *> (at + LOCK_AT)

    def __dealloc__(self):
        if self.lock is not NULL:
            drop(<char *> self.lock - LOCK_AT)

    @cython.always_allow_keywords(True)
    def acquire(self, block=True, timeout=None):
        """Get the lock, or get into it once more.

        Args:
            block: False returns at once.
            timeout: seconds to wait at most; None waits as long as it takes; 0 or less tries once.

        Returns:
            True if the lock is held now, False if it was not to be had in time.

        Raises:
            OwnerDiedError: its owner died; the lock is not held, see `recover`.
            KeyboardInterrupt: or whatever a signal handler raises; the lock is not held.
            TypeError: the timeout is no number.
            ValueError: the timeout is NaN.
        """
        must_be_made(self.lock)
        must_be_seconds(timeout)
        cdef unsigned long thread = PyThread_get_thread_ident()
        if hf_rlock_grab(P, self.lock, thread):
            return True
        return take_slowly(self.lock, thread, block, timeout) == 1

    def release(self):
        """Get out by one level; at the last let go, and wake one that waits.

        Raises:
            AssertionError: this thread does not hold it.
            OwnerDiedError: its owner is dead; see `recover`.
        """
        must_be_made(self.lock)
        rlock_release(self.lock)

    def recover(self):
        """Get into a lock whose owner died, and mark it sound; it is held once then.

        Look at what the lock protects, mend it, then release as usual. Until then the others wait
        as for any owner.

        Returns:
            True if the lock is held now. False if it was not orphaned, or another process was
            quicker to recover it: then use `acquire`.
        """
        must_be_made(self.lock)
        return recover(self.lock, PyThread_get_thread_ident())

    def within(self, timeout):
        """A context manager: has the lock inside, or LockTimeoutError after `timeout` seconds.

        The error names the process that keeps the lock.
        """
        return port("within")(self, timeout)

    def locked(self):
        """Whether some process holds it, or died with it."""
        must_be_made(self.lock)
        return not HF_LOCK_IS_FREE(hf_lock_word(self.lock))

    def statistics(self):
        """How often it was acquired, contended, orphaned: a `holdfast.LockStatistics`."""
        must_be_made(self.lock)
        return figures_of(self.lock)

    def __reduce__(self):
        must_be_made(self.lock)
        return attach_rlock, (
            issue(<char *> self.lock - LOCK_AT, self.incarnation, LOCK_BLOCK),
        )

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __repr__(self):
        cdef unsigned long thread = PyThread_get_thread_ident()
        cdef hf_lock_figures figures
        if self.lock is NULL:
            return "<RLock (never made)>"
        name = who_has(self.lock, thread if hf_rlock_is_mine(P, self.lock, thread) else 0)
        if name == "None":
            count = 0
        elif hf_rlock_is_mine(P, self.lock, thread):
            hf_lock_count(P, self.lock, &figures)
            count = figures.depth
        else:
            count = "nonzero"
        return f"<RLock({name}, {count})>"


cdef inline int rlock_acquire(hf_lock *lock) except -1:
    """Get in, however long it takes."""
    cdef unsigned long thread = PyThread_get_thread_ident()
    if not hf_rlock_grab(P, lock, thread):
        take_slowly(lock, thread, True, None)
    return 0


cdef inline int rlock_release(hf_lock *lock) except -1:
    cdef hf_lock_status status = hf_rlock_release(P, lock, PyThread_get_thread_ident())
    if status != HF_LOCK_ACQUIRED:
        refuse_release(lock, status, True)
    return 0


cdef RLock lock_in(const void *at, uint64_t incarnation):
    """The lock that lies in a block which the caller holds; it holds the block once more."""
    cdef RLock self = RLock.__new__(RLock)
    hf_hold(P, offset_of(at))
    self.lock = <hf_lock *> (<char *> at + LOCK_AT)
    self.incarnation = incarnation
    return self


def attach_rlock(wire):
    """Load a pickled RLock."""
    cdef RLock self = RLock.__new__(RLock)
    cdef char *at = <char *> attach(wire, LOCK_BLOCK, &self.incarnation)
    self.lock = <hf_lock *> (at + LOCK_AT)
    return self


cdef object rlock_enter(PyObject *object):
    cdef RLock self = <RLock> object
    must_be_made(self.lock)
    rlock_acquire(self.lock)
    return True


cdef object rlock_exit(PyObject *object):
    cdef RLock self = <RLock> object
    must_be_made(self.lock)
    rlock_release(self.lock)


hf_border_manage(RLock, rlock_enter, rlock_exit)
attach_rlock.__module__ = "holdfast.locks"
