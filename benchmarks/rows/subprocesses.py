"""subprocess.run(["true"]) while the heap is in use."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.actor import actors
from benchmarks.line import Line, ratio_line
from benchmarks.rows.fork import BARE, make
from benchmarks.timing import compare, processor_time

if TYPE_CHECKING:
    from benchmarks.timing import Effort, Work

VALUES = 10_000


def measure(effort: Effort) -> list[Line]:
    """Against a process that has never seen holdfast."""
    tasks = {BARE: 0, "holdfast": VALUES}
    with actors(
        {name: ("benchmarks.rows.subprocesses", "runs", name, tasks[name]) for name in tasks}
    ) as family:
        comparison = compare(
            replace(effort, burst_seconds=effort.burst_seconds * 10),
            {name: actor.work for name, actor in family.items()},
            loops=False,
        )
    words = f'subprocess.run(["true"]), {VALUES:,} live values'
    return [ratio_line(words, comparison, "holdfast", BARE, unit="us", at_most=1.02)]


def runs(name: str, number: int) -> Work:
    """Run `true`, in a process with `number` of those things; an actor's function."""
    keep = make(name, number)

    def work(count: int) -> float:
        began = processor_time()
        for _ in range(count):
            subprocess.run(["true"])
        took = processor_time() - began
        assert len(keep) == number
        return took

    return work
