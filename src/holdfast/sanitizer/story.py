"""The story: what a capture says, in an order and a form that detectors can work on.

What it keeps true: a story can be told of any capture, also of one in which processes stop in the
middle, records are missing, or a process was never heard of. Detectors look at nothing else.
"""

from __future__ import annotations

import bisect
import linecache
import os
import sys
import sysconfig
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.findings import Place, Process

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.sanitizer.capture import Reader

# Packages that carry things between processes: their frames are as little the program's own as
# those of the standard library.
CARRIERS = ("multiprocess", "billiard", "loky", "joblib", "dill", "cloudpickle")
# Packages that run the tests of a program.
RUNNERS = (
    "pytest",
    "_pytest",
    "pluggy",
    "xdist",
    "execnet",
    "pytest_forked",
    "pytest_rerunfailures",
)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a process.

    Attributes:
        kind: See `holdfast.sanitizer`.
        at_ns: When, CLOCK_MONOTONIC.
        number: Of the process in which it happened.
        data: What the watch told.
    """

    kind: str
    at_ns: int
    number: int
    data: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.data.get(name)


@dataclass(slots=True)
class Member:
    """A process of the family.

    Attributes:
        number: Its number in the capture: unlike a pid it is never used again.
        parent: The number of the process that started it; 0 for the main one.
        method: "main", "fork", "spawn", "forkserver", "os.fork" or "loky".
        began_ns: When it was first heard of.
        done_ns: When its target had returned; None if it has not.
        ended_ns: When it ended; None if it lived at the end of the watch.
        status: Its exit status, negative for a signal; None if unknown.
        start: Its `process.starting` event in the parent; None for main and os.fork.
    """

    number: int
    pid: int
    parent: int = 0
    name: str = ""
    method: str = "os.fork"
    began_ns: int = 0
    done_ns: int | None = None
    ended_ns: int | None = None
    status: int | None = None
    start: Event | None = None

    def lived_at(self, at_ns: int) -> bool:
        """Whether it was there at that time."""
        return self.began_ns <= at_ns and (self.ended_ns is None or at_ns < self.ended_ns)

    def ran_at(self, at_ns: int) -> bool:
        """Whether it lived, and its target had not returned yet."""
        return self.lived_at(at_ns) and (self.done_ns is None or at_ns < self.done_ns)

    @property
    def end(self) -> str:
        """How it ended, for people."""
        if self.status is None:
            return ""
        if self.status < 0:
            import signal

            try:
                return signal.Signals(-self.status).name
            except ValueError:
                return f"signal {-self.status}"
        return f"exit status {self.status}"


@dataclass(slots=True)
class Story:
    """All that is known. Add to it with `read`, as often as there is news.

    Attributes:
        members: Number of a process: the process.
        events: All of them, in order of time.
        settings: What `holdfast run` was told.
        began_ns: When the watch began.
        ended_ns: When the program ended; None as long as it runs.
        failures: Name of a detector that failed: why.
        states: (number of a process, its words): what each does, or did when it ended; states.py.
    """

    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    members: dict[int, Member] = field(default_factory=dict[int, Member])
    events: list[Event] = field(default_factory=list[Event])
    began_ns: int = 0
    ended_ns: int | None = None
    states: list[tuple[int, tuple[int, ...]]] = field(
        default_factory=list[tuple[int, tuple[int, ...]]]
    )
    failures: dict[str, str] = field(default_factory=dict[str, str])
    _kinds: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))
    _frames: dict[tuple[int, int], Place] = field(default_factory=dict[tuple[int, int], Place])
    _stacks: dict[tuple[int, int], tuple[int, ...]] = field(
        default_factory=dict[tuple[int, int], tuple[int, ...]]
    )

    # ---- asking ----

    def of(self, *kinds: str) -> list[Event]:
        """The events of these kinds, in order of time."""
        if len(kinds) == 1:
            return self._kinds.get(kinds[0], [])
        found = [event for kind in kinds for event in self._kinds.get(kind, ())]
        return sorted(found, key=_when)

    def by_uid(self, kind: str) -> dict[int, list[Event]]:
        """The events of a kind by the object that they are about (field `uid`)."""
        found: dict[int, list[Event]] = defaultdict(list)
        for event in self.of(kind):
            found[event["uid"]].append(event)
        return found

    def stack(self, event: Event | None, name: str = "stack") -> tuple[Place, ...]:
        """The stack that an event brought; innermost frame first, () if it is unknown."""
        if event is None:
            return ()
        number = event.number
        keys = self._stacks.get((number, event.data.get(name) or 0), ())
        found = (self._frames.get((number, key)) for key in keys)
        return tuple(place for place in found if place is not None)

    def own(self, event: Event | None, name: str = "stack") -> Place | None:
        """The innermost frame of an event's stack that is the program's own."""
        return next((place for place in self.stack(event, name) if place.own), None)

    def member(self, number: int) -> Member:
        """A process, though nothing else may be known of it."""
        return self.members.get(number) or Member(number, 0, name=f"process {number}")

    def name(self, number: int) -> str:
        """What a process is called."""
        member = self.member(number)
        if not member.name and member.method == "os.fork" and member.parent:
            return f"a fork of {self.name(member.parent)}"
        return member.name or f"process {member.pid}"

    def pid(self, number: int) -> int | None:
        """A process's pid, for a step; None if it is unknown."""
        return self.member(number).pid or None

    def started(self, event: Event) -> Member | None:
        """The process that a `process.starting` event started; None if none is known."""
        return next((each for each in self.members.values() if each.start is event), None)

    def ancestors(self, number: int) -> list[int]:
        """The numbers of a process's parents, the nearest first."""
        found: list[int] = []
        parent = self.member(number).parent
        while parent and parent not in found:
            found.append(parent)
            parent = self.member(parent).parent
        return found

    def processes(self) -> tuple[Process, ...]:
        """The processes as a report has them, in the order of their start."""
        return tuple(
            Process(
                pid=each.pid,
                name=self.name(each.number),
                start_method=each.method,
                parent_pid=self.member(each.parent).pid if each.parent else 0,
                started_ns=each.began_ns,
                ended_ns=each.ended_ns,
                end=each.end,
            )
            for each in sorted(self.members.values(), key=lambda each: each.began_ns)
        )

    # ---- reading ----

    def read(self, reader: Reader, *, last: bool = False) -> bool:
        """Take in what is new; whether there was anything."""
        new: list[Event] = []
        self.states = list(reader.states())
        for number, pid, (kind, at_ns, data) in reader.records(last=last):
            if kind == "frame":
                self._frames[number, data["id"]] = place_of(data["frame"])
            elif kind == "stack":
                self._stacks[number, data["id"]] = tuple(data["frames"])
            else:
                new.append(Event(kind, at_ns, number, data))
                self.members.setdefault(number, Member(number, pid, began_ns=at_ns))
        self.add(new)
        return bool(new)

    def add(self, events: Iterable[Event]) -> None:
        """Take in events that came from anywhere."""
        new = sorted(events, key=_when)
        for event in new:
            # 0 is who watches: no process of the family.
            if event.number and event.number not in self.members:
                self.members[event.number] = Member(event.number, 0, began_ns=event.at_ns)
        for event in new:
            for where in (self.events, self._kinds[event.kind]):
                bisect.insort(where, event, key=_when)
        if new:
            self._learn()

    def _learn(self) -> None:
        """What the events say about the processes."""
        for event in self.of("process.begin"):
            member = self.members[event.number]
            member.pid, member.parent = event["pid"], event["parent"]
            member.began_ns = event.at_ns
            member.name = member.name or event["name"]
            member.method = event["method"] if member.start is None else member.method
            if member.method == "main":
                self.began_ns = event.at_ns
        for event in self.of("process.named"):
            member = self.members[event.number]
            member.name, member.method = event["name"], event["method"] or member.method
        for event in self.of("process.done"):
            self.members[event.number].done_ns = event.at_ns
        for event in self.of("process.exit"):
            member = self.members[event.number]
            member.ended_ns, member.status = event.at_ns, event["status"]
        self._learn_of_starts()
        for event in self.of("process.reaped"):
            child = self._child(event.number, event["pid"], event.at_ns)
            if child is not None:
                member = child
                member.ended_ns = min(member.ended_ns or event.at_ns, event.at_ns)
                member.status = event["status"]

    def _learn_of_starts(self) -> None:
        tokens = {(event.number, event["token"]): event for event in self.of("process.starting")}
        for event in self.of("process.started"):
            starting = tokens.get((event.number, event["token"]))
            member = self._child(event.number, event["pid"], event.at_ns + _AGES_NS)
            if member is None:
                # It was never heard of: killed at once, or it could not be watched.
                number = -event["pid"]
                member = self.members.setdefault(number, Member(number, event["pid"]))
                member.parent = event.number
                member.began_ns = starting.at_ns if starting else event.at_ns
            elif member.number > 0:
                # It is heard of after somebody has looked: what stood for it till then may go.
                placeholder = self.members.get(-event["pid"])
                if placeholder is not None and placeholder.start is starting:
                    del self.members[-event["pid"]]
            member.start = starting
            member.name, member.method = event["name"], event["method"]
            if starting is not None:
                # What is dropped inside start() is dropped while the child is there, or comes.
                member.began_ns = starting.at_ns

    def _child(self, parent: int, pid: int, before_ns: int) -> Member | None:
        """The youngest child with that pid that began before."""
        found = [
            each
            for each in self.members.values()
            if each.pid == pid and each.parent == parent and each.began_ns <= before_ns
        ]
        return max(found, key=lambda each: each.began_ns, default=None)


