"""Tests as the chapters of one watch: what happened in which test, and when its story is over.

What it keeps true: a finding is told of the test that made the object, or started the process, that
it is about: not of the one that happens to run when an older test's garbage is collected, or when a
process that an older test has left behind uses what is gone. What belongs to no test, because a
module or a fixture of a wider scope has made it, is told of the test in which the fault was seen.

The processes of a test may outlive it. Those that a test has left behind are waited for, a moment,
when something may still come of them; what comes later is told at the end, of their test.

A test that runs in a forked child (pytest-forked) is judged there, and nowhere else.
"""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import gc
import os
import select
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast import __version__, _family
from holdfast.cli import suppressions
from holdfast.findings import Report, Step
from holdfast.sanitizer import detect, recorder
from holdfast.sanitizer.capture import FILE_NAME, Capture, Reader
from holdfast.sanitizer.chapters import Chapters
from holdfast.sanitizer.story import RUNNERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.cli.suppressions import Suppression
    from holdfast.findings import Finding
    from holdfast.sanitizer.story import Member, Story

# Told by a forked child that judges tests itself.
_JUDGED = "test.judged"
# Seconds between two looks at processes that are waited for.
_INTERVAL = 0.1
# With one of these, what is still to come may make a finding of it.
_DROPS = {"memory.dropped", "manager.ended", "proxy.dropped", "shm.unlinked", "semaphore.unlinked",
          "queue.gone", "listener.gone"}  # fmt: skip
# Whether it is one, only the end of a test tells, and only of what the test has made.
_OF_AN_END = {"HF309"}


@dataclass(eq=False)
class Window:
    """One test, from before its setup until after its teardown.

    Attributes:
        name: Its node id; "" for what happens when no test runs.
        enabled: Whether it is judged.
        suppressions: Of what is not told.
        patience: Seconds for which processes that it has left behind are waited for.
        began_ns: CLOCK_MONOTONIC.
        ended_ns: The same; None while it runs.
        call_ns: When its own function was called; 0 before.
        wide: When fixtures of a wider scope were set up in it: begin and end.
    """

    name: str
    enabled: bool = True
    suppressions: tuple[Suppression, ...] = ()
    patience: float = 1.0
    began_ns: int = 0
    ended_ns: int | None = None
    call_ns: int = 0
    wide: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def has(self, at_ns: int) -> bool:
        """Whether what was made at that time is the test's own."""
        if at_ns < self.began_ns or (self.ended_ns is not None and at_ns > self.ended_ns):
            return False
        return not any(begin <= at_ns <= end for begin, end in self.wide)


