"""Two unchanged programs, each on the plain interpreter and under `holdfast run --guard`.

python examples/demo.py

Each program starts workers that count in shared values of their own, and prints flags that nobody
ever changes. For each start method the four runs go on at the same time, in sessions of their own.
What the workers have counted is read from outside, out of the shared memory itself. When a few
lines are there everything is killed, and it is checked that nothing is left. The exit status is 0
if the plain runs went wrong and the guarded ones right, as they should.
"""

from __future__ import annotations

import array
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
LAUNCHER = HERE / "with_start_method.py"
# Program -> what its workers count from. A worker's value stays within COUNTED of that.
PROGRAMS = {"flag_changes_by_itself.py": [1111, 2222], "four_flags.py": [10000, 20000, 30000]}
COUNTED = 1000
UNTOUCHED = -1.0  # what every flag is set to
PREFIXES = {"python": [], "holdfast run --guard": ["-m", "holdfast", "run", "--guard"]}

LINES = 4  # a program prints one each second
TIME_LIMIT = 30.0  # seconds for one start method, should the machine be busy
INTERVAL = 0.05
WIDTH = 96
CELL = 9

WHY = {
    "fork": (
        "the worker was a local variable, so it died when the function that started it returned, "
        "and multiprocessing gave its bytes to the next Value, a flag, although the child process "
        "still counts in them. Under the guard they stay the child's as long as it lives."
    ),
    "spawn": (
        "the worker died in the parent before the child, which starts from nothing, had opened the "
        "lock of its Value; the lock was gone. Under the guard a lock on its way is kept for its "
        "receiver."
    ),
    "forkserver": (
        "as with spawn. This is the default start method on Linux since Python 3.14, so programs "
        "that went wrong silently now lose their workers."
    ),
}


