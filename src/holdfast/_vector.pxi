# Vector: what holdfast.Array returns for scalars with a lock.

cdef enum:
    # The block begins with a granule for the lock, so that the data starts a cache line of its own.
    VECTOR_DATA = 64


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class Vector:
    """Scalars in shared memory, with one lock: what `holdfast.Array` returns.

    Use it as `multiprocessing.Array`: indexing, slicing and iteration, `value` and `raw` for
    arrays of characters. Reading or writing an element or a slice waits while another process or
    thread has the lock. Through the buffer protocol, `numpy.asarray(a)` and `holdfast.asarray(a)`
    are views of the memory, which they keep; they disregard the lock.

    `copy.copy` and `copy.deepcopy` return the same object; `holdfast.copy` copies.

    Concurrency: an element is read and written whole; a slice is read and written as one, against
        everybody who uses the lock.
    Crash: a process that dies leaves every element whole. If it dies holding the lock, the others
        get OwnerDiedError until `get_lock().recover()`.
    Fork: a child has the same array.

    Example:
        >>> import holdfast
        >>> a = holdfast.Array("i", [3, 1, 4, 1, 5])
        >>> a[2] = 40
        >>> a[1:4]
        [1, 40, 1]
        >>> memoryview(a).format
        'i'

    Source: multiprocessing.Array in the Python library reference; PEP 3118.
    New in version 0.1.
    """

    cdef char *at
    cdef uint64_t incarnation
    cdef Py_ssize_t length
    cdef Py_ssize_t itemsize
    cdef uint8_t code
    cdef RLock lock_
    cdef object __weakref__

    def __dealloc__(self):
        if self.at is not NULL:
            drop(self.at - VECTOR_DATA)

    def __len__(self):
        return self.length

    def __getitem__(self, key):
        cdef uint64_t bits
        if PySlice_Check(key):
            return get_slice(vector_lock(self), self.code, self.at, self.length, key)
        read_item(
            vector_lock(self), SCALAR_OF[self.code], self.at, position(key, self.length), &bits)
        return box(SCALAR_OF[self.code], bits)

    def __setitem__(self, key, value):
        cdef uint64_t bits
        cdef Py_ssize_t i
        if PySlice_Check(key):
            set_slice(vector_lock(self), self.code, self.at, self.length, key, value)
            return
        i = position(key, self.length)
        unbox(self.code, value, &bits)
        write_item(vector_lock(self), SCALAR_OF[self.code], self.at, i, bits)

    @property
    def value(self):
        """Arrays of characters: what stands before the first NUL, as bytes ('c') or str ('u')."""
        must_be_text(self.code, "value")
        return get_text(vector_lock(self), self.code, self.at, self.length)

    @value.setter
    def value(self, text):
        must_be_text(self.code, "value")
        set_text(vector_lock(self), self.code, self.at, self.length, text, False)

    @property
    def raw(self):
        """Arrays of 'c': all the bytes. What is assigned may be shorter; the rest stays."""
        must_be_text(self.code, "raw")
        return get_slice(vector_lock(self), self.code, self.at, self.length, slice(None))

    @raw.setter
    def raw(self, text):
        must_be_text(self.code, "raw")
        set_text(vector_lock(self), self.code, self.at, self.length, text, True)

    def get_lock(self):
        """The RLock of this array: the same object at each call."""
        if self.lock_ is None:
            self.lock_ = lock_in(self.at - VECTOR_DATA, self.incarnation)
        return self.lock_

    def get_obj(self):
        """A ctypes array over the memory, which it keeps. Disregards the lock."""
        return port("view")(ctype_of(chr(self.code)) * self.length, self)

    @cython.always_allow_keywords(True)
    def acquire(self, block=True, timeout=None):
        """Acquire the lock; as `get_lock().acquire`."""
        cdef unsigned long thread = PyThread_get_thread_ident()
        if hf_rlock_grab(P, vector_lock(self), thread):
            return True
        return take_slowly(vector_lock(self), thread, block, timeout) == 1

    def release(self):
        """Release the lock; as `get_lock().release`."""
        rlock_release(vector_lock(self))

    @property
    def typecode(self):
        """The letter that names the type of the elements."""
        return chr(self.code)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        fill_buffer(buffer, flags, self.at, self.code, self.length * self.itemsize, 1)
        # SAFETY: neither changes as long as the object lives, and the buffer keeps it.
        if flags & PyBUF_ND:
            buffer.shape = &self.length
        if flags & PyBUF_STRIDES == PyBUF_STRIDES:
            buffer.strides = &self.itemsize
        buffer.obj = self

    def __reduce__(self):
        cdef uint64_t size = VECTOR_DATA + self.length * self.itemsize
        return attach_vector, (
            self.code, self.length, issue(self.at - VECTOR_DATA, self.incarnation, size),
        )

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __repr__(self):
        return f"<Array of {self.length} {chr(self.code)!r}>"

    @classmethod
    def __class_getitem__(cls, item):
        from types import GenericAlias
        return GenericAlias(cls, item)


cdef inline hf_lock *vector_lock(Vector self) noexcept:
    return <hf_lock *> (self.at - VECTOR_DATA + LOCK_AT)


cdef Vector new_vector(uint8_t code, Py_ssize_t length, object source):
    """`source`: values to begin with, `length` of them; None for zeros."""
    cdef Vector self = Vector.__new__(Vector)
    cdef Py_ssize_t itemsize = HF_SCALAR_BYTES(SCALAR_OF[code])
    cdef uint64_t size = vector_bytes(length, itemsize)
    cdef char *block = <char *> allocate(
        VECTOR_DATA + size, 0 if source is None else HF_RAW, &self.incarnation)
    self.at = block + VECTOR_DATA
    self.code, self.length, self.itemsize = code, length, itemsize
    if source is not None:
        memset(block, 0, VECTOR_DATA)
        pack(code, source, self.at, length)
    return self


cdef uint64_t vector_bytes(Py_ssize_t length, Py_ssize_t itemsize) except? <uint64_t> -1:
    """Bytes of the elements; a heap is always full for what overflows."""
    if length < 0:
        raise ValueError(f"an Array's length must be 0 or more, not {length}")
    if length > (PY_SSIZE_T_MAX - VECTOR_DATA) // itemsize:
        need_heap()
        failed(HF_E_TOO_LARGE, PY_SSIZE_T_MAX)
    return length * itemsize


def attach_vector(code, Py_ssize_t length, wire):
    """Load a pickled Array."""
    cdef Vector self = Vector.__new__(Vector)
    self.code = code_in_pickle(code)
    self.itemsize = HF_SCALAR_BYTES(SCALAR_OF[self.code])
    if not 0 <= length <= (PY_SSIZE_T_MAX - VECTOR_DATA) // self.itemsize:
        forged("length of the Array", "0 or more, and possible", length)
    self.length = length
    self.at = <char *> attach(
        wire, VECTOR_DATA + length * self.itemsize, &self.incarnation) + VECTOR_DATA
    return self


cdef object vector_enter(PyObject *object):
    rlock_acquire(vector_lock(<Vector> object))
    return True


cdef object vector_exit(PyObject *object):
    rlock_release(vector_lock(<Vector> object))


seal(Vector)
hf_border_manage(Vector, vector_enter, vector_exit)
attach_vector.__module__ = "holdfast.arrays"
