"""The programs on the hazards' pages show what they promise: the fault, and its absence."""

from __future__ import annotations

import sys

import pytest

from holdfast.findings import HAZARDS
from tests.report import page_programs

# What the page itself says of Python 3.10: no RuntimeError, and a crash in the child.
SILENT = {"HF203"} if sys.version_info < (3, 11) else set()

every_hazard = pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.code)


@every_hazard
def test_the_example_shows_the_fault(hazard, tmp_path):
    program = page_programs.program_of(hazard, "Example")
    outcome = page_programs.run(program, tmp_path)
    wanted = [] if hazard.code in SILENT else page_programs.promised(program)
    assert outcome.lines == wanted, outcome.errors
    for word in page_programs.promised_on_stderr(program):
        assert word in outcome.errors


@every_hazard
def test_the_right_way_is_right(hazard, tmp_path):
    program = page_programs.program_of(hazard, "Right way")
    outcome = page_programs.run(program, tmp_path)
    assert outcome.lines == page_programs.promised(program), outcome.errors
    assert outcome.lines
    assert not outcome.errors