@dataclass
class Run:
    """One program that is running, in a session of its own."""

    program: str
    method: str
    prefix: str
    lines: list[list[float]] = field(default_factory=list)
    workers: list[float | None] = field(default_factory=list)
    error: str = ""

    def start(self):
        """Start the program; what it prints goes to files."""
        self.out, self.err = (tempfile.TemporaryFile() for _ in range(2))  # noqa: SIM115
        launcher = [str(LAUNCHER), self.method, str(HERE / self.program)]
        self.process = subprocess.Popen(
            [sys.executable, *PREFIXES[self.prefix], *launcher],
            stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err, start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        return self

    def seen_enough(self):
        """Note what the program has printed and its workers have counted; is that all of it?"""
        printed = read(self.out).rpartition("\n")[0].splitlines()
        self.lines = [[float(word) for word in line.split()[1::2]] for line in printed[:LINES]]
        errors = [line for line in read(self.err).splitlines() if "Error" in line]
        self.error = errors[-1] if errors else ""
        values = shared_numbers(session(self.process.pid))
        self.workers = [
            max((value for value in values if start <= value < start + COUNTED), default=None)
            for start in PROGRAMS[self.program]
        ]
        return len(self.lines) == LINES and (None not in self.workers or bool(self.error))

    def is_right(self):
        """Whether no flag ever changed and every worker was at work."""
        flags = {value for line in self.lines for value in line}
        return flags == {UNTOUCHED} and None not in self.workers and not self.error


def read(file):
    """All that was written to the file so far."""
    return os.pread(file.fileno(), 1 << 20, 0).decode(errors="replace")


def session(leader):
    """The processes of a session that are not dead: process id -> command line."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may end while we look
            state, _, _, sid = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(sid) == leader and state not in "ZX":
                found[int(entry.name)] = (entry / "cmdline").read_text()
    return found


def shared_numbers(processes):
    """Every 8 bytes of the memory files that the processes share, read as doubles."""
    numbers, seen = set(), set()
    for pid in processes:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            with contextlib.suppress(OSError):  # it may end, or close it, while we look
                target = os.readlink(link)
                if ("/memfd:holdfast" in target or "/pym-" in target) and target not in seen:
                    seen.add(target)
                    numbers.update(doubles(link))
    return numbers


def doubles(path):
    """The doubles in those parts of a (sparse) file that hold data."""
    with open(path, "rb", buffering=0) as file:
        end = 0
        while True:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError:  # ENXIO: no data after this
                return
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            yield from array.array("d", os.pread(file.fileno(), (end - start) & ~7, start))


def end(runs):
    """Kill all; return whether everything was gone, without more ado, in the end.

    Resource trackers are not killed: they end by themselves when the others are gone, and remove
    the names of their semaphores first.
    """
    deadline = time.monotonic() + TIME_LIMIT
    while time.monotonic() < deadline:
        left = {pid: command for run in runs for pid, command in session(run.process.pid).items()}
        if not left:
            break
        for pid, command in left.items():
            if "resource_tracker" not in command:
                kill(pid)
        time.sleep(INTERVAL)
    clean = not left
    for pid in left:
        kill(pid)
    for run in runs:
        run.process.wait()
        run.out.close()
        run.err.close()
    return clean


def kill(pid):
    """SIGKILL, unless it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def table(program, plain, guarded):
    """The two runs of a program side by side."""
    names = ["flag"] if len(plain.lines[0]) == 1 else [f"flag{i}" for i in range(4)]
    half = (WIDTH - CELL) // 2
    yield f"{program}, {plain.method}".center(WIDTH).rstrip()
    yield cells("", [f"{run.prefix:^{half}}" for run in (plain, guarded)], half)
    yield cells("", ["".join(f"{name + ' ':>{CELL}}" for name in names)] * 2, half)
    for second in range(LINES):
        rows = [run.lines[second] if second < len(run.lines) else [] for run in (plain, guarded)]
        marked = [[f"{v}{' ' if v == UNTOUCHED else '!'}" for v in row] for row in rows]
        yield cells(f"{second} s", ["".join(f"{v:>{CELL}}" for v in row) for row in marked], half)
    counted = [
        "".join(f"{'dead!' if v is None else f'{v} ':>{CELL}}" for v in run.workers)
        for run in (plain, guarded)
    ]
    yield cells("workers", counted, half)
    for run in (plain, guarded):
        if run.error:
            yield f"{'':{CELL}}{run.prefix}: {run.error}"


def cells(label, halves, width):
    """One line of the table."""
    return f"{label:>{CELL - 1}} " + "".join(f"{half:<{width}}" for half in halves).rstrip()


def show(method):
    """Run everything for one start method, print it; return whether it was as it should be."""
    pairs = {program: [Run(program, method, prefix) for prefix in PREFIXES] for program in PROGRAMS}
    started = []
    try:
        started += (run.start() for pair in pairs.values() for run in pair)
        deadline = time.monotonic() + TIME_LIMIT
        while sum(run.seen_enough() for run in started) < len(started):
            if time.monotonic() > deadline:
                break
            time.sleep(INTERVAL)
    finally:
        clean = end(started)
    as_expected = True
    for program, (plain, guarded) in pairs.items():
        as_expected &= guarded.is_right() and not plain.is_right()
        print("\n".join(table(program, plain, guarded)), end="\n\n")
    print(textwrap.fill(f"Why: {WHY[method]}", WIDTH), end="\n\n", flush=True)
    if not clean:
        print("Some processes had to be killed twice.")
    return as_expected and clean


def main():
    print(textwrap.fill(
        "Neither program ever writes to a flag after setting it to -1; the workers count in shared "
        "values of their own, read here from outside. What should not be is marked with '!'.",
        WIDTH,
    ), end="\n\n", flush=True)  # fmt: skip
    outcomes = [show(method) for method in WHY]
    if not all(outcomes):
        print("This was not as it should be.")
        return 1
    print("Everything that was started has ended, and nothing is left.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
