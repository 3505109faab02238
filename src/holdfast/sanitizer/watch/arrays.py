"""multiprocessing.reduction: NumPy arrays over shared memory that travel to a child as copies.

An array is pickled by value, also when it is a view of a RawArray: a child of spawn or forkserver
that is given one works on memory of its own. Arrays that are put on queues are not looked at: to
send a copy of the present state is what many of them are for.

    array.copied   token, uid, shape, dtype, size, stack

NumPy is never imported from here.
"""

from __future__ import annotations

import functools
import pickle
import sys
from typing import TYPE_CHECKING, Any

from holdfast.sanitizer import reach, recorder
from holdfast.sanitizer.watch import memory, processes

if TYPE_CHECKING:
    from types import ModuleType

    from holdfast._arrivals import Undo

MODULES = ("multiprocessing.reduction", "billiard.reduction")


def make_watched(_arrived: ModuleType) -> list[Undo]:
    """Register the reducer with each pickler that has been imported, once NumPy has been."""
    array_class = getattr(sys.modules.get("numpy"), "ndarray", None)
    if array_class is None:
        return []
    undo: list[Undo] = []
    for name in MODULES:
        pickler = getattr(sys.modules.get(name), "ForkingPickler", None)
        reducers: dict[type, Any] = getattr(pickler, "_extra_reducers", {})
        if pickler is not None and array_class not in reducers:
            pickler.register(array_class, reduce_array)
            undo.append(functools.partial(reducers.pop, array_class, None))
    return undo


def reduce_array(array: Any) -> Any:
    """Pickle an array as NumPy does; tell if that takes it out of shared memory into a child."""
    token = processes.current()
    if token:
        for uid in reach.marked({"array": array}):
            track = memory.track_of(uid)
            if track is not None:
                memory.tell(track)
            recorder.record(
                "array.copied",
                token=token,
                uid=uid,
                shape=str(array.shape),
                dtype=str(array.dtype),
                size=int(array.nbytes),
                stack=recorder.stack(),
            )
    return array.__reduce_ex__(pickle.DEFAULT_PROTOCOL)
