"""Where the program and its supervisor part: one process becomes two.

What it keeps true: the program's process has loaded nothing that only the supervisor needs, and has
the signal mask that it was started with. From before the fork on, the supervisor's signals wait for
it to ask for them, so that none is lost while it gets ready.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

# Sent to us, meant for the program.
PASSED_ON = (
    signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2, signal.SIGCONT, signal.SIGALRM,
)  # fmt: skip
# Sent to us to know what the program waits for; passed on only if the program has a handler for it.
QUESTION = signal.SIGUSR1
# Sent to all processes of a terminal at once by a key; the program has its own.
OF_A_KEY = (signal.SIGINT, signal.SIGQUIT)
# Seconds in which a program that shares nothing may end before its supervisor has loaded all that
# tells of sharing.
MOMENT = 0.2
FINDINGS = 1
SIGNALS = frozenset({*PASSED_ON, *OF_A_KEY, QUESTION, signal.SIGCHLD})


def part() -> int:
    """Fork; 0 in the process that is to become the program, its pid in the supervisor."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    pid = os.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def ends_soon(pid: int) -> bool:
    """Whether the program has ended in its first moment; it is not waited for."""
    signal.sigtimedwait({signal.SIGCHLD}, MOMENT)
    how = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, pid, how) is not None


def project_file(folder: str) -> str:
    """The nearest pyproject.toml above with a table of ours; "" if there is none."""
    while True:
        path = os.path.join(folder, "pyproject.toml")  # noqa: PTH118 - pathlib loads slowly
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                if b"tool.holdfast" in file.read():
                    return path
        except OSError:
            pass
        above = os.path.dirname(folder)  # noqa: PTH120
        if above == folder or os.path.exists(os.path.join(folder, ".git")):  # noqa: PTH110, PTH118
            return ""
        folder = above


def end_as(status: int, *, found: bool) -> int:
    """End like the program: by the same signal, or with its status, or with 1 for findings."""
    if status >= 0:
        return FINDINGS if found and not status else status
    number = signal.Signals(-status)
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    if number not in {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    _no_core()
    os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    return 128 + number


def _no_core() -> None:
    """The program has left its core; one of ours would replace it."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def write(path: str, text: str) -> None:
    """Write a report that only the user may read; "-" is standard output.

    Raises:
        OSError: The file cannot be written.
    """
    if path == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)
