# Lock: at most one process, and thread of it, is inside.

cdef enum:
    # Where the lock lies in a block: behind the 8 bytes of a cell's value (pair.h), for all of
    # them alike, so that a handle need not know what it is the lock of.
    LOCK_AT = 8
    # Bytes of a block that is nothing but a lock: a granule, as every small block.
    LOCK_BLOCK = 64


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class Lock:
    """A lock between processes that survives the death of its owner.

    Use it as `multiprocessing.Lock`. Not recursive: who acquires it twice waits for itself. Any
    process and thread may release it, as with the standard library's. It does not promise
    fairness: who comes at the right moment gets in before those that wait.

    Concurrency: `acquire` and `release` are atomic; what was written before a release is visible
        after the next acquire, in every process.
    Crash: if its owner dies, `acquire` and `with` raise OwnerDiedError, leaving the lock not held,
        until somebody calls `recover()`. Nobody waits for a dead process.
    Fork: a child has the same lock and does not own what its parent owns.

    Example:
        >>> import holdfast
        >>> lock = holdfast.Lock()
        >>> with lock:
        ...     lock.acquire(block=False)
        False
        >>> lock
        <Lock(owner=None)>

    Source: multiprocessing.Lock in the Python library reference; "Futexes Are Tricky",
        U. Drepper, 2011, section 6.
    New in version 0.1.
    """

    cdef hf_lock *lock
    cdef uint64_t incarnation
    # who of this process acquired it last through this object; for repr only
    cdef unsigned long thread
    cdef object __weakref__

    def __init__(self):
        cdef char *at
        if self.lock is not NULL:
            raise TypeError("a Lock is made once")
        at = <char *> allocate(LOCK_BLOCK, 0, &self.incarnation)
        self.lock = <hf_lock *> (at + LOCK_AT)

    def __dealloc__(self):
        if self.lock is not NULL:
            drop(<char *> self.lock - LOCK_AT)

    @cython.always_allow_keywords(True)
    def acquire(self, block=True, timeout=None):
        """Get the lock.

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
        if not hf_lock_grab(P, self.lock):
            if not take_slowly(self.lock, 0, block, timeout):
                return False
        self.thread = PyThread_get_thread_ident()
        return True

    def release(self):
        """Let go, and wake one that waits.

        Raises:
            ValueError: nobody holds it.
            OwnerDiedError: its owner is dead; see `recover`.
        """
        cdef hf_lock_status status
        must_be_made(self.lock)
        status = hf_lock_release(self.lock)
        if status != HF_LOCK_ACQUIRED:
            refuse_release(self.lock, status, False)

    def recover(self):
        """Get into a lock whose owner died, and mark it sound.

        Look at what the lock protects, mend it, then release as usual. Until then the others wait
        as for any owner.

        Returns:
            True if the lock is held now. False if it was not orphaned, or another process was
            quicker to recover it: then use `acquire`.
        """
        must_be_made(self.lock)
        if not recover(self.lock, 0):
            return False
        self.thread = PyThread_get_thread_ident()
        return True

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
        return attach_lock, (
            issue(<char *> self.lock - LOCK_AT, self.incarnation, LOCK_BLOCK),
        )

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __repr__(self):
        if self.lock is NULL:
            return "<Lock (never made)>"
        return f"<Lock(owner={who_has(self.lock, self.thread)})>"


def attach_lock(wire):
    """Load a pickled Lock."""
    cdef Lock self = Lock.__new__(Lock)
    cdef char *at = <char *> attach(wire, LOCK_BLOCK, &self.incarnation)
    self.lock = <hf_lock *> (at + LOCK_AT)
    return self


cdef object lock_enter(PyObject *object):
    cdef Lock self = <Lock> object
    must_be_made(self.lock)
    if not hf_lock_grab(P, self.lock):
        take_slowly(self.lock, 0, True, None)
    self.thread = PyThread_get_thread_ident()
    return True


cdef object lock_exit(PyObject *object):
    cdef Lock self = <Lock> object
    cdef hf_lock_status status
    must_be_made(self.lock)
    status = hf_lock_release(self.lock)
    if status != HF_LOCK_ACQUIRED:
        refuse_release(self.lock, status, False)


hf_border_manage(Lock, lock_enter, lock_exit)
attach_lock.__module__ = "holdfast.locks"
