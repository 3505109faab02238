# Where locks are taken: the lines that have taken one before, and what is to be noted there.

cdef enum:
    # The innermost lines that say where a lock is taken: one of the program's, below those of the
    # standard library.
    MOST_LINES = 4
    SITES = 4096
    MOST_SITES = SITES // 2

# A place where locks are taken.
ctypedef struct Site:
    Position lines[MOST_LINES]
    int count
    uint64_t held  # what a state says: the stack's number * 2 + 1

# What is called for a place that was never seen: see connect().
cdef PyObject *ASK_SITE = NULL
cdef Site *TABLE[SITES]
cdef int KNOWN = 0


cdef inline size_t first_index(const Position *line) noexcept:
    # Code objects are far apart, and positions even.
    return ((line.code >> 5) ^ (line.code >> 17) ^ <uintptr_t> (line.at * 7919 >> 1)) % SITES


cdef inline bint matches(const Site *site, Frame *frame, const Position *line) noexcept:
    if site.lines[0].code != line.code or site.lines[0].at != line.at:
        return False
    return site.count == 1 or matches_further(site, frame)


cdef bint matches_further(const Site *site, Frame *frame) noexcept:
    cdef Frame *back
    cdef Position line
    cdef int index
    Py_NewRef(<PyObject *> frame)
    for index in range(1, site.count):
        back = PyFrame_GetBack(frame)
        raw_decrement(frame)
        if back is NULL:
            return False
        line = position_of(back)
        frame = back
        if site.lines[index].code != line.code or site.lines[index].at != line.at:
            raw_decrement(frame)
            return False
    raw_decrement(frame)
    return True


cdef uint64_t where_it_is() noexcept:
    """What the state of a lock says that is taken now; 0 with an exception set."""
    cdef Frame *frame = PyEval_GetFrame()
    cdef Position line
    cdef Site *site
    cdef size_t index
    cdef PyObject *found
    cdef PyObject *argument
    cdef uint64_t held
    if frame is NULL:
        return 1
    line = position_of(frame)
    index = first_index(&line)
    while True:
        site = TABLE[index]
        if site is NULL:
            break
        if matches(site, frame, &line):
            return site.held
        index = (index + 1) % SITES
    argument = <PyObject *> frame
    found = PyObject_Vectorcall(ASK_SITE, &argument, 1, NULL)
    if found is NULL:
        return 0
    held = PyLong_AsUnsignedLongLong(found)
    raw_decrement(found)
    return 0 if PyErr_Occurred() is not NULL else held


def add_site(frame, int count, uint64_t held):
    """Remember where locks are taken.

    Args:
        frame: the innermost one.
        count: how many lines say which place this is, 1 to 4.
        held: what the state of a lock says that is taken there.

    Returns:
        `held`.
    """
    global KNOWN
    cdef Site *site
    cdef Frame *each
    cdef Frame *back
    cdef size_t index
    if not PyFrame_Check(frame) or not 1 <= count <= MOST_LINES:
        raise ValueError("a frame, and 1 to 4 of its lines")
    if KNOWN >= MOST_SITES:
        forget_sites()
    site = <Site *> PyMem_Malloc(sizeof(Site))
    if site is NULL:
        raise MemoryError
    memset(site, 0, sizeof(Site))
    site.held = held
    each = <Frame *> Py_NewRef(<PyObject *> frame)
    while each is not NULL and site.count < count:
        site.lines[site.count] = position_of(each)
        raw_increment(<PyObject *> site.lines[site.count].code)
        site.count += 1
        back = PyFrame_GetBack(each)
        raw_decrement(each)
        each = back
    raw_decrement_any(each)
    index = first_index(&site.lines[0])
    while TABLE[index] is not NULL:
        index = (index + 1) % SITES
    TABLE[index] = site
    KNOWN += 1
    return held


def forget_sites():
    """Forget all places: a forked child has told of no stacks yet."""
    global KNOWN
    cdef Site *site
    for index in range(SITES):
        site = TABLE[index]
        TABLE[index] = NULL
        if site is not NULL:
            for line in range(site.count):
                raw_decrement(<void *> site.lines[line].code)
            PyMem_Free(site)
    KNOWN = 0
