"""What the hazards' pages show is what the tools find: the fault by its code, and nothing else."""

from __future__ import annotations

import sys

import pytest

from holdfast.findings import HAZARDS
from tests.report import page_programs
from tests.report.pages_under_tools import OTHER_WAY, WORDS, found_in_source, found_when_run

# What the page itself says of Python 3.10: no RuntimeError, and a crash in the child.
SILENT = {"HF203"} if sys.version_info < (3, 11) else set()


def of_hazards(chosen):
    return pytest.mark.parametrize("hazard", chosen, ids=lambda hazard: hazard.code)


@of_hazards([each for each in HAZARDS if "run" in each.seen and each.code not in SILENT])
def test_the_example_is_found_when_it_runs(hazard):
    program = page_programs.program_of(hazard, "Example")
    assert hazard.code in found_when_run(program, WORDS.get(hazard.code, ()))


@of_hazards(HAZARDS)
def test_the_right_way_is_silent_when_it_runs(hazard):
    program = page_programs.program_of(hazard, "Right way")
    assert found_when_run(program, WORDS.get(hazard.code, ())) == set()


def test_the_examples_are_found_in_their_source():
    chosen = [each for each in HAZARDS if "source" in each.seen and each.code not in OTHER_WAY]
    found = found_in_source({e.code: page_programs.program_of(e, "Example") for e in chosen})
    assert [each.code for each in chosen if each.code not in found[each.code]] == []


def test_the_right_ways_are_silent_in_their_source():
    found = found_in_source({e.code: page_programs.program_of(e, "Right way") for e in HAZARDS})
    assert {code: codes for code, codes in found.items() if codes} == {}
