# SemLock: the interface of `_multiprocessing.SemLock`, on a semaphore in the heap.

cdef enum:
    KIND_MUTEX = 0
    KIND_SEMAPHORE = 1


@cython.final
@cython.no_gc
cdef class SemLock:
    """A semaphore or recursive mutex in the heap, with the interface of `_multiprocessing.SemLock`.

    For the guard, which puts it under `multiprocessing`'s Lock, Semaphore, Condition and so on. It
    has no name in the file system and lives as long as a process can reach it.

    Args:
        kind: RECURSIVE_MUTEX (0) or SEMAPHORE (1).
        value: how many acquisitions are free at first; a mutex is free (1) or taken (0).
        maxvalue: releases beyond it are errors.
    """

    RECURSIVE_MUTEX = KIND_MUTEX
    SEMAPHORE = KIND_SEMAPHORE
    SEM_VALUE_MAX = HF_SEMAPHORE_VALUE_MAX

    cdef hf_semaphore *semaphore
    cdef uint64_t incarnation
    # who acquired through this object, as _multiprocessing has it: private to the process
    cdef unsigned long thread
    cdef int count
    cdef int kind_
    cdef object __weakref__

    def __init__(self, int kind, int value, int maxvalue):
        cdef char *at
        if self.semaphore is not NULL:
            raise TypeError("a SemLock is made once")
        if kind != KIND_MUTEX and kind != KIND_SEMAPHORE:
            raise ValueError(f"unrecognized kind {kind}")
        if not 0 <= value <= maxvalue:
            raise ValueError(f"invalid value {value}: it must be 0 to {maxvalue}")
        at = <char *> allocate(sizeof(hf_semaphore), 0, &self.incarnation)
        self.semaphore = <hf_semaphore *> at
        hf_semaphore_init(self.semaphore, value, maxvalue)
        self.kind_ = kind

    def __dealloc__(self):
        if self.semaphore is not NULL:
            drop(self.semaphore)

    @cython.always_allow_keywords(True)
    def acquire(self, block=True, timeout=None):
        """Acquire the semaphore/lock. True if it was, False if `timeout` seconds were over."""
        return semlock_acquire(self, block, timeout)

    def release(self):
        """Release the semaphore/lock."""
        semlock_release(self)

    def _count(self):
        """How often it was acquired through this object, less the releases."""
        return self.count

    def _is_mine(self):
        """Whether the current thread holds it."""
        return self.count > 0 and self.thread == PyThread_get_thread_ident()

    def _get_value(self):
        """The value of the semaphore."""
        must_be_made(self.semaphore)
        return hf_semaphore_value(self.semaphore)

    def _is_zero(self):
        """Whether the value is 0."""
        must_be_made(self.semaphore)
        return hf_semaphore_value(self.semaphore) == 0

    def _after_fork(self):
        """In a child: it holds nothing."""
        self.count = 0

    @property
    def handle(self):
        """The offset of its block in the heap."""
        must_be_made(self.semaphore)
        return offset_of(self.semaphore).at

    @property
    def kind(self):
        """RECURSIVE_MUTEX or SEMAPHORE."""
        return self.kind_

    @property
    def maxvalue(self):
        """The most that the value can be."""
        must_be_made(self.semaphore)
        return self.semaphore.max_value

    @property
    def name(self):
        """None: it has no name in the file system."""
        return None

    def __reduce__(self):
        must_be_made(self.semaphore)
        return attach_semlock, (
            self.kind_, issue(self.semaphore, self.incarnation, sizeof(hf_semaphore)),
        )


cdef inline bint semlock_acquire(SemLock self, object block, object timeout) except -1:
    must_be_made(self.semaphore)
    must_be_seconds(timeout)
    cdef unsigned long thread = PyThread_get_thread_ident()
    if self.kind_ == KIND_MUTEX and self.count > 0 and self.thread == thread:
        self.count += 1
        return True
    if hf_semaphore_try(self.semaphore) != HF_SEMAPHORE_OK:
        if not block or not pass_slowly(self.semaphore, timeout):
            return False
    self.count += 1
    self.thread = thread
    return True


cdef inline int semlock_release(SemLock self) except -1:
    must_be_made(self.semaphore)
    if self.kind_ == KIND_MUTEX:
        if self.count <= 0 or self.thread != PyThread_get_thread_ident():
            raise AssertionError("attempt to release recursive lock not owned by thread")
        if self.count > 1:
            self.count -= 1
            return 0
    if hf_semaphore_post(self.semaphore) != HF_SEMAPHORE_OK:
        raise ValueError("semaphore or lock released too many times")
    self.count -= 1
    return 0


cdef int pass_slowly(hf_semaphore *semaphore, object timeout) except -1:
    """1: a unit was taken; 0: `timeout` seconds are over. Raises what signal handlers raise."""
    cdef hf_semaphore_status status
    cdef hf_waiting waiting
    cdef uint64_t deadline = deadline_of(timeout)
    memset(&waiting, 0, sizeof(waiting))
    while True:
        with nogil:
            status = hf_semaphore_wait_slice(semaphore, &waiting, deadline)
        if status != HF_SEMAPHORE_ZERO:
            return status == HF_SEMAPHORE_OK
        PyErr_CheckSignals()


def attach_semlock(int kind, wire):
    """Load a pickled SemLock."""
    if kind != KIND_MUTEX and kind != KIND_SEMAPHORE:
        forged("kind", "0 or 1", kind)
    cdef SemLock self = SemLock.__new__(SemLock)
    self.semaphore = <hf_semaphore *> attach(wire, sizeof(hf_semaphore), &self.incarnation)
    self.kind_ = kind
    return self


cdef object semlock_enter(PyObject *object):
    return semlock_acquire(<SemLock> object, True, None)


cdef object semlock_exit(PyObject *object):
    semlock_release(<SemLock> object)


hf_border_manage(SemLock, semlock_enter, semlock_exit)
