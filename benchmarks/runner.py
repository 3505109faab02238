"""Runs rows one after the other, each in a process of its own, and says how far it is."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.line import Line

# Seconds that a row may take; the longest takes a tenth of it on a slow machine.
LIMIT = 900


@dataclass(frozen=True)
class Result:
    """What came of a row."""

    name: str
    lines: list[Line]
    seconds: float
    error: str = ""


def run(names: list[str], *, quick: bool) -> list[Result]:
    """Measure rows."""
    results = []
    for number, name in enumerate(names, 1):
        progress = Progress(f"[{number:2}/{len(names)}] {name}")
        result = run_one(name, quick=quick)
        progress.end("FAILED" if result.error else "")
        if result.error:
            print(result.error, file=sys.stderr)
        results.append(result)
    return results


def run_one(name: str, *, quick: bool) -> Result:
    """Measure a row, in a session of its own that is ended with it."""
    command = [sys.executable, "-m", "benchmarks.row", name, *(["--quick"] if quick else [])]
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        output, errors = "", f"it took longer than {LIMIT} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    seconds = time.monotonic() - began
    if process.returncode or not output:
        return Result(name, [], seconds, errors or f"it ended with {process.returncode}")
    return Result(name, [Line(**fields) for fields in json.loads(output)], seconds)


class Progress:
    """One line of a terminal, or one line of a log, for a row."""

    def __init__(self, words: str) -> None:
        self._words = words
        self._began = time.monotonic()
        if sys.stderr.isatty():
            print(f"{words} ...", end="", file=sys.stderr, flush=True)

    def end(self, verdict: str) -> None:
        """The row is done."""
        seconds = time.monotonic() - self._began
        start = "\r\033[K" if sys.stderr.isatty() else ""
        print(f"{start}{self._words}: {seconds:.1f} s {verdict}".rstrip(), file=sys.stderr)
