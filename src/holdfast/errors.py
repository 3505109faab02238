"""Every exception that Holdfast raises.

What this file keeps true: each class has the one base `HoldfastError` and is also the standard
class that it truly is, so that code which knows nothing of Holdfast handles it rightly. Whatever
the text says is on attributes too, and an instance survives pickling with all of them, because
most of these errors are of interest in another process than the one that met them. Each docstring
gives the cause and the cure. The texts say what happened, to which thing, what was expected and
found, and what to do next.
"""

from __future__ import annotations

import os
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "DescriptorsExhaustedError",
    "ForgedPickleError",
    "HeapFullError",
    "HoldfastError",
    "LayoutMismatchError",
    "LifetimeError",
    "LockTimeoutError",
    "OutOfMemoryError",
    "OwnerDiedError",
    "PlatformError",
    "SlotsExhaustedError",
]


def _restore(cls: Callable[..., HoldfastError], fields: dict[str, Any]) -> HoldfastError:
    """Make an error again from its pickle: its constructor takes exactly its data."""
    return cls(**fields)


class HoldfastError(Exception):
    """Any error of Holdfast: catch this to catch them all.

    It is never raised itself.

    Cause and cure are those of its subclasses.

    Example:
        >>> import holdfast.errors, pickle
        >>> error = holdfast.errors.LockTimeoutError(timeout=2.0, owner_pid=4711)
        >>> pickle.loads(pickle.dumps(error)).owner_pid
        4711
    """

    def __reduce__(self) -> Any:
        # BaseException's own form calls the class with `args`, here the finished text, which is
        # not what the constructors below take. The third item brings notes and the like back.
        # inspect is slow to load, and few processes ever pickle an error.
        from inspect import signature

        parameters = signature(type(self)).parameters.values()
        names = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
        if not names:
            return super().__reduce__()
        fields = {name: getattr(self, name) for name in names}
        return _restore, (type(self), fields), dict(self.__dict__)


class HeapFullError(HoldfastError, MemoryError):
    """The heap has no room for a block.

    Cause: the blocks that live processes can reach, and the chunks that processes keep for their
    next allocations, fill the heap; or the heap is small because RLIMIT_AS was when it was made.
    Cure: drop objects that are no longer needed, in every process that has them (`holdfast.
    statistics()` counts them), or start the first process of the family with a larger RLIMIT_AS.
    Nothing was allocated, and everything that existed is as it was.

    Attributes:
        requested_bytes: size of the block that was asked for.
        used_bytes: bytes of the heap that are in use.
        capacity_bytes: bytes that the heap can hold at most.
    """

    def __init__(self, *, requested_bytes: int, used_bytes: int, capacity_bytes: int) -> None:
        self.requested_bytes = requested_bytes
        self.used_bytes = used_bytes
        self.capacity_bytes = capacity_bytes
        if requested_bytes > capacity_bytes:
            advice = "no block of that size can ever fit"
        else:
            advice = (
                "drop objects in every process that holds them; "
                "holdfast.statistics() shows how many there are"
            )
        super().__init__(
            f"the heap has no room for a block of {requested_bytes:,} bytes: "
            f"{used_bytes:,} of {capacity_bytes:,} bytes are in use; {advice}"
        )


class SlotsExhaustedError(HoldfastError, MemoryError):
    """The family has as many live processes as a heap can tell apart.

    Cause: every slot belongs to a live process, or to a dead one whose unused tickets are still
    within their grace period. Cure: end processes, or give the new one no Holdfast objects.
    The process that raised this has no slot and cannot reach the heap; the others are not affected.

    Attributes:
        used_slots: slots in use.
        capacity_slots: slots that a heap has.
    """

    def __init__(self, *, used_slots: int, capacity_slots: int) -> None:
        self.used_slots = used_slots
        self.capacity_slots = capacity_slots
        super().__init__(
            f"no slot is free for this process: {used_slots:,} of {capacity_slots:,} are in use, "
            "one for each live process of the family; end some of them, then try again"
        )


