"""v.add(1), by one process alone."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

import holdfast
from benchmarks import peers
from benchmarks.floors import floors, method_note
from benchmarks.line import Line, ratio_line
from benchmarks.timing import compare, loop

if TYPE_CHECKING:
    from benchmarks.timing import Effort

LOCKED = "locked mp.Value"
INCREMENT = "with v.get_lock(): v.value += 1"


def measure(effort: Effort) -> list[Line]:
    """Against the locked increment of mp.Value, and atomicshm's fetch_add."""
    works = {
        "holdfast": loop("v.add(1)", v=holdfast.Value("q", 0)),
        LOCKED: loop(INCREMENT, v=multiprocessing.Value("q", 0)),
    }
    if peers.installed("atomicshm"):
        works["atomicshm"] = loop("v.fetch_add(1)", v=peers.atomic_view().cell_u64(0))
    comparison = compare(effort, works | floors())
    note = method_note(comparison)
    return [
        ratio_line("v.add(1)", comparison, "holdfast", LOCKED, at_least=20, note=note),
        ratio_line("v.add(1)", comparison, "holdfast", "atomicshm", at_most=1.05),
    ]
