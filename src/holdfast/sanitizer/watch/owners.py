"""multiprocessing.synchronize: who holds a lock, and who waits for it.

What it keeps true: a semaphore has no owner; here it gets one, in a state that outlives the owner's
SIGKILL (states.py). Taking a lock that is free costs one store more, and a look at the line that
takes it: that is native (_notes.pyx). A stack is taken when the line was never seen before. Only
who has to wait tells more. The locked reads and writes of a Value or Array keep the standard
library's own methods and note nothing: they hold their lock for a moment only.

A lock's `release` clears the note first, so that nobody is taken for an owner who is none; a lock
that is released by a process which did not take it has no owner any more.

    lock.new         uid, cls, value, stack         told when it becomes interesting
    lock.part        uid, part, cls, whole, stack   of a Condition, Event, Barrier or Queue
    lock.foreign     uid                            released by a process that had not taken it
    lock.gone        uid, failed_ns, failed_stack   who had asked for it in vain lets go of it

Source: CPython, Lib/multiprocessing/synchronize.py, Modules/_multiprocessing/semaphore.c.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast.sanitizer import _notes, reach, recorder, stacks, states
from holdfast.sanitizer._notes import Owner
from holdfast.sanitizer.watch import semaphores

if TYPE_CHECKING:
    from types import FrameType, ModuleType

    from holdfast._arrivals import Undo

# The key in a lock's dict of what is noted of it; _notes.pyx knows it as well.
_NOTE = "_holdfast_owner"
_LOCK = states.WHAT.index("lock")
_MASK = (1 << 63) - 1

# Where the words of a lock's state begin: see states.py.
_FIRST_WORD = 2
_FAILED_NS, _FAILED_STACK = 1, 2
# Lines that tell one place where locks are taken from another: the program's own, and those of the
# standard library through which it got there.
_MOST_LINES = 4


# ---- what the native part calls ------------------------------------------------------------------


def _site(frame: FrameType) -> int:
    """A lock is taken where none was taken before."""
    count, each = 1, frame
    while count < _MOST_LINES and each.f_back is not None and stacks.is_machinery(each.f_code):
        count, each = count + 1, each.f_back
    stack = recorder.tell_stack(recorder.stack_of(frame))
    return _notes.add_site(frame, count, stack << 1 | 1)


def _begin(note: Owner, timeout: float | None) -> states.Waits:
    """A lock is about to be waited for."""
    recorder.tell(note.uid)
    return states.begin(_LOCK, note.uid, recorder.stack(), timeout)


def _failed(note: Owner) -> None:
    """A lock was asked for in vain."""
    recorder.tell(note.uid)
    row = states.rows[note.chunk]
    row[note.word + _FAILED_STACK] = recorder.tell_stack(recorder.stack())
    row[note.word + _FAILED_NS] = time.monotonic_ns()


def _foreign(note: Owner) -> None:
    """A lock is about to be released by who has not taken it."""
    recorder.tell(note.uid)
    recorder.record("lock.foreign", uid=note.uid)


def _gone(uid: int, chunk: int, word: int, failed_ns: int, failed_stack: int) -> None:
    """A lock is gone."""
    if failed_ns:
        recorder.record("lock.gone", uid=uid, failed_ns=failed_ns, failed_stack=failed_stack)
    recorder.forget(uid)
    states.give_back((chunk, word - _FIRST_WORD))


_notes.connect(
    site=_site, begin=_begin, end=states.end, failed=_failed, foreign=_foreign, gone=_gone
)


# ---- notes ---------------------------------------------------------------------------------------


def _note(lock: Any) -> Owner:
    """A note for a lock that is new here."""
    semlock = lock._semlock
    name: str | None = getattr(semlock, "name", None)
    # A semaphore with a name arrives in other processes with it; one without by fork only.
    uid = uid_of_name(name) if name else recorder.new_uid()
    chunk, word = states.claim(states.HOLD, uid)
    return Owner(semlock, type(lock).__name__, uid, chunk, word + _FIRST_WORD)


def uid_of_name(name: str) -> int:
    """The id of what has this name in the system, the same in all processes."""
    from hashlib import blake2b

    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little") & _MASK


def note_of(lock: Any) -> Owner | None:
    """What is known of a lock; None if it is not watched."""
    found: Owner | None = getattr(lock, "__dict__", {}).get(_NOTE)
    return found


def part_of(lock: Any, part: str, whole: Any, whole_uid: int, stack: int) -> None:
    """Say what a lock is a part of."""
    note = note_of(lock)
    if note is not None:
        cls = type(whole).__name__
        recorder.remember(note.uid, "lock.part", part=part, cls=cls, whole=whole_uid, stack=stack)


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `multiprocessing.synchronize`, or another package's copy of it."""
    base = module.SemLock
    original, give = base._make_methods, base.__getstate__
    enter, leave = _notes.managers(base)
    recorder.on_fork(_notes.become_another)

    def make_methods(self: Any) -> None:
        original(self)
        if not recorder.active() or semaphores.ASTRAY in self.__dict__:
            return
        note = self.__dict__[_NOTE] = _note(self)
        self.acquire, self.release = note.acquire, note.release
        # One stack for this watch and that of semaphores, as locks are made in great numbers.
        stack = self.__dict__[semaphores.STACK] = recorder.stack()
        recorder.remember(
            note.uid,
            "lock.new",
            cls=note.cls,
            stack=stack,
            value=note.semlock._get_value(),
        )

    def get_state(self: Any) -> Any:
        note = self.__dict__.get(_NOTE)
        if note is not None:
            recorder.tell(note.uid)
        return give(self)

    return [
        replace(base, "_make_methods", make_methods),
        replace(base, "__enter__", enter),
        replace(base, "__exit__", leave),
        replace(base, "__getstate__", get_state),
        *_watch_wholes(module),
    ]


