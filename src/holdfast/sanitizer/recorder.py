"""The recorder: how a watched process tells what happens in it.

What it keeps true: a record that was made is in the capture when the call returns, unless the
capture is full or another thread is writing at that moment, which then writes it as well. No call
waits for a lock: objects are dropped in the middle of anything, of the recorder too. What is told
of objects that no other process can see is kept in this process, and written only once the object
becomes interesting, so that a program that makes 100,000 values writes next to nothing.

All functions do nothing in a process that is not watched.

Fork: a child becomes a process of its own here, before anything else of it can run.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from holdfast import _family
from holdfast.sanitizer._notes import News
from holdfast.sanitizer.capture import Address, Capture, Drops, Reader
from holdfast.sanitizer.stacks import Stacks

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

# A subprocess may have limits of its own; so much address space it will have.
_SUBPROCESS_BYTES = 32 << 20
# Ids are the number of the process that made the object and a count: 24 and 39 bits, so that they
# are positive as 64-bit numbers.
_COUNT_BITS = 39


class _State:
    """What one process knows: the only variable of this module is the state's content."""

    def __init__(self) -> None:
        self.capture: Capture | None = None
        self.drops: Drops | None = None
        self.any_news = News(_nothing)
        self.stacks = Stacks()
        self.settings: dict[str, Any] = {}
        self.number = 0
        self.pid = 0
        self.forks = 0
        self.forked = False
        self.count = itertools.count(1)
        self.pending: deque[tuple[str, int, dict[str, Any]]] = deque()
        self.lock = threading.Lock()
        self.told_stacks: set[int] = set()
        self.told_frames: dict[tuple[Any, ...], int] = {}
        # Id of an object: what is to be told of it when it becomes interesting: the fact before it,
        # its kind and time, the names of its data, and they themselves.
        self.facts: dict[int, tuple[Any, ...]] = {}
        self.handlers: list[Callable[[], object]] = []


_nothing: memoryview[int] = memoryview(bytearray(8)).cast("Q")
_me = _State()


# ---- what a watch calls -------------------------------------------------------------------------


def active() -> bool:
    """Whether this process is watched."""
    return _me.number != 0


def record(kind: str, /, **data: Any) -> None:
    """Tell of an event, now.

    Args:
        kind: One of those that `holdfast.sanitizer` explains.
        data: What `marshal` can write. A stack's number goes by the name `stack`, or by one that
            ends in `_stack`.
    """
    if _me.number:
        _write(kind, time.monotonic_ns(), data)


def remember(uid: int, kind: str, /, **data: Any) -> None:
    """Keep an event of an object in this process until `tell(uid)`, or until `forget(uid)`.

    It is kept small, as there may be as many as there are objects: two tuples, of which the one
    with the names is the same for all events of a kind.
    """
    if _me.number:
        names = _names.setdefault(kind, tuple(data))
        if len(names) != len(data):
            names = tuple(data)
        before = _me.facts.get(uid)
        _me.facts[uid] = (before, kind, time.monotonic_ns(), names, *data.values())


# A kind of event: the names of its data.
_names: dict[str, tuple[str, ...]] = {}


def tell(uid: int) -> None:
    """Write what is remembered of an object: it has become interesting."""
    fact = _me.facts.pop(uid, None)
    found: list[tuple[str, int, dict[str, Any]]] = []
    while fact is not None:
        before, kind, at_ns, names, *values = fact
        found.append((kind, at_ns, {"uid": uid, **dict(zip(names, values, strict=True))}))
        fact = before
    for kind, at_ns, data in reversed(found):
        _write(kind, at_ns, data)


def forget(uid: int) -> None:
    """The object is gone, and nobody else ever saw it."""
    _me.facts.pop(uid, None)


def stack(skip: int = 1) -> int:
    """The number of the calling thread's stack, for a `stack` field. It costs a microsecond.

    Args:
        skip: Frames of ours to leave out; more than there are do no harm, as text leaves out all.
    """
    return _me.stacks.take(skip + 1)


