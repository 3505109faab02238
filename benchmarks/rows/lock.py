"""Lock: acquire and release, and `with`; nobody contends."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

import holdfast
from benchmarks.floors import METHOD, floors
from benchmarks.line import Line, ratio_line
from benchmarks.timing import compare, loop

if TYPE_CHECKING:
    from benchmarks.timing import Effort


def measure(effort: Effort) -> list[Line]:
    """Against mp.Lock, which does not notice that its owner died."""
    lines = []
    for kind in ("Lock", "RLock"):
        ours, theirs = getattr(holdfast, kind)(), getattr(multiprocessing, kind)()
        goal = kind == "Lock"
        peer = f"mp.{kind}"
        for operation, statement in (
            ("acquire and release", "k.acquire(); k.release()"),
            ("with", "with k: pass"),
        ):
            works = {"holdfast": loop(statement, k=ours), peer: loop(statement, k=theirs)}
            comparison = compare(effort, works | floors())
            floor = 2e9 * comparison.of(METHOD).median
            note = f"two empty C methods take {floor:.1f} ns" if goal else ""
            if operation == "with":
                line = ratio_line(
                    f"{kind}: with",
                    comparison,
                    "holdfast",
                    peer,
                    at_least=2.2 if goal else None,
                    kind="x faster",
                    note=note,
                )
            else:
                line = ratio_line(
                    f"{kind}: {operation}",
                    comparison,
                    "holdfast",
                    peer,
                    at_most=1.0 if goal else None,
                    note=note,
                )
            lines.append(line)
    return lines
