# The one heap of this process, and the core's answers as exceptions.

# This process's membership. Allocated once and never freed: the core's fork handlers point to it.
cdef hf_process *P = hf_process_new()
# Where the heap is mapped; NULL while there is none.
cdef char *BASE = NULL

if P is NULL:
    raise MemoryError("no memory for holdfast's own bookkeeping")


# What the layer above does for this one, by name; see _ports.py.
cdef dict PORTS = {}


def connect(**functions):
    """Called once by _ports.py."""
    PORTS.update(functions)


cdef object port(str name):
    if name not in PORTS:
        raise RuntimeError(f"there is no {name}() before holdfast.cells is imported")
    return PORTS[name]


# Facts of a heap's layout that are no numbers -> (what they must be, what was found).
cdef dict LAYOUT_FACTS = {
    "magic": ("HOLDFAST", "something else"),
    "seals": ("sealed against resizing", "none"),
}


cdef int failed(int status, uint64_t wanted=0, const hf_wire *wire=NULL) except -1:
    """Raise what a negative hf_status means. `wanted`: bytes; `wire`: what was being attached."""
    from holdfast import errors
    cdef const hf_error *error = hf_last_error(P)
    cdef const hf_header *header = <const hf_header *> BASE
    cdef str what = error.what.decode() if error.what is not NULL else ""
    import os
    if status == HF_E_HEAP_FULL or status == HF_E_TOO_LARGE:
        raise errors.HeapFullError(
            requested_bytes=wanted,
            used_bytes=(
                hf_load64_relaxed(&header.chunks_top_shared) * header.chunk_bytes if header else 0
            ),
            capacity_bytes=header.data_bytes if header else 0,
        )
    if status == HF_E_NO_MEMORY:
        raise errors.OutOfMemoryError(
            requested_bytes=wanted or error.wanted, action=what or "use the heap",
            errno=error.os_errno,
        )
    if status == HF_E_NO_SLOT:
        raise errors.SlotsExhaustedError(used_slots=header.slots, capacity_slots=header.slots)
    if status == HF_E_NO_DESCRIPTOR:
        # The soft limit; to import `resource` for it would need a descriptor.
        raise errors.DescriptorsExhaustedError(
            action=f"use the heap ({what})", errno=error.os_errno,
            limit=os.sysconf("SC_OPEN_MAX"),
        )
    if status == HF_E_STALE:
        raise errors.LifetimeError(
            reason="died", offset=wire.block, incarnation=wire.incarnation,
            found=f"incarnation {error.found}",
        )
    if status == HF_E_FOREIGN:
        raise errors.LifetimeError(
            reason="other family", offset=wire.block, incarnation=wire.incarnation,
            found=f"family {hf_token(P)[:16].hex()}, not {wire.token[:16].hex()}",
        )
    if status == HF_E_FORGED:
        raise errors.ForgedPickleError(
            field=what, expected="what a holdfast object's pickle has", found=error.found)
    if status == HF_E_LAYOUT:
        expected, found = LAYOUT_FACTS.get(what, (error.wanted, error.found))
        raise errors.LayoutMismatchError(field=what, expected=expected, found=found)
    if status == HF_E_UNSUPPORTED or status == HF_E_SYSTEM:
        detail = os.strerror(error.os_errno) if error.os_errno else None
        raise errors.PlatformError(missing=what, needed="the shared heap", detail=detail)
    raise SystemError(f"holdfast's core answered {status} ({what}), which it should not have")


cdef int need_heap() except -1:
    """Make sure that this process has a heap: the first use of a shared object comes here."""
    if BASE is NULL:
        from holdfast import _family
        _family.open()
    return 0


cdef int see_to_forks() except -1:
    """Before the core opens a heap, so that no thread's fork comes between the two."""
    cdef int status = hf_watch_forks(P)
    if status < 0:
        failed(status)
    return 0


cdef void opened() noexcept:
    """After the core has opened a heap: let objects be made."""
    global BASE
    cdef hf_off start
    start.at = 0
    BASE = <char *> hf_at(P, start)


def open_heap(uint64_t data_bytes=0):
    """Make a heap for this process and its children to be, unless it has one.

    Args:
        data_bytes: the most that blocks may take together; 0 is the default, 64 GiB (virtual). The
            heap is smaller where the address space is limited, see `statistics()`.
    """
    cdef int status
    if BASE is not NULL:
        return
    see_to_forks()
    status = hf_create(P, data_bytes)
    if status < 0:
        failed(status, data_bytes)
    opened()


