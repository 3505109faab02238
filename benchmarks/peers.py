"""The peers, as they are meant to be used.

`atomicshm` gives atomic cells over bytes that somebody else owns: here a SharedMemory, which is
closed and unlinked when the interpreter ends. It needs Python 3.11; where a peer is not installed,
the lines about it say so.
"""

from __future__ import annotations

import atexit
import importlib
import importlib.util
from multiprocessing.shared_memory import SharedMemory
from typing import Any


def installed(name: str) -> bool:
    """Whether a peer can be measured here."""
    return importlib.util.find_spec(name) is not None


def atomic_view(size: int = 4096) -> Any:
    """An atomicshm view of fresh shared memory."""
    atomicshm = importlib.import_module("atomicshm")
    memory = SharedMemory(create=True, size=size)
    view = atomicshm.AtomicView(memory.buf)

    def end() -> None:
        view.close()
        memory.close()
        memory.unlink()

    atexit.register(end)
    return view