class Watch:
    """The watch of this process and of all that its tests start."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Begin to watch.

        Raises:
            OSError: The system has no memory or descriptor for a capture.
            HoldfastError: There can be no heap; a subclass says why.
            ImportError: The native part is missing.
        """
        if not settings["as_is"]:
            _family.open()
        self._capture = Capture.create()
        self._chapters = Chapters(Reader(self._capture), settings)
        self._pid = os.getpid()
        self._between = Window("", patience=0.0)
        self._windows: list[Window] = []
        self._now = self._between
        # How many events of the chapter have been judged, once it was over.
        self._known = 0
        self._seen: set[tuple[object, ...]] = set()
        # Numbers of processes: those that live, and those that had ended when last looked at.
        self._living: set[int] = set()
        self._ended: set[int] = set()
        # Findings that came when their test was over: its name, and a report of it alone.
        self.late: list[tuple[str, Report]] = []
        # How many were not told, and because of what.
        self.suppressed = 0
        self.used: set[Suppression] = set()
        # What went wrong in a detector.
        self.failures: list[str] = []
        self.began_ns = time.monotonic_ns()
        recorder.start(self._capture, settings)

    # ---- tests, as they come and go ----

    def begin(self, window: Window) -> None:
        """A test begins."""
        window.began_ns = time.monotonic_ns()
        self._windows.append(window)
        self._now = window

    def called(self) -> None:
        """The test's own function is about to be called."""
        self._now.call_ns = time.monotonic_ns()

    @contextlib.contextmanager
    def wider(self) -> Iterator[None]:
        """A fixture that outlives the test is being set up."""
        window, begin = self._now, time.monotonic_ns()
        try:
            yield
        finally:
            window.wide.append((begin, time.monotonic_ns()))

    def end(self) -> None:
        """The test is over, and so is its chapter."""
        window = self._now
        report = self._judged(over=True, wait=False)
        if report is not None:
            self.late.append((window.name, report))
        window.ended_ns = time.monotonic_ns()
        self._now = self._between
        self._turn()

    def finish(self) -> None:
        """No test comes any more."""
        report = self._judged(over=True, wait=False)
        if report is not None:
            self.late.append(("", report))
        self._turn()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader should know of the watch itself."""
        found: list[str] = []
        if self._chapters.torn:
            found.append(f"{self._chapters.torn} records were not whole and have been left out")
        if self._chapters.lost:
            found.append(f"about {self._chapters.lost} records were lost: the capture was full")
        return tuple(found)

    def judge(self, *, over: bool) -> Report | None:
        """What is wrong in the test so far, and was not said before; None if nothing is.

        Args:
            over: Its teardown is done. Otherwise only its own function has returned, and its
                fixtures may still end what it has started.
        """
        return self._judged(over=over, wait=True)

    # ---- judging ----

    def _judged(self, *, over: bool, wait: bool) -> Report | None:
        window = self._now
        self._look()
        if len(self._chapters.events) == self._known:
            return None
        if recorder.pid() != self._pid:
            recorder.record(_JUDGED, name=window.name)
        if not window.enabled:
            return None
        if over and wait and self._keeps_handed():
            # What the test has left in cycles dies now, or would be said to have died later.
            gc.collect()
            self._look()
        deadline = time.monotonic() + (window.patience if wait else 0.0)
        since = window.began_ns if over else window.call_ns
        while True:
            story = self._chapters.story()
            living = self._left_behind(story, since)
            if not living and self._look():  # what they told last
                story = self._chapters.story()
            ended = over and not living
            if ended:
                self._end(story)
            report = self._report(story, self._mine(story, ended=ended))
            if ended:
                self._known = len(self._chapters.events)
            remains = deadline - time.monotonic()
            if report is not None or not living or remains <= 0:
                return report
            if not over and not any(event.kind in _DROPS for event in self._chapters.events):
                return report
            _wait(living, min(_INTERVAL, remains))
            self._look()

    def _look(self) -> bool:
        """Take in all that has happened, and what is only seen when one looks; whether any has."""
        memory, segments = _module("memory"), _module("segments")
        if memory is not None:
            memory.look(now=True)
        if segments is not None:
            segments.look()
        return self._chapters.read()

    def _keeps_handed(self) -> bool:
        """Whether memory is still there that the test has made and handed to a process."""
        memory = _module("memory")
        for event in self._chapters.events:
            if event.kind == "process.starting" and memory is not None:
                tracks = (memory.track_of(uid) for uid, _ in event["handed"])
                if any(track is not None and self._now.has(track.at_ns) for track in tracks):
                    return True
        return False

    def _mine(self, story: Story, *, ended: bool) -> list[Finding]:
        """The new findings of the test that runs; those of others are put aside."""
        mine: list[Finding] = []
        for finding in self._found(story):
            owner = self._owner(story, finding)
            if owner is None:
                continue
            if finding.code in _OF_AN_END and not (ended and self._made_in(story, finding)):
                continue
            times = [step.at_ns for step in finding.steps if step.at_ns is not None]
            place = finding.place
            key = (finding.code, place.file, place.line, place.column, min(times, default=0))
            if key in self._seen:
                continue
            self._seen.add(key)
            if not owner.enabled:
                continue
            if self._is_suppressed(finding, owner):
                continue
            if owner is self._now:
                mine.append(_above_runner(finding))
            else:
                report = self._report(story, [_above_runner(finding)], owner)
                assert report is not None
                self.late.append((owner.name, report))
        return detect.merged(mine)

    def _is_suppressed(self, finding: Finding, owner: Window) -> bool:
        meant = [each for each in owner.suppressions if each.means(finding)]
        self.used.update(meant)
        left, count, _ = suppressions.apply([finding], meant)
        self.suppressed += count
        return not left

    def _found(self, story: Story) -> Iterator[Finding]:
        for detector in detect.DETECTORS:
            try:
                found = list(detector(story))
            except Exception as error:  # noqa: BLE001 - a fault of ours must not be the tests'
                text = f"{detector.__module__} failed: {type(error).__name__}: {error}"
                if text not in self.failures:
                    self.failures.append(text)
                continue
            yield from found

    def _report(
        self, story: Story, findings: list[Finding], owner: Window | None = None
    ) -> Report | None:
        if not findings:
            return None
        window = owner or self._now
        name = window.name
        return Report(
            tool="pytest",
            version=__version__,
            python=".".join(map(str, sys.version_info[:3])),
            program=(name,) if name else (),
            findings=tuple(findings),
            processes=story.processes(),
            began_ns=window.began_ns or self.began_ns,
            ended_ns=time.monotonic_ns(),
        )

    def _end(self, story: Story) -> None:
        """Tell the story as if this process had ended here: what is left, is left for good."""
        story.ended_ns = time.monotonic_ns()
        me = recorder.number()
        mine = [event for event in story.of("shm.opened") if event.number == me]
        opened = {event["uid"] for event in mine if self._now.has(event.at_ns)}
        closed = {event["uid"] for event in story.of("shm.closed")}
        if me in story.members and opened <= closed:
            story.members[me].ended_ns, story.members[me].status = story.ended_ns, 0

    # ---- whose it is ----

    def _owner(self, story: Story, finding: Finding) -> Window | None:
        """The test that a finding belongs to; None if it is a child's that judges itself."""
        me = recorder.number()
        judges = {event.number for event in story.of(_JUDGED)} - {me}
        if any(judges & set(_line(story, step)) for step in finding.steps if step.at_ns):
            return None
        return self._maker(story, finding) or self._now

    def _made_in(self, story: Story, finding: Finding) -> bool:
        """Whether the test that runs has made what a finding is about."""
        return self._maker(story, finding) is self._now

    def _maker(self, story: Story, finding: Finding) -> Window | None:
        """The test that made what a finding is about, or started who did; None if none did."""
        known = [step for step in finding.steps if step.at_ns is not None]
        first = next(
            (step for step in known if step.role == "created"),
            min(known, key=_time, default=None),
        )
        if first is None:
            return None
        for number in _line(story, first):
            member = story.member(number)
            if member.parent == recorder.number():
                owner = self._at(member.began_ns)
                if owner is not None:
                    return owner
        return self._at(_time(first))

    def _at(self, at_ns: int) -> Window | None:
        """The test that made what was made at that time; None if none did."""
        index = bisect.bisect_right(self._windows, at_ns, key=_begin) - 1
        if index < 0 or not self._windows[index].has(at_ns):
            return None
        return self._windows[index]

    # ---- processes ----

    def _left_behind(self, story: Story, since_ns: int) -> list[Member]:
        """The living processes that the test has started, and those that these have started."""
        found: list[Member] = []
        me = recorder.number()
        for member in story.members.values():
            line = [member.number, *story.ancestors(member.number)]
            top = next((n for n in line if story.member(n).parent == me), None)
            if top is None or member.number == me or member.ended_ns is not None:
                continue
            began_ns = story.member(top).began_ns
            if began_ns >= since_ns and self._now.has(began_ns) and _lives(member):
                found.append(member)
        return found

    def _turn(self) -> None:
        """Turn the page, and give back what nobody needs any more."""
        me = recorder.number()
        self._chapters.turn()
        self._known = 0
        self._living |= {number for number in self._chapters.heard if number != me}
        self._chapters.heard.clear()
        if recorder.pid() == self._pid:
            # Those that had ended before the last look: nothing of theirs is unread.
            self._capture.release(self._ended)
        self._ended = {n for n in self._living if not _has_capture(self._chapters.pid_of(n))}
        self._living -= self._ended
        memory = _module("memory")
        if not self._living and memory is not None:
            memory.let_go()


