# Value, RawValue, Array, RawArray: from arguments to objects.
#
# The first two are builtin functions made by hand, because a `def` with *args costs a tuple, a
# quarter of what creating a Value costs in all.

cdef inline object as_list(PyObject *const *arguments, Py_ssize_t count):
    cdef Py_ssize_t i
    return [<object> arguments[i] for i in range(count)]


cdef inline int scalar_bits(
    uint8_t code, PyObject *const *arguments, Py_ssize_t count, uint64_t *bits
) except -1:
    """The initial bits from Value's arguments after the first: none or one."""
    if count == 1:
        return unbox(code, <object> arguments[0], bits)
    bits[0] = 0
    if count > 1:
        raise TypeError(f"{describe(code)} takes one initial value, not {count}")
    return 0


cdef object make_value(
    PyObject *module, PyObject *const *arguments, Py_ssize_t count, PyObject *names
):
    cdef PyObject *lock = Py_True
    cdef uint64_t bits
    cdef int code
    if count < 1:
        raise TypeError("Value() missing its first argument, a typecode or ctypes type")
    if names is not NULL:
        lock = lock_argument(arguments + count, names)
    code = code_of(arguments[0])
    if code == 0 or not (lock is Py_True or lock is Py_None or lock is Py_False):
        return port("value")(
            <object> arguments[0], as_list(arguments + 1, count - 1), <object> lock)
    scalar_bits(code, arguments + 1, count - 1, &bits)
    if lock is Py_False:
        return new_raw_cell(code, bits)
    return new_cell(code, bits)


cdef object make_raw_value(
    PyObject *module, PyObject *const *arguments, Py_ssize_t count, PyObject *names
):
    cdef uint64_t bits
    cdef int code
    if count < 1 or names is not NULL and PyTuple_GET_SIZE(names) > 0:
        raise TypeError("RawValue() takes a typecode or ctypes type, and initial values")
    code = code_of(arguments[0])
    if code == 0:
        return port("raw_value")(<object> arguments[0], as_list(arguments + 1, count - 1))
    scalar_bits(code, arguments + 1, count - 1, &bits)
    return new_raw_cell(code, bits)


cdef PyObject *lock_argument(PyObject *const *values, PyObject *names) except NULL:
    """The one keyword argument there is."""
    cdef Py_ssize_t i
    cdef PyObject *lock = Py_True
    for i in range(PyTuple_GET_SIZE(names)):
        if <object> PyTuple_GET_ITEM(names, i) != "lock":
            raise TypeError(
                f"Value() has no keyword argument {<object> PyTuple_GET_ITEM(names, i)!r}")
        lock = values[i]
    return lock


cdef PyMethodDef VALUE, RAW_VALUE
VALUE.ml_name = b"Value"
VALUE.ml_meth = <void *> make_value
VALUE.ml_flags = METH_FASTCALL | METH_KEYWORDS
VALUE.ml_doc = b"""Value(typecode_or_type, /, *args, lock=True)
--

Make a scalar or structure in shared memory, with a lock.

Drop-in for `multiprocessing.Value`, and safe wherever it goes: the memory is never reused while a
process can reach it. It may be sent through anything that pickles. What it does not promise:
`v.value += 1` is not atomic; use `v.add(1)`, or the lock.

Args:
    typecode_or_type: a letter of b B h H i I l L q Q (integers), f d (floats), ? (bool), c (one
        byte), u (one character), or a ctypes type, also a Structure or an array type.
    *args: initial values: for a letter one, zero if there is none; for a Structure its fields.
    lock: True or None: the value has an RLock of its own. False: none, as RawValue. Any object
        with `acquire` and `release`: that is its lock.

Returns:
    A `Cell` for scalars; with a lock object of your own, and for other types, a wrapper as
    multiprocessing has it.

Raises:
    TypeError: the type is none, or an initial value is of the wrong type.
    OverflowError: an initial value is out of range.
    AttributeError: `lock` is not a lock.
    MemoryError: no block is to be had; HeapFullError, OutOfMemoryError or SlotsExhaustedError.
    PlatformError: this system cannot have a heap. In all these cases nothing was made.

Concurrency: any thread and process.
Crash: a process that dies in it leaves nothing behind.
Fork: children have the same value.

Example:
    >>> import holdfast
    >>> v = holdfast.Value("d", 0.5)
    >>> with v.get_lock():
    ...     v.value += 1
    >>> v.value
    1.5

Source: multiprocessing.Value in the Python library reference.
New in version 0.1.
"""
RAW_VALUE.ml_name = b"RawValue"
RAW_VALUE.ml_meth = <void *> make_raw_value
RAW_VALUE.ml_flags = METH_FASTCALL | METH_KEYWORDS
RAW_VALUE.ml_doc = b"""RawValue(typecode_or_type, /, *args)
--

Make a scalar or structure in shared memory, without a lock.

Drop-in for `multiprocessing.sharedctypes.RawValue`, safe as a Value. Use it where no lock is
needed: for flags, counters and whatever its atomic operations can do.

Args:
    typecode_or_type: as for Value.
    *args: as for Value.

Returns:
    A `RawCell` for scalars; for other types a ctypes object, which may be pickled by any pickler.

Raises:
    TypeError, OverflowError, MemoryError, PlatformError: as Value.

Concurrency: any thread and process.
Crash: a process that dies in it leaves nothing behind.
Fork: children have the same value.

Example:
    >>> import holdfast
    >>> stop = holdfast.RawValue("?", False)
    >>> stop.exchange(True), stop.load()
    (False, True)

Source: multiprocessing.sharedctypes.RawValue in the Python library reference.
New in version 0.1.
"""
cdef str HERE = "holdfast._native"
Value = PyCFunction_NewEx(&VALUE, NULL, <PyObject *> HERE)
RawValue = PyCFunction_NewEx(&RAW_VALUE, NULL, <PyObject *> HERE)


