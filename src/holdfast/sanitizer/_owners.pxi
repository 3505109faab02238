# Who holds a lock: a note that is kept where SIGKILL leaves it (see states.py).

# Where words of a state lie, from its third on: see states.py.
cdef enum:
    HELD = 0
    FAILED_NS = 1
    FAILED_STACK = 2
    TIMES = 3

cdef object NAME = "_holdfast_owner"
# What the layer above does: see connect().
cdef PyObject *BEGIN = NULL
cdef PyObject *END = NULL
cdef PyObject *FAILED = NULL
cdef PyObject *FOREIGN = NULL
cdef PyObject *GONE = NULL
# Class of locks: its own __enter__ and __exit__.
cdef dict ORIGINALS = {}
# Changes when this process becomes another one.
cdef uint32_t PROCESS = 1


def connect(*, site, begin, end, failed, foreign, gone):
    """Say what is to be called.

    Args:
        site: with a frame that nothing is known of; it calls `add_site` and returns what it gave.
        begin: with a note and a timeout, before a wait; what it returns is given to `end`.
        end: after it.
        failed: with a note, when the lock was asked for in vain.
        foreign: with a note, before a release by who does not hold the lock.
        gone: with a note's id and place and its two words about failure, when its lock is gone.
    """
    global ASK_SITE, BEGIN, END, FAILED, FOREIGN, GONE
    if ASK_SITE is not NULL:
        return
    # They are kept for ever.
    ASK_SITE = Py_NewRef(<PyObject *> site)
    BEGIN = Py_NewRef(<PyObject *> begin)
    END = Py_NewRef(<PyObject *> end)
    FAILED = Py_NewRef(<PyObject *> failed)
    FOREIGN = Py_NewRef(<PyObject *> foreign)
    GONE = Py_NewRef(<PyObject *> gone)


# ---- where states are ---------------------------------------------------------------------------

cdef uint64_t **ROWS = NULL
cdef Py_ssize_t ROOM = 0


def set_row(Py_ssize_t chunk, words):
    """Say where a chunk of states is; who calls this keeps its memory."""
    global ROWS, ROOM
    cdef Py_buffer buffer
    cdef Py_ssize_t room
    cdef uint64_t **rows
    if chunk >= ROOM:
        room = max(16, 2 * (chunk + 1))
        rows = <uint64_t **> PyMem_Realloc(ROWS, room * sizeof(uint64_t *))
        if rows is NULL:
            raise MemoryError
        ROWS, ROOM = rows, room
    PyObject_GetBuffer(words, &buffer, PyBUF_WRITABLE)
    ROWS[chunk] = <uint64_t *> buffer.buf
    PyBuffer_Release(&buffer)


def become_another():
    """In a forked child: what the parent holds is not held here."""
    global PROCESS
    PROCESS += 1
    forget_sites()


# ---- the note -----------------------------------------------------------------------------------


@cython.final
@cython.no_gc
cdef class Owner:
    """What is known of one lock in this process: its id, and where its state is.

    It lives as long as the lock, or as its `acquire` and `release`, which are this object's.

    Args:
        semlock: what the lock is made of.
        cls: the name of the lock's class.
        uid: its id.
        chunk: the number of its state's chunk.
        word: the index of the state's third word there.
    """

    cdef readonly object semlock
    cdef readonly str cls
    cdef readonly uint64_t uid
    cdef readonly uint32_t chunk
    cdef readonly uint32_t word
    # The methods of the semlock's class.
    cdef object take_
    cdef object give_
    # The process that what follows is of.
    cdef uint32_t process
    # How often it is held here.
    cdef int times
    cdef bint single
    cdef bint counted

    def __init__(self, semlock, str cls, uint64_t uid, uint32_t chunk, uint32_t word):
        if self.semlock is not None:
            raise TypeError("an Owner is made once")
        kind = type(semlock)
        self.take_, self.give_ = kind.acquire, kind.release
        self.single = semlock.maxvalue == 1 and semlock.kind != 0
        self.counted = semlock.maxvalue != 1 and semlock.kind != 0
        self.cls, self.uid, self.chunk, self.word = cls, uid, chunk, word
        self.process = PROCESS
        self.semlock = semlock

    def take(self, block=True):
        """Acquire the lock without a note."""
        return self.take_(self.semlock, block)

    def give(self):
        """Release the lock without a note."""
        self.give_(self.semlock)

    def __dealloc__(self):
        cdef uint64_t *row
        if self.semlock is None or GONE is NULL or hf_notes_finalizing():
            return
        row = row_of(self)
        (<object> GONE)(
            self.uid, self.chunk, self.word, row[FAILED_NS], row[FAILED_STACK])