# ---- what is made of locks ----------------------------------------------------------------------

_CONDITION_PARTS = ("_lock", "_sleeping_count", "_woken_count", "_wait_semaphore")


def _watch_wholes(module: ModuleType) -> list[Undo]:
    condition, event, barrier = module.Condition, module.Event, module.Barrier
    make_condition, make_event, make_barrier = (
        condition.__init__, event.__init__, barrier.__init__,
    )  # fmt: skip

    def initialize(self: Any, *args: Any, **kwargs: Any) -> None:
        make_condition(self, *args, **kwargs)
        name_parts(self, self, recorder.stack())

    def initialize_event(self: Any, *args: Any, **kwargs: Any) -> None:
        make_event(self, *args, **kwargs)
        name_parts(self._cond, self, recorder.stack())

    def initialize_barrier(self: Any, *args: Any, **kwargs: Any) -> None:
        make_barrier(self, *args, **kwargs)
        name_parts(self._cond, self, recorder.stack())

    return [
        replace(condition, "__init__", initialize),
        replace(event, "__init__", initialize_event),
        replace(barrier, "__init__", initialize_barrier),
    ]


def name_parts(condition: Any, whole: Any, stack: int) -> None:
    """Say of a condition's locks that they are the parts of `whole`."""
    sleeping = note_of(getattr(condition, "_sleeping_count", None))
    if sleeping is None:
        return
    reach.mark(whole, sleeping.uid)
    for part in _CONDITION_PARTS:
        lock = getattr(condition, part, None)
        if part == "_lock" and whole is condition and note_of(lock) is not None:
            continue  # it may be the program's own, with a name of its own
        part_of(lock, part, whole, sleeping.uid, stack)


def make_watched_sharedctypes(module: ModuleType) -> list[Undo]:
    """`SynchronizedBase`: its properties take the lock by the standard library's own methods."""
    base = module.SynchronizedBase
    original = base.__init__

    def initialize(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        note = note_of(self._lock)
        own = self if note is None else note.semlock
        self._holdfast_take, self._holdfast_give = own.acquire, own.release

    return [replace(base, "__init__", initialize)]
