"""The guard on: a program that only uses the standard library's own values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.actor import actors
from benchmarks.line import Line, ratio_line
from benchmarks.timing import compare, loop

if TYPE_CHECKING:
    from benchmarks.timing import Effort, Work

PLAIN = "without the guard"
GUARDED = "guarded"
# Words for the table -> the statement.
STATEMENTS = {
    "mp.Value: create and drop": "Value('i', 0)",
    "mp.Value: read": "v.value",
    "mp.Value: write": "v.value = 1",
    "mp.Value: locked increment": "with v.get_lock(): v.value += 1",
    "mp.RawValue: create and drop": "RawValue('i', 0)",
    "mp.RawValue: read": "raw.value",
    "mp.Array: read": "a[3]",
}


def measure(effort: Effort) -> list[Line]:
    """Two interpreters by turns, one with the guard on."""
    lines = []
    for words, statement in STATEMENTS.items():
        with actors(
            {
                name: ("benchmarks.rows.guarded", "repeat_statement", name, statement)
                for name in (GUARDED, PLAIN)
            }
        ) as pair:
            comparison = compare(
                effort, {name: actor.work for name, actor in pair.items()}, loops=False
            )
        lines.append(ratio_line(f"guard on, {words}", comparison, GUARDED, PLAIN, at_most=1.0))
    return lines


def repeat_statement(name: str, statement: str) -> Work:
    """Repeat a statement with or without the guard; an actor's function."""
    if name == GUARDED:
        import holdfast

        holdfast.guard()
    import multiprocessing as mp

    return loop(
        statement,
        Value=mp.Value,
        RawValue=mp.RawValue,
        v=mp.Value("i", 0),
        raw=mp.RawValue("i", 0),
        a=mp.Array("i", 100),
    )
