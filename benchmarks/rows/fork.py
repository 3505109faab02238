"""os.fork and exit, with many live values in the process."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.actor import actors
from benchmarks.line import Line, ratio_line
from benchmarks.timing import compare, processor_time

if TYPE_CHECKING:
    from benchmarks.timing import Effort, Work

BARE = "nothing"
OBJECTS = "plain objects"


def measure(effort: Effort) -> list[Line]:
    """Against a process without holdfast: one that has nothing, and one with as many objects."""
    lines = []
    for number, goal in ((10_000, 1.05), (effort.scaled(1_000_000, 20_000), 1.3)):
        tasks = {BARE: 0, "holdfast": number, OBJECTS: number}
        if number == 10_000 and not effort.quick:
            tasks["mp.Value"] = number
        with actors(
            {name: ("benchmarks.rows.fork", "forks", name, tasks[name]) for name in tasks}
        ) as family:
            comparison = compare(
                replace(effort, burst_seconds=effort.burst_seconds * 10),
                {name: actor.work for name, actor in family.items()},
                loops=False,
            )
        words = f"fork and exit, {number:,} live values"
        floor = comparison.times_the_peer(OBJECTS, BARE).median
        lines += [
            ratio_line(
                words,
                comparison,
                "holdfast",
                BARE,
                unit="us",
                at_most=goal,
                note=f"the page tables of the Python objects alone make it {floor:.2f} x: that is "
                f"what {number:,} plain objects of the same size take",
            ),
            ratio_line(words, comparison, "holdfast", OBJECTS, unit="us", at_most=goal),
        ]
        if "mp.Value" in tasks:
            lines.append(ratio_line(words, comparison, "holdfast", "mp.Value", unit="us"))
    return lines


class Plain:
    """A Python object of the size of a value's handle, over nothing."""

    __slots__ = ("address", "extra", "incarnation", "size")


def forks(name: str, number: int) -> Work:
    """Fork and wait, in a process with `number` of those things; an actor's function."""
    keep = make(name, number)

    def work(count: int) -> float:
        began = processor_time()
        for _ in range(count):
            pid = os.fork()
            if not pid:
                os._exit(0)
            os.waitpid(pid, 0)
        took = processor_time() - began
        assert len(keep) == number
        return took

    return work


def make(name: str, number: int) -> list[Any]:
    """`number` things of a kind."""
    if name == "holdfast":
        from holdfast import Value

        return [Value("i", 0) for _ in range(number)]
    if name == "mp.Value":
        import multiprocessing

        return [multiprocessing.Value("i", 0) for _ in range(number)]
    return [Plain() for _ in range(number)]
