"""Numbers of descriptors that outlive the file objects which owned them.

What it keeps true: a file that dies unclosed is known by the ResourceWarning that the interpreter
prepares for it, also where nobody wants to see that: a filter that fits nothing is asked whether it
fits. What was handed to a child as a plain number is looked at only if it was the number of such a
file and not one that `os.open`, `os.pipe` and the like gave since, and told of only if the child
then uses it as a descriptor.

    descriptor.dropped   fd, path, stack           told together with a stale use
    descriptor.stale     fd, was, now, how, stack  a child uses the number; `was` and `now`: paths

A file that was closed by `close()` is not seen: it leaves no warning.

Source: CPython, Modules/_io/fileio.c (fileio_dealloc_warn), Python/_warnings.c (check_matched).
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast.sanitizer import recorder

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from holdfast._arrivals import Undo

_FILE = re.compile(r"unclosed file <.*name=(?P<name>'.*?'|\".*?\"|\d+)")
_SOCKET = re.compile(r"unclosed <socket\.socket fd=(?P<name>\d+)")
_MOST = 256
# What gives the program a number of its own, so that it is no dead object's any more.
_NEW = ("open", "dup", "dup2", "pipe", "pipe2", "openpty", "memfd_create", "eventfd")

# Number of a descriptor: what it was when its object died, and the stack there.
_dropped: dict[int, tuple[str, int]] = {}
# Those that are handed to the child that is being started.
_handed: dict[int, tuple[str, int]] = {}


_undo: list[Undo] = []


class _Listener:
    """Stands in a warnings filter for a pattern: hears the text of every ResourceWarning."""

    def match(self, text: object) -> bool:
        """Hear what dies; it never fits."""
        if recorder.active() and isinstance(text, str):
            found = _FILE.match(text) or _SOCKET.match(text)
            if found is not None:
                _note(found["name"])
        return False


def make_watched(module: ModuleType) -> list[Undo]:
    """Listen to `warnings`."""
    entry: Any = ("ignore", _Listener(), ResourceWarning, None, 0)
    module.filters.insert(0, entry)
    module._filters_mutated()

    def undo() -> None:
        if entry in module.filters:
            module.filters.remove(entry)
        while _undo:
            _undo.pop()()

    return [undo]


def _note(name: str) -> None:
    """A file is about to be closed by its end; its descriptor is still open."""
    stack = recorder.stack(2)
    if name.isdigit():
        _keep(int(name), stack)
        return
    path = os.path.abspath(name[1:-1])  # noqa: PTH100
    with contextlib.suppress(OSError):
        for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208
            if _target(int(entry)) == path:
                _keep(int(entry), stack)


def _keep(number: int, stack: int) -> None:
    target = _target(number)
    if target and (number in _dropped or len(_dropped) < _MOST):
        _dropped[number] = target, stack
        if not _undo:
            known = (name for name in _NEW if hasattr(os, name))
            _undo.extend(replace(os, name, _renewing(getattr(os, name))) for name in known)


def _renew(opened: int | tuple[int, ...]) -> None:
    for number in (opened,) if isinstance(opened, int) else opened:
        _dropped.pop(number, None)


def _renewing(original: Callable[..., Any]) -> Callable[..., Any]:
    """A function of `os` that opens a descriptor: its number is known anew."""

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        result: Any = original(*args, **kwargs)
        _renew(result)
        return result

    return call


def _target(number: int) -> str:
    """What a descriptor is open for; "" if it is closed."""
    try:
        return os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115
    except OSError:
        return ""


def make_watched_process(module: ModuleType) -> list[Undo]:
    """`BaseProcess`: which numbers are handed to a child, and are they used there?"""
    base = module.BaseProcess
    start, bootstrap = base.start, base._bootstrap

    @functools.wraps(start)
    def watched_start(self: Any, *args: Any, **kwargs: Any) -> Any:
        _handed.clear()
        if _dropped:
            given = (*getattr(self, "_args", ()), *getattr(self, "_kwargs", {}).values())
            for number in given:
                if type(number) is int and number in _dropped:
                    _handed[number] = _dropped[number]
        return start(self, *args, **kwargs)

    @functools.wraps(bootstrap)
    def watched_bootstrap(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _handed and recorder.forked():
            for name in ("read", "write", "fdopen", "lseek", "fsync"):
                setattr(os, name, _watched(getattr(os, name), name))
        return bootstrap(self, *args, **kwargs)

    return [replace(base, "start", watched_start), replace(base, "_bootstrap", watched_bootstrap)]


def _watched(original: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function of `os` in a child that was handed suspicious numbers."""

    @functools.wraps(original)
    def call(fd: Any, *args: Any, **kwargs: Any) -> Any:
        if type(fd) is int and fd in _handed:
            was, dropped = _handed.pop(fd)
            now = _target(fd)
            if now != was:
                recorder.record("descriptor.dropped", fd=fd, path=was, stack=dropped)
                recorder.record(
                    "descriptor.stale", fd=fd, was=was, now=now, how=name, stack=recorder.stack()
                )
        return original(fd, *args, **kwargs)

    return call
