"""multiprocessing.shared_memory: segments, who opens, closes and unlinks them, and views of them.

What it keeps true: a view is never left without its memory. A SharedMemory that is closed, or dies,
while something still refers to the memoryview that its `buf` gave is not unmapped then, but when
the last reference is gone; whether the memory is touched in between is seen in the page table, from
which its pages are taken at the close. With `--as-is` it is unmapped as ever. What is refused by
the standard library (`BufferError`, while slices or exported buffers exist) is refused.

Names are without their leading slash. Events:

    shm.opened     uid, name, created, inode, size, stack
    shm.failed     name, created, error (errno), text, unlinked, stack    the constructor raised
    shm.unlinked   uid, name, inode, missing, stack         missing: the name was gone already
    shm.closed     uid, links, used_ns, how, stack          links: 0 if the name is gone
    shm.open       uid, used_ns                             at the end of a process: never closed
    shm.viewed     uid, taken_ns, stack                     where `buf` was read; for what follows
    shm.dropped    uid, how, operation, leaving, stack      closed under a view; how: close, del
    shm.refused    uid, how, leaving, stack                 the close raised BufferError
    shm.used       uid, leaving, stack                      the memory was touched after `dropped`
    shm.outlived   uid                                      with --as-is: the view is still there

Source: CPython, Lib/multiprocessing/shared_memory.py, Objects/memoryobject.c; issues 115635, 153279
and 155003; NumPy issue 23305; proc(5), /proc/pid/pagemap.
"""

from __future__ import annotations

import errno
import functools
import mmap
import os
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast.sanitizer import reach, recorder
from holdfast.sanitizer.watch import ends, exports, leaving

if TYPE_CHECKING:
    from types import ModuleType

    from holdfast._arrivals import Undo

# Places where `buf` was read that are remembered of an object.
MOST_PLACES = 32


class Attempt(threading.local):
    """What this thread is in the middle of."""

    opening: Any = None
    unlinked = False
    unlinking = False
    deleting = False


class _Notes:
    """What is known of an open SharedMemory; it holds nothing of it."""

    __slots__ = ("places", "used_ns")

    def __init__(self) -> None:
        # (id of code, position): (when, stack). The codes are kept by the stacks.
        self.places: dict[tuple[int, int], tuple[int, int]] = {}
        self.used_ns = 0


class View(weakref.ref[Any]):
    """A memoryview that was left behind, with the mapping that it looks into."""

    __slots__ = ("memory", "uid", "used")

    uid: int
    memory: Any
    used: bool


attempt = Attempt()
_notes: dict[int, _Notes] = {}
_views: dict[int, View] = {}


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `multiprocessing.shared_memory`, or another package's copy of it."""
    kind = module.SharedMemory
    initialize, close, unlink, delete = kind.__init__, kind.close, kind.unlink, kind.__del__
    ends.on_exit(_at_exit)
    recorder.on_fork(_after_fork)

    @functools.wraps(initialize)
    def watched_init(self: Any, *args: Any, **kwargs: Any) -> None:
        outer = attempt.opening, attempt.unlinked
        attempt.opening, attempt.unlinked = self, False
        try:
            initialize(self, *args, **kwargs)
        except OSError as error:
            _tell_failure(self, args[0] if args else kwargs.get("name"), error)
            raise
        finally:
            attempt.opening, attempt.unlinked = outer
        _tell_opened(self)

    @functools.wraps(close)
    def watched_close(self: Any) -> None:
        uid = reach.uid_of(self)
        if uid not in _notes or self._mmap is None or not recorder.active():
            close(self)
            return
        how = "del" if attempt.deleting else "close"
        _tell_views(self, uid, how)
        links = _links(self)
        try:
            close(self)
        except BufferError:
            _tell_places(uid)
            recorder.record(
                "shm.refused", uid=uid, how=how, leaving=leaving.leaving(), stack=recorder.stack()
            )
            raise
        notes = _notes.pop(uid)
        recorder.record(
            "shm.closed", uid=uid, links=links, used_ns=notes.used_ns, how=how,
            stack=recorder.stack(),
        )  # fmt: skip

    @functools.wraps(unlink)
    def watched_unlink(self: Any) -> None:
        if not self._name or not recorder.active():
            unlink(self)
            return
        uid, name = reach.uid_of(self), self._name.removeprefix("/")
        inode = _inode_of(name)
        outer, attempt.unlinking = attempt.unlinking, True
        missing = False
        try:
            unlink(self)
        except FileNotFoundError:
            missing = True
            raise
        finally:
            attempt.unlinking = outer
            if attempt.opening is self:
                attempt.unlinked = not missing
            else:
                recorder.record(
                    "shm.unlinked", uid=uid, name=name, inode=inode, missing=missing,
                    stack=recorder.stack(),
                )  # fmt: skip

    @functools.wraps(delete)
    def watched_del(self: Any) -> None:
        outer, attempt.deleting = attempt.deleting, True
        try:
            delete(self)
        finally:
            attempt.deleting = outer

    def buf(self: Any) -> Any:
        notes = _notes.get(self.__dict__.get(reach.MARK, 0))
        if notes is not None:
            notes.used_ns = time.monotonic_ns()
            frame = sys._getframe(1)
            key = (id(frame.f_code), frame.f_lasti)
            if key not in notes.places and len(notes.places) < MOST_PLACES:
                notes.places[key] = notes.used_ns, recorder.stack()
        return self._buf

    return [
        replace(kind, "__init__", watched_init),
        replace(kind, "close", watched_close),
        replace(kind, "unlink", watched_unlink),
        replace(kind, "__del__", watched_del),
        replace(kind, "buf", property(buf, doc=kind.buf.__doc__)),
    ]