# A child of spawn tells of itself long after its parent has told of having started it.
_AGES_NS = 3600 * 10**9


def _when(event: Event) -> int:
    return event.at_ns


# ---- places -------------------------------------------------------------------------------------


def place_of(frame: Sequence[Any]) -> Place:
    """A frame of a capture as a place, with its line of source if that can be read."""
    file, line, column, end_line, end_column, function = frame
    return Place(
        file=file,
        line=line,
        column=column,
        end_line=end_line,
        end_column=end_column,
        function=function,
        source=linecache.getline(file, line).strip(),
        own=is_own(file),
    )


_LIBRARIES = tuple(
    str(Path(sysconfig.get_path(name)).resolve()) + os.sep for name in ("stdlib", "platstdlib")
) + tuple(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib"))
_INSTALLED = ("site-packages", "dist-packages")
# A package's own tests are a program that uses it: so they are seen when they are run.
_TESTS = ("test", "tests")


def is_own(file: str) -> bool:
    """Whether a file is the program's own: not the standard library's, not a carrier's."""
    if file.startswith("<frozen ") or file == sys.executable:
        return False
    parts = file.split(os.sep)  # noqa: PTH206 - parts that may be of no path
    for folder in _INSTALLED:
        if folder in parts:
            below = parts[parts.index(folder) + 1 :]
            if not below or below[0] in RUNNERS:
                return False
            return below[0].removesuffix(".py") not in CARRIERS or _is_test(below[1:])
    library = next((each for each in _LIBRARIES if file.startswith(each)), "")
    return not library or _is_test(file[len(library) :].split(os.sep))  # noqa: PTH206


def _is_test(parts: Sequence[str]) -> bool:
    """Whether a file, by its folders below its package, is a test and no tool of tests."""
    return (
        len(parts) > 1
        and parts[0] in _TESTS
        and any(part.lstrip("_").startswith("test") for part in parts[1:])
    )
