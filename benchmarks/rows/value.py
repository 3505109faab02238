"""v.value, read and written."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

import holdfast
from benchmarks.floors import floors, property_note
from benchmarks.line import Line, ratio_line
from benchmarks.timing import compare, loop

if TYPE_CHECKING:
    from benchmarks.timing import Effort


def measure(effort: Effort) -> list[Line]:
    """Against mp.Value, whose lock it takes, and mp.RawValue, which has none."""
    lines = []
    things = {
        "holdfast": holdfast.Value("i", 1),
        "mp.Value": multiprocessing.Value("i", 1),
        "mp.RawValue": multiprocessing.RawValue("i", 1),
        "holdfast raw": holdfast.RawValue("i", 1),
    }
    for verb, statement in {"read": "v.value", "write": "v.value = 1"}.items():
        works = {name: loop(statement, v=thing) for name, thing in things.items()}
        comparison = compare(effort, works | floors())
        note = property_note(comparison)
        lines += [
            ratio_line(
                f"v.value {verb}", comparison, "holdfast", "mp.Value", at_least=5.5, note=note
            ),
            ratio_line(f"v.value {verb}", comparison, "holdfast", "mp.RawValue", at_most=1.0),
            ratio_line(f"RawValue's v.value {verb}", comparison, "holdfast raw", "mp.RawValue"),
        ]
    return lines