def tell_stack(number: int) -> int:
    """Write a stack's text now, for a state that names it; the same number."""
    if _me.number and number not in _me.told_stacks:
        record("stack.told", stack=number)
    return number


def stack_of(frame: FrameType) -> int:
    """The number of the stack that ends in a frame."""
    return _me.stacks.take_from(frame)


def all_states() -> list[tuple[int, tuple[int, ...]]]:
    """The states of all processes, as they are now; see states.py."""
    return [] if _me.capture is None else list(Reader(_me.capture).states())


def claim_states() -> memoryview[int] | None:
    """Words that this process may overwrite for ever, which outlive it; see states.py."""
    if _me.capture is None or not _me.number or not _me.lock.acquire(timeout=1.0):
        return None
    try:
        return _me.capture.claim_states()
    finally:
        _me.lock.release()


def operation(number: int) -> str:
    """What the innermost frame of that stack was executing, as an opcode's name."""
    return _me.stacks.operation(number)


def new_uid() -> int:
    """An id for an object, that no other object of the family has."""
    return _me.number << _COUNT_BITS | next(_me.count)


def made_here(uid: int) -> bool:
    """Whether this very process has made the object: not one that it was forked from."""
    return uid >> _COUNT_BITS == _me.number


def made_by_module(number: int) -> bool:
    """Whether what called multiprocessing in that stack was the body of a module."""
    return _me.stacks.is_of_module(number)


def pid() -> int:
    """The process that the recorder is in. It costs less than a system call."""
    return _me.pid


def number() -> int:
    """The number of this process in the capture."""
    return _me.number


def forks() -> int:
    """How many processes have inherited this one's memory so far, directly."""
    return _me.forks


def forked() -> bool:
    """Whether this process was forked by another one that was watched."""
    return _me.forked


def setting(name: str) -> Any:
    """A setting that `holdfast run` has made for the family; None if it has not."""
    return _me.settings.get(name)


def publish_drop(uid: int) -> None:
    """Let other processes know that this object was dropped here; they ask by `was_dropped`."""
    if _me.capture is not None and _me.number:
        with_lock = _me.lock.acquire(blocking=False)
        if not with_lock:
            _me.pending.append(("", uid, {}))
            return
        try:
            _me.capture.drop(uid)
        finally:
            _me.lock.release()
        _drain()


def news() -> memoryview[int]:
    """One number that is different after every drop in the family, and 0 before the first."""
    return _nothing if _me.capture is None else _me.capture.news


def any_news() -> News:
    """Whether there is any news, or anything fresh of this process; cheap to ask."""
    return _me.any_news


def dropped() -> set[int]:
    """The ids of all objects that processes have dropped while others may have had them."""
    if _me.drops is None:
        return set()
    _me.drops.look()
    return _me.drops.known


def on_fork(function: Callable[[], object]) -> None:
    """Call `function` in every forked child, after it has become a process of the capture."""
    if function not in _me.handlers:
        _me.handlers.append(function)


# ---- writing ------------------------------------------------------------------------------------


def _write(kind: str, at_ns: int, data: dict[str, Any]) -> None:
    _me.pending.append((kind, at_ns, data))
    _drain()


def _drain() -> None:
    """Write what is pending, unless somebody does already: then it is that one who writes it."""
    while _me.pending and _me.lock.acquire(blocking=False):
        try:
            while _me.pending:
                _put(*_me.pending.popleft())
        finally:
            _me.lock.release()


def _put(kind: str, at_ns: int, data: dict[str, Any]) -> None:
    capture = _me.capture
    if capture is None:
        return
    if not kind:
        capture.drop(at_ns)
        return
    for name, value in data.items():
        if name.endswith("stack") and value not in _me.told_stacks:
            _put_stack(capture, value)
    capture.write((kind, at_ns, data))


