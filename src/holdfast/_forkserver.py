"""How a forkserver comes into the family of the process that starts it.

What it keeps true: what a forkserver holds, and hands on to its children by forking them, is in the
heap of the program's family. It matters where the forkserver has loaded modules of the program, as
it has by `set_forkserver_preload`, and the main module by default from Python 3.14 on (and some
releases before): objects made by them, and the heap that the first fork opens.

A forkserver is started with a command line, and gets no preparation data. So the way to the heap
is in an environment variable while it is started. The package takes it out when it is imported,
there and in whatever else may have inherited it.

Source: CPython, Lib/multiprocessing/forkserver.py (ForkServer.ensure_running, main); issue 126631.
"""

from __future__ import annotations

import os

from holdfast import _family

TYPE_CHECKING = False  # see __init__.py
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from holdfast._arrivals import Undo

MODULES = tuple(f"{package}.forkserver" for package in _family.PACKAGES)


def invite(module: ModuleType) -> list[Undo]:
    """Let the forkservers that such a module starts join the heap."""
    original = module.ForkServer.ensure_running

    def ensure_running(self: Any) -> None:
        os.environ[_family.INVITATION] = _family.invitation()
        try:
            original(self)
        finally:
            os.environ.pop(_family.INVITATION, None)

    module.ForkServer.ensure_running = ensure_running
    module.ensure_running = module._forkserver.ensure_running  # type: ignore[attr-defined]
    return []
