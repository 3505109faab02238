"""os.kill: which process was told to die, and by whom.

process.killed     pid, signal, stack      before it is sent, as it may be meant for the sender
"""

from __future__ import annotations

import functools
import os
import signal
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast.sanitizer import recorder

if TYPE_CHECKING:
    from types import ModuleType

    from holdfast._arrivals import Undo

_DEADLY = (signal.SIGKILL, signal.SIGTERM)


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `os`."""
    original = module.kill

    @functools.wraps(original)
    def kill(*args: Any, **kwargs: Any) -> None:
        if recorder.active() and len(args) == 2 and args[1] in _DEADLY:
            recorder.record(
                "process.killed", pid=int(args[0]), signal=int(args[1]), stack=recorder.stack()
            )
        original(*args, **kwargs)

    assert module is os
    return [replace(module, "kill", kill)]
