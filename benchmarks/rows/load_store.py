"""v.load() and v.store(x): atomic, without a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import holdfast
from benchmarks import peers
from benchmarks.floors import floors, method_note
from benchmarks.line import Line, ratio_line
from benchmarks.timing import compare, loop

if TYPE_CHECKING:
    from benchmarks.timing import Effort


def measure(effort: Effort) -> list[Line]:
    """Against a cell of atomicshm of the same width, with the same ordering."""
    lines = []
    things = {"holdfast": holdfast.Value("i", 1)}
    if peers.installed("atomicshm"):
        things["atomicshm"] = peers.atomic_view().cell_u32(0)
    for operation, statement in {"v.load()": "v.load()", "v.store(x)": "v.store(1)"}.items():
        works = {name: loop(statement, v=thing) for name, thing in things.items()}
        comparison = compare(effort, works | floors())
        lines.append(
            ratio_line(
                operation,
                comparison,
                "holdfast",
                "atomicshm",
                at_most=1.05,
                note=method_note(comparison),
            )
        )
    return lines
