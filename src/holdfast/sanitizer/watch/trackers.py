"""multiprocessing.resource_tracker: which tracker knows of which segment, and who takes it out.

What it keeps true: what is told is what was sent to the tracker, whoever sent it: the standard
library, or a workaround of the program. A tracker is known by its pipe, which all processes that
share it have open.

    shm.tracked     name, tracker, tracker_pid, stack            REGISTER was sent
    shm.untracked   name, tracker, tracker_pid, explicit, stack  UNREGISTER; explicit: not by unlink

`tracker_pid` is 0 in processes that have not started it.

Source: CPython, Lib/multiprocessing/resource_tracker.py; issues 82300 and 84140.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast.sanitizer import recorder
from holdfast.sanitizer.watch import segments

if TYPE_CHECKING:
    from types import ModuleType

    from holdfast._arrivals import Undo

_KINDS = {"REGISTER": "shm.tracked", "UNREGISTER": "shm.untracked"}


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `multiprocessing.resource_tracker`, or another package's copy of it."""
    original = module.ResourceTracker._send

    @functools.wraps(original)
    def _send(self: Any, cmd: str, name: str, rtype: str, *more: Any) -> Any:
        result = original(self, cmd, name, rtype, *more)
        if rtype == "shared_memory" and cmd in _KINDS and recorder.active():
            data: dict[str, Any] = {
                "name": str(name).removeprefix("/"),
                "tracker": _identity(self._fd),
                "tracker_pid": getattr(self, "_pid", None) or 0,
                "stack": recorder.stack(),
            }
            if cmd == "UNREGISTER":
                data["explicit"] = not segments.attempt.unlinking
            if segments.attempt.opening is None:
                recorder.record(_KINDS[cmd], **data)
            else:
                segments.attempt.told.append((_KINDS[cmd], data))
        return result

    return [replace(module.ResourceTracker, "_send", _send)]


def _identity(descriptor: Any) -> int:
    try:
        return os.fstat(descriptor).st_ino
    except (OSError, TypeError):
        return 0
