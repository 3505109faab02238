"""On and off: what `guard()` means when it is called twice, within itself, or late."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from holdfast import _family
from holdfast._arrivals import Arrivals
from holdfast.guard import heap, reduction, synchronize

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from holdfast._arrivals import Patch

# Everything that is made safe: the standard library's modules, and what grew out of copies of them.
PATCHES: dict[str, Patch] = {
    "multiprocessing.heap": heap.make_safe,
    "multiprocess.heap": heap.make_safe,
    "billiard.heap": heap.make_safe,
    "multiprocessing.synchronize": synchronize.make_safe,
    "multiprocess.synchronize": synchronize.make_safe,
    "billiard.synchronize": synchronize.make_safe,
    "loky.backend.synchronize": synchronize.make_loky_safe,
    "joblib.externals.loky.backend.synchronize": synchronize.make_loky_safe,
    **dict.fromkeys((*reduction.MODULES, "numpy"), reduction.make_safe),
}

_arrivals = Arrivals(PATCHES)
_lock = threading.RLock()
# Those that are on. The set keeps them, so that nobody has to.
_on: set[Guard] = set()


class Guard:
    """One switch-on of the guard: what `guard()` returns.

    The guard is on while at least one `Guard` of the process is. So in a test

        with holdfast.guard():
            ...

    ends with the guard as it was before: on if the program had called `holdfast.guard()` itself,
    off if not. Only `stop()` or the end of the `with` block switch off, not the end of the object.
    A stopped one can be started again, and `with` blocks over the same one nest.

    It does not move anything: objects keep the memory that they were made with. Those that existed
    before the guard was on are as unsafe as they were; those that were made under it stay safe, and
    can be sent, after it is off. `SemLock.__getstate__` and `__setstate__` stay replaced for
    their sake, which makes no difference to other locks.

    Concurrency: any thread may start and stop; what is on, is on for the whole process.
    Crash: nothing outside the process depends on it.
    Fork: a child has the guard as its parent had it, and from then on switches for itself.

    Version: 0.1.
    """

    def __init__(self) -> None:
        self._depth = 0

    @property
    def active(self) -> bool:
        """Whether this one is on. The guard may be on by another."""
        return self in _on

    def start(self) -> None:
        """Switch on; nothing happens if this one is on already.

        Raises:
            PlatformError: The system cannot have a heap. Nothing was changed.
            MemoryError: There was no descriptor or address space for one (a subclass says which).
        """
        with _lock:
            if not _on:
                # Now and not at the first object, so that all children share one heap with us.
                _family.open()
                _arrivals.start()
                _family.on_child(start_in_child)
            _on.add(self)

    def stop(self) -> None:
        """Switch off; nothing happens if this one is off already."""
        with _lock:
            if self not in _on:
                return
            _on.remove(self)
            if not _on:
                _family.no_more_on_child(start_in_child)
                _arrivals.stop()

    def __enter__(self) -> Self:
        with _lock:
            self.start()
            self._depth += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with _lock:
            self._depth -= 1
            if self._depth == 0:
                self.stop()

    def __repr__(self) -> str:
        return f"<Guard {'on' if self.active else 'off'}>"


def guard() -> Guard:
    """Make the standard library's shared objects safe, from now on, here and in all children.

    Call it once, early: in the first lines of the program, before it makes shared objects or
    starts processes. After it `multiprocessing.Value`, `Array`, `RawValue`, `RawArray`, `Barrier`
    and the semaphores behind `Lock`, `Event`, `Queue` and their kin take their memory from the
    heap, in which nothing is reused while some process can still reach it. The same goes for
    `multiprocess`, `billiard` and loky, imported before or after. Children have it too, by fork,
    `os.fork`, spawn and forkserver; programs that are started by `subprocess` do not.

    What it does not promise: objects made before keep the standard library's memory. A lock whose
    owner is killed stays locked, as in the standard library (`holdfast.Lock` does not). NumPy
    arrays are still pickled by value; a `SharedCopyWarning` says when one over shared memory is.
    What is retained for living children shows in `holdfast.statistics()`.

    Returns:
        The `Guard` that was switched on. Ignore it to keep the guard for the life of the process;
        use it as a context manager, or call its `stop()`, to end it. Each call returns a new one,
        and the guard is on until all of them are off.

    Raises:
        PlatformError: The system cannot have a heap, or the native part is not installed.
        MemoryError: No descriptor or address space was left for one (a subclass says which).
            In both cases nothing was changed.

    Concurrency: any thread may call it; it is on for the whole process.
    Crash: nothing outside the process depends on it.
    Fork: a child has the guard as its parent had it.

    Example:
        >>> import holdfast, multiprocessing
        >>> with holdfast.guard():
        ...     flag = multiprocessing.Value("d", -1)
        >>> flag.value
        -1.0

    Source: CPython issues 110660 and 94765.

    Version: 0.1.
    """
    new = Guard()
    new.start()
    return new


def start_in_child() -> None:
    """What a child of spawn or forkserver does before anything else is unpickled in it."""
    guard()


def _renew_lock() -> None:
    """Another thread may have held the lock when this process was forked."""
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)
