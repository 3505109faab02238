"""Which processes belong to this test run.

They are those that descend from this one, and those whose environment carries the mark of the run,
which finds orphans too: `make test-python` sets HOLDFAST_TEST_RUN before the interpreter starts, so
that a forked child shows it in /proc as well as one that was executed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_MARK_NAME = b"HOLDFAST_TEST_RUN="


@dataclass(frozen=True)
class Member:
    """A process, as /proc shows it."""

    pid: int
    parent: int
    state: str
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command}, state {self.state}, parent {self.parent})"


def members() -> list[Member]:
    """All processes of this run except this one, without those that only wait for init."""
    everyone = {each.pid: each for each in _all_processes()}
    me = os.getpid()
    mark = _mark(me)
    mine: list[Member] = []
    for each in everyone.values():
        if each.pid == me or (each.state == "Z" and each.parent != me):
            continue
        if _descends(each, everyone, me) or (mark is not None and _mark(each.pid) == mark):
            mine.append(each)
    return mine


def uses(pid: int, path: str) -> bool:
    """Whether the process has the file open or mapped."""
    try:
        if path in Path(f"/proc/{pid}/maps").read_text(errors="replace"):
            return True
        return any(
            os.readlink(f"/proc/{pid}/fd/{number}").startswith(path)
            for number in os.listdir(f"/proc/{pid}/fd")
        )
    except OSError:
        return False


def strangers_use(path: str) -> bool:
    """Whether a process outside this run has the file open or mapped."""
    ours = {each.pid for each in members()} | {os.getpid()}
    return any(uses(each.pid, path) for each in _all_processes() if each.pid not in ours)


def other_runs() -> bool:
    """Whether another run of these tests is under way on this machine."""
    mine = _mark(os.getpid())
    return any(_mark(each.pid) not in {None, mine} for each in _all_processes())


def _all_processes() -> list[Member]:
    found: list[Member] = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            text = Path(f"/proc/{name}/stat").read_text(errors="replace")
        except OSError:
            continue
        command = text[text.index("(") + 1 : text.rindex(")")]
        state, parent = text[text.rindex(")") + 2 :].split()[:2]
        found.append(Member(int(name), int(parent), state, command))
    return found


def _descends(each: Member, everyone: dict[int, Member], ancestor: int) -> bool:
    seen: set[int] = set()
    parent = each.parent
    while parent not in seen and parent in everyone:
        if parent == ancestor:
            return True
        seen.add(parent)
        parent = everyone[parent].parent
    return False


def _mark(pid: int) -> bytes | None:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    return next((entry for entry in environment if entry.startswith(_MARK_NAME)), None)
