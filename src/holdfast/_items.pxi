# Elements: indices, slices, and the conversion of whole sequences. For Vector and RawVector.
#
# `lock` is NULL where there is none. Values are converted before the lock is taken and after it is
# released: converting runs Python code, which may do anything.

cdef inline Py_ssize_t position(object key, Py_ssize_t length) except -1:
    """The element that an index means; negative ones count from the end."""
    cdef long long small
    if hf_border_small_int(key, &small) and <uint64_t> small < <uint64_t> length:
        return small
    return position_of(key, length)


cdef Py_ssize_t position_of(object key, Py_ssize_t length) except -1:
    cdef Py_ssize_t i
    if not PyIndex_Check(key):
        raise TypeError(f"indices must be integers or slices, not {type(key).__name__}")
    i = PyNumber_AsSsize_t(key, PyExc_IndexError)
    if i < 0:
        i += length
    if <size_t> i >= <size_t> length:
        raise IndexError(f"index {key} is out of range: there are {length} elements")
    return i


cdef inline int read_item(
    hf_lock *lock, unsigned scalar, const char *data, Py_ssize_t i, uint64_t *bits
) except -1:
    cdef const char *at = data + (i << HF_SCALAR_LOG2(scalar))
    cdef uint64_t word = hf_lock_word(lock)
    if HF_LOCK_IS_FREE(word):
        bits[0] = hf_scalar_load_seq_cst(scalar, at)
        # The word counts acquisitions: the same word means that nobody had the lock meanwhile.
        if hf_lock_word(lock) == word:
            return 0
    return read_slowly(lock, scalar, at, bits)


cdef inline int write_item(
    hf_lock *lock, unsigned scalar, char *data, Py_ssize_t i, uint64_t bits
) except -1:
    cdef char *at = data + (i << HF_SCALAR_LOG2(scalar))
    # Not signed with the thread: nothing is called before the release.
    if hf_lock_grab(P, lock):
        hf_scalar_store_release(scalar, at, bits)
        if hf_lock_release(lock) == HF_LOCK_ACQUIRED:
            return 0
    return write_slowly(lock, scalar, at, bits)


# ---- between sequences and packed memory --------------------------------------------------------

cdef bint same_format(const char *format, uint8_t code) noexcept:
    """Whether a buffer's format means the same bits as the typecode."""
    if format is NULL:
        return SCALAR_OF[code] == HF_U8
    if format[0] == c'@' or format[0] == c'=' or format[0] == c'<':
        format += 1
    if format[0] == 0 or format[1] != 0 or <uint8_t> format[0] >= 128:
        return False
    if format[0] == c'w':
        return code == c'u'
    return format[0] != c'u' and SCALAR_OF[<uint8_t> format[0]] == SCALAR_OF[code]


cdef int pack_buffer(uint8_t code, object source, char *into, Py_ssize_t length) except -1:
    """1: `source` is a buffer of these very bits and was copied; 0: it is not."""
    cdef Py_buffer buffer
    cdef Py_ssize_t size = length << HF_SCALAR_LOG2(SCALAR_OF[code])
    cdef int done = 0
    if not PyObject_CheckBuffer(source):
        return 0
    try:
        PyObject_GetBuffer(source, &buffer, PyBUF_FORMAT | PyBUF_ND | PyBUF_C_CONTIGUOUS)
    except (BufferError, ValueError):
        return 0
    if (
        buffer.ndim == 1
        and buffer.len == size
        and buffer.itemsize == HF_SCALAR_BYTES(SCALAR_OF[code])
        and same_format(buffer.format, code)
    ):
        # memmove: an array may be assigned to a part of itself
        memmove(into, buffer.buf, size)
        done = 1
    PyBuffer_Release(&buffer)
    return done


cdef int pack(uint8_t code, object source, char *into, Py_ssize_t length) except -1:
    """Convert a sequence of `length` values, all or nothing as far as errors go."""
    cdef unsigned scalar = SCALAR_OF[code]
    cdef uint64_t bits
    cdef Py_ssize_t i
    if pack_buffer(code, source, into, length):
        return 0
    if scalar == HF_CHAR and isinstance(source, (bytes, bytearray)):
        source = bytes(source)
    values = source if isinstance(source, (list, tuple, bytes, str)) else list(source)
    if len(values) != length:
        raise ValueError(f"{length} values are needed, not {len(values)}")
    for i in range(length):
        unbox(code, values[i], &bits)
        hf_scalar_store_release(scalar, into + (i << HF_SCALAR_LOG2(scalar)), bits)
    return 0


