"""v.add(1), by two processes at once."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import time
from typing import TYPE_CHECKING

import holdfast
from benchmarks import peers
from benchmarks.line import Line, ratio_line
from benchmarks.rows.add import INCREMENT, LOCKED
from benchmarks.timing import compare, loop, pin

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from benchmarks.timing import Effort, Work

PINNED = False
END = 0
# Waiting for the other is what this is about.
CLOCK = time.perf_counter


def measure(effort: Effort) -> list[Line]:
    """Time of one increment while another process does the same, each on its own processor."""
    works = {
        "holdfast": loop("v.add(1)", clock=CLOCK, v=holdfast.Value("q", 0)),
        LOCKED: loop(INCREMENT, clock=CLOCK, v=multiprocessing.Value("q", 0)),
    }
    if peers.installed("atomicshm"):
        cell = peers.atomic_view().cell_u64(0)
        works["atomicshm"] = loop("v.fetch_add(1)", clock=CLOCK, v=cell)
    processors = len(os.sched_getaffinity(0))
    pairs = {name: Pair(work) for name, work in works.items()}
    pin(-1)
    try:
        comparison = compare(effort, {name: pair.work for name, pair in pairs.items()}, loops=False)
    finally:
        for pair in pairs.values():
            pair.end()
    note = "" if processors > 1 else "this machine has one processor: the two take turns"
    return [
        ratio_line(
            "v.add(1), two processes", comparison, "holdfast", LOCKED, at_least=15, note=note
        ),
        ratio_line("v.add(1), two processes", comparison, "holdfast", "atomicshm"),
    ]


class Pair:
    """This process and a forked one, doing the same thing at the same time."""

    def __init__(self, work: Work) -> None:
        self._work = work
        # Two bytes that both see: each says that it is ready, and waits for the other.
        self._ready = mmap.mmap(-1, 2)
        self._connection, other = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("fork").Process(
            target=self._serve, args=(other,), daemon=True
        )
        self._process.start()
        other.close()

    def work(self, count: int) -> float:
        """Seconds until the slower of the two has done it `count` times."""
        self._ready[:] = b"\0\0"
        self._connection.send(count)
        took = self._meet(0, count)
        return max(took, self._connection.recv())

    def end(self) -> None:
        """End the other process."""
        self._connection.send(END)
        self._process.join()
        self._connection.close()

    def _meet(self, me: int, count: int) -> float:
        self._ready[me] = 1
        while not self._ready[1 - me]:
            os.sched_yield()
        return self._work(count)

    def _serve(self, connection: Connection) -> None:
        pin(0)
        while (count := connection.recv()) != END:
            connection.send(self._meet(1, count))
