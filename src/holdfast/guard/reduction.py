"""multiprocessing.reduction: tells of a NumPy array over shared memory that travels as a copy.

An array is pickled by value, also when it is a view of a RawArray. Given to a process under spawn
or forkserver, or put on a queue, it arrives as a private copy: what is written there is never
seen here, and nothing raises. That cannot be repaired without changing what the program means, but
it can be said.

NumPy is never imported from here; the reducer is registered once the program has done so.
"""

from __future__ import annotations

import functools
import os
import pickle
import sys
import warnings
from typing import TYPE_CHECKING, Any

from holdfast import _native

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, ModuleType

    from holdfast._arrivals import Undo

# Those with a pickler that asks the reducers registered with it. multiprocess uses dill instead,
# which pickles arrays in its own way.
MODULES = ("multiprocessing.reduction", "billiard.reduction")
# Frames of these packages are not the ones that a warning should point at.
_CARRIERS = (
    "multiprocessing", "billiard", "concurrent", "pickle", "threading", "holdfast",
)  # fmt: skip


class SharedCopyWarning(UserWarning):
    """An array over shared memory was pickled by value: the receiver gets a private copy.

    What the receiver writes into it is not seen by anyone else, and what others write is not seen
    by the receiver. Send the shared object itself (the Array, RawArray or `holdfast.Array`) and
    make the view where it arrives: `np.frombuffer(shared.get_obj())`. Where a copy is what you
    want, send `array.copy()`, which is not warned of.

    Attributes:
        shape: The shape of the copied array.
        dtype: Its dtype, as text.
        size_bytes: What was copied.

    Version: 0.1.
    """

    def __init__(self, *, shape: tuple[int, ...], dtype: str, size_bytes: int) -> None:
        self.shape = shape
        self.dtype = dtype
        self.size_bytes = size_bytes
        super().__init__(
            f"a NumPy array over shared memory (shape {shape}, {dtype}, {size_bytes:,} bytes) "
            "was pickled by value: its receiver gets a private copy. Send the shared object "
            "and make the view where it arrives, or send array.copy() if a copy is wanted"
        )

    def __reduce__(self) -> Any:
        return _warning, (self.shape, self.dtype, self.size_bytes)


def _warning(shape: tuple[int, ...], dtype: str, size_bytes: int) -> SharedCopyWarning:
    return SharedCopyWarning(shape=shape, dtype=dtype, size_bytes=size_bytes)


def make_safe(_arrived: ModuleType) -> list[Undo]:
    """Tell of arrays that are pickled by value."""
    return reduce_arrays_by(reduce_array)


def reduce_arrays_by(reducer: Callable[[Any], Any]) -> list[Undo]:
    """Register a reducer with each pickler that has been imported, once NumPy has been."""
    array_class = getattr(sys.modules.get("numpy"), "ndarray", None)
    if array_class is None:
        return []
    undo: list[Undo] = []
    for name in MODULES:
        pickler = getattr(sys.modules.get(name), "ForkingPickler", None)
        reducers: dict[type, Any] = getattr(pickler, "_extra_reducers", {})
        # It may be there from an earlier arrival; or the program has its own way to send arrays.
        if pickler is not None and array_class not in reducers:
            pickler.register(array_class, reducer)
            undo.append(functools.partial(_unregister, reducers, array_class, reducer))
    return undo


def _unregister(
    reducers: dict[type, Any], array_class: type, reducer: Callable[[Any], Any]
) -> None:
    if reducers.get(array_class) is reducer:
        del reducers[array_class]


def reduce_array(array: Any) -> Any:
    """Pickle an array as NumPy does; warn if that takes it out of shared memory."""
    if array.nbytes and array.__array_interface__["data"][0] in _heap_addresses():
        warning = _warning(array.shape, str(array.dtype), array.nbytes)
        warnings.warn(warning, stacklevel=_distance_to_the_program())
    return array.__reduce_ex__(pickle.DEFAULT_PROTOCOL)


@functools.cache
def _heap_addresses() -> range:
    """Where the heap is mapped, which does not change, and in forked children is the same."""
    block = _native.Block(1)
    start = block.address - block.offset
    try:
        size_bytes = os.fstat(_native.heap_fd()).st_size
    except OSError:  # the program has closed descriptors that it did not open: nothing to warn by
        size_bytes = 0
    return range(start, start + size_bytes)


def _distance_to_the_program() -> int:
    """The stacklevel of the innermost frame that is not the machinery's."""
    frame: FrameType | None = sys._getframe(1)
    level = 1
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] not in _CARRIERS:
            return level
        frame, level = frame.f_back, level + 1
    return 2
