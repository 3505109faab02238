"""A time limit on every phase of every test.

First a SIGALRM makes the test fail where it hangs, so that its teardown still runs. If that does
not end the phase, because the main thread never comes back to the interpreter, a second timer
prints all stacks and ends the run: a hang is never waited out by CI.
"""

from __future__ import annotations

import contextlib
import faulthandler
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# Seconds that a failed test has for its teardown before the whole run is ended.
GRACE = 30.0


@contextlib.contextmanager
def limit(seconds: float, what: str, stderr: int) -> Iterator[None]:
    """Fail if the body takes longer than `seconds`; end the process if even that does not help."""

    def expired(_signum: int, _frame: FrameType | None) -> None:
        faulthandler.dump_traceback(file=stderr, all_threads=True)
        pytest.fail(f"watchdog: {what} took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(seconds + GRACE, exit=True, file=stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
