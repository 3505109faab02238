# RawCell: what holdfast.RawValue returns for a scalar; no lock.

cdef enum:
    RAW_CELL_BLOCK = 8


@cython.final
@cython.no_gc
@cython.freelist(256)
cdef class RawCell:
    """One scalar in shared memory, without a lock: what `holdfast.RawValue` returns.

    Use it where the program needs no lock, or has one of its own. `value` is read and written as a
    variable of C; `load`, `store`, `add` and so on are atomic operations as those of a Value. It
    is not a ctypes object; `as_ctypes` gives one over the same memory, and C functions called
    through ctypes take it as they would take the ctypes object.

    Concurrency: reads and writes are whole; every atomic operation is sequentially consistent.
    Crash: a process that dies leaves the value whole, as it was before or after its operation.
    Fork: a child has the same value.

    Example:
        >>> import holdfast
        >>> flags = holdfast.RawValue("B", 0b0101)
        >>> flags.or_(0b0010)
        5
        >>> flags
        RawValue('B', 7)

    Source: multiprocessing.sharedctypes.RawValue in the Python library reference; C11, 7.17.7.
    New in version 0.1.
    """

    cdef char *at
    cdef uint64_t incarnation
    cdef uint8_t code
    cdef object __weakref__

    def __dealloc__(self):
        if self.at is not NULL:
            drop(self.at)

    @property
    def value(self):
        """The value.

        Raises:
            TypeError, OverflowError: what is assigned does not fit; nothing was changed.
        """
        return load(self.code, self.at)

    @value.setter
    def value(self, value):
        raw_set(self, value)

    def __setattr__(self, name, value):
        # Faster than the descriptor above, which the interpreter would have to look up first.
        if name is "value" or name == "value":
            raw_set(self, value)
        else:
            PyObject_GenericSetAttr(self, name, value)

    def __delattr__(self, name):
        raise AttributeError(f"{type(self).__name__} objects keep their attributes: {name!r}")

    def load(self):
        """Read the value. Sequentially consistent."""
        return load(self.code, self.at)

    def store(self, value):
        """Write the value. Sequentially consistent.

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
        """Write `desired` if the value is `expected`, in one step. True if it was written."""
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
        """Raise to `value` if it is greater, in one step; return what was there before."""
        return fetch(self.code, HF_OP_MAX, self.at, value)

    def min(self, value):
        """Lower to `value` if it is less, in one step; return what was there before."""
        return fetch(self.code, HF_OP_MIN, self.at, value)

    def as_ctypes(self):
        """A ctypes object over the value's memory, which it keeps."""
        return port("view")(ctype_of(chr(self.code)), self)

    @property
    def _as_parameter_(self):
        """What ctypes passes to a C function."""
        return self.as_ctypes()

    @property
    def typecode(self):
        """The letter that names its type, as in `array` and `multiprocessing`."""
        return chr(self.code)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        fill_buffer(
            buffer, flags, self.at, self.code, HF_SCALAR_BYTES(SCALAR_OF[self.code]), 0)
        buffer.obj = self

    def __reduce__(self):
        return attach_raw_cell, (self.code, issue(self.at, self.incarnation, RAW_CELL_BLOCK))

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __repr__(self):
        return f"RawValue({chr(self.code)!r}, {self.load()!r})"

    @classmethod
    def __class_getitem__(cls, item):
        from types import GenericAlias
        return GenericAlias(cls, item)


cdef inline int raw_set(RawCell self, object value) except -1:
    cdef uint64_t bits
    unbox(self.code, value, &bits)
    hf_scalar_store_release(SCALAR_OF[self.code], self.at, bits)
    return 0


cdef inline RawCell new_raw_cell(uint8_t code, uint64_t bits):
    cdef RawCell self = RawCell.__new__(RawCell)
    self.code = code
    self.at = <char *> allocate(RAW_CELL_BLOCK, HF_RAW, &self.incarnation)
    # Nobody else can reach it yet.
    (<uint64_t *> self.at)[0] = bits
    return self


def attach_raw_cell(code, wire):
    """Load a pickled RawValue."""
    cdef RawCell self = RawCell.__new__(RawCell)
    self.code = code_in_pickle(code)
    self.at = <char *> attach(wire, RAW_CELL_BLOCK, &self.incarnation)
    return self


seal(RawCell)
attach_raw_cell.__module__ = "holdfast.cells"
