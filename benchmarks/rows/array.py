"""a[i], read and written."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

import holdfast
from benchmarks import peers
from benchmarks.line import Line, ratio_line
from benchmarks.timing import compare, loop

if TYPE_CHECKING:
    from benchmarks.timing import Effort

LENGTH = 100


def measure(effort: Effort) -> list[Line]:
    """Against mp.Array, which takes its lock, and a view of atomicshm."""
    lines = []
    ours, theirs = holdfast.Array("i", LENGTH), multiprocessing.Array("i", LENGTH)
    view = peers.atomic_view() if peers.installed("atomicshm") else None
    for verb, statement, atomic in (
        ("read", "a[3]", "a.load_u32(12)"),
        ("write", "a[3] = 1", "a.store_u32(12, 1)"),
    ):
        works = {"holdfast": loop(statement, a=ours), "mp.Array": loop(statement, a=theirs)}
        if view is not None:
            works["atomicshm view"] = loop(atomic, a=view)
        comparison = compare(effort, works)
        lines += [
            ratio_line(f"a[i] {verb}", comparison, "holdfast", "mp.Array", at_least=20),
            ratio_line(f"a[i] {verb}", comparison, "holdfast", "atomicshm view", at_most=1.1),
        ]
    return lines