def _module(name: str) -> Any:
    """A file of the watch, if it has anything to watch."""
    return sys.modules.get(f"holdfast.sanitizer.watch.{name}")


def told_of(name: str, report: Report) -> Report:
    """A report whose findings say which test they are of, for a report of many tests."""
    step = Step("noted", f"in the test {name}" if name else "after the tests", None, None)
    findings = [dataclasses.replace(each, steps=(step, *each.steps)) for each in report.findings]
    return dataclasses.replace(report, findings=tuple(findings))


def _above_runner(finding: Finding) -> Finding:
    """A finding in whose stacks nothing below the test is the program's own."""
    steps: list[Step] = []
    for step in finding.steps:
        runner = next((i for i, place in enumerate(step.stack) if _is_runner(place.file)), None)
        if runner is not None:
            below = (dataclasses.replace(place, own=False) for place in step.stack[runner:])
            step = dataclasses.replace(step, stack=(*step.stack[:runner], *below))
        steps.append(step)
    return dataclasses.replace(finding, steps=tuple(steps))


def _is_runner(file: str) -> bool:
    return any(part in RUNNERS for part in file.split(os.sep))  # noqa: PTH206


def _begin(window: Window) -> int:
    return window.began_ns


def _time(step: Step) -> int:
    return step.at_ns or 0


def _line(story: Story, step: Step) -> list[int]:
    """The numbers of a step's process and of those above it; [] if it is unknown."""
    at_ns = step.at_ns or 0
    found = [m for m in story.members.values() if m.pid == step.pid and m.began_ns <= at_ns]
    if not found:
        return []
    youngest = max(found, key=lambda each: each.began_ns)
    return [youngest.number, *story.ancestors(youngest.number)]


def _lives(member: Member) -> bool:
    """Whether a process has not ended, and is the one that is meant."""
    handle = _handle_of(member.pid)
    if handle < 0:
        return False
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    ended = bool(poll.poll(0))
    os.close(handle)
    # One that was never heard of, because it is only beginning, has a negative number. It is a
    # child that nobody has waited for, so its pid is its own; that of another may be a stranger's.
    return not ended and (member.number < 0 or _has_capture(member.pid))


def _wait(members: list[Member], seconds: float) -> None:
    """Wait until one of the processes has ended, at most so long."""
    poll = select.poll()
    handles = [handle for each in members if (handle := _handle_of(each.pid)) >= 0]
    for handle in handles:
        poll.register(handle, select.POLLIN)
    poll.poll(seconds * 1000)
    for handle in handles:
        os.close(handle)


def _handle_of(pid: int) -> int:
    """A pidfd; -1 if there is no such process."""
    try:
        return os.pidfd_open(pid)
    except (OSError, ValueError):
        return -1


def _has_capture(pid: int) -> bool:
    try:
        return FILE_NAME in Path(f"/proc/{pid}/maps").read_text(errors="replace")
    except OSError:
        return False
