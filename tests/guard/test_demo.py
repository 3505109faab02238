"""What `make demo` shows: two programs, wrong on the plain interpreter, right under the guard."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


def test_demo_shows_the_wrong_and_the_right_side_by_side(tmp_path):
    result = subprocess.run(
        [sys.executable, str(DEMO)], cwd=tmp_path, stdin=subprocess.DEVNULL, text=True,
        capture_output=True, timeout=100, start_new_session=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    for method in ("fork", "spawn", "forkserver"):
        for program in ("flag_changes_by_itself.py", "four_flags.py"):
            assert f"{program}, {method}" in result.stdout
    assert result.stdout.count("1111.0!") >= 2  # the flag that turned into a worker's number
    assert result.stdout.count("FileNotFoundError") == 4
    assert result.stdout.count("Why: ") == 3
    assert list(tmp_path.iterdir()) == []
