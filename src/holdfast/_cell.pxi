# Cell: what holdfast.Value returns for a scalar with a lock.

cdef enum:
    CELL_BLOCK = 64
    # How often a reader looks at a lock that is held for a few instructions before it queues up.
    SPINS = 100


@cython.final
@cython.no_gc
@cython.freelist(256)
cdef class Cell:
    """One scalar in shared memory, with its lock: what `holdfast.Value` returns.

    Use `value` where a lock is used too: it waits while another process or thread has the lock, as
    with `multiprocessing.Value`. Use `load`, `store`, `add` and so on where none is needed: each is
    one atomic operation that disregards the lock. `v.value += 1` is two steps, so another process
    may come between them; `v.add(1)` is one.

    Integers wrap around at their width in `add` and `sub`; arguments out of the type's range are
    errors. `copy.copy` and `copy.deepcopy` return the same object, and unpickling another one over
    the same memory: a Cell is a name for memory, not the memory. `holdfast.copy` copies.

    Concurrency: every atomic operation is sequentially consistent; so is `value` while no process
        has the lock.
    Crash: a process that dies leaves the value whole, as it was before or after its operation. If
        it dies holding the lock, `value` and `acquire` raise OwnerDiedError until `get_lock().
        recover()`; atomic operations go on.
    Fork: a child has the same value.

    Example:
        >>> import holdfast
        >>> v = holdfast.Value("i", 40)
        >>> v.value += 1
        >>> v.add(1)
        41
        >>> v
        Value('i', 42)
        >>> with v.get_lock():
        ...     v.value = 0

    Source: multiprocessing.Value in the Python library reference; C11, 7.17.7.
    New in version 0.1.
    """

    cdef char *at
    cdef uint64_t incarnation
    cdef uint8_t code
    cdef RLock lock_
    cdef object __weakref__

    def __dealloc__(self):
        if self.at is not NULL:
            drop(self.at)

    @property
    def value(self):
        """The value. Reading and writing wait for whoever has the lock, but for oneself.

        Raises:
            OwnerDiedError: the owner of the lock died; see `get_lock().recover()`.
            TypeError, OverflowError: what is assigned does not fit; nothing was changed.
        """
        cdef hf_lock *lock = &(<hf_pair *> self.at).lock
        cdef uint64_t word = hf_lock_word(lock)
        cdef uint64_t bits
        if HF_LOCK_IS_FREE(word):
            bits = hf_scalar_load_seq_cst(SCALAR_OF[self.code], self.at)
            # The word counts acquisitions: the same word means that nobody had the lock meanwhile.
            if hf_lock_word(lock) == word:
                return box(SCALAR_OF[self.code], bits)
        read_slowly(lock, SCALAR_OF[self.code], self.at, &bits)
        return box(SCALAR_OF[self.code], bits)

    @value.setter
    def value(self, value):
        cell_set(self, value)

    def __setattr__(self, name, value):
        # Faster than the descriptor above, which the interpreter would have to look up first.
        if name is "value" or name == "value":
            cell_set(self, value)
        else:
            PyObject_GenericSetAttr(self, name, value)

    def __delattr__(self, name):
        raise AttributeError(f"{type(self).__name__} objects keep their attributes: {name!r}")

    def load(self):
        """Read the value, whoever has the lock. Sequentially consistent."""
        return load(self.code, self.at)

    def store(self, value):
        """Write the value, whoever has the lock. Sequentially consistent.

        Raises:
            TypeError, OverflowError: it does not fit; nothing was changed.
        """
        cdef uint64_t bits
        unbox(self.code, value, &bits)
        hf_scalar_store_seq_cst(SCALAR_OF[self.code], self.at, bits)

    def exchange(self, value):
        """Write the value and return what was there before, in one step."""
        return exchange(self.code, self.at, value)

    def compare_exchange(self, expected, desired, /):
        """Write `desired` if the value is `expected`, in one step.

        Floats are compared by their bits, so that NaN can be expected, and 0.0 is not -0.0.

        Returns:
            True if it was written.
        """
        return compare_exchange(self.code, self.at, expected, desired)

    def add(self, value):
        """Add in one step; return what was there before. Integers wrap around; not for bool."""
        return fetch(self.code, HF_OP_ADD, self.at, value)

    def sub(self, value):
        """Subtract in one step; return what was there before. Integers wrap; not for bool."""
        return fetch(self.code, HF_OP_SUB, self.at, value)

    def and_(self, value):
        """Bitwise and in one step; return what was there before. Integers and bool."""
        return fetch(self.code, HF_OP_AND, self.at, value)

    def or_(self, value):
        """Bitwise or in one step; return what was there before. Integers and bool."""
        return fetch(self.code, HF_OP_OR, self.at, value)

    def xor(self, value):
        """Bitwise exclusive or in one step; return what was there before. Integers and bool."""
        return fetch(self.code, HF_OP_XOR, self.at, value)

    def max(self, value):
        """Raise to `value` if it is greater, in one step; return what was there before.

        With floats, NaN is neither stored nor replaced.
        """
        return fetch(self.code, HF_OP_MAX, self.at, value)

    def min(self, value):
        """Lower to `value` if it is less, in one step; return what was there before.

        With floats, NaN is neither stored nor replaced.
        """
        return fetch(self.code, HF_OP_MIN, self.at, value)

    def get_lock(self):
        """The RLock of this value: the same object at each call."""
        return cell_lock(self)

    def get_obj(self):
        """A ctypes object over the value's memory, which it keeps. Disregards the lock."""
        return port("view")(ctype_of(chr(self.code)), self)

    @cython.always_allow_keywords(True)
    def acquire(self, block=True, timeout=None):
        """Acquire the lock; as `get_lock().acquire`."""
        cdef hf_lock *lock = &(<hf_pair *> self.at).lock
        cdef unsigned long thread = PyThread_get_thread_ident()
        if hf_rlock_grab(P, lock, thread):
            return True
        return take_slowly(lock, thread, block, timeout) == 1

    def release(self):
        """Release the lock; as `get_lock().release`."""
        rlock_release(&(<hf_pair *> self.at).lock)

    @property
    def typecode(self):
        """The letter that names its type, as in `array` and `multiprocessing`."""
        return chr(self.code)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        fill_buffer(
            buffer, flags, self.at, self.code, HF_SCALAR_BYTES(SCALAR_OF[self.code]), 0)
        buffer.obj = self

    def __reduce__(self):
        return attach_cell, (self.code, issue(self.at, self.incarnation, CELL_BLOCK))

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __repr__(self):
        return f"Value({chr(self.code)!r}, {self.load()!r})"

    @classmethod
    def __class_getitem__(cls, item):
        from types import GenericAlias
        return GenericAlias(cls, item)


