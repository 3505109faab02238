"""Create a Value and drop it."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

import holdfast
from benchmarks import peers
from benchmarks.line import FASTER, Line, ratio_line
from benchmarks.timing import compare, loop

if TYPE_CHECKING:
    from benchmarks.timing import Effort


def measure(effort: Effort) -> list[Line]:
    """Against mp.Value, and a bare cell of atomicshm, which owns no memory."""
    works = {
        "holdfast": loop("Value('i', 0)", Value=holdfast.Value),
        "mp.Value": loop("Value('i', 0)", Value=multiprocessing.Value),
        "mp.RawValue": loop("Value('i', 0)", Value=multiprocessing.RawValue),
    }
    if peers.installed("atomicshm"):
        works["atomicshm"] = loop("view.cell_u32(0)", view=peers.atomic_view())
    comparison = compare(effort, works)
    return [
        ratio_line("create and drop a Value", comparison, "holdfast", "mp.Value", at_least=200),
        ratio_line(
            "create and drop a Value",
            comparison,
            "holdfast",
            "atomicshm",
            at_most=1.2,
            note="atomicshm's cell owns no memory and keeps none alive",
        ),
        ratio_line("create and drop a Value", comparison, "holdfast", "mp.RawValue", kind=FASTER),
    ]
