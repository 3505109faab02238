"""The process that the user started: it waits for the program, then tells what was seen.

What it keeps true: nothing that the program does to itself can lose the report, as the program is
another process: not `os._exit`, exec, SIGKILL or a crash. And the one who started us cannot tell
the difference: signals arrive at the program, the status that it ends with is ours, and if a
signal ended it, the same one ends us.

A signal that the kernel sends to the terminal's processes, such as that of Ctrl-C, reaches the
program without us; what is sent to us alone is passed on.

Source: signal(7), sigwaitinfo(2), wait(2); the shell's exit status of POSIX.1, 2.8.2.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast import __version__
from holdfast.cli import suppressions
from holdfast.cli.parting import OF_A_KEY, QUESTION, SIGNALS
from holdfast.findings import Finding, Report
from holdfast.sanitizer import detect, hang
from holdfast.sanitizer.capture import FILE_NAME, Capture, Reader
from holdfast.sanitizer.story import Event, Story

if TYPE_CHECKING:
    from collections.abc import Sequence

_SI_KERNEL = 0x80
# Seconds between two looks at the capture with --halt; for a key's signal that was sent to us by a
# process, which may have sent it to the program as well; for the program to end when told to.
_INTERVAL = 0.1
_DELAY = 1.0
_PATIENCE = 2.0


@dataclass
class Watch:
    """A program that is being watched, from the outside."""

    capture: Capture
    program: tuple[str, ...]
    settings: dict[str, Any]
    pid: int
    halt: bool = False
    hang: float | None = None
    suppressions: Sequence[suppressions.Suppression] = ()
    ended_ns: int = 0
    halted: bool = False
    found: bool = False
    unused: bool = False
    _status: int | None = None
    _told: bool = False
    _early: list[Finding] = field(default_factory=list[Finding])
    _late: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])

    def __post_init__(self) -> None:
        self.reader = Reader(self.capture)
        self.story = Story(settings=self.settings)
        self.looks = hang.Looks(self.story, self.reader, self.hang)
        self._next_look = time.monotonic() + hang.INTERVAL

    def wait(self) -> int:
        """Wait for the program's end; its status as `waitstatus_to_exitcode` gives it."""
        self._reap()
        while self._status is None:
            received = signal.sigtimedwait(SIGNALS, self._timeout())
            if received is not None and received.si_signo != signal.SIGCHLD:
                self._pass_on(received)
            self._send_late()
            self._reap()
            if self._status is None and time.monotonic() >= self._next_look:
                self._next_look = time.monotonic() + hang.INTERVAL
                if self.looks.look():
                    self._hung()
                elif not self._told and self.looks.hopeless():
                    self._told = True
                    self._tell_waits("this program waits for what cannot come")
            if self.halt and self._status is None and self._found():
                self._end_program()
        self.ended_ns = time.monotonic_ns()
        return self._status

    def report(self) -> Report:
        """All that was seen, once the program has ended."""
        self.story.read(self.reader, last=True)
        self.story.ended_ns = self.ended_ns
        hang.note_the_dead(self.story)
        for member in self.story.members.values():
            if member.method == "main" and member.pid == self.pid:
                member.ended_ns, member.status = self.ended_ns, self._status
        notes: list[str] = []
        if self.reader.torn:
            notes.append(f"{self.reader.torn} records were not whole and have been left out")
        if self.reader.lost:
            notes.append(f"about {self.reader.lost} records were lost: the capture was full")
        # What was found when it hung is what happened; its end may have changed the picture.
        found = detect.findings_of(self.story)
        known = {(each.code, each.place.file, each.place.line) for each in self._early}
        found = [
            each for each in found if (each.code, each.place.file, each.place.line) not in known
        ]
        for name, why in self.story.failures.items():
            notes.append(f"the detector {name} has failed, what it would find is missing: {why}")
        findings, suppressed, unused = suppressions.apply((*self._early, *found), self.suppressions)
        self.found, self.unused = bool(findings), bool(unused)
        return Report(
            tool="run",
            version=__version__,
            python=".".join(map(str, sys.version_info[:3])),
            program=self.program,
            findings=findings,
            processes=self.story.processes(),
            began_ns=self.story.began_ns,
            ended_ns=self.ended_ns,
            notes=(*notes, *unused),
            suppressed=suppressed,
        )

    # ---- signals and ends ----

    def _timeout(self) -> float:
        if self._late or self.halt:
            return _INTERVAL
        return max(0.01, self._next_look - time.monotonic())

    def _hung(self) -> None:
        """Nothing has happened for as long as the user has said: tell why, and end the family."""
        assert self.hang is not None
        self._tell_waits(f"nothing has happened for {self.hang:g} s", idle=True)
        self._early = detect.findings_of(self.story)
        self._end_program()

    def _tell_waits(self, why: str, *, idle: bool = False, dying: bool = False) -> None:
        """Print what each process waits for.

        Args:
            why: The reason, in the first line.
            idle: Nothing has happened for as long as the user has said.
            dying: The same key ends the program: it is too late to ask, but not to read.
        """
        if dying:
            self.story.read(self.reader)
        else:
            self.looks.ask_all()
        event = {"seconds": self.hang or 0, "idle": idle}
        self.story.add([Event("hang.noticed", time.monotonic_ns(), 0, event)])
        with contextlib.suppress(OSError, ValueError):
            print(hang.text_of(self.story, why), end="", file=sys.stderr, flush=True)

    def _pass_on(self, received: signal.struct_siginfo) -> None:
        number = received.si_signo
        if number == QUESTION:
            self._tell_waits("asked by SIGUSR1")
            if _handles(self.pid, number):
                self._send(number)
        elif number == signal.SIGQUIT and received.si_code == _SI_KERNEL:
            self._tell_waits("asked by Ctrl-\\", dying=True)
        elif number not in OF_A_KEY:
            if received.si_code != _SI_KERNEL:
                self._send(number)
        elif received.si_code != _SI_KERNEL:
            self._late.append((time.monotonic() + _DELAY, number))

    def _send_late(self) -> None:
        """Pass on what a process sent, unless the program shows that it has had it itself."""
        for entry in list(self._late):
            if time.monotonic() >= entry[0]:
                self._late.remove(entry)
                self.story.read(self.reader)
                done = any(
                    member.pid == self.pid and member.done_ns is not None
                    for member in self.story.members.values()
                )
                if not done:
                    self._send(entry[1])

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def _reap(self) -> None:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self._status = os.waitstatus_to_exitcode(status)

    def _found(self) -> bool:
        if not self.story.read(self.reader):
            return False
        return bool(suppressions.apply(detect.findings_of(self.story), self.suppressions)[0])

    def _end_program(self) -> None:
        """End the family: the program first by SIGTERM, and what is left by SIGKILL."""
        self.halted, self.halt = True, False
        pids = [member.pid for member in self.story.members.values() if member.ended_ns is None]
        handles = {pid: handle for pid in pids if (handle := _handle_of(pid)) >= 0}
        self._send(signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE
        while self._status is None and time.monotonic() < deadline:
            signal.sigtimedwait({signal.SIGCHLD}, _INTERVAL)
            self._reap()
        for handle in handles.values():
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            os.close(handle)
        while self._status is None:
            signal.sigtimedwait({signal.SIGCHLD}, _INTERVAL)
            self._reap()


def _handle_of(pid: int) -> int:
    """A pidfd of a process that has the capture mapped, so that no stranger is hit; or -1."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return -1
    try:
        mapped = FILE_NAME in Path(f"/proc/{pid}/maps").read_text(errors="replace")
    except OSError:
        mapped = False
    if not mapped:
        os.close(handle)
        return -1
    return handle


def _handles(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return False
    caught = text.partition("\nSigCgt:")[2].split()
    return bool(caught) and bool(int(caught[0], 16) & 1 << (number - 1))