cdef object length_and_source(object size_or_initializer):
    """(length, None) or (length, values)."""
    # NumPy's arrays have an __index__, too.
    if not hasattr(size_or_initializer, "__len__"):
        if not PyIndex_Check(size_or_initializer):
            raise TypeError(
                "a length or a sequence of initial values is needed, not "
                f"{type(size_or_initializer).__name__}")
        length = size_or_initializer.__index__()
        if length < 0:
            raise ValueError(f"an Array's length must be 0 or more, not {length}")
        return min(length, PY_SSIZE_T_MAX), None
    return len(size_or_initializer), size_or_initializer


@cython.always_allow_keywords(True)
def Array(typecode_or_type, size_or_initializer, *, lock=True):
    """Make an array in shared memory, with a lock.

    Drop-in for `multiprocessing.Array`, and safe wherever it goes: the memory is never reused
    while a process can reach it, be it through a NumPy view. It may be sent through anything that
    pickles.

    Args:
        typecode_or_type: type of the elements, as for Value.
        size_or_initializer: how many elements, all zero; or a sequence of initial values. A
            buffer of the same type (`array.array`, NumPy) is copied at once.
        lock: as for Value.

    Returns:
        A `Vector` for scalars; with a lock object of your own, and for other types, a wrapper as
        multiprocessing has it.

    Raises:
        ValueError: the length is negative.
        TypeError, OverflowError, AttributeError, MemoryError, PlatformError: as Value.

    Concurrency: any thread and process.
    Crash: a process that dies in it leaves nothing behind.
    Fork: children have the same array.

    Example:
        >>> import holdfast
        >>> a = holdfast.Array("d", 3)
        >>> a[:] = [0.5, 1.5, 2.5]
        >>> list(a), len(a)
        ([0.5, 1.5, 2.5], 3)

    Source: multiprocessing.Array in the Python library reference.
    New in version 0.1.
    """
    cdef int code = code_of(<PyObject *> typecode_or_type)
    if code == 0 or not (lock is True or lock is None or lock is False):
        return port("array")(typecode_or_type, size_or_initializer, lock)
    length, source = length_and_source(size_or_initializer)
    if lock is False:
        return new_raw_vector(code, length, source)
    return new_vector(code, length, source)


@cython.always_allow_keywords(True)
def RawArray(typecode_or_type, size_or_initializer):
    """Make an array in shared memory, without a lock.

    Drop-in for `multiprocessing.sharedctypes.RawArray`, safe as an Array.

    Args:
        typecode_or_type: as for Array.
        size_or_initializer: as for Array.

    Returns:
        A `RawVector` for scalars; for other types a ctypes array, which may be pickled by any
        pickler.

    Raises:
        ValueError, TypeError, OverflowError, MemoryError, PlatformError: as Array.

    Concurrency: any thread and process.
    Crash: a process that dies in it leaves nothing behind.
    Fork: children have the same array.

    Example:
        >>> import holdfast
        >>> list(holdfast.RawArray("h", range(3)))
        [0, 1, 2]

    Source: multiprocessing.sharedctypes.RawArray in the Python library reference.
    New in version 0.1.
    """
    cdef int code = code_of(<PyObject *> typecode_or_type)
    if code == 0:
        return port("raw_array")(typecode_or_type, size_or_initializer)
    length, source = length_and_source(size_or_initializer)
    return new_raw_vector(code, length, source)
