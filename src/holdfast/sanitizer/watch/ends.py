"""How processes end, as far as they or their parents say so.

What it keeps true: a process that leaves by `os._exit`, as every forked child does, has told its
status; one that was killed is told of by the parent that has waited for it.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast.sanitizer import recorder

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from holdfast._arrivals import Undo

# Called with nothing when a process is about to leave, while it can still tell.
_last_words: list[Callable[[], object]] = []


def on_exit(function: Callable[[], object]) -> None:
    """Call `function` before this process, or a forked child, leaves by `os._exit`."""
    if function not in _last_words:
        _last_words.append(function)


def say_last_words() -> None:
    """Call what was registered by `on_exit`."""
    for function in _last_words:
        function()


def make_watched_os(module: ModuleType) -> list[Undo]:
    """`os._exit`: the status, before there is nobody to tell it."""
    original = module._exit

    @functools.wraps(original)
    def _exit(status: Any) -> None:
        if recorder.active():
            say_last_words()
            if isinstance(status, int):
                recorder.record("process.exit", status=status & 0xFF)
        original(status)

    return [replace(module, "_exit", _exit), replace(module, "waitpid", _waiting(module.waitpid))]


def _waiting(original: Callable[..., tuple[int, int]]) -> Callable[..., tuple[int, int]]:
    """`os.waitpid`, for children that the program itself has forked."""

    @functools.wraps(original)
    def waitpid(*args: Any) -> tuple[int, int]:
        pid, status = original(*args)
        if pid and (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
            code = os.waitstatus_to_exitcode(status)
            recorder.record("process.reaped", pid=pid, status=code)
        return pid, status

    return waitpid


def make_watched(module: ModuleType) -> list[Undo]:
    """`Popen.poll` of fork and forkserver: the status of a child that was waited for."""
    original = module.Popen.poll

    @functools.wraps(original)
    def poll(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = self.returncode
        result = original(self, *args, **kwargs)
        if before is None and result is not None:
            recorder.record("process.reaped", pid=self.pid, status=result)
        return result

    return [replace(module.Popen, "poll", poll)]
