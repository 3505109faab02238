"""The catalogue's programs: each is told of by its class in its wrong form, and not in its right.

They are those of tests/hazards. What is expected is the mechanism's class, per start method: where
the standard library makes a program right under fork, nothing is told.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.hazards.sessions import PROGRAMS
from tests.hazards.test_rows import ROWS
from tests.sanitizer.programs import watched_file

# Row: what its wrong form yields under fork, and under spawn and forkserver.
CODES = {
    "A1": ("HF101", "HF101"), "A2": ("HF101", "HF101"), "A3": ("HF101", "HF101"),
    "A4": ("HF101", "HF101"), "A5": ("HF101", "HF101"), "A6": ("HF101", "HF101"),
    "A7": ("HF102", "HF102"), "A8": ("HF103", "HF103"), "A9": ("HF105", "HF105"),
    "A10": ("HF104", "HF104"), "A11": ("HF101", "HF101"), "A12": ("HF101", "HF101"),
    "A13": ("", ""), "A14": ("HF106", "HF106"), "A15": ("HF106", "HF106"),
    "A16": ("HF107", "HF107"), "A17": ("HF108", "HF108"), "A18": ("HF102", "HF110"),
    "B1": ("HF101", "HF101 HF201"), "B2": ("", "HF202"), "B3": ("", "HF202"),
    "B4": ("HF102", "HF102"), "J3": ("HF109", "HF109"),
}  # fmt: skip

CASES = [
    pytest.param(row, method, id=f"{row.name}-{method}")
    for row in ROWS
    for method in (("fork", "spawn", "forkserver") if row.name == "A18" else row.methods)
]


@pytest.mark.parametrize(("row", "method"), CASES)
def test_row_is_told_of_in_its_wrong_form_only(row, method, tmp_path):
    program = PROGRAMS / row.program
    folders = [tmp_path / "wrong", tmp_path / "right"]
    for folder in folders:
        folder.mkdir()
    arguments = row.arguments(method)[1:]
    with ThreadPoolExecutor(2) as executor:
        wrong, right = executor.map(
            lambda folder: watched_file(
                folder, program, *arguments, *(["--right"] if folder.name == "right" else [])
            ),
            folders,
        )
    expected = CODES[row.name][method != "fork"].split()
    # Other classes may be told of as well: a queue that is dropped is more than one fault.
    assert [code for code in wrong.codes if code < "HF3"] == expected, wrong
    assert wrong.status == bool(wrong.codes), wrong
    assert right.findings == (), right
    assert right.status == 0, right
    assert "OK" in right.lines, right
