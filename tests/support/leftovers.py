"""What a test must not leave behind: processes, descriptors, threads, files, an unsound heap.

A snapshot before each test, a comparison after it. What is only slow to go gets a moment; what
stays fails the test and is removed, so that one culprit does not take the next tests with it: the
processes, and the files in the tests' own folder. In /dev/shm nothing is ever removed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import family

# Seconds that a process or thread may take to be gone once the test is over.
PATIENCE = 10.0
# Seconds between two looks.
INTERVAL = 0.005
SHARED_MEMORY = Path("/dev/shm")
# The runner says that nothing else uses the machine: what appears in /dev/shm is the test's.
ALONE = os.environ.get("HOLDFAST_TESTS_ALONE") == "1"

# Modules with a resource tracker and a forkserver of their own, which outlive a single test.
_SERVICES = ("multiprocessing", "multiprocess", "billiard", "loky.backend")


@dataclass(frozen=True)
class Snapshot:
    """What exists at one moment."""

    processes: frozenset[int]
    descriptors: dict[int, str]
    threads: frozenset[int]
    files: frozenset[Path]


def snapshot() -> Snapshot:
    """Look around."""
    return Snapshot(
        processes=frozenset(each.pid for each in family.members()),
        descriptors=_descriptors(),
        threads=frozenset(id(thread) for thread in threading.enumerate()),
        files=frozenset(_files()),
    )


def stop_forkservers() -> None:
    """End forkservers, so that no test starts from the state that another one left in them."""
    for name in _SERVICES:
        module = sys.modules.get(f"{name}.forkserver")
        server: Any = getattr(module, "_forkserver", None)
        if server is not None and getattr(server, "_forkserver_pid", None) is not None:
            server._stop()


def remaining(before: Snapshot) -> list[str]:
    """What is there now and was not there before, after a fair wait: one sentence each."""
    complaints = _compare(before)
    if not complaints:
        return []
    gc.collect()
    deadline = time.monotonic() + PATIENCE
    while complaints and time.monotonic() < deadline:
        _reap()
        time.sleep(INTERVAL)
        complaints = _compare(before)
    return complaints


def remove(before: Snapshot) -> None:
    """Kill, reap and delete what is left; but nothing in the folder that is everybody's."""
    for each in _new_processes(before):
        with contextlib.suppress(ProcessLookupError):
            os.kill(each.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(each.pid, 0)
    for path in _new_files(before):
        if path.parent == SHARED_MEMORY:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def heap_complaints() -> list[str]:
    """What the invariant checker says of the heap, if this process has one."""
    native = sys.modules.get("holdfast._native")
    if native is None or not native.is_open():
        return []
    return [f"the heap is not sound: {line}" for line in native.check()]


def _compare(before: Snapshot) -> list[str]:
    now = _descriptors()
    return [
        *(f"left running: {each}" for each in _new_processes(before)),
        *(
            f"left open: descriptor {number} -> {target}"
            for number, target in now.items()
            if before.descriptors.get(number) != target
            and number not in _service_descriptors()
            and not target.startswith("/dev/urandom")
            # The standard library's own heap never gives an arena back.
            and f"/pym-{os.getpid()}-" not in target
        ),
        *(
            f"left running: thread {thread.name}"
            for thread in threading.enumerate()
            if id(thread) not in before.threads
        ),
        *(f"left behind: {path}" for path in _new_files(before)),
    ]


def _new_processes(before: Snapshot) -> list[family.Member]:
    services = _of_trackers("_pid")
    return [
        each
        for each in family.members()
        if each.pid not in before.processes and each.pid not in services
    ]


def _new_files(before: Snapshot) -> list[Path]:
    new = [path for path in _files() if path not in before.files]
    shared = {path for path in new if path.parent == SHARED_MEMORY}
    if shared and family.other_runs():
        return [path for path in new if path not in shared]
    return [path for path in new if path not in shared or not family.strangers_use(str(path))]


def _files() -> list[Path]:
    # That folder is for everyone, and names in it tell nothing: what a stranger uses is his, and
    # while others work on the machine nobody can tell what is whose.
    found = [SHARED_MEMORY / name for name in os.listdir(SHARED_MEMORY)] if ALONE else []
    private = Path(tempfile.gettempdir())
    # Not pytest's own folder, and not multiprocessing's, which a killed process cannot remove.
    keep = ("pytest-of-", "pymp-")
    found += [private / name for name in os.listdir(private) if not name.startswith(keep)]
    return found


def _descriptors() -> dict[int, str]:
    found: dict[int, str] = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one that lists this very folder
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


def _service_descriptors() -> set[int]:
    numbers = _of_trackers("_fd")
    native = sys.modules.get("holdfast._native")
    if native is not None and native.is_open():
        numbers.add(native.heap_fd())
    return numbers


def _of_trackers(attribute: str) -> set[int]:
    """What the resource trackers' objects say, of those that there are."""
    modules = (sys.modules.get(f"{name}.resource_tracker") for name in _SERVICES)
    trackers = (getattr(module, "_resource_tracker", None) for module in modules)
    return {getattr(tracker, attribute, None) or -1 for tracker in trackers}


def _reap() -> None:
    for name in ("multiprocessing", "multiprocess", "billiard"):
        module = sys.modules.get(name)
        if module is not None:
            module.active_children()
    subprocess._cleanup()  # type: ignore[attr-defined]
