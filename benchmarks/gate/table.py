"""All cells, and the table of them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from benchmarks.gate.cell import Cell, check
from benchmarks.gate.columns import COLUMNS, installed
from benchmarks.gate.promises import PROMISES
from benchmarks.runner import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable

WORDS = {True: "yes", False: "no", None: ""}
WIDTH = 120


def check_all(columns: Iterable[str] = ()) -> list[Cell]:
    """Check the cells of some columns, of all that are installed if none are named."""
    names = list(columns) or [name for name in COLUMNS if installed(name)]
    cells = []
    for promise in PROMISES:
        progress = Progress(f"gate: {promise}")
        cells += [check(promise, name) for name in names]
        progress.end("")
    return cells


def broken(cells: list[Cell]) -> bool:
    """Whether Holdfast breaks a promise: then there is no release."""
    return any(cell.column == "holdfast" and not cell.kept for cell in cells)


def render(cells: list[Cell]) -> str:
    """The table, and below it what was seen where the answer is no."""
    names = list(dict.fromkeys(cell.column for cell in cells))
    answers = {(cell.promise, cell.column): WORDS[cell.kept] for cell in cells}
    first = max(map(len, PROMISES))
    lines = ["  ".join(["promise".ljust(first), *names])]
    lines.append("  ".join("-" * len(each) for each in [" " * first, *names]))
    lines += [
        "  ".join(
            [
                promise.ljust(first),
                *(answers[promise, name].center(len(name)) for name in names),
            ]
        ).rstrip()
        for promise in PROMISES
    ]
    lines.append("")
    lines += [
        textwrap.fill(f"{cell.column}, {cell.promise}: {cell.saw}", WIDTH, subsequent_indent="    ")
        for cell in cells
        if not cell.kept
    ]
    return "\n".join(lines)


def as_json(cells: list[Cell]) -> dict[str, Any]:
    """By promise and column: kept, and what was seen."""
    return {
        promise: {
            cell.column: {"kept": cell.kept, "saw": cell.saw}
            for cell in cells
            if cell.promise == promise
        }
        for promise in PROMISES
    }
