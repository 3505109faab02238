"""What the hazards' pages show is what the tools find: the fault by its code, and nothing else."""

from __future__ import annotations

import sys

import pytest

from holdfast.findings import HAZARDS
from tests.report import page_programs
from tests.report.pages_under_tools import OTHER_WAY, TOOLS, WORDS, found

# What the page itself says of Python 3.10: no RuntimeError, and a crash in the child.
SILENT = {"HF203"} if sys.version_info < (3, 11) else set()

of_the_run = pytest.mark.parametrize(
    "hazard",
    [each for each in HAZARDS if "run" in each.seen and each.code not in SILENT],
    ids=lambda hazard: hazard.code,
)
of_the_source = pytest.mark.parametrize(
    "hazard",
    [each for each in HAZARDS if "source" in each.seen and each.code not in OTHER_WAY],
    ids=lambda hazard: hazard.code,
)
every_hazard = pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.code)
every_tool = pytest.mark.parametrize("tool", TOOLS)


@of_the_run
def test_the_example_is_found_when_it_runs(hazard):
    program = page_programs.program_of(hazard, "Example")
    assert hazard.code in found("run", program, WORDS.get(hazard.code, ()))


@of_the_source
def test_the_example_is_found_in_its_source(hazard):
    assert hazard.code in found("check", page_programs.program_of(hazard, "Example"))


@every_tool
@every_hazard
def test_the_right_way_is_silent(hazard, tool):
    program = page_programs.program_of(hazard, "Right way")
    words = WORDS.get(hazard.code, ()) if tool == "run" else ()
    assert found(tool, program, words) == set()
