"""Runs the programs of a hazard's page, and knows what they must print.

The convention that the pages keep: a `print` that prints has what it prints as a comment behind
it; one without a comment, or with `# not reached`, prints nothing in that program. The order
does not count, as several processes print. `# on stderr: word` wants a word there.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from holdfast.report.hazard_page import Page

TIME_LIMIT = 60

_PRINTED = re.compile(r"^.*print\(.*\)  # (?P<text>.+)$", re.MULTILINE)
_ON_STDERR = re.compile(r"# on stderr: (?P<word>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What a program printed, line by line in any order, and its other output."""

    lines: list[str]
    errors: str


def program_of(hazard, section):
    (program,) = Page.of(hazard).programs(section)
    return program


def promised(program):
    """The lines that a program's comments promise, sorted."""
    texts = (match["text"] for match in _PRINTED.finditer(program))
    return sorted(text for text in texts if text != "not reached")


def promised_on_stderr(program):
    return [match["word"] for match in _ON_STDERR.finditer(program)]


def run(program, folder):
    """Run a program in a session of its own, of which nothing is left afterwards."""
    file = folder / "program.py"
    file.write_text(program)
    environment = os.environ | {
        "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(folder),
    }  # fmt: skip
    # Into files and not pipes: what is left over must not keep us waiting.
    with (folder / "out").open("w+") as out, (folder / "err").open("w+") as err:
        process = subprocess.Popen(
            [sys.executable, str(file)], cwd=folder, env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=out, stderr=err,
        )  # fmt: skip
        try:
            process.wait(TIME_LIMIT)
        finally:
            end_session(process.pid)
            process.wait()
        wait_for_trackers(process.pid)
        out.seek(0)
        err.seek(0)
        return Outcome(sorted(out.read().splitlines()), err.read())


def members(session):
    """The processes of a session that are alive, and what they are."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] not in "ZX":
                with open(f"/proc/{name}/cmdline") as file:
                    found[int(name)] = file.read()
        except OSError:
            continue  # it has just ended
    return found


def end_session(session):
    """Kill what is left, but for resource trackers, which have something to say at their end."""
    for pid, command in members(session).items():
        if "resource_tracker" not in command:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def wait_for_trackers(session):
    deadline = time.monotonic() + TIME_LIMIT
    while left := members(session):
        assert time.monotonic() < deadline, left
        time.sleep(0.01)
