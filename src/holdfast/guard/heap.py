"""multiprocessing.heap made safe: BufferWrapper takes its memory from Holdfast's heap.

What it keeps true: I2 of the design for every object that `multiprocessing.sharedctypes` makes,
and for Barrier. The standard library frees a block when the object that made it dies; ours is
reused only when no process can reach it any more.

Only the constructor is replaced. The standard library's own `create_memoryview()` slices
`memoryview(arena.buffer)`, and that memoryview keeps whatever exports the buffer alive: an mmap of
the whole arena there, the one block here. So every view, NumPy array and ctypes object made from a
wrapper holds its block (I1), also where the wrapper itself is gone; and a process that received
such a wrapper works with it whether or not it is under the guard.

An arena can be pickled by multiprocessing's own pickler only, as the standard library's can. Any
other pickler would pickle a ctypes object by value and take its arena along: a silent copy.

Source: CPython, Lib/multiprocessing/heap.py; issues 110660 and 85839.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast._native import Block
from holdfast.guard.sending import Pickled, pickled

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from holdfast._arrivals import Undo


class Arena:
    """Stands where the standard library has an arena of many blocks: an arena of one block."""

    __slots__ = ("buffer",)

    def __init__(self, buffer: Block) -> None:
        self.buffer = buffer

    def __reduce__(self) -> Any:
        raise TypeError(
            "shared memory of multiprocessing can only be sent to a process when it is started, "
            "as an argument; to send it in any other way, use holdfast.Value or holdfast.Array"
        )


def reduce_arena(arena: Arena) -> tuple[Callable[..., Arena], Pickled]:
    """Pickle an arena; registered with multiprocessing's pickler."""
    return rebuild_arena, pickled(arena.buffer)


def rebuild_arena(function: Callable[..., Block], arguments: tuple[Any, ...]) -> Arena:
    """Unpickle an arena."""
    return Arena(function(*arguments))


def make_safe(module: ModuleType) -> list[Undo]:
    """Make `multiprocessing.heap`, or another package's copy of it, safe."""

    def initialize(self: Any, size: int) -> None:
        if size < 0:
            raise ValueError(f"Size {size:n} out of range")
        if sys.maxsize <= size:
            raise OverflowError(f"Size {size:n} too large")
        # Not zeroed, as in the standard library: sharedctypes does that, or overwrites all.
        self._state = ((Arena(Block(size or 1, zero=False)), 0, size), size)

    # Stays when the guard is off again, for arenas that live on.
    module.reduction.register(Arena, reduce_arena)
    return [replace(module.BufferWrapper, "__init__", initialize)]
