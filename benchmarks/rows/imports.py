"""import holdfast, over a bare interpreter."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.line import Line, plain_line
from benchmarks.timing import compare, processor_time, spread_of

if TYPE_CHECKING:
    from benchmarks.timing import Comparison, Effort, Spread, Work

BARE = "a bare interpreter"
PROGRAMS = {
    BARE: "pass",
    "holdfast": "import holdfast",
    "its objects": "from holdfast import Value, Array, Lock",
    "multiprocessing": "from multiprocessing import Value, Array, Lock",
}


def measure(effort: Effort) -> list[Line]:
    """Whole interpreters by turns; the difference is what counts."""
    comparison = compare(
        replace(effort, burst_seconds=effort.burst_seconds * 10),
        {name: starts(program) for name, program in PROGRAMS.items()},
        loops=False,
    )
    bare = comparison.of(BARE).median * 1e3
    own = plain_line(
        "import holdfast",
        over_bare(comparison, "holdfast"),
        "ms",
        at_most=15,
        note=f"over the {bare:.1f} ms of a bare interpreter",
    )
    objects = plain_line(
        "from holdfast import Value, Array, Lock",
        over_bare(comparison, "its objects"),
        "ms",
        note="the same from multiprocessing: "
        f"{over_bare(comparison, 'multiprocessing').median:.1f} ms",
    )
    return [own, objects]


def over_bare(comparison: Comparison, name: str) -> Spread:
    """Milliseconds more than a bare interpreter takes, round by round."""
    pairs = zip(comparison.rounds[name], comparison.rounds[BARE], strict=True)
    return spread_of([(with_it - without) * 1e3 for with_it, without in pairs])


def starts(program: str) -> Work:
    """Start an interpreter that runs the program, n times; the processor time that they take.

    On an idle machine that is the time that passes, since an import waits for nothing.
    """

    def work(count: int) -> float:
        began = processor_time()
        for _ in range(count):
            subprocess.run([sys.executable, "-I", "-c", program], check=True)
        return processor_time() - began

    return work
