"""multiprocessing.util: when a process has done its work and begins to leave.

`_exit_function` ends the finalizers of the highest priority, then the daemon children, then waits
for the other children. What it unlinks and shuts down is unlinked under children that may not have
opened it yet, so its beginning is an event.

Source: CPython, Lib/multiprocessing/util.py (_exit_function).
"""

from __future__ import annotations

import atexit
import functools
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast.sanitizer import recorder
from holdfast.sanitizer.watch import ends

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from holdfast._arrivals import Undo

_leaving_pid = 0
# Called when a process begins to leave, before anything of it is ended.
_first_words: list[Callable[[], object]] = []


def on_leaving(function: Callable[[], object]) -> None:
    """Call `function` when this process, or a forked child, begins to run its exit handlers."""
    if function not in _first_words:
        _first_words.append(function)


def leaving() -> bool:
    """Whether this process runs its exit handlers, or has run them."""
    return _leaving_pid == recorder.pid() != 0


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `multiprocessing.util`, or another package's copy of it."""
    original = module._exit_function

    @functools.wraps(original)
    def _exit_function(*args: Any, **kwargs: Any) -> None:
        global _leaving_pid
        if not leaving():
            _leaving_pid = recorder.pid()
            recorder.record("process.done")
            for function in _first_words:
                function()
        original(*args, **kwargs)
        ends.say_last_words()

    # The original has registered itself when the module was imported, which was just now.
    atexit.unregister(original)
    atexit.register(_exit_function)
    return [replace(module, "_exit_function", _exit_function)]
