"""Stacks, cheap to take: positions in code, interned; text only for those that are reported.

What it keeps true: taking a stack, which is native (_notes.pyx), changes nothing for the program.
Only code objects and positions are looked at, never a frame's variables, which would keep what they
name alive. A code object that was seen is kept, so that its id names nothing else later.
"""

from __future__ import annotations

import itertools
import os
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast import _family
from holdfast.sanitizer import _notes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

# Different stacks of a process. Beyond that the stack is unknown (0): a program that makes code
# without end must not make us do the same.
MOST_STACKS = 200_000
_POSITION = struct.Struct("@Qq")

# (file, line, column, end line, end column, function); columns from 1, 0 if unknown.
Frame = tuple[str, int, int, int, int, str]

_PACKAGES = tuple(f"{os.sep}{name}{os.sep}" for name in _family.PACKAGES)
_OURS = str(Path(__file__).resolve().parent.parent) + os.sep
# Runs the program: see cli/interpreter.py.
_FIRST = os.path.join(_OURS, "cli", "interpreter.py")  # noqa: PTH118


class Stacks:
    """The stacks that one process has seen, by number."""

    def __init__(self) -> None:
        # What _notes.stack() gives: a number.
        self._numbers: dict[bytes, int] = {}
        self._stacks: dict[int, bytes] = {0: b""}
        self._codes: dict[int, CodeType] = {}
        self._of_module: dict[int, bool] = {}
        self._next = itertools.count(1)

    def take(self, skip: int = 1) -> int:
        """The number of the calling thread's stack.

        Args:
            skip: How many frames to leave out: 1 begins with the caller's.
        """
        whole = _notes.stack(skip)
        # Only ids are looked at: a stack that is known keeps its code objects alive, so an id in it
        # can be nobody else's.
        number = self._numbers.get(whole)
        return self._add(whole, sys._getframe(skip)) if number is None else number

    def take_from(self, frame: FrameType | None) -> int:
        """The number of the stack that ends in a frame."""
        whole = _notes.stack_of(frame)
        number = self._numbers.get(whole)
        return self._add(whole, frame) if number is None else number

    def _add(self, whole: bytes, frame: FrameType | None) -> int:
        if len(self._stacks) >= MOST_STACKS:
            return 0
        for key, _ in _positions(whole):
            if frame is not None:
                self._codes.setdefault(key, frame.f_code)
                frame = frame.f_back
        # Two threads may add the same stack: it then has two numbers, which does no harm.
        number = next(self._next)
        self._stacks[number] = whole
        self._numbers[whole] = number
        return number

    def frames(self, number: int) -> list[Frame]:
        """A stack as text, innermost frame first, without the frames of this package."""
        found: list[Frame] = []
        for key, position in _positions(self._stacks[number]):
            code = self._codes[key]
            if code.co_filename == _FIRST:
                break  # what is further out has started the program
            if not code.co_filename.startswith(_OURS):
                found.append(_frame(code, position))
            if code.co_name == "_bootstrap" and is_machinery(code):
                break  # what is further out is the parent's, and of the time before the fork
        return found

    def is_of_module(self, number: int) -> bool:
        """Whether the innermost frame that is not multiprocessing's is a module's body."""
        known = self._of_module.get(number)
        if known is None:
            codes = (self._codes[key] for key, _ in _positions(self._stacks[number]))
            outside = (code for code in codes if not is_machinery(code))
            first = next(outside, None)
            known = self._of_module[number] = first is not None and first.co_name == "<module>"
        return known

    def operation(self, number: int) -> str:
        """What the innermost frame of a stack that is not ours is executing: "STORE_FAST"."""
        import opcode  # on demand: only for what is reported

        for key, position in _positions(self._stacks[number]):
            code = self._codes[key]
            if not code.co_filename.startswith(_OURS):
                return opcode.opname[code.co_code[position]] if position >= 0 else ""
        return ""


def is_machinery(code: CodeType) -> bool:
    """Whether it is ours or multiprocessing's."""
    file = code.co_filename
    return file.startswith(_OURS) or any(name in file for name in _PACKAGES)


def _positions(whole: bytes) -> Iterator[tuple[int, int]]:
    """The ids of code objects, and the positions in them, innermost first."""
    return _POSITION.iter_unpack(whole)


def _frame(code: CodeType, position: int) -> Frame:
    name: str = getattr(code, "co_qualname", code.co_name)
    line = code.co_firstlineno
    column = end_line = end_column = 0
    if sys.version_info >= (3, 11) and position >= 0:
        found: Any = next(_skipped(code.co_positions(), position // 2), None)
        if found is not None:
            line = found[0] or line
            end_line = found[1] or 0
            column = 0 if found[2] is None else found[2] + 1
            end_column = 0 if found[3] is None else found[3] + 1
            return code.co_filename, line, column, end_line, end_column, name
    for start, end, number in code.co_lines():
        if start <= position < end and number is not None:
            line = number
            break
    return code.co_filename, line, column, end_line, end_column, name


def _skipped(positions: Any, count: int) -> Any:
    for _ in range(count):
        next(positions, None)
    return positions
