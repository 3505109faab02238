"""The catalogue of lifetime hazards, row by row: wrong on the plain interpreter, right here.

Each row's program is run four ways for each start method: as it is and in its correct variant
(--right), on the plain interpreter and under `holdfast run --guard`.
"""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.hazards.sessions import GUARDED, PLAIN, Outcome, outcome

ALL = ("fork", "spawn", "forkserver")
FORK = ("fork",)
FRESH = ("spawn", "forkserver")


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the catalogue."""

    name: str
    program: str
    kind: str = ""
    methods: tuple[str, ...] = ALL
    # Where the plain interpreter shows the hazard, and what it then says or writes.
    wrong_under: tuple[str, ...] = ALL
    shows: str = "later read"
    shows_fresh: str = "FileNotFoundError"

    def arguments(self, method: str) -> tuple[str, ...]:
        return (self.program, method, self.kind) if self.kind else (self.program, method)


SILENT = {"shows_fresh": "later read"}  # no semaphore, or dropped when the child has it: no error

ROWS = [
    Row("A1", "temporary_argument.py", "value"),
    Row("A2", "temporary_argument.py", "array"),
    Row("A3", "temporary_argument.py", "structure"),
    Row("A4", "temporary_argument.py", "rawvalue", **SILENT),
    Row("A5", "temporary_argument.py", "rawarray", **SILENT),
    Row("A6", "temporary_argument.py", "rawstructure", **SILENT),
    Row("A7", "dropped_late.py", **SILENT),
    Row("A8", "bound_method_target.py"),
    Row("A9", "closure_target.py", methods=FORK),
    Row("A10", "rebound_name.py", **SILENT),
    Row("A11", "list_of_processes.py"),
    Row("A12", "process_subclass.py"),
    Row("A13", "pool_initargs.py", wrong_under=()),
    Row("A14", "executor_initargs.py", "early", shows="task read 999"),
    Row("A15", "executor_initargs.py", "late", shows="task read 999", shows_fresh="task read 999"),
    Row("A16", "grandchild_outlives.py", **SILENT),
    Row("A17", "os_fork.py", methods=FORK),
    Row("A18", "array_view.py", methods=FORK),
    Row("B1", "lock_temporary.py", wrong_under=FRESH),
    Row("B2", "no_join.py", "main", wrong_under=FRESH),
    Row("B3", "no_join.py", "middle", wrong_under=FRESH),
    Row("B4", "barrier_state.py", shows="AssertionError", shows_fresh="AssertionError"),
    Row("J3", "wrapper_view.py", methods=FORK, shows="BBBBBBBB"),
]

CASES = [
    pytest.param((row, method), id=f"{row.name}-{method}") for row in ROWS for method in row.methods
]


@dataclasses.dataclass(frozen=True)
class Ways:
    """One row and start method, run in all four ways."""

    row: Row
    method: str
    plain: Outcome
    guarded: Outcome
    right_plain: Outcome
    right_guarded: Outcome


@pytest.fixture(scope="module", params=CASES)
def ways(request):
    """Run a case in all four ways, at the same time: they mostly wait for processes to start."""
    row, method = request.param
    commands = [
        (prefix, *row.arguments(method), *variant)
        for variant in ((), ("--right",))
        for prefix in (PLAIN, GUARDED)
    ]
    with ThreadPoolExecutor(len(commands)) as executor:
        return Ways(row, method, *executor.map(lambda command: outcome(*command), commands))


def test_hazard_is_there_without_the_guard(ways):
    if ways.method in ways.row.wrong_under:
        assert ways.plain.verdict.startswith("HAZARD"), ways.plain
        shown = ways.row.shows if ways.method == "fork" else ways.row.shows_fresh
        assert shown in ways.plain.verdict + ways.plain.errors, ways.plain
    else:
        assert ways.plain.verdict == "OK", ways.plain


def test_unchanged_program_is_right_under_the_guard(ways):
    assert ways.guarded.verdict == "OK", ways.guarded
    assert ways.guarded.status == 0, ways.guarded
    assert "Traceback" not in ways.guarded.errors, ways.guarded
    assert ways.guarded.left == (), ways.guarded


def test_right_variant_is_right_either_way(ways):
    for result in (ways.right_plain, ways.right_guarded):
        assert result.verdict == "OK", result
        assert result.status == 0, result


@pytest.mark.parametrize("method", FRESH)
def test_copy_of_a_shared_array_is_named_by_a_warning(method):
    """Row A18 under spawn: the copy cannot be prevented, but it does not go unnoticed."""
    plain = outcome(PLAIN, "array_view.py", method)
    guarded = outcome(GUARDED, "array_view.py", method)
    assert "a copy travelled" in plain.verdict
    assert plain.errors == ""
    assert "a copy travelled" in guarded.verdict
    assert "process.start()" in guarded.errors  # the line of the program, not one of ours
    assert "SharedCopyWarning" in guarded.errors
    assert "(4,)" in guarded.errors
    right = outcome(GUARDED, "array_view.py", method, "--right")
    assert right.verdict == "OK", right
    assert right.errors == "", right


@pytest.mark.parametrize("method", ALL)
def test_multiprocess_has_the_hazard_without_the_guard(method):
    """Billiard does not: it keeps a Process's arguments, as multiprocessing did until 2017."""
    result = outcome(PLAIN, "other_package.py", method, "multiprocess")
    assert result.verdict.startswith("HAZARD"), result


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("package", ["multiprocess", "billiard"])
@pytest.mark.parametrize("variant", [(), ("--right",)], ids=["", "right"])
def test_packages_that_grew_out_of_multiprocessing_are_right_too(package, method, variant):
    result = outcome(GUARDED, "other_package.py", method, package, *variant)
    assert result.verdict == "OK", result
    assert "memory by holdfast.guard.heap" in result.errors, result
    assert "Traceback" not in result.errors, result
    assert result.left == (), result