cdef inline uint64_t *row_of(Owner self) noexcept:
    return ROWS[self.chunk] + self.word


cdef inline void noted(Owner self, uint64_t held) noexcept:
    """It was taken just now."""
    cdef uint64_t *row = row_of(self)
    if self.process != PROCESS:
        self.process, self.times = PROCESS, 0
    if self.counted or self.times <= 0 or row[HELD] == 0:  # what is held already stays where it was
        row[HELD] = held
    self.times = 1 if self.single else self.times + 1
    if self.counted:
        row[TIMES] = max(self.times, 0)


cdef inline int given(Owner self) noexcept:
    """It is about to be released; -1 with an exception set."""
    cdef uint64_t *row = row_of(self)
    cdef PyObject *argument
    cdef PyObject *result
    if self.process != PROCESS:
        self.process, self.times = PROCESS, 0
    if self.single and not self.times:
        argument = <PyObject *> self
        result = PyObject_Vectorcall(FOREIGN, &argument, 1, NULL)
        if result is NULL:
            return -1
        raw_decrement(result)
    self.times = self.times - 1 if self.counted else max(self.times - 1, 0)
    if self.times <= 0:
        row[HELD] = 0
    if self.counted:
        row[TIMES] = max(self.times, 0)
    return 0


cdef PyObject *released(Owner self) noexcept:
    """Release it; nobody is taken for its owner who is none, and it stays whose it is if it fails.
    """
    cdef uint64_t *row = row_of(self)
    cdef uint64_t held = row[HELD]
    cdef int times = self.times if self.process == PROCESS else 0
    cdef PyObject *argument = <PyObject *> self.semlock
    cdef PyObject *result
    if given(self) < 0:
        return NULL
    result = PyObject_Vectorcall(<PyObject *> self.give_, &argument, 1, NULL)
    if result is NULL:
        self.times = times
        row[HELD] = held
        if self.counted:
            row[TIMES] = max(times, 0)
    return result


cdef int taken_at_once(Owner self) noexcept:
    """1: it was free, and is taken; 0: it was not; -1: an exception is set."""
    cdef PyObject *values[2]
    cdef PyObject *result
    cdef int got
    values[0], values[1] = <PyObject *> self.semlock, Py_False
    result = PyObject_Vectorcall(<PyObject *> self.take_, values, 2, NULL)
    if result is NULL:
        return -1
    got = result == Py_True
    raw_decrement(result)
    return got


cdef PyObject *waited(
    Owner self, uint64_t held, PyObject *timeout, PyObject *callable,
    PyObject *const *values, size_t count, PyObject *names
) noexcept:
    """Call what waits for the lock, and say meanwhile that it does; what that has returned."""
    cdef PyObject *words[2]
    cdef PyObject *outer
    cdef PyObject *result
    cdef PyObject *ended
    cdef PyObject *kind = NULL
    cdef PyObject *value = NULL
    cdef PyObject *traceback = NULL
    words[0], words[1] = <PyObject *> self, timeout
    outer = PyObject_Vectorcall(BEGIN, words, 2, NULL)
    if outer is NULL:
        return NULL
    result = PyObject_Vectorcall(callable, values, count, names)
    if result is NULL:
        PyErr_Fetch(&kind, &value, &traceback)
    elif result == Py_True:
        noted(self, held)
    ended = PyObject_Vectorcall(END, &outer, 1, NULL)
    raw_decrement(outer)
    if result is NULL:
        # What the wait has raised counts, not what came on top of it.
        if ended is NULL:
            PyErr_Clear()
        raw_decrement_any(ended)
        PyErr_Restore(kind, value, traceback)
        return NULL
    if ended is not NULL:
        raw_decrement(ended)
        if result == Py_True or told_failure(self) == 0:
            return result
        raw_decrement(result)
        return NULL
    # Ctrl-C came just now: as if it had come before the lock was got.
    if result == Py_True:
        PyErr_Fetch(&kind, &value, &traceback)
        ended = released(self)
        if ended is NULL:
            PyErr_Clear()
        raw_decrement_any(ended)
        PyErr_Restore(kind, value, traceback)
    raw_decrement(result)
    return NULL