class DescriptorsExhaustedError(HoldfastError, MemoryError):
    """No file descriptor was to be had.

    Cause: this process (EMFILE) or the whole system (ENFILE) has as many files open as it may.
    Holdfast needs one descriptor for the heap and, for a moment, one more to join or to fork.
    Cure: close files, or raise the limit (`ulimit -n`, `resource.setrlimit`). Nothing was changed.

    Attributes:
        action: what the descriptor was needed for.
        errno: `errno.EMFILE` or `errno.ENFILE`.
        limit: this process's soft limit of open files; None if it is not known.
    """

    def __init__(self, *, action: str, errno: int, limit: int | None = None) -> None:
        self.action = action
        self.errno = errno
        self.limit = limit
        known = "" if limit is None else f" (this process may have {limit:,})"
        super().__init__(
            f"no file descriptor left to {action}: {os.strerror(errno)}{known}; "
            "close some files or raise the limit with `ulimit -n`, then try again"
        )


class OutOfMemoryError(HoldfastError, MemoryError):
    """The machine, or this process's control group, has no memory for new pages.

    Cause: the kernel refused to reserve pages for the heap. Holdfast asks before it hands a block
    out, so that this error comes instead of a SIGBUS at some later write. Cure: free memory on the
    machine, raise the limit of the control group, or call `holdfast.trim()` in processes that
    dropped much. Nothing was allocated, and everything that existed is as it was.

    Attributes:
        requested_bytes: bytes that the kernel was asked for.
        action: what they were for.
        errno: the kernel's answer, most often `errno.ENOSPC` or `errno.ENOMEM`.
    """

    def __init__(self, *, requested_bytes: int, action: str, errno: int) -> None:
        self.requested_bytes = requested_bytes
        self.action = action
        self.errno = errno
        super().__init__(
            f"the kernel has no memory for {requested_bytes:,} bytes ({action}): "
            f"{os.strerror(errno)}; free memory or raise the limit, or call holdfast.trim()"
        )


class LifetimeError(HoldfastError, ReferenceError):
    """A pickled object names a block that it may no longer reach.

    Cause: one of these, which the text names. The block died: every process that could reach it
    dropped it before these bytes were loaded, and they had been loaded before or their sender's
    ticket had expired. Or the bytes come from another family, that is from a process which does
    not descend from the one that made this heap. Or the family's heap cannot be found from here.
    Cure: keep the object in some process until the last load, send it anew, and send it only
    within the family. The memory that was meant is never given to the wrong reader: nothing was
    attached.

    Attributes:
        reason: "died", "other family" or "unreachable".
        offset: where the block lay in the heap, in bytes; None if that does not matter.
        incarnation: the incarnation that the pickle names; None likewise.
        found: what is there instead.
    """

    def __init__(
        self,
        *,
        reason: str,
        offset: int | None = None,
        incarnation: int | None = None,
        found: str | None = None,
    ) -> None:
        self.reason = reason
        self.offset = offset
        self.incarnation = incarnation
        self.found = found
        if reason == "died":
            text = (
                f"the shared object is gone: incarnation {incarnation} of the block at offset "
                f"{offset:#x} was dropped by every process that held it"
                if offset is not None
                else "the shared object is gone: every process that held it dropped it"
            )
            advice = "keep it alive in its creator until the last receiver has it, or send it anew"
        elif reason == "other family":
            text = "the shared object belongs to another family of processes than this one"
            advice = (
                "send it only between a process and its descendants, "
                "or between descendants of one process"
            )
        else:
            text = "the heap of the shared object cannot be reached from this process"
            advice = "start this process from the one that made the object, or from a child of it"
        there = "" if found is None else f" (found: {found})"
        super().__init__(f"{text}{there}; {advice}")


class LayoutMismatchError(HoldfastError, ValueError):
    """A heap was made by a Holdfast whose layout of the bytes is another.

    Cause: processes of one family run different versions of Holdfast, or builds for different
    machines. Cure: run the same version in all of them. Nothing was attached.

    Attributes:
        field: which fact of the layout differs.
        expected: what this build has.
        found: what the heap says.
    """

    def __init__(self, *, field: str, expected: object, found: object) -> None:
        self.field = field
        self.expected = expected
        self.found = found
        super().__init__(
            f"the heap was made by another build of holdfast: {field} is {found}, "
            f"this build has {expected}; run the same version in every process of the family"
        )


