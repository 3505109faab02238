"""What is pickled for a new process, and taken back if the process never takes it.

What it keeps true: the guard retains no more than what living processes can reach. A pickled block
has a ticket, for which this process holds the block until the ticket is used. Standard objects are
pickled for one receiver only, the child being started; if that child is gone and has not used its
ticket, because it was killed or could not be started, nobody will. So using the ticket here does no
harm then, and ends the hold.

Source: CPython, Lib/multiprocessing/context.py (get_spawning_popen).
"""

from __future__ import annotations

import contextlib
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any

from holdfast.errors import LifetimeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast._native import Block, SemLock

Pickled = tuple["Callable[..., Any]", tuple[Any, ...]]

# Where "is a process being started by this thread, and which" is known.
_CONTEXTS = ("multiprocessing.context", "multiprocess.context", "billiard.context")
# A child's `Popen` object -> what has been pickled for it.
_sent: weakref.WeakKeyDictionary[Any, list[Pickled]] = weakref.WeakKeyDictionary()


def pickled(shared: Block | SemLock) -> Pickled:
    """What pickling gives of a shared object, with a ticket that is the receiver's only."""
    reduced: Any = shared.__reduce__()
    parts: Pickled = reduced
    popen = _being_started()
    if popen is not None:
        if popen not in _sent:
            _sent[popen] = []
            # The standard library keeps the Popen of a process that is alive, or it lets go of it
            # because the start has failed.
            end: Any = weakref.finalize(popen, _take_back, os.getpid(), _sent[popen])
            end.atexit = False
        _sent[popen].append(parts)
    return parts


def _being_started() -> Any:
    for name in _CONTEXTS:
        module = sys.modules.get(name)
        popen = None if module is None else module.get_spawning_popen()
        if popen is not None:
            return popen
    return None


def _take_back(pid: int, sent: list[Pickled]) -> None:
    """Use the tickets that were not used. In a forked copy of the sender they are not ours."""
    if os.getpid() != pid:
        return
    for function, arguments in sent:
        with contextlib.suppress(LifetimeError):  # used, and the block is gone since
            function(*arguments)
