"""traceback, threading: what the program shows of an exception has no frames of ours.

What it keeps true: a traceback that the program prints or formats itself, that multiprocessing
prints in a child, logging or asyncio in its log, or the interpreter for a thread, reads as it does
without us. Frames are left out where they are shown; objects stay what they are, except where the
interpreter itself is about to show them: it cannot be told to leave any out.

What differs and cannot be helped: `inspect.stack()`, and the tools that look at `tb_next` and
`f_back` for themselves, such as pytest.

Source: CPython, Lib/traceback.py (walk_tb, walk_stack), Lib/threading.py (_make_invoke_excepthook).
"""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType, TracebackType

    from holdfast._arrivals import Undo

_PACKAGE = str(Path(__file__).resolve().parent.parent.parent) + os.sep
# Where functions of the standard library that are watched have their frames.
_WATCHES = _PACKAGE + "sanitizer" + os.sep
# Through it modules are loaded. The import system takes its own frames out of tracebacks, but not
# those that it does not recognise because ours are among them.
_LOADER = _PACKAGE + "_arrivals.py"
_IMPORT_SYSTEM = "<frozen importlib._bootstrap"
# Runs the program: what is further out than it has started us.
_FIRST = _PACKAGE + os.path.join("cli", "interpreter.py")  # noqa: PTH118


def _kept(frames: Iterable[Any]) -> list[int]:
    """The indices of those frames that are shown."""
    kept: list[int] = []
    files: list[str] = []
    for index, frame in enumerate(frames):
        file: str = frame.f_code.co_filename
        if file == _LOADER:
            while files and files[-1].startswith(_IMPORT_SYSTEM):
                files.pop()
                kept.pop()
        elif not file.startswith(_WATCHES):
            kept.append(index)
            files.append(file)
    return kept


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `traceback`."""
    names = ("walk_tb", "_walk_tb_with_full_positions")
    undo = [replace(module, name, _shown(getattr(module, name)))
            for name in names if hasattr(module, name)]  # fmt: skip
    walk_stack = module.walk_stack

    @functools.wraps(walk_stack)
    def watched_walk_stack(f: Any) -> Iterator[Any]:
        # Without a frame it counts its callers, of whom we must not be one.
        return walk_stack(f) if f is None else _own(walk_stack(f))

    return [*undo, replace(module, "walk_stack", watched_walk_stack)]


def _shown(walk: Callable[[Any], Iterator[Any]]) -> Callable[[Any], Iterator[Any]]:
    @functools.wraps(walk)
    def watched_walk(tb: Any) -> Iterator[Any]:
        found = list(walk(tb))
        return (found[index] for index in _kept(frame for frame, _ in found))

    return watched_walk


def _own(frames: Iterator[Any]) -> Iterator[Any]:
    for each in frames:
        file = each[0].f_code.co_filename
        if file == _FIRST:
            break
        if file != _LOADER and not file.startswith(_WATCHES):
            yield each


def make_watched_threading(module: ModuleType) -> list[Undo]:
    """Watch `threading`: the interpreter shows what ends a thread."""
    make = module._make_invoke_excepthook

    @functools.wraps(make)
    def make_invoke_excepthook() -> Callable[[Any], None]:
        invoke = make()

        def invoke_excepthook(thread: Any) -> None:
            cut(sys.exc_info()[1])
            invoke(thread)

        return invoke_excepthook

    return [replace(module, "_make_invoke_excepthook", make_invoke_excepthook)]


def cut(error: BaseException | None) -> None:
    """Take our frames out of an exception, and out of its causes."""
    chain: list[BaseException | None] = [error]
    seen: set[int] = set()
    while chain:
        each = chain.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        chain += (each.__cause__, each.__context__)
        traceback = each.__traceback__
        entries: list[TracebackType] = []
        while traceback is not None:
            entries.append(traceback)
            traceback = traceback.tb_next
        last = None
        for index in reversed(_kept(entry.tb_frame for entry in entries)):
            if entries[index].tb_next is not last:
                entries[index].tb_next = last
            last = entries[index]
        if entries and last is None:
            continue  # nothing but ours: better that than nothing
        each.__traceback__ = last
