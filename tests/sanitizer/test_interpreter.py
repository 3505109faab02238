"""`holdfast run` is the interpreter, as far as a program can tell: all that holds under the guard.

The tests are those of `holdfast run --guard`, run once more under the sanitizer.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.guard import test_run
from tests.guard.test_run import *  # noqa: F403 - every test of it, and its fixtures

# These say nothing of programs, and need not be said twice.
del test_wrong_usage_is_status_2_and_says_what_to_do  # noqa: F821
del test_help_fits_a_terminal_and_shows_the_guard  # noqa: F821
del test_version_names_package_and_interpreter  # noqa: F821


@pytest.fixture(autouse=True)
def watched_instead_of_guarded(monkeypatch):
    monkeypatch.setattr(test_run, "GUARD", ["-m", "holdfast", "run"])


@pytest.mark.parametrize("cause", ["raise", "raise ValueError('no') from error"])
def test_traceback_through_a_watched_function_shows_no_frame_of_ours(cause, tmp_path):
    program = tmp_path / "app.py"
    program.write_text(
        "from multiprocessing.shared_memory import SharedMemory\n"
        "try:\n"
        "    SharedMemory('there_is_none_of_this_name')\n"
        "except OSError as error:\n"
        f"    {cause}\n"
    )
    bare, watched = (
        subprocess.run(
            [sys.executable, *words, str(program)], capture_output=True, text=True, check=False
        )
        for words in ([], ["-m", "holdfast", "run"])
    )
    assert watched.stderr == bare.stderr
    assert watched.returncode == bare.returncode == 1
