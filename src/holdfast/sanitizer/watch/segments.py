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

import contextlib
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

# The notes' key in the dict of a SharedMemory.
_KEY = "_holdfast_notes"
# Places where `buf` was read that are remembered of an object.
MOST_PLACES = 32


class Attempt(threading.local):
    """What this thread is in the middle of."""

    opening: Any = None
    unlinked = False
    # What trackers.py has to tell of it; it is told once the opening has been.
    told: Any = None
    unlinking = False
    # The stack where the object that is being deleted has died; 0 outside of `__del__`.
    deleting = 0


class _Notes:
    """What is known of an open SharedMemory; it holds nothing of it."""

    __slots__ = ("places", "used_ns")

    def __init__(self) -> None:
        # Id of code, and position: (when, stack). The codes are kept by the stacks.
        self.places: dict[int, tuple[int, int]] = {}
        self.used_ns = 0


class _Left:
    """A mapping that was left behind with somebody who looks into it."""

    __slots__ = ("memory", "uid", "used", "view")

    def __init__(self, uid: int, memory: Any, view: Any) -> None:
        self.uid = uid
        # With --as-is a weak reference, as it is none of our business when it goes.
        self.memory = memory
        # Tells when the memoryview dies, where that is what is referred to.
        self.view = view
        self.used = False

    def references(self) -> int:
        """How often the mapping is referred to: by us, and by whom it was left to."""
        return sys.getrefcount(self.memory)


