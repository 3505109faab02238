"""Checks one cell of the table: `python -m benchmarks.gate.cell "no alias after drop" mp.Value`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from benchmarks.gate import columns, promises

# Seconds for one cell. The slowest wait a few seconds for something that does not come.
LIMIT = 60
ERROR = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception)\b.*", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """An answer: kept or not, None where the peer is not installed; and what was seen."""

    promise: str
    column: str
    kept: bool | None
    saw: str


def check(promise: str, column: str) -> Cell:
    """Check one cell in a session of its own, which is ended with it."""
    if not columns.installed(column):
        return Cell(promise, column, None, "not installed here")
    with tempfile.TemporaryDirectory(prefix="hf-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.gate.cell", promise, column],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"TMPDIR": folder},
            start_new_session=True,
        )
        try:
            output, errors = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return Cell(promise, column, False, f"nothing happened for {LIMIT} s")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if not output:
        return Cell(promise, column, False, _last_error(errors) or "it ended without a word")
    kept, saw = json.loads(output)
    if not kept and (cause := _last_error(errors)) and cause not in saw:
        saw = f"{saw} ({cause})"
    return Cell(promise, column, kept, saw)


def _last_error(errors: str) -> str:
    """What a traceback of a child ended with."""
    found = ERROR.findall(errors)
    return found[-1] if found else ""


def main() -> None:
    """Be the process that checks; prints [kept, saw]."""
    promise, column = sys.argv[1:]
    try:
        answer = [True, promises.PROMISES[promise](column)]
    except promises.Broken as broken:
        answer = [False, str(broken)]
    except Exception as error:
        answer = [False, f"{type(error).__name__}: {error}"]
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
