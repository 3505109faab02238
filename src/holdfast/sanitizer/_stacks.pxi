# Stacks, raw: code objects and positions in them.

cdef enum:
    MOST_FRAMES = 60

# SAFETY: the code is compared, never looked into. Who keeps a position keeps its code alive.
ctypedef struct Position:
    uintptr_t code
    int64_t at


cdef inline Position position_of(Frame *frame) noexcept:
    cdef Position found
    cdef PyObject *code = hf_notes_code(frame)
    found.code = <uintptr_t> code
    found.at = hf_notes_position(frame)
    raw_decrement(code)  # the frame has it
    return found


cdef bytes raw_stack(Frame *frame, int skip):
    """The innermost positions, one after the other; takes over the reference to the frame."""
    cdef Position found[MOST_FRAMES]
    cdef Frame *back
    cdef int count = 0
    while frame is not NULL and count < MOST_FRAMES:
        if skip > 0:
            skip -= 1
        else:
            found[count] = position_of(frame)
            count += 1
        back = PyFrame_GetBack(frame)
        raw_decrement(frame)
        frame = back
    raw_decrement_any(frame)
    return PyBytes_FromStringAndSize(<const char *> found, count * sizeof(Position))


def stack(int skip=0):
    """The calling thread's stack: for each frame the id of its code, and a position there.

    Args:
        skip: frames to leave out; 0 begins with the caller's.
    """
    return raw_stack(<Frame *> xnew(PyEval_GetFrame()), skip)


def stack_of(frame):
    """The same for the stack that ends in a frame; none for None."""
    if frame is None:
        return b""
    if not PyFrame_Check(frame):
        raise TypeError("a frame is needed")
    return raw_stack(<Frame *> Py_NewRef(<PyObject *> frame), 0)


cdef inline PyObject *xnew(void *object) noexcept:
    return NULL if object is NULL else Py_NewRef(<PyObject *> object)
