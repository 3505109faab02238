"""What a forked child inherits and must not end: files, temporary folders, sockets, other threads.

What it keeps true: a fork takes no look at the program's objects unless a file is open for writing;
a child tells of what it inherited only when something happened to it there.

    fork.threads       stacks       of the threads that the child has not, in the child
    fork.flushed       path, bytes, stack, how    an inherited buffer was written by the child
    fork.finalized     what, name, stack          an inherited finalizer ran in the child
    fork.goodbye       what, fd, stack            a finalizer used an inherited socket in the child
    process.reaped     by os.waitpid, as in ends.py

Source: CPython, Lib/tempfile.py, Lib/weakref.py (finalize), Modules/_io/textio.c, bufferedio.c.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import gc
import io
import os
import stat
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast.sanitizer import _notes, recorder
from holdfast.sanitizer.watch import ends

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, ModuleType

    from holdfast._arrivals import Undo

_MOST_THREADS = 32
_MOST_FILES = 64


def start() -> None:
    """Look at what is inherited, at every fork."""
    os.register_at_fork(before=_before, after_in_parent=_files.clear)
    recorder.on_fork(_after_in_child)


# What the fork that is under way will need in its child.
_threads: list[int] = []
_files: list[tuple[Any, int]] = []
_finalizers = -1


def _before() -> None:
    global _finalizers
    _threads.clear()
    _files.clear()
    if not recorder.active():
        return
    mine = threading.get_ident()
    frames = sys._current_frames()
    for ident, frame in list(frames.items())[:_MOST_THREADS]:
        if ident != mine:
            _threads.append(recorder.stack_of(frame))
        # A variable that names this very frame would keep it, and all that the program has on its
        # stack, until the collector comes: nothing would be dropped when it should be.
        del frame
    del frames
    _files.extend(_with_pending())
    registry: dict[Any, Any] = getattr(weakref.finalize, "_registry", {})
    _finalizers = max((info.index for info in list(registry.values())), default=-1)


def _after_in_child() -> None:
    if _threads:
        for stack in _threads:
            recorder.tell_stack(stack)
        recorder.record("fork.threads", stacks=list(_threads))
    _inherited.clear()
    for file, count in _files:
        _Inherited.watch(file, count)
    _files.clear()
    if _inherited:
        ends.on_exit(_look_at_files)
        atexit.register(_look_at_files, True)
    _watch_sockets()


# ---- buffers -------------------------------------------------------------------------------------


class _Inherited(weakref.ref[Any]):
    """An inherited file with bytes in its buffer."""

    __slots__ = ("count", "name")
    count: int
    name: str

    @classmethod
    def watch(cls, file: Any, count: int) -> None:
        """Watch a file of the parent in the child."""
        reference = cls(file, _file_gone)
        reference.count = count
        reference.name = str(getattr(file, "name", ""))
        _inherited[id(reference)] = reference


_inherited: dict[int, _Inherited] = {}


def _file_gone(reference: Any) -> None:
    if _inherited.pop(id(reference), None) is not None:
        _tell_flush(reference, "dropped")


def _tell_flush(reference: _Inherited, how: str) -> None:
    recorder.record(
        "fork.flushed",
        path=reference.name,
        bytes=reference.count,
        how=how,
        stack=recorder.stack(),
    )


def _look_at_files(ending: bool = False) -> None:
    """At the end of a child: what has become of the buffers?

    Args:
        ending: The interpreter ends, and closes all files.
    """
    for key, reference in list(_inherited.items()):
        file = reference()
        if file is None:
            continue
        left = 0 if file.closed else _pending(file)
        if left < reference.count:
            del _inherited[key]
            _tell_flush(reference, "flushed")
        elif ending:
            del _inherited[key]
            _tell_flush(reference, "exit")


def _with_pending() -> list[tuple[Any, int]]:
    """The files with bytes in their buffers."""
    found: list[tuple[Any, int]] = []
    files = [each for each in (sys.stdout, sys.stderr) if type(each) in _KINDS]
    files += _open_files()
    texts = [each for each in files if type(each) is io.TextIOWrapper]
    inner = set[int]()
    with contextlib.suppress(ValueError):  # detached
        inner = {id(each.buffer) for each in texts}
    for file in files[:_MOST_FILES]:
        if id(file) in inner or any(file is known for known, _ in found):
            continue
        with contextlib.suppress(ValueError, OSError, AttributeError):
            count = 0 if file.closed else _pending(file)
            if count:
                found.append((file, count))
    return found


_KINDS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
# A descriptor, and the device and inode of what it is open for.
_Number = tuple[int, int, int]
# What was found when all objects were last looked at: files, and whose descriptor is nobody's.
_known_files: list[weakref.ref[Any]] = []
_nobodys: set[_Number] = set()


def _open_files() -> list[Any]:
    """The files that may have something in a buffer.

    To find them means to look at all objects of the program, which is not done at every fork: not
    if nothing but standard streams is open for writing, and not if all that is belongs to files
    that are known, or has belonged to none. So a buffer that was put over an open file only after
    a fork is missed until another file is opened.
    """
    global _nobodys
    numbers = _writable()
    if not numbers:
        return []
    files = [file for each in _known_files if (file := each()) is not None]
    if not numbers - _nobodys <= _of(files, numbers):
        # Files without a buffer as well: they say whose a descriptor is.
        files = _notes.those_of(gc.get_objects(), (*_KINDS, io.FileIO))
        _known_files[:] = map(weakref.ref, files)
        _nobodys = numbers - _of(files, numbers)
    return [file for file in files if type(file) is not io.FileIO]


def _of(files: list[Any], numbers: set[_Number]) -> set[_Number]:
    """Those of the descriptors that belong to one of the files."""
    own = set[int]()
    for file in files:
        with contextlib.suppress(ValueError, OSError):  # closed, or no file of the system
            own.add(file.fileno())
    return {number for number in numbers if number[0] in own}


def _writable() -> set[_Number]:
    """The descriptors of files that are open for writing, beyond the standard streams and ours."""
    found = set[_Number]()
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH208
    except OSError:
        return found
    for number in numbers:
        if number > 2:
            with contextlib.suppress(OSError):
                writable = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
                status = os.fstat(number)
                if not writable or not stat.S_ISREG(status.st_mode):
                    continue
                if not os.readlink(f"/proc/self/fd/{number}").startswith(_OURS):  # noqa: PTH115
                    found.add((number, status.st_dev, status.st_ino))
    return found


# The heap and the capture.
_OURS = "/memfd:holdfast-"


def _pending(file: Any) -> int:
    """How many bytes are in a file's buffers; to ask changes nothing."""
    if type(file) is io.TextIOWrapper:
        return _pending_text(file) + _pending_bytes(file.buffer)
    return _pending_bytes(file)


