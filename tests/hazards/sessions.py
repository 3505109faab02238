"""Runs a program in a session of its own, watches it, and lets nothing of it live on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"
PLAIN = (sys.executable,)
GUARDED = (sys.executable, "-m", "holdfast", "run", "--guard")

# Seconds that a program may take, and that its helpers may take to notice that it has ended.
TIME_LIMIT = 60.0
PATIENCE = 20.0
INTERVAL = 0.01


@dataclass(frozen=True)
class Outcome:
    """What came of one run."""

    verdict: str  # "OK", "HAZARD ..."
    errors: str  # what was written to standard error
    status: int
    left: tuple[str, ...]  # commands that were still running when all should have been over

    def __str__(self) -> str:
        return f"{self.verdict} (status {self.status}, left {self.left})\n{self.errors}"


def outcome(prefix: tuple[str, ...], program: str, *arguments: str) -> Outcome:
    """Run one of the hazard programs to its end."""
    command = [*prefix, str(PROGRAMS / program), *arguments]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        try:
            process.wait(TIME_LIMIT)
            wait_until_empty(process.pid, PATIENCE)
        except subprocess.TimeoutExpired:
            pass
        left = tuple(command for _, command in session(process.pid))
        end(process.pid)
        status = process.wait()
        out.seek(0)
        err.seek(0)
        lines = out.read().decode(errors="replace").splitlines()
        errors = err.read().decode(errors="replace")
    verdicts = [line.strip() for line in lines if line.startswith(("OK", "HAZARD"))]
    verdict = verdicts[-1] if verdicts else "HAZARD no verdict"
    return Outcome(verdict, errors, status, left)


def session(leader: int) -> list[tuple[int, str]]:
    """The living processes of a session: (pid, command line)."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended while we looked
        state, sid = fields[0], int(fields[3])
        if sid == leader and state not in "ZX":
            found.append((int(entry.name), command))
    return found


def wait_until_empty(leader: int, patience: float) -> bool:
    """Wait for the last process of a session to go."""
    deadline = time.monotonic() + patience
    while session(leader):
        if time.monotonic() > deadline:
            return False
        time.sleep(INTERVAL)
    return True


def end(leader: int) -> None:
    """Kill a session, its resource trackers last, because they remove the names of semaphores."""
    for last in (False, True):
        for pid, command in session(leader):
            if last or "resource_tracker" not in command:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        wait_until_empty(leader, PATIENCE)
