"""The table as text."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from benchmarks.line import digits

if TYPE_CHECKING:
    from benchmarks.line import Line
    from benchmarks.runner import Result

HEAD = ("operation", "holdfast", "peer", "", "figure", "quartiles", "goal", "verdict")
# Columns that hold numbers.
RIGHT = {1, 3, 4}
WIDTH = 120


def render(results: list[Result]) -> str:
    """Every line, its notes numbered below."""
    cells = [HEAD]
    notes: list[str] = []
    for result in results:
        if result.error:
            cells.append((result.name, "", "", "", "", "", "", "FAILED"))
        for line in result.lines:
            number = ""
            if line.note:
                if line.note not in notes:
                    notes.append(line.note)
                number = f" [{notes.index(line.note) + 1}]"
            cells.append(_cells(line, number))
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEAD))]
    text = [_row(row, widths) for row in cells]
    text.insert(1, "  ".join("-" * width for width in widths))
    text += ["", *(_note(number, note) for number, note in enumerate(notes, 1))]
    text += ["", summary(results)]
    return "\n".join(text)


def summary(results: list[Result]) -> str:
    """How many goals there are and which of them are missed."""
    goals = [line for result in results for line in result.lines if line.has_goal]
    missed = [line for line in goals if line.verdict != "met"]
    text = f"{len(goals) - len(missed)} of {len(goals)} goals met"
    for line in missed:
        peer = f", against {line.peer}" if line.peer else ""
        figure = "" if line.figure is None else f": {_figure(line)}, goal {line.goal}"
        text += f"\n  {line.verdict}: {line.operation}{peer}{figure}"
    for result in results:
        if result.error:
            text += f"\n  FAILED: {result.name}: {result.error.strip().splitlines()[-1]}"
    return text


def _cells(line: Line, number: str) -> tuple[str, ...]:
    quartiles = ""
    if line.low is not None and line.high is not None:
        quartiles = f"{digits(line.low)}..{digits(line.high)}"
    return (
        line.operation + number,
        _amount(line.ours, line.unit),
        line.peer,
        _amount(line.theirs, line.unit),
        _figure(line),
        quartiles,
        line.goal,
        line.verdict.upper() if line.verdict == "missed" else line.verdict,
    )


def _amount(number: float | None, unit: str) -> str:
    return "" if number is None else f"{digits(number)} {unit}".rstrip()


def _figure(line: Line) -> str:
    return "" if line.figure is None else f"{digits(line.figure)} {line.kind}".rstrip()


def _row(row: tuple[str, ...], widths: list[int]) -> str:
    padded = (
        text.rjust(width) if column in RIGHT else text.ljust(width)
        for column, (text, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(padded).rstrip()


def _note(number: int, note: str) -> str:
    return textwrap.fill(
        note, WIDTH, initial_indent=f"[{number}] ", subsequent_indent=" " * (len(str(number)) + 3)
    )