def _pending_bytes(buffer: Any) -> int:
    if type(buffer) not in {io.BufferedWriter, io.BufferedRandom} or not buffer.seekable():
        return 0
    # tell() says where the next byte goes; the system where the file is.
    return max(0, int(buffer.tell()) - os.lseek(buffer.fileno(), 0, os.SEEK_CUR))


@functools.cache
def _text_offset() -> int:
    """Where in a TextIOWrapper the count of its pending bytes is; -1 if it is not found.

    There is no way to ask for it, so it is found out by one whose count is known.
    """
    probe = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\n")
    size = io.TextIOWrapper.__basicsize__ // 8
    candidates = set(range(2, size))
    for text in ("", "seven..", "and seventeen......"):
        probe.write(text)
        words = _words(probe, size)
        total = 0 if not text else 7 if text.startswith("s") else 26
        candidates = {index for index in candidates if words[index] == total}
    probe.flush()
    words = _words(probe, size)
    candidates = {index for index in candidates if words[index] == 0}
    return candidates.pop() if len(candidates) == 1 else -1


def _words(thing: Any, count: int) -> memoryview[int]:
    import ctypes

    return memoryview(ctypes.string_at(id(thing), count * 8)).cast("Q")


def _pending_text(file: Any) -> int:
    if sys.implementation.name != "cpython":
        return 0
    at = _text_offset()
    return 0 if at < 0 else _words(file, at + 1)[at]


# ---- finalizers ----------------------------------------------------------------------------------

# A temporary folder or file: the process that made it.
_makers: dict[str, int] = {}
_DESTROYING = ("rmtree", "unlink", "remove", "rmdir", "kill", "killpg")