class ForgedPickleError(HoldfastError, UnpicklingError, ValueError):
    """The bytes of a pickled object are not what Holdfast wrote.

    Cause: they were cut short, changed on the way, or made by hand. Cure: send the object anew;
    never load pickles from a source that is not trusted. Nothing was attached or changed.

    Attributes:
        field: which part of the bytes is wrong.
        expected: what it must be.
        found: what it is.
    """

    def __init__(self, *, field: str, expected: object, found: object) -> None:
        self.field = field
        self.expected = expected
        self.found = found
        super().__init__(
            f"damaged or forged pickle of a shared object: {field} is {found}, "
            f"expected {expected}; nothing was attached, send the object anew"
        )


class OwnerDiedError(HoldfastError, RuntimeError):
    """The process that had this lock died with it.

    Cause: it was killed, or it left by `os._exit`, between acquire and release. What the lock
    protects may be half changed. Cure: call `lock.recover()`, which acquires the lock and marks it
    sound; look at the protected data and mend it; then release as usual. The lock is NOT held by
    the caller when this is raised, by `with lock:` too, and every acquirer gets this error until
    one of them recovers.

    Attributes:
        owner_pid: process id that the dead owner had; 0 if it is not known.
        owner_name: its name (`Process.name` or the command); None if it is not known.
        died_ago: seconds since the death was noticed; None if it is not known.
    """

    def __init__(
        self,
        *,
        owner_pid: int = 0,
        owner_name: str | None = None,
        died_ago: float | None = None,
    ) -> None:
        self.owner_pid = owner_pid
        self.owner_name = owner_name
        self.died_ago = died_ago
        when = "" if died_ago is None else f" {died_ago:.3f} s ago"
        super().__init__(
            f"{_person(owner_pid, owner_name)} died{when} while it had this lock, so what the "
            "lock protects may be half changed; call lock.recover() to acquire the lock, check "
            "the data, then release"
        )


class LockTimeoutError(HoldfastError, TimeoutError):
    """A lock was not to be had within the time given.

    Cause: a live process, or another thread of this one, kept it for longer. Cure: wait longer, or
    look at the owner that the text names (`py-spy dump --pid`, `gdb -p`). The lock is not held.

    Attributes:
        timeout: seconds that were waited.
        owner_pid: process that has the lock; 0 if it was free or changed hands just then.
        owner_name: its name; None if it is not known.
    """

    def __init__(
        self, *, timeout: float, owner_pid: int = 0, owner_name: str | None = None
    ) -> None:
        self.timeout = timeout
        self.owner_pid = owner_pid
        self.owner_name = owner_name
        if owner_pid:
            who = f"{_person(owner_pid, owner_name)} has it"
        else:
            who = "it changed hands all the time"
        super().__init__(
            f"the lock was not free within {timeout:g} s: {who}; wait longer, or find out what "
            "keeps its owner"
        )


class PlatformError(HoldfastError, ImportError):
    """This system cannot run Holdfast's native part.

    Cause: it is not Linux, the kernel is too old or its system calls are forbidden (seccomp), or
    the package was installed without its native part. Cure: as the text says.

    Attributes:
        missing: what the system lacks.
        needed: what it is needed for.
        detail: what the system answered; None if nothing.
    """

    def __init__(self, *, missing: str, needed: str, detail: str | None = None) -> None:
        self.missing = missing
        self.needed = needed
        self.detail = detail
        answer = "" if detail is None else f" ({detail})"
        super().__init__(
            f"holdfast's shared objects cannot work here: {missing} is missing{answer}, which is "
            f"needed for {needed}; use Linux 3.17 or newer on x86-64 or aarch64 with that allowed, "
            "and a C compiler when the package is installed"
        )


def _person(pid: int, name: str | None) -> str:
    """How a text names a process: what is known of it, and no more."""
    if not pid:
        return "a process" if name is None else f"process {name}"
    return f"process {pid}" if name is None else f"process {pid} ({name})"