cdef int told_failure(Owner self) noexcept:
    """It was asked for in vain; -1 with an exception set."""
    cdef PyObject *argument = <PyObject *> self
    cdef PyObject *result
    result = PyObject_Vectorcall(FAILED, &argument, 1, NULL)
    if result is NULL:
        return -1
    raw_decrement(result)
    return 0


# ---- acquire and release ------------------------------------------------------------------------


# Beyond it a timeout means nothing, and is the lock's own affair.
cdef double MOST_SECONDS = 1e9


cdef int plainly(
    PyObject *const *values, Py_ssize_t count, PyObject *names,
    PyObject **block, PyObject **timeout
) noexcept:
    """Understand what `acquire` was given; False if it is anything but plain numbers."""
    cdef Py_ssize_t index
    cdef PyObject *name
    if count > 2:
        return False
    if count > 0:
        block[0] = values[0]
    if count > 1:
        timeout[0] = values[1]
    if names is not NULL:
        for index in range(PyTuple_GET_SIZE(<object> names)):
            name = PyTuple_GET_ITEM(<object> names, index)
            if count < 1 and PyUnicode_CompareWithASCIIString(name, "block") == 0:
                block[0] = values[count + index]
            elif count < 2 and PyUnicode_CompareWithASCIIString(name, "timeout") == 0:
                timeout[0] = values[count + index]
            else:
                return False
    if not (PyBool_Check(block[0]) or PyLong_CheckExact(block[0])):
        return False
    return timeout[0] == Py_None or PyFloat_CheckExact(timeout[0]) or PyLong_CheckExact(timeout[0])


cdef PyObject *acquire(
    PyObject *object, PyObject *const *values, Py_ssize_t count, PyObject *names
) noexcept:
    cdef Owner self = <Owner> object
    cdef PyObject *block = Py_True
    cdef PyObject *timeout = Py_None
    cdef PyObject *with_self[8]
    cdef Py_ssize_t index, given_count
    cdef uint64_t held
    cdef double seconds
    cdef int got
    cdef bint plain = plainly(values, count, names, &block, &timeout)
    held = where_it_is()
    if held == 0:
        return NULL
    if plain:
        seconds = 1.0 if timeout == Py_None else PyFloat_AsDouble(timeout)
        if seconds == -1.0 and PyErr_Occurred() is not NULL:  # too large for a float
            PyErr_Clear()
            plain = False
        elif not seconds < MOST_SECONDS:  # infinite, or not a number
            plain = False
    if plain:
        got = taken_at_once(self)
        if got > 0:
            noted(self, held)
            return Py_NewRef(Py_True)
        if got < 0:
            return NULL
        if not PyObject_IsTrue(block) or seconds <= 0.0:
            # Who looks whether there is something to be had in a semaphore does not miss an owner.
            if not self.counted and told_failure(self) < 0:
                return NULL
            return Py_NewRef(Py_False)
    # As the program has called it, so that it is the lock that refuses what cannot be understood.
    given_count = count + (0 if names is NULL else PyTuple_GET_SIZE(<object> names))
    if given_count > 7:
        given_count, count, names = 7, 7, NULL
    with_self[0] = <PyObject *> self.semlock
    for index in range(given_count):
        with_self[index + 1] = values[index]
    return waited(self, held, timeout if plain else Py_None, <PyObject *> self.take_, with_self,
                  count + 1, names)


cdef PyObject *release(PyObject *object, PyObject *unused) noexcept:
    return released(<Owner> object)


# ---- with lock: -------------------------------------------------------------------------------


cdef PyObject *owner_of(PyObject *lock) noexcept:
    """The note of a lock, as a new reference; NULL if it has none, perhaps with an exception set.
    """
    cdef PyObject *found = NULL
    if hf_notes_lookup(lock, <PyObject *> NAME, &found) > 0 and type(<object> found) is not Owner:
        raw_decrement(found)
        return NULL
    return found