cdef inline int cell_set(Cell self, object value) except -1:
    cdef uint64_t bits
    unbox(self.code, value, &bits)
    if not hf_pair_store(P, <hf_pair *> self.at, bits):
        write_slowly(&(<hf_pair *> self.at).lock, SCALAR_OF[self.code], self.at, bits)
    return 0


cdef RLock cell_lock(Cell self):
    if self.lock_ is None:
        self.lock_ = lock_in(self.at, self.incarnation)
    return self.lock_


cdef int read_slowly(hf_lock *lock, unsigned scalar, const void *at, uint64_t *bits) except -1:
    """Read a scalar whose lock somebody has, or had just now: when it is free, or is ours."""
    cdef unsigned long thread = PyThread_get_thread_ident()
    cdef uint64_t word
    cdef int i
    for i in range(SPINS):
        if hf_rlock_is_mine(P, lock, thread):
            bits[0] = hf_scalar_load_seq_cst(scalar, at)
            return 0
        word = hf_lock_word(lock)
        if HF_LOCK_IS_FREE(word):
            bits[0] = hf_scalar_load_seq_cst(scalar, at)
            if hf_lock_word(lock) == word:
                return 0
        hf_border_relax()
    rlock_acquire(lock)
    bits[0] = hf_scalar_load_seq_cst(scalar, at)
    rlock_release(lock)
    return 0


cdef int write_slowly(hf_lock *lock, unsigned scalar, void *at, uint64_t bits) except -1:
    """Write a scalar whose lock somebody has: when it is free, or is ours."""
    rlock_acquire(lock)
    hf_scalar_store_seq_cst(scalar, at, bits)
    rlock_release(lock)
    return 0


cdef inline Cell new_cell(uint8_t code, uint64_t bits):
    cdef Cell self = Cell.__new__(Cell)
    self.code = code
    self.at = <char *> allocate(CELL_BLOCK, 0, &self.incarnation)
    # Nobody else can reach it yet; the lock is free, since the block is zero.
    (<uint64_t *> self.at)[0] = bits
    return self


def attach_cell(code, wire):
    """Load a pickled Value."""
    cdef Cell self = Cell.__new__(Cell)
    self.code = code_in_pickle(code)
    self.at = <char *> attach(wire, CELL_BLOCK, &self.incarnation)
    return self


cdef object cell_enter(PyObject *object):
    rlock_acquire(&(<hf_pair *> (<Cell> object).at).lock)
    return True


cdef object cell_exit(PyObject *object):
    rlock_release(&(<hf_pair *> (<Cell> object).at).lock)


seal(Cell)
hf_border_manage(Cell, cell_enter, cell_exit)
attach_cell.__module__ = "holdfast.cells"
