# Scalars: from Python values to bits and back; typecodes and ctypes types.
#
# A scalar is named by its typecode, a letter as in `array` and `multiprocessing`, which tells
# c_long from c_longlong where the bits do not; the core knows only width and kind.

cdef enum:
    NO_SCALAR = 255

cdef const char *TYPECODES = b"bBhHiIlLqQfd?cu"
cdef const char **TYPE_NAMES = [
    b"signed char", b"unsigned char", b"short", b"unsigned short", b"int", b"unsigned int",
    b"long", b"unsigned long", b"long long", b"unsigned long long", b"float", b"double",
    b"_Bool", b"char", b"wchar_t",
]
cdef uint8_t[15] SCALARS = [
    HF_I8, HF_U8, HF_I16, HF_U16, HF_I32, HF_U32, HF_I64, HF_U64, HF_I64, HF_U64, HF_F32, HF_F64,
    HF_BOOL, HF_CHAR, HF_WCHAR,
]
# Typecode -> scalar, NO_SCALAR where the letter is none.
cdef uint8_t[128] SCALAR_OF
# ctypes type -> typecode; filled when the first type is given, since ctypes is loaded by then.
cdef dict CODE_OF_TYPE = {}


cdef int fill_scalars() except -1:
    cdef int i
    memset(SCALAR_OF, NO_SCALAR, sizeof(SCALAR_OF))
    for i in range(15):
        SCALAR_OF[<uint8_t> TYPECODES[i]] = SCALARS[i]
    return 0


fill_scalars()


cdef int code_of_type(object kind) except -1:
    """The typecode of a ctypes type, 0 if it is none of the simple ones (or no type at all)."""
    if not CODE_OF_TYPE:
        import ctypes
        # Later ones win where C has several names for one type: c_longlong is c_long here.
        CODE_OF_TYPE.update({
            ctypes.c_longlong: ord("q"), ctypes.c_ulonglong: ord("Q"),
            ctypes.c_byte: ord("b"), ctypes.c_ubyte: ord("B"),
            ctypes.c_short: ord("h"), ctypes.c_ushort: ord("H"),
            ctypes.c_int: ord("i"), ctypes.c_uint: ord("I"),
            ctypes.c_long: ord("l"), ctypes.c_ulong: ord("L"),
            ctypes.c_float: ord("f"), ctypes.c_double: ord("d"),
            ctypes.c_bool: ord("?"), ctypes.c_char: ord("c"), ctypes.c_wchar: ord("u"),
        })
    return CODE_OF_TYPE.get(kind, 0) if isinstance(kind, type) else 0


cdef inline int code_of(PyObject *kind) except -1:
    """The typecode for a letter or a simple ctypes type; 0 for other types; raises for letters."""
    cdef uint32_t letter
    if PyUnicode_CheckExact(kind):
        if PyUnicode_GET_LENGTH(kind) == 1:
            letter = PyUnicode_READ_CHAR(kind, 0)
            if letter < 128 and SCALAR_OF[letter] != NO_SCALAR:
                return letter
        unknown_typecode(<object> kind)
    return code_of_type(<object> kind)


cdef int unknown_typecode(object code) except -1:
    raise TypeError(
        f"unknown typecode {code!r}: it must be one of {', '.join(TYPECODES.decode())}, "
        "or a ctypes type"
    )


def ctype_of(str code not None):
    """The ctypes type of a typecode."""
    import ctypes
    return {
        "b": ctypes.c_byte, "B": ctypes.c_ubyte, "h": ctypes.c_short, "H": ctypes.c_ushort,
        "i": ctypes.c_int, "I": ctypes.c_uint, "l": ctypes.c_long, "L": ctypes.c_ulong,
        "q": ctypes.c_longlong, "Q": ctypes.c_ulonglong, "f": ctypes.c_float,
        "d": ctypes.c_double, "?": ctypes.c_bool, "c": ctypes.c_char, "u": ctypes.c_wchar,
    }[code]


cdef int code_in_pickle(object code) except -1:
    """The typecode that a pickle names."""
    if type(code) is int and 0 < code < 128 and SCALAR_OF[<uint8_t> code] != NO_SCALAR:
        return code
    return forged("typecode", f"one of {TYPECODES.decode()}", repr(code))


cdef str describe(uint8_t code):
    """A typecode in words, with its range: what errors say."""
    cdef unsigned scalar = SCALAR_OF[code]
    cdef object values = 1 << <object> (8 * HF_SCALAR_BYTES(scalar))  # Python ints: no overflow
    cdef int i = 0
    while <uint8_t> TYPECODES[i] != code:
        i += 1
    text = f"typecode {chr(code)!r} (C {TYPE_NAMES[i].decode()}"
    if HF_SCALAR_CLASS(scalar) == HF_SCALAR_SIGNED:
        text += f", {-values // 2} to {values // 2 - 1}"
    elif HF_SCALAR_CLASS(scalar) == HF_SCALAR_UNSIGNED:
        text += f", 0 to {values - 1}"
    return text + ")"


cdef int wrong_type(uint8_t code, object value, str wanted) except -1:
    raise TypeError(f"{describe(code)} takes {wanted}, not {type(value).__name__}")


