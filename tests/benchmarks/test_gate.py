"""Each promise of the release gate, for Holdfast's column; and that the gate can say no."""

from __future__ import annotations

import pytest
from benchmarks.gate.cell import Cell, check
from benchmarks.gate.promises import PROMISES

from benchmarks import gate


@pytest.mark.parametrize("promise", PROMISES)
def test_holdfast_keeps(promise: str) -> None:
    cell = check(promise, "holdfast")
    assert cell.kept, cell.saw


def test_the_gate_tells_a_broken_promise() -> None:
    cell = check("no alias after drop", "mp.RawValue")
    assert cell.kept is False
    assert "turned into 1111" in cell.saw


def test_only_holdfast_closes_the_gate() -> None:
    promise = next(iter(PROMISES))
    kept, lost = (
        [Cell(promise, "holdfast", answer, ""), Cell(promise, "Manager", False, "it hung")]
        for answer in (True, False)
    )
    assert not gate.broken(kept)
    assert gate.broken(lost)
    assert gate.broken([Cell(promise, "holdfast", None, "not installed here")])


def test_the_table_gives_the_reason_of_a_no() -> None:
    cells = [Cell(promise, "holdfast", True, "all is well") for promise in PROMISES]
    cells += [Cell(promise, "torch", False, f"it broke {promise}") for promise in PROMISES]
    text = gate.render(cells)
    assert all(f"it broke {promise}" in text for promise in PROMISES)
    assert "all is well" not in text