attempt = Attempt()
_notes: dict[int, _Notes] = {}
_left: list[_Left] = []


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `multiprocessing.shared_memory`, or another package's copy of it."""
    kind = module.SharedMemory
    initialize, close, unlink, delete = kind.__init__, kind.close, kind.unlink, kind.__del__
    ends.on_exit(_at_exit)
    recorder.on_fork(_after_fork)

    @functools.wraps(initialize)
    def watched_init(self: Any, *args: Any, **kwargs: Any) -> None:
        outer = attempt.opening, attempt.unlinked, attempt.told
        attempt.opening, attempt.unlinked, attempt.told = self, False, []
        try:
            initialize(self, *args, **kwargs)
            _tell_opened(self)
        except OSError as error:
            _tell_failure(self, args[0] if args else kwargs.get("name"), error)
            raise
        finally:
            for event, data in attempt.told:
                recorder.record(event, **data)
            attempt.opening, attempt.unlinked, attempt.told = outer

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
                "shm.refused",
                uid=uid,
                how=how,
                leaving=leaving.leaving(),
                stack=attempt.deleting or recorder.stack(),
            )
            raise
        notes = _notes.pop(uid, None) or _Notes()  # another thread may have closed it as well
        self.__dict__.pop(_KEY, None)
        recorder.record(
            "shm.closed", uid=uid, links=links, used_ns=notes.used_ns, how=how,
            stack=recorder.stack(),
        )  # fmt: skip

    @functools.wraps(unlink)
    def watched_unlink(self: Any) -> None:
        if not self._name or not recorder.active():
            unlink(self)
            return
        look()
        uid, name = reach.uid_of(self), self._name.removeprefix("/")
        inode = _inode_of(name)
        outer, attempt.unlinking = attempt.unlinking, True
        try:
            unlink(self)
        except FileNotFoundError:
            _tell_unlinked(self, uid, name, inode, missing=True)
            raise
        finally:
            attempt.unlinking = outer
        _tell_unlinked(self, uid, name, inode, missing=False)

    @functools.wraps(delete)
    def watched_del(self: Any) -> None:
        died = recorder.stack() if reach.uid_of(self) in _notes else 0
        outer, attempt.deleting = attempt.deleting, died
        try:
            delete(self)
        finally:
            attempt.deleting = outer

    def buf(self: Any, now: Any = time.monotonic_ns, frame_at: Any = sys._getframe) -> Any:
        # Programs read this for every element: it is written for speed.
        try:
            notes = self._holdfast_notes
        except AttributeError:
            return self._buf
        notes.used_ns = now()
        frame = frame_at(1)
        key = id(frame.f_code) + frame.f_lasti
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
    look()
    uid = recorder.new_uid()
    reach.mark(memory, uid)
    _notes[uid] = memory.__dict__[_KEY] = _Notes()
    recorder.record(
        "shm.opened",
        uid=uid,
        name=str(memory._name).removeprefix("/"),
        created=bool(memory._flags & os.O_EXCL),
        inode=_inode(memory),
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


def _tell_unlinked(memory: Any, uid: int, name: str, inode: int, *, missing: bool) -> None:
    if attempt.opening is memory:
        attempt.unlinked = not missing
        return
    recorder.record(
        "shm.unlinked", uid=uid, name=name, inode=inode, missing=missing, stack=recorder.stack()
    )


def _inode(memory: Any) -> int:
    try:
        return os.fstat(memory._fd).st_ino
    except OSError:
        return 0


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
    """Has a `_buf` and a `_mmap` as a SharedMemory has, to see what nobody's references count."""

    def __init__(self) -> None:
        self._mmap = mmap.mmap(-1, 1)
        self._buf = memoryview(self._mmap)


def _references(memory: Any) -> int:
    # An array made of `buf` refers to the mapping behind it: NumPy looks through memoryviews.
    return sys.getrefcount(memory._buf) + sys.getrefcount(memory._mmap)


_NONE = _references(_Holder())
_alone = _Left(0, mmap.mmap(-1, 1), None)
_ALONE = _alone.references()
del _alone


def _tell_views(memory: Any, uid: int, how: str) -> None:
    """If something refers to the view, tell so, and leave it its memory, unless `--as-is`."""
    look()
    if memory._buf is None or _references(memory) <= _NONE or exports.of(memory._buf) > 1:
        return
    stack = attempt.deleting or recorder.stack()
    _tell_places(uid)
    recorder.record(
        "shm.dropped",
        uid=uid,
        how=how,
        leaving=leaving.leaving(),
        operation=recorder.operation(stack),
        stack=stack,
    )
    if recorder.setting("as_is"):
        _left.append(_Left(uid, weakref.ref(memory._mmap), weakref.ref(memory._buf)))
        return
    left = _Left(uid, memory._mmap, weakref.ref(memory._buf, _view_died))
    try:
        left.memory.madvise(mmap.MADV_DONTNEED)
    except (OSError, ValueError):
        left.used = True  # it is locked: nobody can tell whether it is touched
    memory._buf = memory._mmap = None
    _left.append(left)


def _tell_places(uid: int) -> None:
    notes = _notes.get(uid)
    if notes is not None:
        for taken_ns, stack in notes.places.values():
            recorder.record("shm.viewed", uid=uid, taken_ns=taken_ns, stack=stack)


def _view_died(_view: Any) -> None:
    look()


def look() -> None:
    """Tell what was left behind and has been touched since; give back what nobody refers to."""
    if not _left or recorder.setting("as_is"):
        return
    for left in list(_left):
        if not left.used and recorder.active() and exports.touched(left.memory):
            left.used = True
            recorder.record(
                "shm.used", uid=left.uid, leaving=leaving.leaving(), stack=recorder.stack()
            )
        if left.references() <= _ALONE:
            with contextlib.suppress(ValueError):  # another thread was quicker
                _left.remove(left)


def _at_exit() -> None:
    look()
    if recorder.setting("as_is"):
        for left in _left:
            if left.memory() is not None or left.view() is not None:
                recorder.record("shm.outlived", uid=left.uid)
    for uid, notes in list(_notes.items()):
        recorder.record("shm.open", uid=uid, used_ns=notes.used_ns)


def _after_fork() -> None:
    for notes in _notes.values():
        notes.used_ns = 0