def join_heap(int fd):
    """Join the heap behind a descriptor, which stays the caller's. A process joins one heap."""
    cdef int status
    if BASE is not NULL:
        return
    see_to_forks()
    status = hf_join(P, fd)
    if status < 0:
        failed(status)
    opened()


def is_open():
    """Whether this process has a heap."""
    return BASE is not NULL


def heap_fd():
    """The descriptor of the heap, for handing it to a child; it belongs to the heap."""
    need_heap()
    return hf_descriptor(P)


def family():
    """The 16 bytes that name the family, also part of the memory file's name."""
    need_heap()
    return PyBytes_FromStringAndSize(<const char *> hf_token(P), 16)


def serial():
    """The number that names this process in its family for ever; 0 without a heap."""
    return hf_serial(P) if BASE is not NULL else 0


def set_name(str name not None):
    """Tell the family how this process is called; 31 bytes of UTF-8 are kept."""
    encoded = name.encode("utf-8", "replace")
    if BASE is not NULL:
        hf_set_name(P, encoded)


def after_fork():
    """In the parent after a fork: warns if what the child inherited had to be pinned.

    In C, and with nothing else to do: every page that a parent writes after a fork is copied, and
    Python code writes the reference counts of all that it touches.
    """
    if hf_fork_was_pinned(P):
        import warnings
        warnings.warn(
            "a forked child got no slot in the heap (out of slots, descriptors or memory), so "
            "what it inherited is pinned: that memory is never reused; "
            "see forks_pinned in holdfast.statistics()",
            ResourceWarning,
        )


def forks_pinned():
    """How many forks of the family got no slot, so that what they inherited is never reused."""
    if BASE is NULL:
        return 0
    return hf_load64_relaxed(&(<const hf_header *> BASE).forks_pinned_shared)


def statistics():
    """The heap's figures by name; all zero while there is no heap."""
    cdef hf_figures figures
    memset(&figures, 0, sizeof(figures))
    if BASE is not NULL:
        with nogil:
            # what was held only for tickets that have been used by now
            hf_sweep_tickets(P)
            hf_count(P, &figures)
    return figures


def trim():
    """Give free memory back to the system; returns bytes."""
    cdef uint64_t got = 0
    if BASE is not NULL:
        with nogil:
            hf_sweep_tickets(P)
            got = hf_trim(P)
    return got


def reap():
    """Clear what dead processes left; returns how many slots were freed."""
    cdef int freed = 0
    if BASE is not NULL:
        with nogil:
            freed = hf_reap(P)
    return freed


# Sentences of the checker, one after the other, each with its zero.
ctypedef struct sentences:
    char *text
    size_t length


cdef void remember(void *context, const char *text) noexcept nogil:
    """The checker has the process's lock when it calls this: no Python, which may drop a block."""
    cdef sentences *all = <sentences *> context
    cdef size_t more = strlen(text) + 1
    cdef char *longer = <char *> realloc(all.text, all.length + more)
    if longer is not NULL:
        memcpy(longer + all.length, text, more)
        all.text = longer
        all.length += more


def check():
    """Walk the heap; one sentence for each broken invariant, none if it is sound.

    Exact while the family is at rest; of what others change meanwhile it judges only what must
    hold at every moment.
    """
    cdef sentences all
    cdef int count = 0
    all.text = NULL
    all.length = 0
    if BASE is not NULL:
        with nogil:
            count = hf_check(P, remember, &all)
    try:
        # each ends with its zero
        faults = all.text[:all.length].decode("utf-8", "replace").split("\0")
    finally:
        free(all.text)
    faults.pop()
    return faults if faults or count == 0 else [f"{count} faults, and no memory to tell which"]


def set_ticket_grace(double seconds):
    """How long the unused tickets of a dead sender stay good, for the whole family."""
    if not 0 <= seconds <= 1e9:
        raise ValueError(f"the grace period must be between 0 and 1e9 seconds, not {seconds}")
    need_heap()
    hf_set_grace(P, <uint64_t> (seconds * 1e9))


def points():
    """The names of the core's crash points."""
    return [hf_points_name(index).decode() for index in range(hf_points_count())]


def arm_point(str name, unsigned int nth=1):
    """Let the nth pass through a crash point kill this process with SIGKILL; None disarms."""
    if name is None:
        hf_points_arm(-1, 0)
        return
    names = points()
    if name not in names:
        raise ValueError(f"there is no crash point {name!r}; there are {', '.join(names)}")
    hf_points_arm(names.index(name), nth)
