"""Runs small programs that a test writes down as text."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

TIME_LIMIT = 90.0
GUARD = ("-m", "holdfast", "run", "--guard")


def run_program(folder, text, *prefix, arguments=(), status=0):
    """Run a program in a session of its own; return its lines, and fail unless it ended well."""
    path = folder / "app.py"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, *prefix, str(path), *arguments], cwd=folder, text=True,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}, stdin=subprocess.DEVNULL,
        capture_output=True, timeout=TIME_LIMIT, start_new_session=True, check=False,
    )  # fmt: skip
    assert result.returncode == status, f"{result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout.splitlines()
