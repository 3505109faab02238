"""A user's two programs: the wrong form found, the right form clean, the fixed one behaves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.lint import Options, check_source
from holdfast.lint.fixes import fix_source

EXAMPLES = Path(__file__).parents[3] / "examples"
PROGRAMS = ["flag_changes_by_itself.py", "four_flags.py"]
OPTIONS = Options(start_method="fork")
LINES = 40


def wrong(name):
    return (EXAMPLES / name).read_text(encoding="utf-8")


def right(name):
    text = wrong(name).replace("# self.start_work_process_right()", "")
    text = text.replace("self.start_work_process_wrong()", "self.start_work_process_right()")
    start = text.index("    def start_work_process_wrong")
    return text[:start] + text[text.index("    def start_work_process_right") :]


def flags_printed(text, folder):
    """The values in the first lines that a program prints; it is ended, with its children."""
    program = folder / "program.py"
    program.write_text(text.replace("time.sleep(1)", "time.sleep(0.02)"), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-u", str(program)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        lines = [process.stdout.readline() for _ in range(LINES)]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    return [float(each) for line in lines for each in re.findall(r"flag\d?: (\S+)", line)]


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_wrong_form_is_found_and_the_right_one_is_clean(name):
    found = check_source(wrong(name), name, OPTIONS)
    assert [(each.code, each.confidence) for each in found] == [("HF102", "high")]
    assert found[0].place.source.startswith("target=worker.do_work")
    assert check_source(right(name), name, OPTIONS) == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_wrong_form_fixed_behaves_as_the_right_one(name, tmp_path):
    result = fix_source(wrong(name).encode(), name, OPTIONS)
    assert len(result.done) == 1
    assert not result.left
    assert b"self._worker = worker\n" in result.data
    assert set(flags_printed(wrong(name), tmp_path)) != {-1.0}
    assert set(flags_printed(right(name), tmp_path)) == {-1.0}
    assert set(flags_printed(result.data.decode(), tmp_path)) == {-1.0}
