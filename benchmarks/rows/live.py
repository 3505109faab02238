"""100,000 live values: time, descriptors, mappings; and to drop them."""

from __future__ import annotations

import gc
import importlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.fresh import fresh
from benchmarks.line import Line, plain_line, ratio_line
from benchmarks.timing import Comparison, spread_of

if TYPE_CHECKING:
    from benchmarks.timing import Effort

# mp.Value gets fewer: it cannot make more than 65,000 and drops slowly where there are many.
FEWER = 5
MAKERS = {
    "holdfast": ("holdfast", "Value"),
    "mp.RawValue": ("multiprocessing", "RawValue"),
    "mp.Value": ("multiprocessing", "Value"),
}


def measure(effort: Effort) -> list[Line]:
    """Each round makes them in a fresh interpreter, so that every page is touched anew."""
    many = effort.scaled(100_000, 2_000)
    numbers = {"holdfast": many, "mp.RawValue": many, "mp.Value": many // FEWER}
    seen = [
        {
            name: fresh("benchmarks.rows.live", "create_and_drop", name, number)
            for name, number in numbers.items()
        }
        for _ in range(effort.rounds)
    ]
    made, dropped = (
        Comparison({name: [each[name][key] / numbers[name] for each in seen] for name in numbers})
        for key in ("create", "drop")
    )
    words = f"{many:,} live values"
    own = [each["holdfast"] for each in seen]
    in_all = spread_of([each["create"] * 1e3 for each in own])
    each_drop = spread_of([each["drop"] * 1e9 / many for each in own])
    first = own[0]
    of_heap = (
        f"the heap itself, however many values: {first['heap_descriptors']} descriptor(s), "
        f"{first['heap_mappings']} mapping(s)"
    )
    lines = [
        plain_line(
            f"{words}: made, in all",
            in_all,
            "ms",
            at_most=25,
            note="with the opening of the heap, all memory touched for the first time",
        ),
        plain_line(f"{words}: dropped, each", each_drop, "ns", at_most=100),
        plain_line(
            f"{words}: descriptors",
            spread_of([each["descriptors"] for each in own]),
            "",
            at_most=0,
            note=of_heap,
        ),
        plain_line(
            f"{words}: mappings", spread_of([each["mappings"] for each in own]), "", at_most=3
        ),
    ]
    for peer in ("mp.RawValue", "mp.Value"):
        few = f"{numbers[peer]:,} of mp.Value's" if numbers[peer] != many else ""
        lines += [
            ratio_line("a live value: made", made, "holdfast", peer, kind="x faster", note=few),
            ratio_line("a live value: dropped", dropped, "holdfast", peer, kind="x faster"),
        ]
    return lines


def create_and_drop(name: str, number: int) -> dict[str, float]:
    """Make `number` values and drop them; runs in a fresh interpreter."""
    module, attribute = MAKERS[name]
    make = getattr(importlib.import_module(module), attribute)
    values = [None] * number
    gc.disable()
    descriptors, mappings = _descriptors(), _mappings()
    # Processor time: the kernel's part of it is what pages cost, and nobody waits here.
    began = time.thread_time()
    values[0] = make("i", 0)
    first = time.thread_time()
    heap_descriptors, heap_mappings = _descriptors(), _mappings()
    again = time.thread_time()
    for index in range(1, number):
        values[index] = make("i", 0)
    made = time.thread_time()
    after_descriptors, after_mappings = _descriptors(), _mappings()
    start_drop = time.thread_time()
    values.clear()
    dropped = time.thread_time()
    return {
        "create": first - began + made - again,
        "drop": dropped - start_drop,
        "descriptors": after_descriptors - heap_descriptors,
        "mappings": after_mappings - heap_mappings,
        "heap_descriptors": heap_descriptors - descriptors,
        "heap_mappings": heap_mappings - mappings,
    }


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _mappings() -> int:
    return Path("/proc/self/maps").read_text().count("\n")