cdef int out_of_range(uint8_t code, object value) except -1:
    raise OverflowError(f"{value} does not fit {describe(code)}")


cdef inline object box(unsigned scalar, uint64_t bits):
    """The Python value of bits."""
    if scalar == HF_I32:
        return PyLong_FromLong(<int32_t> bits)
    if scalar == HF_I64:
        return PyLong_FromLongLong(<int64_t> bits)
    if scalar == HF_F64:
        return PyFloat_FromDouble(hf_double_of(bits))
    return box_rarer(scalar, bits)


cdef object box_rarer(unsigned scalar, uint64_t bits):
    if scalar == HF_U32:
        return PyLong_FromUnsignedLong(<uint32_t> bits)
    elif scalar == HF_U64:
        return PyLong_FromUnsignedLongLong(bits)
    elif scalar == HF_BOOL:
        # not `bits == 1`: C code may have written any byte
        return <uint8_t> bits != 0
    elif scalar == HF_I8:
        return PyLong_FromLong(<int8_t> bits)
    elif scalar == HF_U8:
        return PyLong_FromLong(<uint8_t> bits)
    elif scalar == HF_I16:
        return PyLong_FromLong(<int16_t> bits)
    elif scalar == HF_U16:
        return PyLong_FromLong(<uint16_t> bits)
    elif scalar == HF_F32:
        return PyFloat_FromDouble(hf_float_of(bits))
    else:
        return box_text(scalar, bits)


cdef inline object load(uint8_t code, const void *at):
    """The Python value of a scalar in memory. For the commonest, one decision and not two."""
    cdef unsigned scalar = SCALAR_OF[code]
    if scalar == HF_I32:
        return PyLong_FromLong(<int32_t> hf_scalar_load_seq_cst(HF_I32, at))
    if scalar == HF_I64:
        return PyLong_FromLongLong(<int64_t> hf_scalar_load_seq_cst(HF_I64, at))
    return box(scalar, hf_scalar_load_seq_cst(scalar, at))


cdef object box_text(unsigned scalar, uint64_t bits):
    cdef char byte
    if scalar == HF_CHAR:
        byte = <char> bits
        return PyBytes_FromStringAndSize(&byte, 1)
    if <uint32_t> bits > 0x10ffff:
        raise ValueError(f"{<uint32_t> bits:#x} is not a character: code points end at 0x10ffff")
    return PyUnicode_FromOrdinal(<int> bits)


cdef inline int unbox(uint8_t code, object value, uint64_t *bits) except -1:
    """The bits of a Python value, zero-extended; TypeError or OverflowError if it has none."""
    cdef unsigned scalar = SCALAR_OF[code]
    cdef long long number
    if hf_border_small_int(value, &number):
        # A digit has 30 bits: no need to look whether it fits.
        if scalar == HF_I32:
            bits[0] = <uint32_t> number
            return 0
        if scalar == HF_I64:
            bits[0] = <uint64_t> number
            return 0
    elif scalar == HF_F64 and PyFloat_CheckExact(<PyObject *> value):
        bits[0] = hf_bits_of_double(PyFloat_AS_DOUBLE(value))
        return 0
    return unbox_any(code, value, bits)


cdef int unbox_any(uint8_t code, object value, uint64_t *bits) except -1:
    cdef unsigned scalar = SCALAR_OF[code]
    cdef int overflow = 0
    cdef long long number
    if HF_SCALAR_CLASS(scalar) == HF_SCALAR_SIGNED:
        if not PyLong_CheckExact(value):
            return unbox_index(code, value, bits)
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow:
            return out_of_range(code, value)
        if scalar == HF_I32:
            if number != <int32_t> number:
                return out_of_range(code, value)
            bits[0] = <uint32_t> number
        elif scalar == HF_I64:
            bits[0] = <uint64_t> number
        elif scalar == HF_I16:
            if number != <int16_t> number:
                return out_of_range(code, value)
            bits[0] = <uint16_t> number
        else:
            if number != <int8_t> number:
                return out_of_range(code, value)
            bits[0] = <uint8_t> number
        return 0
    if scalar == HF_F64:
        bits[0] = hf_bits_of_double(PyFloat_AsDouble(value))
        return 0
    return unbox_other(code, value, bits)


cdef int unbox_index(uint8_t code, object value, uint64_t *bits) except -1:
    """Integers that are not exactly int: bool, NumPy's, anything with __index__."""
    from operator import index
    try:
        exact = int(index(value))
    except TypeError:
        return wrong_type(code, value, "an int")
    return unbox(code, exact, bits)


