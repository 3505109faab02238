"""A process that is asked what it does: where all its threads are.

What it keeps true: a process answers where the interpreter lets it, in the main thread, also when
that waits for a lock; one that is busy in C answers later or never, and nobody waits for it long.
Asked is only who has the capture mapped: a process that became another program would die of the
signal. The signal is one that no library is known to use; a program that uses it keeps it.

    asked.stacks     stacks: numbers (main thread first), threads, operation, waits: ids of locks
    stack.told       stack          text for a stack that an answer or a state names

Source: signal(7), real-time signals; Python's signal module (handlers run in the main thread).
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from holdfast.sanitizer import recorder, states
from holdfast.sanitizer.capture import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SIGNAL = signal.SIGRTMAX - 5

_COUNT, _LAST, _PID = 2, 3, 4
_MOST_THREADS = 32
# Seconds until who rests counts as one that will not answer; between two looks; until even one that
# waits for a processor is given up. Hundredths of seconds of work after which it is in C.
_PATIENCE = 0.3
_INTERVAL = 0.005
_LONGEST = 5.0
_MOST_TICKS = 10
_where: states.Where | None = None


def start() -> None:
    """Answer from now on, in this process and in those that it forks."""
    if threading.current_thread() is not threading.main_thread():
        return
    with contextlib.suppress(OSError, ValueError):
        if signal.getsignal(SIGNAL) is signal.SIG_DFL:
            signal.signal(SIGNAL, _answer)
    recorder.on_fork(_renew)


def _renew() -> None:
    global _where
    _where = None


def _answer(_: int, frame: Any) -> None:
    global _where
    stacks = [] if frame is None else [recorder.stack_of(frame)]
    main = threading.main_thread().ident
    frames = sys._current_frames()
    for ident, each in list(frames.items())[:_MOST_THREADS]:
        if ident != main:
            stacks.append(recorder.stack_of(each))
    for stack in stacks:
        recorder.tell_stack(stack)
    operation = recorder.operation(stacks[0]) if stacks else ""
    waits = [] if frame is None else _of_value(frame)
    recorder.record(
        "asked.stacks", stacks=stacks, threads=len(frames), operation=operation, waits=waits
    )
    if _where is None:
        _where = states.claim(states.ASKED, 0)
    row, at = states.rows[_where[0]], _where[1]
    row[at + _PID] = os.getpid()
    row[at + _LAST] = time.monotonic_ns()
    row[at + _COUNT] += 1


def _of_value(frame: Any) -> list[int]:
    """The id of the lock that a locked read or write of a Value or Array waits for.

    Those note nothing, to be fast (see owners.py). Its frame's variables are looked at: it hangs.
    """
    from holdfast.sanitizer.watch import owners

    while frame is not None and not frame.f_code.co_filename.endswith("sharedctypes.py"):
        frame = frame.f_back if frame.f_code.co_filename == __file__ else None
    if frame is None:
        return []
    lock = getattr(frame.f_locals.get("self"), "_lock", None)
    note = owners.note_of(lock)
    if note is None or note.take(False):
        if note is not None:
            note.give()
        return []
    recorder.tell(note.uid)
    return [note.uid]


# ---- asking --------------------------------------------------------------------------------------


def is_watched(pid: int) -> bool:
    """Whether a process has the capture mapped, and takes the signal."""
    bit = 1 << (SIGNAL - 1)
    try:
        status = _read(f"/proc/{pid}/status").partition("\nSigCgt:")[2]
        return bool(int(status.split()[0], 16) & bit) and FILE_NAME in _read(f"/proc/{pid}/maps")
    except (OSError, ValueError, IndexError):
        return False


def _read(path: str) -> str:
    with io.open(path, encoding="utf-8", errors="replace") as file:  # noqa: UP020
        return file.read()


def ask(pids: Iterable[int]) -> list[int]:
    """Ask processes; those that can answer."""
    found: list[int] = []
    for pid in pids:
        if is_watched(pid):
            with contextlib.suppress(OSError):
                os.kill(pid, SIGNAL)
                found.append(pid)
    return found


def hear(
    pids: Iterable[int], all_states: Callable[[], Iterable[tuple[int, tuple[int, ...]]]], since: int
) -> None:
    """Wait for the answers of those that were asked, as long as they may come.

    Who rests although it was asked, or works on without looking up, is in C and will not answer.
    Who waits for a processor has as long as it needs, within reason: machines are busy.

    Args:
        pids: Who was asked.
        all_states: Gives what all processes of the family note of themselves now.
        since: When they were asked, in nanoseconds.
    """
    waiting = {pid: ticks_of(pid) for pid in pids}
    begun = time.monotonic()
    while waiting and (passed := time.monotonic() - begun) < _LONGEST:
        for pid in _answered(all_states(), since):
            waiting.pop(pid, None)
        for pid, before in list(waiting.items()):
            now = ticks_of(pid)
            rests = passed >= _PATIENCE and not is_runnable(pid)
            if rests or now is None or before is None or now - before > _MOST_TICKS:
                del waiting[pid]
        if waiting:
            time.sleep(_INTERVAL)


def is_runnable(pid: int) -> bool:
    """Whether a process would go on if it had a processor, or what it has asked the disk for."""
    return state_of(pid) in {"R", "D"}


def state_of(pid: int) -> str:
    """The state of a process, a letter; "" if it is not there."""
    return "".join(_stat(pid)[:1])


def ticks_of(pid: int) -> int | None:
    """For how many ticks of the clock a process has used the processor; None if it is not there."""
    fields = _stat(pid)
    return int(fields[11]) + int(fields[12]) if len(fields) > 12 else None


def _stat(pid: int) -> list[str]:
    try:
        return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except OSError:
        return []


def _answered(all_states: Iterable[tuple[int, tuple[int, ...]]], since_ns: int) -> set[int]:
    """The pids of those that have answered since then."""
    return {
        words[_PID]
        for _, words in all_states
        if words[0] == states.ASKED and words[_LAST] >= since_ns
    }