cdef PyObject *original(PyObject *lock, int which) noexcept:
    """The class's own __enter__ (0) or __exit__ (1): borrowed, as they are kept for ever."""
    for each in type(<object> lock).__mro__:
        found = ORIGINALS.get(each)
        if found is not None:
            return PyTuple_GET_ITEM(found, which)
    return NULL


cdef PyObject *as_ever(
    PyObject *lock, int which, PyObject *const *values, Py_ssize_t count
) noexcept:
    """Call the class's own one, with all that it was given: it may refuse it."""
    cdef PyObject *with_lock[9]
    cdef Py_ssize_t index
    with_lock[0] = lock
    count = min(count, 8)
    for index in range(count):
        with_lock[index + 1] = values[index]
    return PyObject_Vectorcall(original(lock, which), with_lock, count + 1, NULL)


cdef PyObject *enter(PyObject *lock, PyObject *const *values, Py_ssize_t count) noexcept:
    cdef PyObject *found = owner_of(lock)
    cdef PyObject *result = NULL
    cdef uint64_t held
    cdef int got
    if found is NULL or count > 0:
        raw_decrement_any(found)
        return NULL if PyErr_Occurred() is not NULL else as_ever(lock, 0, values, count)
    held = where_it_is()
    if held != 0:
        got = taken_at_once(<Owner> found)
        if got > 0:
            noted(<Owner> found, held)
            result = Py_NewRef(Py_True)
        elif got == 0:
            result = waited(<Owner> found, held, Py_None, original(lock, 0), &lock, 1, NULL)
    raw_decrement(found)
    return result


cdef PyObject *leave(PyObject *lock, PyObject *const *values, Py_ssize_t count) noexcept:
    cdef PyObject *found = owner_of(lock)
    cdef PyObject *result
    if found is NULL or count > 3:
        raw_decrement_any(found)
        return NULL if PyErr_Occurred() is not NULL else as_ever(lock, 1, values, count)
    result = released(<Owner> found)
    raw_decrement(found)
    if result is NULL and (PyErr_ExceptionMatches(PyExc_ValueError)
                           or PyErr_ExceptionMatches(PyExc_AssertionError)):
        # It fails once more in the class's own way, with the traceback that one has.
        PyErr_Clear()
        return as_ever(lock, 1, values, count)
    return result


cdef PyMethodDef ACQUIRE
ACQUIRE.ml_name = b"acquire"
ACQUIRE.ml_meth = <void *> acquire
ACQUIRE.ml_flags = METH_FASTCALL | METH_KEYWORDS
ACQUIRE.ml_doc = b"Acquire the semaphore/lock."
cdef PyMethodDef RELEASE
RELEASE.ml_name = b"release"
RELEASE.ml_meth = <void *> release
RELEASE.ml_flags = METH_NOARGS
RELEASE.ml_doc = b"Release the semaphore/lock."
cdef PyMethodDef ENTER
ENTER.ml_name = b"__enter__"
ENTER.ml_meth = <void *> enter
ENTER.ml_flags = METH_FASTCALL
ENTER.ml_doc = b"Enter the semaphore/lock."
cdef PyMethodDef LEAVE
LEAVE.ml_name = b"__exit__"
LEAVE.ml_meth = <void *> leave
LEAVE.ml_flags = METH_FASTCALL
LEAVE.ml_doc = b"Exit the semaphore/lock."


cdef int add_methods() except -1:
    """Owner's methods, as functions in C: Cython's own would leave their names in tracebacks."""
    cdef PyTypeObject *owner = <PyTypeObject *> Owner
    methods = <dict> owner.tp_dict
    methods["acquire"] = PyDescr_NewMethod(owner, &ACQUIRE)
    methods["release"] = PyDescr_NewMethod(owner, &RELEASE)
    PyType_Modified(owner)
    return 0


add_methods()


def managers(cls):
    """`__enter__` and `__exit__` for a class of locks, which note the owner.

    The two that it has now are called for locks without a note, and where one has to wait.
    """
    if not isinstance(cls, type):
        raise TypeError("a class is needed")
    if cls not in ORIGINALS:
        ORIGINALS[cls] = cls.__enter__, cls.__exit__
    return (
        PyDescr_NewMethod(<PyTypeObject *> cls, &ENTER),
        PyDescr_NewMethod(<PyTypeObject *> cls, &LEAVE),
    )