def make_watched_tempfile(module: ModuleType) -> list[Undo]:
    """Watch `tempfile`: folders and files that their Python object removes."""
    folder, closer = module.TemporaryDirectory, module._TemporaryFileCloser
    initialize, leave, finish = folder.__init__, folder.__exit__, folder._cleanup
    make_closer = closer.__init__
    name_of_close = "cleanup" if "cleanup" in closer.__dict__ else "close"
    close = closer.__dict__[name_of_close]

    @functools.wraps(initialize)
    def watched_init(self: Any, *args: Any, **kwargs: Any) -> None:
        initialize(self, *args, **kwargs)
        _makers[str(self.name)] = recorder.pid()

    @functools.wraps(leave)
    def watched_exit(self: Any, *args: Any) -> Any:
        _look_at_maker("TemporaryDirectory", str(self.name))
        return leave(self, *args)

    @functools.wraps(finish)
    def cleanup(cls: Any, name: Any, *args: Any, **kwargs: Any) -> Any:
        _look_at_maker("TemporaryDirectory", str(name))
        return finish.__func__(cls, name, *args, **kwargs)

    @functools.wraps(make_closer)
    def watched_closer(self: Any, *args: Any, **kwargs: Any) -> None:
        make_closer(self, *args, **kwargs)
        _makers[str(self.name)] = recorder.pid()

    @functools.wraps(close)
    def watched_close(self: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(self, "delete", True) and not getattr(self, "close_called", False):
            _look_at_maker("NamedTemporaryFile", str(self.name))
        return close(self, *args, **kwargs)

    return [
        replace(folder, "__init__", watched_init),
        replace(folder, "__exit__", watched_exit),
        replace(folder, "_cleanup", classmethod(cleanup)),
        replace(closer, "__init__", watched_closer),
        replace(closer, name_of_close, watched_close),
    ]


def _look_at_maker(what: str, name: str) -> None:
    """A folder or file is about to be removed: by whom?"""
    maker = _makers.get(name, 0)
    if maker and maker != recorder.pid() and os.path.exists(name):  # noqa: PTH110
        _makers.pop(name, None)
        recorder.record("fork.finalized", what=what, name=name, stack=recorder.stack())


def make_watched_weakref(module: ModuleType) -> list[Undo]:
    """Watch `weakref.finalize`: callbacks that were registered before a fork, called after it."""
    finalize = module.finalize
    original = finalize.__call__

    @functools.wraps(original)
    def call(self: Any, _: Any = None) -> Any:
        info = finalize._registry.get(self) if recorder.forked() else None
        if info is not None and info.index <= _finalizers and not finalize._shutdown:
            name = getattr(info.func, "__name__", "")
            if name in _DESTROYING:
                shown = repr(info.args[0]) if info.args else ""
                recorder.record(
                    "fork.finalized", what=f"finalize({name})", name=shown, stack=recorder.stack()
                )
        return original(self, _)

    return [replace(finalize, "__call__", call)]


# ---- sockets -------------------------------------------------------------------------------------

_own_sockets: weakref.WeakSet[Any] = weakref.WeakSet()
_sockets_watched = False


def _watch_sockets() -> None:
    """In a forked child only: the sockets that exist now are its parent's, too."""
    global _sockets_watched
    module = sys.modules.get("socket")
    if module is None or _sockets_watched:
        return
    _sockets_watched = True
    cls: Any = module.socket
    initialize = cls.__init__

    @functools.wraps(initialize)
    def watched_init(self: Any, *args: Any, **kwargs: Any) -> None:
        initialize(self, *args, **kwargs)
        _own_sockets.add(self)

    cls.__init__ = watched_init
    for name in ("send", "sendall", "shutdown"):
        setattr(cls, name, _watched_method(getattr(cls, name), name))


def _watched_method(original: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self not in _own_sockets and _in_finalizer():
            recorder.record("fork.goodbye", what=name, fd=self.fileno(), stack=recorder.stack())
        return original(self, *args, **kwargs)

    return method


def _in_finalizer() -> bool:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__":
            return True
        if code.co_name == "__call__" and code.co_filename.endswith("weakref.py"):
            return True
        frame = frame.f_back
    return False