def _put_stack(capture: Capture, number: int) -> None:
    """Write a stack's text, once for each process; frames are shared by stacks."""
    _me.told_stacks.add(number)
    keys: list[int] = []
    for frame in _me.stacks.frames(number):
        key = _me.told_frames.get(frame)
        if key is None:
            key = _me.told_frames[frame] = len(_me.told_frames) + 1
            capture.write(("frame", 0, {"id": key, "frame": frame}))
        keys.append(key)
    capture.write(("stack", 0, {"id": number, "frames": keys}))


# ---- how a process comes to be watched ----------------------------------------------------------


def start(capture: Capture, settings: dict[str, Any]) -> None:
    """Watch this process, which is the program's first, and all that descend from it.

    Args:
        capture: Made by the supervisor.
        settings: For `setting()`, in all processes; plain data.
    """
    _settle(capture, settings, method="main", parent=0)


def attach(address: tuple[int, int], settings: dict[str, Any], parent: int) -> None:
    """Watch this process, a child of spawn, forkserver or loky; nothing else has run in it yet."""
    _attach(address, settings, parent)


def attach_subprocess(
    address: tuple[int, int], settings: dict[str, Any], parent: int, name: str
) -> None:
    """Watch this process, an interpreter of its own; see watch/subprocesses.py."""
    _attach(address, settings, parent, name=name)


def _attach(
    address: tuple[int, int], settings: dict[str, Any], parent: int, *, name: str = ""
) -> None:
    if _me.number:
        return
    try:
        capture = Capture.attach(Address(*address), _SUBPROCESS_BYTES if name else 1 << 62)
    except (OSError, ValueError):
        return  # the supervisor is gone, and with it everybody who could read a report
    _settle(capture, settings, method="subprocess" if name else "spawn", parent=parent, name=name)


def way() -> tuple[tuple[int, int], dict[str, Any], int] | None:
    """What `attach` needs in a child of this process; None if this one is not watched."""
    capture = _me.capture
    if capture is None or not _me.number:
        return None
    return (capture.address.pid, capture.address.descriptor), _me.settings, _me.number


class _Invitation:
    """What children of other start methods call first; it is made new for each of them."""

    def __call__(self) -> None:
        raise AssertionError("an invitation is pickled, not called")

    def __reduce__(self) -> Any:
        capture = _me.capture
        assert capture is not None
        address = (capture.address.pid, capture.address.descriptor)
        return functools.partial, (attach, address, _me.settings, _me.number)


_invitation = _Invitation()


def _settle(
    capture: Capture, settings: dict[str, Any], *, method: str, parent: int, name: str = ""
) -> None:
    from holdfast.sanitizer import watch

    _me.capture = capture
    _me.drops = Drops(capture)
    _me.any_news = News(capture.news)
    _me.settings = settings
    capture.begin()
    _me.number = capture.number
    _me.pid = os.getpid()
    if not _me.number:
        return
    record(
        "process.begin",
        pid=_me.pid,
        parent=parent,
        method=method,
        name=name or _family.process_name(),
        command=list(sys.orig_argv) if method in {"main", "subprocess"} else [],
    )
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
    _family.on_child(_invitation)
    watch.start()


def _before_fork() -> None:
    _me.forks += 1


def _after_fork() -> None:
    """In a forked child: it is another process, and nothing of what is half done is its own."""
    if _me.capture is None:
        return
    parent = _me.number
    _me.lock = threading.Lock()
    _me.pending.clear()
    _me.told_stacks.clear()
    _me.told_frames.clear()
    _me.capture.begin()
    _me.number = _me.capture.number
    _me.pid = os.getpid()
    _me.forks = 0
    _me.forked = True
    _me.count = itertools.count(1)
    record("process.begin", pid=_me.pid, parent=parent, method="os.fork", stack=stack(), name="")
    for function in _me.handlers:
        function()
