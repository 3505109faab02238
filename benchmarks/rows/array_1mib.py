"""A 1 MiB array, its NumPy view, filled and dropped, again and again."""

from __future__ import annotations

import multiprocessing
from multiprocessing.shared_memory import SharedMemory
from typing import TYPE_CHECKING

import numpy as np

import holdfast
from benchmarks.line import Line, ratio_line
from benchmarks.timing import compare, loop

if TYPE_CHECKING:
    from benchmarks.timing import Effort

COUNT = (1 << 20) // 8


def measure(effort: Effort) -> list[Line]:
    """Against private memory, which nobody else can see, and SharedMemory."""
    works = {
        "holdfast": loop("make(COUNT, 'd').fill(1.0)", make=holdfast.ndarray, COUNT=COUNT),
        "np.empty": loop("make(COUNT, 'd').fill(1.0)", make=np.empty, COUNT=COUNT),
        "SharedMemory": loop("fill_shared()", fill_shared=fill_shared),
        "mp.RawArray": loop("fill_raw()", fill_raw=fill_raw),
        "holdfast.Array": loop("fill_array()", fill_array=fill_array),
    }
    comparison = compare(effort, works)
    words = "1 MiB array, filled"
    return [
        ratio_line(words, comparison, "holdfast", "np.empty", unit="us", at_most=1.3),
        ratio_line(words, comparison, "holdfast", "SharedMemory", unit="us", at_least=15),
        ratio_line(words, comparison, "holdfast", "mp.RawArray", unit="us"),
        ratio_line(
            "1 MiB Array('d'), filled",
            comparison,
            "holdfast.Array",
            "mp.RawArray",
            unit="us",
            note="an Array starts with zeros, as mp's does: it is written twice",
        ),
    ]


def fill_shared() -> None:
    """The same with SharedMemory, as its documentation shows it."""
    memory = SharedMemory(create=True, size=COUNT * 8)
    array = np.ndarray((COUNT,), "d", memory.buf)
    array.fill(1.0)
    del array
    memory.close()
    memory.unlink()


def fill_raw() -> None:
    """The same with RawArray."""
    np.frombuffer(multiprocessing.RawArray("d", COUNT)).fill(1.0)


def fill_array() -> None:
    """The same with Holdfast's drop-in for Array."""
    np.asarray(holdfast.Array("d", COUNT, lock=False)).fill(1.0)
