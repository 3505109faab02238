"""multiprocessing.synchronize: who holds a lock, and who waits for it.

What it keeps true: a semaphore has no owner; here it gets one, in a state that outlives the owner's
SIGKILL (states.py). Taking a lock that is free costs one store more, and a look at the line that
takes it: its stack is taken when the line is another one than the last time. Only who has to wait
tells more. The locked reads and writes of a Value or Array keep the standard library's own methods
and note nothing: they hold their lock for a moment only.

A lock's `release` clears the note first, so that nobody is taken for an owner who is none; a lock
that is released by a process which did not take it has no owner any more.

    lock.new         uid, cls, value, stack         told when it becomes interesting
    lock.part        uid, part, cls, whole, stack   of a Condition, Event, Barrier or Queue
    lock.foreign     uid                            released by a process that had not taken it
    lock.gone        uid, failed_ns, failed_stack   who had asked for it in vain lets go of it

Source: CPython, Lib/multiprocessing/synchronize.py, Modules/_multiprocessing/semaphore.c.
"""

from __future__ import annotations

import sys
import time
import weakref
from typing import TYPE_CHECKING, Any, cast

from holdfast._arrivals import replace
from holdfast.sanitizer import reach, recorder, states
from holdfast.sanitizer.watch import semaphores

if TYPE_CHECKING:
    from types import CodeType, ModuleType

    from holdfast._arrivals import Undo

# The key in a lock's dict of what is noted of it.
_NOTE = "_holdfast_owner"
_LOCK = states.WHAT.index("lock")
_MASK = (1 << 63) - 1

_rows = states.rows


# Where locks are taken: the code and its position -> the code, so that it stays, and the stack of
# the first time. A program that takes locks at two places by turns takes two stacks.
_MOST_SITES = 2048
_sites: dict[tuple[int, int], tuple[CodeType, int]] = {}


class Note:
    """What is known of one lock in this process: its id and where its state is."""

    __slots__ = (
        "chunk", "cls", "code", "count", "give", "held", "position", "recursive", "semlock",
        "simple", "single", "stack", "take", "times", "uid", "word",
    )  # fmt: skip

    def __init__(self, lock: Any, semlock: Any) -> None:
        name: str | None = getattr(semlock, "name", None)
        # A semaphore with a name arrives in other processes with it; one without by fork only.
        self.uid: int = uid_of_name(name) if name else recorder.new_uid()
        self.semlock = semlock
        self.recursive = semlock.kind == 0
        self.single = semlock.maxvalue == 1 and not self.recursive
        self.cls = type(lock).__name__
        self.chunk, word = states.claim(states.HOLD, self.uid)
        self.word = word + 2
        self.code: CodeType | None = None
        self.position = -1
        self.stack = 0
        self.times = 0
        self.simple = self.single or self.recursive
        self.held = False
        self.take, self.give, self.count = semlock.acquire, semlock.release, semlock._count
        end = _End(lock, _gone)
        end.uid, end.where = self.uid, (self.chunk, word)
        _ends[id(end)] = end

    def acquire(self, block: Any = True, timeout: Any = None) -> bool:
        """The lock's `acquire`: a bound method takes less room than a closure for each lock."""
        if self.take(False) or self.take_slowly(block, timeout):
            self.held = True
            self.taken(sys._getframe(1))
            return True
        return False

    def release(self) -> None:
        """The lock's `release`."""
        self.given()
        self.give()

    def taken(self, frame: Any) -> None:
        """Note the owner; `frame` is the one that takes the lock."""
        if frame.f_lasti != self.position or frame.f_code is not self.code:
            code: CodeType = frame.f_code
            self.position, self.code = frame.f_lasti, code
            site = id(code), self.position
            known = _sites.get(site)
            if known is None:
                stack = recorder.tell_stack(recorder.stack(2)) << 1 | 1
                if len(_sites) >= _MOST_SITES:
                    _sites.clear()
                known = _sites[site] = code, stack
            self.stack = known[1]
        row = _rows[self.chunk]
        row[self.word] = self.stack
        if not self.simple:
            self.times += 1
            row[self.word + 3] = max(0, self.times)

    def take_slowly(self, block: Any, timeout: Any) -> bool:
        """Wait for it; whether it was got."""
        semlock = self.semlock
        if not block or (timeout is not None and timeout <= 0):
            if self.simple:
                self.failed(recorder.stack(2))
            return False
        recorder.tell(self.uid)
        stack = recorder.stack(2)
        outer = states.begin(_LOCK, self.uid, stack, timeout)
        try:
            got: bool = semlock.acquire(block, timeout)
        finally:
            states.end(outer)
        if not got:
            self.failed(stack)
        return got

    def failed(self, stack: int) -> None:
        """Note that it was asked for in vain."""
        recorder.tell(self.uid)
        row = _rows[self.chunk]
        row[self.word + 2] = recorder.tell_stack(stack)
        row[self.word + 1] = time.monotonic_ns()

    def given(self) -> None:
        """It is about to be released."""
        row = _rows[self.chunk]
        if self.single:
            if not self.held:
                recorder.tell(self.uid)
                recorder.record("lock.foreign", uid=self.uid)
            self.held = False
            row[self.word] = 0
        elif self.recursive:
            if self.count() <= 1:
                row[self.word] = 0
        else:
            self.times -= 1
            if self.times <= 0:
                row[self.word] = 0
            row[self.word + 3] = max(0, self.times)


