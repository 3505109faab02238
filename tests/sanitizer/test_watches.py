"""The table of watches, and what is loaded when."""

from __future__ import annotations

import subprocess
import sys

import pytest

from holdfast.sanitizer import watch


@pytest.mark.parametrize("name", sorted({name for _, name in watch.WATCHES}))
def test_every_watch_of_the_table_is_there(name):
    found = watch.find(name)
    assert callable(found)
    assert found.__doc__


def test_program_that_shares_nothing_loads_next_to_nothing(tmp_path):
    program = tmp_path / "app.py"
    program.write_text("import sys; print(*sorted(sys.modules))")
    result = subprocess.run(
        [sys.executable, "-m", "holdfast", "run", str(program)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    loaded = set(result.stdout.split())
    heavy = {"multiprocessing", "ctypes", "numpy", "json", "subprocess", "socket", "hashlib"}
    assert not heavy & loaded
    ours = {name for name in loaded if name.startswith("holdfast.")}
    assert not {name for name in ours if name.startswith(("holdfast.report", "holdfast.lint"))}
    assert not {name for name in ours if name.startswith("holdfast.sanitizer.detect")}
    assert "holdfast.findings" not in ours
