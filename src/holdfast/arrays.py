"""Arrays in shared memory: Array, RawArray, and NumPy arrays over the same blocks.

What it keeps true: a NumPy array made here, and every view of it, keeps its block, and travels
between processes by reference; what NumPy computes from it is private and travels by value.
NumPy is imported when it is first needed, and is not needed for Array and RawArray.

The class of these arrays is in _ndarray.py, which imports NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from holdfast import _ports
from holdfast._native import (
    Array,
    Cell,
    RawArray,
    RawCell,
    RawVector,
    Vector,
    attach_raw_vector,
    attach_vector,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast._ndarray import SharedArray

__all__ = [
    "Array",
    "RawArray",
    "RawVector",
    "Vector",
    "asarray",
    "attach_raw_vector",
    "attach_vector",
    "copy",
    "ndarray",
]

_ports.connect()


def ndarray(shape: int | Sequence[int], dtype: Any = float, order: str = "C") -> SharedArray:
    """Make a NumPy array in shared memory.

    Use it instead of `multiprocessing.Array` and `np.frombuffer` where the data is for NumPy. It
    is an `np.ndarray`; it, its slices and other views of it may be sent through anything that
    pickles, and arrive as views of the same memory. What NumPy computes from it (`a + 1`,
    `a.copy()`) is an ordinary private array. It has no lock, and does not promise that others see
    a write of several elements at once.

    Args:
        shape: elements along each axis, 0 or more each; an int means one axis.
        dtype: type of the elements; any but those that contain Python objects.
        order: "C" (rows together) or "F" (columns together).

    Returns:
        The array. Its contents are arbitrary, as those of `np.empty`: memory that was used before
        and is kept, so that making one of 1 MiB costs no page faults. Fill it.

    Raises:
        TypeError: the dtype contains Python objects.
        ValueError: an axis is negative, or the order is neither "C" nor "F".
        MemoryError: no block is to be had; HeapFullError, OutOfMemoryError or SlotsExhaustedError.
        ImportError: NumPy is not installed. In all these cases nothing was made.

    Concurrency: any thread and process; elements are read and written as NumPy does it.
    Crash: a process that dies leaves what it had written.
    Fork: children have the same array.

    Example:
        >>> import holdfast, pickle
        >>> a = holdfast.ndarray((2, 3))
        >>> a[:] = 0
        >>> column = pickle.loads(pickle.dumps(a[:, 1]))
        >>> column[:] = 7
        >>> a
        SharedArray([[0., 7., 0.],
                     [0., 7., 0.]])

    Source: NumPy reference, "Subclassing ndarray"; PEP 3118.
    New in version 0.1.
    """
    from holdfast import _ndarray

    return _ndarray.empty(shape, dtype, order)


def asarray(shared: Any) -> SharedArray:
    """A NumPy array over memory that is shared already.

    Args:
        shared: an Array, RawArray, Value or RawValue; a ctypes object or wrapper made by
            `holdfast` for other types; a `SharedArray`, which is returned as it is; or an
            `np.ndarray`, memoryview or other buffer over one of these.

    Returns:
        A view: zero axes for a Value, one for an Array. It disregards the lock, keeps the memory,
        and travels by reference as that of `ndarray` does.

    Raises:
        TypeError: it is not in shared memory; `holdfast.copy` puts it there.
        ImportError: NumPy is not installed.

    Concurrency: any thread and process.
    Crash: it makes nothing in the heap.
    Fork: children have the same array.

    Example:
        >>> import holdfast
        >>> shared = holdfast.Array("i", 4)
        >>> holdfast.asarray(shared)[1:3] = 5
        >>> shared[:]
        [0, 5, 5, 0]

    Source: PEP 3118.
    New in version 0.1.
    """
    from holdfast import _ndarray

    return _ndarray.over(shared)


def copy(source: Any) -> Any:
    """Make a new object in shared memory with the contents of another one.

    `copy.copy` and `copy.deepcopy` of shared objects return the same object; this copies.

    Args:
        source: a Value, RawValue, Array or RawArray, or a wrapper or ctypes object made by
            `holdfast` for other types; or anything else that `np.asarray` takes.

    Returns:
        An object of the same kind, with a lock of its own if the source has one; a `SharedArray`
        for anything else.

    Raises:
        TypeError: the source contains Python objects.
        MemoryError: no block is to be had; HeapFullError, OutOfMemoryError or SlotsExhaustedError.
        OwnerDiedError: the owner of the source's lock died.

    Concurrency: the source is read as its own type reads it, with its lock if it has one.
    Crash: a process that dies in it leaves nothing behind.
    Fork: children have both.

    Example:
        >>> import holdfast
        >>> first = holdfast.Array("i", [1, 2])
        >>> second = holdfast.copy(first)
        >>> second[0] = 9
        >>> first[:], second[:]
        ([1, 2], [9, 2])

    Source: multiprocessing.sharedctypes.copy in the Python library reference.
    New in version 0.1.
    """
    if isinstance(source, (Cell, RawCell)):
        from holdfast.cells import RawValue, Value

        make: Any = Value if isinstance(source, Cell) else RawValue
        return make(source.typecode, cast("Any", source).value)
    if isinstance(source, Vector):
        with source:
            return Array(source.typecode, source)
    if isinstance(source, RawVector):
        return RawArray(source.typecode, cast("Any", source))

    from holdfast import structs

    if isinstance(source, structs.SynchronizedBase):
        with source:
            return structs.synchronized(structs.copy_of(source.get_obj()))
    if hasattr(source, "_b_base_"):
        return structs.copy_of(source)

    from holdfast import _ndarray

    return _ndarray.copy(source)
