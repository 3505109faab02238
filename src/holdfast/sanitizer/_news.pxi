# Whether an access to shared memory is worth a closer look.


@cython.final
@cython.no_gc
cdef class News:
    """True if anything was dropped while others had it, or was made here and not touched since.

    Args:
        word: the one that is 0 until the first drop; see `Capture.drop`.
    """

    cdef const uint64_t *word
    cdef object memory
    # What this process has made, and nobody has touched yet.
    cdef public bint fresh

    def __init__(self, word):
        cdef Py_buffer buffer
        PyObject_GetBuffer(word, &buffer, PyBUF_SIMPLE)
        # SAFETY: the memory is mapped as long as the object that exports it is there.
        self.word = <const uint64_t *> buffer.buf
        self.memory = word
        PyBuffer_Release(&buffer)

    def __bool__(self):
        return self.fresh or (self.word is not NULL and self.word[0] != 0)