# ---- opening ------------------------------------------------------------------------------------


def _tell_opened(memory: Any) -> None:
    if not recorder.active():
        return
    uid = recorder.new_uid()
    reach.mark(memory, uid)
    _notes[uid] = _Notes()
    recorder.record(
        "shm.opened",
        uid=uid,
        name=str(memory._name).removeprefix("/"),
        created=bool(memory._flags & os.O_EXCL),
        inode=os.fstat(memory._fd).st_ino,
        size=int(memory._size),
        stack=recorder.stack(),
    )


def _tell_failure(memory: Any, name: Any, error: OSError) -> None:
    recorder.record(
        "shm.failed",
        name=str(name or memory._name or "").removeprefix("/"),
        created=bool(memory._flags & os.O_EXCL),
        error=error.errno or 0,
        text=os.strerror(error.errno or errno.EIO),
        unlinked=attempt.unlinked,
        stack=recorder.stack(),
    )


def _inode_of(name: str) -> int:
    try:
        return os.stat(f"/dev/shm/{name}").st_ino  # noqa: PTH116, S108 - where names are
    except (OSError, ValueError):
        return 0


def _links(memory: Any) -> int:
    try:
        return os.fstat(memory._fd).st_nlink
    except OSError:
        return 1


# ---- views --------------------------------------------------------------------------------------


class _Holder:
    """Has a `_buf` as a SharedMemory has, to count what a reference from there counts as."""

    def __init__(self) -> None:
        self._buf = memoryview(bytearray(1))


def _references(memory: Any) -> int:
    return sys.getrefcount(memory._buf)


_NONE = _references(_Holder())


def _tell_views(memory: Any, uid: int, how: str) -> None:
    """If something refers to the view, tell so, and leave it its memory, unless `--as-is`."""
    if memory._buf is None or _references(memory) <= _NONE or exports.of(memory._buf) > 1:
        return
    stack = recorder.stack()
    _tell_places(uid)
    recorder.record(
        "shm.dropped",
        uid=uid,
        how=how,
        leaving=leaving.leaving(),
        operation=recorder.operation(stack),
        stack=stack,
    )
    view = View(memory._buf, _view_died)
    view.uid, view.memory, view.used = uid, None, False
    _views[id(view)] = view
    if recorder.setting("as_is"):
        return
    view.memory = memory._mmap
    try:
        view.memory.madvise(mmap.MADV_DONTNEED)
    except (OSError, ValueError):
        view.used = True  # it is locked: nobody can tell whether it is touched
    memory._buf = memory._mmap = None


def _tell_places(uid: int) -> None:
    notes = _notes.get(uid)
    if notes is not None:
        for taken_ns, stack in notes.places.values():
            recorder.record("shm.viewed", uid=uid, taken_ns=taken_ns, stack=stack)


def _view_died(view: View) -> None:
    """Nothing refers to it any more; its memory goes when `view.memory` does."""
    _views.pop(id(view), None)
    _look(view)


def _look(view: View) -> None:
    """Tell if somebody has touched the memory since it was left behind."""
    if view.memory is None or view.used or not recorder.active():
        return
    if exports.touched(view.memory):
        view.used = True
        recorder.record(
            "shm.used", uid=view.uid, leaving=leaving.leaving(), stack=recorder.stack()
        )


def look() -> None:
    """Look at all views that were left behind."""
    for view in list(_views.values()):
        _look(view)


def _at_exit() -> None:
    look()
    for view in list(_views.values()):
        if recorder.setting("as_is"):
            recorder.record("shm.outlived", uid=view.uid)
    for uid, notes in list(_notes.items()):
        recorder.record("shm.open", uid=uid, used_ns=notes.used_ns)


def _after_fork() -> None:
    for notes in _notes.values():
        notes.used_ns = 0
