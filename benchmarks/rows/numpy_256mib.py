"""NumPy over 256 MiB: sum and copy, on shared and on private memory."""

from __future__ import annotations

import mmap
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

import holdfast
from benchmarks.line import SPEED, Line, ratio_line
from benchmarks.timing import compare

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.timing import Effort, Work

PRIVATE = "np.empty"
SMALL_PAGES = "private, 4 KiB pages"


def measure(effort: Effort) -> list[Line]:
    """Every page is touched before; so this is the speed of access, not of page faults."""
    count = effort.scaled(256 << 20, 1 << 20) // 8
    effort = replace(effort, bursts=1 if effort.quick else 3)
    arrays = {
        "holdfast": holdfast.ndarray(count, "d"),
        PRIVATE: np.empty(count, "d"),
        SMALL_PAGES: small_pages(count),
    }
    other = np.empty(count, "d")
    other.fill(2.0)
    for array in arrays.values():
        array.fill(1.0)
    tasks: dict[str, Callable[[np.ndarray], Callable[[], object]]] = {
        "sum": lambda array: array.sum,
        "copy from": lambda array: lambda: np.copyto(other, array),
        "copy to": lambda array: lambda: np.copyto(array, other),
    }
    lines = []
    for task, bind in tasks.items():
        works = {name: repeated(bind(array)) for name, array in arrays.items()}
        comparison = compare(effort, works, loops=False)
        small = comparison.times_faster("holdfast", SMALL_PAGES).median
        lines.append(
            ratio_line(
                f"NumPy over {count >> 17} MiB: {task}",
                comparison,
                "holdfast",
                PRIVATE,
                unit="ms",
                at_least=0.97,
                kind=SPEED,
                note=f"np.empty asks for huge pages; against private memory in 4 KiB pages: "
                f"{small:.2f} x the speed",
            )
        )
    return lines


def small_pages(count: int) -> np.ndarray:
    """Private memory in the pages that shared memory has on most systems."""
    memory = mmap.mmap(-1, count * 8, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, "d")


def repeated(task: Callable[[], object]) -> Work:
    """Seconds for doing it n times."""

    def work(count: int) -> float:
        began = time.thread_time()
        for _ in range(count):
            task()
        return time.thread_time() - began

    return work
