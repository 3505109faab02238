"""A family of processes that share values and are all killed at once; what stays of them.

Only what this family made is looked at, since other programs come and go: the named memory that its
processes had mapped, the files in the folder for temporary files that it had to itself, and the
processes of its session.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.gate.columns import COLUMNS

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

SHARED_MEMORY = Path("/dev/shm")
VALUES = 10
# Seconds that the kernel may take to remove what was killed.
PATIENCE = 5.0


def killed(name: str, method: str) -> list[str]:
    """What is left of a family that uses the values of a column: names of files, processes."""
    with tempfile.TemporaryDirectory(prefix="hf-") as folder:
        leader = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.gate.family", name, method],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"TMPDIR": folder},
            start_new_session=True,
        )
        try:
            assert leader.stdout
            ready = leader.stdout.readline()
            files = _named_memory(_session(leader.pid))
        finally:
            os.killpg(leader.pid, signal.SIGKILL)
            leader.wait()
            leader.stdout.close()
        if ready != "ready\n":
            raise RuntimeError("the family did not get as far as to use its values")
        left = _left(leader.pid, files, Path(folder))
        for path in files:
            path.unlink(missing_ok=True)
        return left


def lead(name: str, method: str) -> None:
    """Be the family: values, a child that uses one of them, and then wait to be killed."""
    context = multiprocessing.get_context(method)
    column = COLUMNS[name](context)
    things = [column.make() for _ in range(VALUES)]
    connection, other = context.Pipe()
    context.Process(target=use, args=(name, things[0], other)).start()
    assert connection.recv() == "ready"
    print("ready", flush=True)
    signal.pause()


def use(name: str, thing: Any, connection: Connection) -> None:
    """Be the child."""
    COLUMNS[name](multiprocessing).write(thing, 1)
    connection.send("ready")
    signal.pause()


def _session(leader: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                # the command's name may hold anything, so count from behind its bracket
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == leader and fields[0] not in "ZX":
                    found.append(int(entry))
    return found


def _named_memory(processes: list[int]) -> list[Path]:
    """The files in /dev/shm that the processes have mapped.

    By inode: a semaphore's file is mapped under one name and then given another.
    """
    mapped = set()
    for pid in processes:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                if " /dev/shm/" in line:
                    mapped.add(int(line.split()[4]))
    found = []
    for path in SHARED_MEMORY.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino in mapped:
                found.append(path)
    return sorted(found)


def _left(leader: int, files: list[Path], folder: Path) -> list[str]:
    deadline = time.monotonic() + PATIENCE
    while (running := _session(leader)) and time.monotonic() < deadline:
        time.sleep(0.01)
    found = [f"{len(running)} process(es)"] if running else []
    if names := [str(path) for path in files if path.exists()]:
        found.append(names[0] + (f" and {len(names) - 1} more like it" if names[1:] else ""))
    found += [f"{path.name} in the folder for temporary files" for path in folder.iterdir()]
    return found


if __name__ == "__main__":
    lead(*sys.argv[1:])
