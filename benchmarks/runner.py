"""Runs rows one after the other, each in processes of its own, and says how far it is.

Where the loader and the kernel put things differs from process to process, and now and then makes a
few nanoseconds twice as many. So a row is measured in several processes, and each of its lines is
that of the process with the median figure.
"""

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
# Processes for a row, and the seconds from which on one is enough: such a row times no nanoseconds.
PROCESSES = 3
LONG = 15


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
        result = run_row(name, quick=quick)
        progress.end("FAILED" if result.error else "")
        if result.error:
            print(result.error, file=sys.stderr)
        results.append(result)
    return results


def run_row(name: str, *, quick: bool) -> Result:
    """Measure a row as often as it takes."""
    first = run_one(name, quick=quick)
    if quick or first.error or first.seconds > LONG:
        return first
    tries = [first, *(run_one(name, quick=quick) for _ in range(PROCESSES - 1))]
    seconds = sum(each.seconds for each in tries)
    failed = next((each for each in tries if each.error), None)
    if failed is not None:
        return Result(name, [], seconds, failed.error)
    same_lines = zip(*(each.lines for each in tries), strict=True)
    return Result(name, [median_of(lines) for lines in same_lines], seconds)


def median_of(lines: tuple[Line, ...]) -> Line:
    """The line with the median figure; the first if there is none."""
    known = sorted((each for each in lines if each.figure is not None), key=_figure)
    return known[len(known) // 2] if known else lines[0]


def _figure(line: Line) -> float:
    return line.figure or 0.0


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
