# Blocks: bytes that everyone who can reach them keeps; and what a pickle of them is.


cdef inline hf_off offset_of(const void *at) noexcept:
    cdef hf_off offset
    offset.at = <uint64_t> (<const char *> at - BASE)
    return offset


cdef inline void drop(const void *at) noexcept:
    """One holder less; objects call it as the last thing they do."""
    hf_drop(P, offset_of(at))


cdef inline void *allocate(uint64_t size, unsigned flags, uint64_t *incarnation) except NULL:
    """A new block of at least `size` bytes, held once."""
    cdef hf_ref ref
    cdef int status
    if BASE is NULL:
        need_heap()
    status = hf_alloc(P, size, flags, &ref)
    if status < 0:
        failed(status, size)
    incarnation[0] = ref.incarnation
    return BASE + ref.block.at


cdef bytes issue(const void *at, uint64_t incarnation, uint64_t size):
    """The bytes by which any process of the family can attach this block. Issues a ticket."""
    cdef hf_wire wire
    cdef hf_ref ref
    cdef int status
    memset(&wire, 0, sizeof(wire))
    ref.block = offset_of(at)
    ref.incarnation = incarnation
    status = hf_issue(P, ref, size, &wire)
    if status < 0:
        failed(status, size)
    return PyBytes_FromStringAndSize(<const char *> &wire, sizeof(wire))


cdef void *attach(object wire_bytes, uint64_t size, uint64_t *incarnation) except NULL:
    """The block that a pickle names, held once more. `size`: bytes that the caller will use."""
    cdef hf_wire wire
    cdef hf_ref ref
    cdef int status
    if type(wire_bytes) is not bytes or PyBytes_GET_SIZE(wire_bytes) != sizeof(wire):
        forged("length", f"{sizeof(wire)} bytes", bytes_or_type(wire_bytes))
    memcpy(&wire, PyBytes_AS_STRING(wire_bytes), sizeof(wire))
    if memcmp(wire.magic, b"HFT1", 4) != 0:
        forged("magic", b"HFT1", wire.magic[:4])
    if wire.size < size:
        forged("size of the block", f"at least {size} bytes", f"{wire.size} bytes")
    if BASE is NULL:
        from holdfast import _family
        _family.join_sender(wire.token[:16], wire.sender_pid, wire.sender_fd)
    status = hf_attach(P, &wire, &ref)
    if status < 0:
        failed(status, size, &wire)
    incarnation[0] = ref.incarnation
    return BASE + ref.block.at


cdef int forged(field, expected, found) except -1:
    from holdfast.errors import ForgedPickleError
    raise ForgedPickleError(field=field, expected=expected, found=found)


cdef bytes_or_type(thing):
    return f"{len(thing)} bytes" if isinstance(thing, bytes) else f"a {type(thing).__name__}"


cdef int seal(object cls) except -1:
    """Take `__new__` from a type whose objects only this module may make.

    Without this `Cell.__new__(Cell)` would give an object whose address is NULL.
    """
    cdef type_object *sealed = <type_object *> cls
    sealed.tp_new = NULL
    (<dict> sealed.tp_dict).pop("__new__", None)
    PyType_Modified(sealed)
    return 0


cdef inline int must_be_made(const void *at) except -1:
    """For the types that have a `__new__`."""
    if at is NULL:
        raise ValueError("this object was never made: its __init__ did not run")
    return 0


# The stride of bytes.
cdef Py_ssize_t ONE = 1


@cython.final
@cython.no_gc
@cython.freelist(32)
cdef class Block:
    """A piece of the heap: writable bytes that live as long as any process can reach them.

    Args:
        size: bytes, 0 or more. What is left to the next multiple of 64 is not used.
        zero: False leaves arbitrary contents, which is faster for large blocks.

    Supports the buffer protocol; a memoryview, ctypes object or NumPy array over it keeps it.
    May be pickled by any pickler; whoever loads it reaches the same bytes.
    """

    cdef char *at
    cdef uint64_t incarnation_
    cdef Py_ssize_t size_
    cdef object __weakref__

    def __init__(self, Py_ssize_t size, bint zero=True):
        if self.at is not NULL:
            raise TypeError("a Block is made once")
        if size < 0:
            raise ValueError(f"a Block's size must be 0 or more, not {size}")
        self.at = <char *> allocate(size or 1, 0 if zero else HF_RAW, &self.incarnation_)
        self.size_ = size

    def __dealloc__(self):
        if self.at is not NULL:
            drop(self.at)

    @property
    def size(self):
        """Bytes."""
        return self.size_

    @property
    def address(self):
        """Where it is mapped in this process, and in those that are forked from it."""
        must_be_made(self.at)
        return <uintptr_t> self.at

    @property
    def offset(self):
        """Where it lies in the heap, in bytes: the same in every process of the family."""
        must_be_made(self.at)
        return offset_of(self.at).at

    @property
    def incarnation(self):
        """How often its place was used before."""
        return self.incarnation_

    def __len__(self):
        return self.size_

    def create_memoryview(self):
        """The bytes as a memoryview; the name that `multiprocessing.heap` has for it."""
        return memoryview(self)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        must_be_made(self.at)
        fill_buffer(buffer, flags, self.at, c"B", self.size_, 1)
        # SAFETY: neither changes as long as the object lives, and the buffer keeps it.
        if flags & PyBUF_ND:
            buffer.shape = &self.size_
        if flags & PyBUF_STRIDES == PyBUF_STRIDES:
            buffer.strides = &ONE
        buffer.obj = self

    def __reduce__(self):
        must_be_made(self.at)
        return attach_block, (self.size_, issue(self.at, self.incarnation_, self.size_ or 1))

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __repr__(self):
        if self.at is NULL:
            return "<Block (never made)>"
        return f"<Block of {self.size_} bytes at offset {offset_of(self.at).at:#x}>"


def attach_block(Py_ssize_t size, wire):
    """Load a pickled Block."""
    if size < 0:
        forged("size of the block", "0 or more", size)
    cdef Block self = Block.__new__(Block)
    self.at = <char *> attach(wire, size or 1, &self.incarnation_)
    self.size_ = size
    return self
