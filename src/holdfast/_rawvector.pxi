# RawVector: what holdfast.RawArray returns for scalars; no lock.


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class RawVector:
    """Scalars in shared memory, without a lock: what `holdfast.RawArray` returns.

    Use it where the program needs no lock, or has one of its own; else as an Array. It is not a
    ctypes array; `as_ctypes` gives one over the same memory, and C functions called through
    ctypes take it as they would take the ctypes array.

    Concurrency: an element is read and written whole; a slice element by element.
    Crash: a process that dies leaves every element whole.
    Fork: a child has the same array.

    Example:
        >>> import holdfast
        >>> name = holdfast.RawArray("c", 8)
        >>> name.value = b"worker"
        >>> name.raw, name[:3]
        (b'worker\\x00\\x00', b'wor')

    Source: multiprocessing.sharedctypes.RawArray in the Python library reference; PEP 3118.
    New in version 0.1.
    """

    cdef char *at
    cdef uint64_t incarnation
    cdef Py_ssize_t length
    cdef Py_ssize_t itemsize
    cdef uint8_t code
    cdef object __weakref__

    def __dealloc__(self):
        if self.at is not NULL:
            drop(self.at)

    def __len__(self):
        return self.length

    def __getitem__(self, key):
        cdef unsigned scalar = SCALAR_OF[self.code]
        cdef Py_ssize_t i
        if PySlice_Check(key):
            return get_slice(NULL, self.code, self.at, self.length, key)
        i = position(key, self.length)
        return box(
            scalar, hf_scalar_load_seq_cst(scalar, self.at + (i << HF_SCALAR_LOG2(scalar))))

    def __setitem__(self, key, value):
        cdef unsigned scalar = SCALAR_OF[self.code]
        cdef uint64_t bits
        cdef Py_ssize_t i
        if PySlice_Check(key):
            set_slice(NULL, self.code, self.at, self.length, key, value)
            return
        i = position(key, self.length)
        unbox(self.code, value, &bits)
        hf_scalar_store_release(scalar, self.at + (i << HF_SCALAR_LOG2(scalar)), bits)

    @property
    def value(self):
        """Arrays of characters: what stands before the first NUL, as bytes ('c') or str ('u')."""
        must_be_text(self.code, "value")
        return get_text(NULL, self.code, self.at, self.length)

    @value.setter
    def value(self, text):
        must_be_text(self.code, "value")
        set_text(NULL, self.code, self.at, self.length, text, False)

    @property
    def raw(self):
        """Arrays of 'c': all the bytes. What is assigned may be shorter; the rest stays."""
        must_be_text(self.code, "raw")
        return get_slice(NULL, self.code, self.at, self.length, slice(None))

    @raw.setter
    def raw(self, text):
        must_be_text(self.code, "raw")
        set_text(NULL, self.code, self.at, self.length, text, True)

    def as_ctypes(self):
        """A ctypes array over the memory, which it keeps."""
        return port("view")(ctype_of(chr(self.code)) * self.length, self)

    @property
    def _as_parameter_(self):
        """What ctypes passes to a C function."""
        return self.as_ctypes()

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
        cdef uint64_t size = self.length * self.itemsize
        return attach_raw_vector, (
            self.code, self.length, issue(self.at, self.incarnation, size or 1),
        )

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __repr__(self):
        return f"<RawArray of {self.length} {chr(self.code)!r}>"

    @classmethod
    def __class_getitem__(cls, item):
        from types import GenericAlias
        return GenericAlias(cls, item)


cdef RawVector new_raw_vector(uint8_t code, Py_ssize_t length, object source):
    """`source`: values to begin with, `length` of them; None for zeros."""
    cdef RawVector self = RawVector.__new__(RawVector)
    cdef Py_ssize_t itemsize = HF_SCALAR_BYTES(SCALAR_OF[code])
    cdef uint64_t size = vector_bytes(length, itemsize)
    self.at = <char *> allocate(
        size or 1, 0 if source is None else HF_RAW, &self.incarnation)
    self.code, self.length, self.itemsize = code, length, itemsize
    if source is not None:
        pack(code, source, self.at, length)
    return self


def attach_raw_vector(code, Py_ssize_t length, wire):
    """Load a pickled RawArray."""
    cdef RawVector self = RawVector.__new__(RawVector)
    self.code = code_in_pickle(code)
    self.itemsize = HF_SCALAR_BYTES(SCALAR_OF[self.code])
    if not 0 <= length <= (PY_SSIZE_T_MAX - VECTOR_DATA) // self.itemsize:
        forged("length of the Array", "0 or more, and possible", length)
    self.length = length
    self.at = <char *> attach(wire, length * self.itemsize or 1, &self.incarnation)
    return self


seal(RawVector)
attach_raw_vector.__module__ = "holdfast.arrays"
