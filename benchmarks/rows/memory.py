"""1,000,000 live values, each used once: bytes each, private and shared; and 10,000,000 of them."""

from __future__ import annotations

import gc
import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.fresh import fresh
from benchmarks.line import Line, plain_line, ratio_line
from benchmarks.rows.live import MAKERS
from benchmarks.timing import Comparison, Spread, spread_of

if TYPE_CHECKING:
    from benchmarks.timing import Effort

# Bytes of free memory without which ten million values are not tried.
NEEDED = 4 << 30


def measure(effort: Effort) -> list[Line]:
    """Memory does not vary as time does: one fresh interpreter each, three for Holdfast."""
    many, some = effort.scaled(1_000_000, 50_000), effort.scaled(10_000, 1_000)
    own = [_fresh("holdfast", many, "with") for _ in range(3)]
    totals = spread_of([_total(each) for each in own])
    handle = _total(_fresh("holdfast", many // 10, "get_lock")) - totals.median
    lines = [
        plain_line(
            f"{many:,} live values: bytes each",
            totals,
            "B",
            at_most=200,
            note=f"{_words(own[0])}, with the lock and the bookkeeping; a lock that one has asked "
            f"for by get_lock() is an object of its own, {handle:.0f} B more",
        )
    ]
    for peer, number, use in (("mp.RawValue", some * 10, "alone"), ("mp.Value", some, "with")):
        theirs = _fresh(peer, number, use)
        comparison = Comparison(
            {"holdfast": [totals.median * 1e-9] * 2, peer: [_total(theirs) * 1e-9] * 2}
        )
        note = f"{peer}, {number:,} of them: {_words(theirs)}"
        line = ratio_line("a live value: bytes", comparison, "holdfast", peer, note=note)
        lines.append(_in_bytes(line))
    lines.append(_ten_million(effort))
    return lines


def _fresh(name: str, number: int, use: str) -> dict[str, float]:
    return fresh("benchmarks.rows.memory", "bytes_each", name, number, use)


def _total(figures: dict[str, float]) -> float:
    return figures["private"] + figures["shared"]


def _words(figures: dict[str, float]) -> str:
    return f"{figures['private']:.0f} B private, {figures['shared']:.0f} B shared"


def _in_bytes(line: Line) -> Line:
    return Line(
        line.operation,
        line.peer,
        line.ours,
        line.theirs,
        "B",
        line.figure,
        line.low,
        line.high,
        "x the memory",
        None,
        None,
        line.note,
    )


def _ten_million(effort: Effort) -> Line:
    number = effort.scaled(10_000_000, 100_000)
    words = f"{number:,} live values in one process"
    if available() < NEEDED and not effort.quick:
        return Line(
            words,
            "",
            None,
            None,
            "million",
            None,
            kind="million",
            at_least=10,
            note=f"not tried: this machine has less than {NEEDED >> 30} GiB to spare",
        )
    figures = _fresh("holdfast", number, "with")
    made = Spread(number / 1e6, number / 1e6, number / 1e6)
    return Line(
        words,
        "",
        made.median,
        None,
        "million",
        made.median,
        made.low,
        made.high,
        "million",
        number / 1e6,
        None,
        f"{_total(figures):.0f} B each",
    )


def available() -> int:
    """Bytes of memory that the machine can still give."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return 0


def bytes_each(name: str, number: int, use: str) -> dict[str, float]:
    """What `number` live values take, each; runs in a fresh interpreter.

    They are used once: alone, with themselves as context manager, or with their get_lock().
    """
    module, attribute = MAKERS[name]
    make = getattr(importlib.import_module(module), attribute)
    values = [None] * number  # the list is the user's, and not counted
    gc.disable()
    first = make("i", 0)
    before = _shares(name)
    for index in range(number):
        values[index] = value = make("i", 0)
        # A page is there when it is first used, and the lock may lie on another one.
        if use == "alone":
            value.value += 1
        elif use == "with":
            with value:
                value.value += 1
        else:
            with value.get_lock():
                value.value += 1
    after = _shares(name)
    assert first.value == 0
    assert values[-1].value == 1
    assert len({id(value) for value in values[: 1 << 16]}) == min(number, 1 << 16)
    return {key: (after[key] - before[key]) / number for key in after}


def _shares(name: str) -> dict[str, int]:
    """Bytes of private memory and of shared memory that this process stands for."""
    fields = {}
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]:
        label, amount, *_ = line.split()
        fields[label.rstrip(":")] = int(amount) << 10
    shared = fields["Pss_Shmem"]
    if name == "holdfast":
        from holdfast import _native

        # All pages of the heap, also those that were reserved and not touched yet.
        shared = max(shared, os.fstat(_native.heap_fd()).st_blocks * 512)
    return {"private": fields["Pss_Anon"], "shared": shared}