cdef object unpack(uint8_t code, const char *data, Py_ssize_t length):
    """Packed memory as ctypes has it: a list, bytes for chars, a str for wide ones."""
    cdef unsigned scalar = SCALAR_OF[code]
    cdef Py_ssize_t i
    if scalar == HF_CHAR:
        return PyBytes_FromStringAndSize(data, length)
    if scalar == HF_WCHAR:
        return "".join([
            box(scalar, (<const uint32_t *> data)[i]) for i in range(length)
        ])
    result = []
    for i in range(length):
        result.append(
            box(scalar, hf_scalar_load_seq_cst(scalar, data + (i << HF_SCALAR_LOG2(scalar)))))
    return result


# ---- slices -------------------------------------------------------------------------------------

ctypedef struct span:
    Py_ssize_t start, step, count


cdef int span_of(object key, Py_ssize_t length, span *out) except -1:
    cdef Py_ssize_t stop
    PySlice_Unpack(key, &out.start, &stop, &out.step)
    out.count = PySlice_AdjustIndices(length, &out.start, &stop, out.step)
    return 0


cdef char *room(Py_ssize_t size) except NULL:
    """Private memory for values on their way in or out."""
    cdef char *memory = <char *> PyMem_Malloc(size or 1)
    if memory is NULL:
        raise MemoryError(f"no private memory for {size} bytes on their way to or from an Array")
    return memory


cdef inline void carry(
    unsigned scalar, char *into, Py_ssize_t into_step, const char *source,
    Py_ssize_t source_step, Py_ssize_t count
) noexcept nogil:
    """Copy elements; steps are in elements."""
    cdef unsigned log2 = HF_SCALAR_LOG2(scalar)
    cdef Py_ssize_t i
    if into_step == 1 and source_step == 1:
        memmove(into, source, count << log2)
        return
    for i in range(count):
        hf_scalar_store_release(
            scalar, into + (i * into_step) * (1 << log2),
            hf_scalar_load_seq_cst(scalar, source + (i * source_step) * (1 << log2)))


cdef object get_slice(
    hf_lock *lock, uint8_t code, const char *data, Py_ssize_t length, object key
):
    cdef unsigned scalar = SCALAR_OF[code]
    cdef char *memory
    cdef span part
    span_of(key, length, &part)
    memory = room(part.count << HF_SCALAR_LOG2(scalar))
    try:
        if lock is not NULL:
            rlock_acquire(lock)
        carry(
            scalar, memory, 1, data + part.start * HF_SCALAR_BYTES(scalar), part.step, part.count)
        if lock is not NULL:
            rlock_release(lock)
        return unpack(code, memory, part.count)
    finally:
        PyMem_Free(memory)


cdef int set_slice(
    hf_lock *lock, uint8_t code, char *data, Py_ssize_t length, object key, object values
) except -1:
    cdef unsigned scalar = SCALAR_OF[code]
    cdef char *memory
    cdef span part
    span_of(key, length, &part)
    memory = room(part.count << HF_SCALAR_LOG2(scalar))
    try:
        pack(code, values, memory, part.count)
        if lock is not NULL:
            rlock_acquire(lock)
        carry(
            scalar, data + part.start * HF_SCALAR_BYTES(scalar), part.step, memory, 1, part.count)
        if lock is not NULL:
            rlock_release(lock)
    finally:
        PyMem_Free(memory)
    return 0


# ---- .value and .raw of char arrays -------------------------------------------------------------

cdef int must_be_text(uint8_t code, str name) except -1:
    if SCALAR_OF[code] != HF_CHAR and (SCALAR_OF[code] != HF_WCHAR or name == "raw"):
        raise AttributeError(f"an Array of {describe(code)} has no attribute {name!r}")
    return 0


cdef object get_text(hf_lock *lock, uint8_t code, const char *data, Py_ssize_t length):
    """What stands before the first NUL."""
    whole = get_slice(lock, code, data, length, slice(None))
    return whole.partition(b"\0" if SCALAR_OF[code] == HF_CHAR else "\0")[0]


cdef int set_text(
    hf_lock *lock, uint8_t code, char *data, Py_ssize_t length, object text, bint raw
) except -1:
    """Write text at the start, and a NUL behind it if there is room and it is not raw."""
    if SCALAR_OF[code] == HF_CHAR:
        if raw:
            text = bytes(memoryview(text))
        elif not isinstance(text, bytes):
            raise TypeError(f"bytes expected, not {type(text).__name__}")
        terminator = b"\0"
    else:
        if not isinstance(text, str):
            raise TypeError(f"str expected, not {type(text).__name__}")
        terminator = "\0"
    if len(text) > length:
        raise ValueError(f"{len(text)} characters do not fit an Array of {length}")
    if len(text) < length and not raw:
        text += terminator
    return set_slice(lock, code, data, length, slice(len(text)), text)
