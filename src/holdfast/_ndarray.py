"""The class of NumPy arrays over blocks; the only file of the objects that imports NumPy.

What it keeps true: the base at the end of an array's chain of bases is an object that holds its
block (I1), so any view keeps it; and where an array's memory lies is computed from its address when
it is pickled, never remembered, so that slices, transposes and reshapes need no care.

Source: NumPy reference, "Subclassing ndarray", `__reduce__`, `__array_wrap__`.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast import _native

if TYPE_CHECKING:
    from collections.abc import Sequence

# What holds a block, exports its bytes, and can be pickled.
_OWNERS: tuple[Any, ...] = (
    _native.Block,
    _native.Cell,
    _native.RawCell,
    _native.Vector,
    _native.RawVector,
)


class SharedArray(np.ndarray[Any, Any]):
    """A NumPy array whose memory is in the heap; see `holdfast.ndarray`.

    Views of one are SharedArrays and travel by reference. Results of computations are plain
    `np.ndarray`s in private memory.
    """

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        if array is self:  # `out=` or an operator that works in place
            return array
        return array[()] if return_scalar else np.asarray(array)

    def copy(self, order: Any = "C") -> Any:
        """A private copy, an ordinary `np.ndarray`."""
        return np.array(self, order=order, copy=True, subok=False)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()

    def __reduce__(self) -> Any:
        owner = owner_of(self)
        if owner is None:
            return np.asarray(self).__reduce__()
        offset = self.__array_interface__["data"][0] - address_of(owner) if self.size else 0
        return rebuild, (owner, self.dtype, self.shape, self.strides, offset)


def owner_of(array: Any) -> Any:
    """What holds the block that an array's memory lies in; None if it lies elsewhere."""
    while True:
        if isinstance(array, _OWNERS):
            return array
        if isinstance(array, memoryview):
            array = array.obj
        elif isinstance(array, np.ndarray):
            array = array.base
        else:
            # A ctypes object of structs.py, or a part of one. Other things, None too, have neither.
            array = getattr(array, "_wrapper", None) or getattr(array, "_b_base_", None)
            if array is None:
                return None


def address_of(owner: Any) -> int:
    """Where an owner's bytes are mapped."""
    if isinstance(owner, _native.Block):
        return owner.address
    address: int = np.asarray(owner).__array_interface__["data"][0]
    return address


def rebuild(
    owner: Any, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> SharedArray:
    """Load a pickled array. NumPy checks that all of it lies within the owner's memory."""
    return SharedArray(shape, dtype, owner, offset, strides)


def empty(shape: int | Sequence[int], dtype: Any, order: Any) -> SharedArray:
    """`holdfast.ndarray`."""
    kind = _sharable(dtype)
    lengths = tuple(map(index, shape)) if isinstance(shape, Iterable) else (index(shape),)
    if any(length < 0 for length in lengths):
        raise ValueError(f"the length of an axis must be 0 or more, not {min(lengths)}")
    if order not in {"C", "F"}:
        raise ValueError(f"order must be 'C' or 'F', not {order!r}")
    size = prod(lengths) * kind.itemsize
    block: Any = _native.Block(min(size, 2**63 - 1), zero=False)
    return SharedArray(lengths, kind, block, order=order)


def _sharable(dtype: Any) -> np.dtype[Any]:
    kind: np.dtype[Any] = np.dtype(dtype)
    if kind.hasobject:
        raise TypeError(
            f"dtype {kind} contains Python objects, which are pointers into one process"
        )
    return kind


def over(shared: Any) -> SharedArray:
    """`holdfast.asarray`."""
    if isinstance(shared, SharedArray) and owner_of(shared) is not None:
        return shared
    get_obj = getattr(shared, "get_obj", None)
    if get_obj is not None and not isinstance(shared, _OWNERS):
        shared = get_obj()
    array: Any = _of_ctypes(shared) if hasattr(shared, "_b_base_") else np.asarray(shared)
    if owner_of(array) is None:
        raise TypeError(
            f"{type(shared).__name__} is not over memory in the heap; "
            "holdfast.copy makes a shared copy of it"
        )
    view: SharedArray = array.view(SharedArray)
    return view


def _of_ctypes(shared: Any) -> np.ndarray[Any, Any]:
    """A view of a ctypes object; made from its type, since its buffer does not tell of padding."""
    kind: Any = shared.__class__
    lengths: list[int] = []
    while hasattr(kind, "_length_"):
        lengths.append(kind._length_)
        kind = kind._type_
    return np.ndarray(tuple(lengths), np.dtype(kind), shared)


def copy(source: Any) -> SharedArray:
    """`holdfast.copy` for arrays and what can be made one."""
    array = np.asarray(source)
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    made = empty(array.shape, array.dtype, order)
    made[...] = array
    return made