class _End(weakref.ref[Any]):
    """Knows a dead lock's state."""

    __slots__ = ("uid", "where")
    uid: int
    where: states.Where


# They are kept here, as a weak reference that dies together with its object calls nobody.
_ends: dict[int, _End] = {}


def _gone(reference: weakref.ref[Any]) -> None:
    end = cast("_End", reference)
    if sys.is_finalizing():
        return
    _ends.pop(id(end), None)
    uid, where = end.uid, end.where
    row, word = _rows[where[0]], where[1]
    if row[word + 3]:
        recorder.record("lock.gone", uid=uid, failed_ns=row[word + 3], failed_stack=row[word + 4])
    recorder.forget(uid)
    states.give_back(where)


def uid_of_name(name: str) -> int:
    """The id of what has this name in the system, the same in all processes."""
    from hashlib import blake2b

    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little") & _MASK


def note_of(lock: Any) -> Note | None:
    """What is known of a lock; None if it is not watched."""
    found: Note | None = getattr(lock, "__dict__", {}).get(_NOTE)
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
    original, give, enter, leave = (
        base._make_methods, base.__getstate__, base.__enter__, base.__exit__,
    )  # fmt: skip
    rows, getframe = _rows, sys._getframe
    recorder.on_fork(_sites.clear)  # a child has told of no stacks yet

    def make_methods(self: Any) -> None:
        original(self)
        if not recorder.active():
            return
        note = Note(self, self._semlock)
        self.__dict__[_NOTE] = note
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

    # The two that programs call most; what `taken` and `given` do is written out in them.
    def watched_enter(self: Any) -> Any:
        try:
            note = self._holdfast_owner
        except AttributeError:
            return enter(self)
        if note.take(False):
            frame = getframe(1)
            if frame.f_lasti == note.position and frame.f_code is note.code and note.simple:
                rows[note.chunk][note.word] = note.stack
                return True
            note.taken(frame)
            return True
        note.take_slowly(True, None)
        note.taken(getframe(1))
        return True

    def watched_exit(self: Any, *args: Any) -> Any:
        try:
            note = self._holdfast_owner
        except AttributeError:
            return leave(self, *args)
        if note.simple:
            if note.single or note.count() <= 1:
                rows[note.chunk][note.word] = 0
        else:
            note.given()
        note.give()
        return None

    def get_state(self: Any) -> Any:
        note = self.__dict__.get(_NOTE)
        if note is not None:
            recorder.tell(note.uid)
        return give(self)

    return [
        replace(base, "_make_methods", make_methods),
        replace(base, "__enter__", watched_enter),
        replace(base, "__exit__", watched_exit),
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
