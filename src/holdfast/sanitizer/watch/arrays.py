"""multiprocessing.reduction: NumPy arrays over shared memory that travel to a child as copies.

An array is pickled by value, also when it is a view of a RawArray: a child of spawn or forkserver
that is given one works on memory of its own. Arrays that are put on queues are not looked at: to
send a copy of the present state is what many of them are for.

    array.copied   token, uid, shape, dtype, size, stack

NumPy is never imported from here.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from holdfast.guard import reduction
from holdfast.sanitizer import reach, recorder
from holdfast.sanitizer.watch import memory, processes

if TYPE_CHECKING:
    from types import ModuleType

    from holdfast._arrivals import Undo


def make_watched(_arrived: ModuleType) -> list[Undo]:
    """Tell of arrays that are pickled by value for a child."""
    return reduction.reduce_arrays_by(reduce_array)


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