cdef int unbox_other(uint8_t code, object value, uint64_t *bits) except -1:
    cdef unsigned scalar = SCALAR_OF[code]
    cdef int overflow = 0
    cdef long long number
    cdef double wide
    cdef float narrow
    if HF_SCALAR_CLASS(scalar) == HF_SCALAR_UNSIGNED:
        if not PyLong_CheckExact(value):
            return unbox_index(code, value, bits)
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if scalar == HF_U64:
            if overflow > 0:
                # between 2**63 and what is too large even so
                if value >> 64:
                    return out_of_range(code, value)
                bits[0] = PyLong_AsUnsignedLongLong(value)
                return 0
        elif number >> 8 * HF_SCALAR_BYTES(scalar):
            return out_of_range(code, value)
        if overflow or number < 0:
            return out_of_range(code, value)
        bits[0] = <uint64_t> number
    elif scalar == HF_F32:
        wide = PyFloat_AsDouble(value)
        narrow = <float> wide
        # infinity out of a finite number
        if narrow - narrow != 0 and wide - wide == 0:
            return out_of_range(code, value)
        bits[0] = hf_bits_of_float(narrow)
    elif scalar == HF_BOOL:
        bits[0] = 1 if value else 0
    elif scalar == HF_CHAR:
        # as ctypes.c_char: one byte in any of these forms
        if isinstance(value, (bytes, bytearray)):
            if len(value) != 1:
                raise TypeError(f"{describe(code)} takes one byte, not {len(value)}")
            bits[0] = value[0]
        elif isinstance(value, int):
            if not 0 <= value < 256:
                return out_of_range(code, value)
            bits[0] = value
        else:
            return wrong_type(code, value, "one byte (bytes, bytearray or int)")
    else:
        if not isinstance(value, str):
            return wrong_type(code, value, "a str of length 1")
        if len(value) != 1:
            raise TypeError(f"{describe(code)} takes a str of length 1, not {len(value)}")
        bits[0] = ord(value)
    return 0


cdef inline object fetch(uint8_t code, hf_scalar_op op, void *at, object operand):
    """A read-modify-write; returns what was there before."""
    cdef unsigned scalar = SCALAR_OF[code]
    cdef long long number
    if hf_border_small_int(operand, &number):
        if scalar == HF_I32:
            return PyLong_FromLong(
                <int32_t> hf_scalar_fetch_seq_cst(HF_I32, op, at, <uint32_t> number))
        if scalar == HF_I64:
            return PyLong_FromLongLong(
                <int64_t> hf_scalar_fetch_seq_cst(HF_I64, op, at, <uint64_t> number))
    return fetch_any(code, op, at, operand)


cdef object fetch_any(uint8_t code, hf_scalar_op op, void *at, object operand):
    cdef unsigned scalar = SCALAR_OF[code]
    cdef uint64_t bits
    if HF_SCALAR_CLASS(scalar) > HF_SCALAR_UNSIGNED:
        must_have(code, op)
    unbox(code, operand, &bits)
    return box(scalar, hf_scalar_fetch_seq_cst(scalar, op, at, bits))


cdef int must_have(uint8_t code, hf_scalar_op op) except -1:
    """Floats have no bits to combine, bools no sums, characters neither."""
    cdef unsigned kind = HF_SCALAR_CLASS(SCALAR_OF[code])
    if kind == HF_SCALAR_FLOAT:
        if op == HF_OP_ADD or op == HF_OP_SUB or op == HF_OP_MAX or op == HF_OP_MIN:
            return 0
    elif kind == HF_SCALAR_BOOL:
        if op != HF_OP_ADD and op != HF_OP_SUB:
            return 0
    name = ["add", "sub", "and_", "or_", "xor", "max", "min"][<int> op]
    raise TypeError(f"{describe(code)} has no atomic operation {name!r}")


cdef inline object compare_exchange(uint8_t code, void *at, object expected, object desired):
    cdef uint64_t bits_expected, bits_desired
    unbox(code, expected, &bits_expected)
    unbox(code, desired, &bits_desired)
    return hf_scalar_cas_seq_cst(SCALAR_OF[code], at, &bits_expected, bits_desired)


cdef inline object exchange(uint8_t code, void *at, object value):
    cdef uint64_t bits
    unbox(code, value, &bits)
    return box(SCALAR_OF[code], hf_scalar_exchange_seq_cst(SCALAR_OF[code], at, bits))


# ---- the buffer protocol -----------------------------------------------------------------------

# One letter and a zero for each typecode: formats of the struct module, and NumPy's w for wchar_t.
cdef char[128][2] FORMATS


cdef int fill_formats() except -1:
    cdef int i
    memset(FORMATS, 0, sizeof(FORMATS))
    for i in range(15):
        FORMATS[<uint8_t> TYPECODES[i]][0] = TYPECODES[i]
    FORMATS[c'u'][0] = c'w'
    return 0


fill_formats()


cdef inline void fill_buffer(
    Py_buffer *buffer, int flags, void *at, uint8_t code, Py_ssize_t bytes, int ndim
) noexcept:
    """All fields but obj, shape and strides. SAFETY: FORMATS is static; at is the exporter's."""
    buffer.buf = at
    buffer.len = bytes
    buffer.itemsize = HF_SCALAR_BYTES(SCALAR_OF[code])
    buffer.readonly = 0
    buffer.ndim = ndim
    buffer.format = FORMATS[code] if flags & PyBUF_FORMAT else NULL
    buffer.shape = NULL
    buffer.strides = NULL
    buffer.suboffsets = NULL
    buffer.internal = NULL
