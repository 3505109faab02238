"""Children of the generated programs begin only when their parent has gone on.

What it keeps true: a child that was started, by any start method, unpickles and runs nothing until
`let_begin()`. Any child may be that slow; so no program wins or loses a race by chance. Each child
opens a FIFO to read, which returns when its parent opens it to write. Servers of managers are left
alone: who starts one waits for its answer.
"""

from __future__ import annotations

import itertools
import os
from multiprocessing import popen_fork, popen_forkserver, popen_spawn_posix, spawn

_numbers = itertools.count()
# The FIFO of each child that has not begun, by its Popen object.
_held = {}
_opened = []
# The FIFO of the child that is being started, if there is one.
_next = []


class _Held:
    """Cannot be unpickled until somebody opens its FIFO to write."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "rb")


def let_begin(only=None):
    """The children that were started go on; or only one, by its Popen object."""
    for popen in list(_held) if only is None else [only]:
        path = _held.pop(popen, None)
        if path is None:  # it has begun
            continue
        # Never waits, and a child that comes later finds it open.
        _opened.append(os.open(path, os.O_RDWR | os.O_NONBLOCK))


def _in_child():
    _held.clear()
    if _next:
        open(_next.pop(), "rb").close()


def _holding(launch):
    def held(popen, process):
        if getattr(process._target, "__name__", "") == "_run_server":
            launch(popen, process)
            return
        path = os.path.join(os.environ["MARKS"], f"begin_{os.getpid()}_{next(_numbers)}")
        os.mkfifo(path)
        _next.append(path)
        try:
            launch(popen, process)
        finally:
            _next.clear()
        _held[popen] = path

    return held


def install():
    """From now on it is so, in this process and those that are forked from it."""
    os.register_at_fork(after_in_child=_in_child)
    for module in (popen_fork, popen_spawn_posix, popen_forkserver):
        module.Popen._launch = _holding(module.Popen._launch)
    prepared = spawn.get_preparation_data

    def preparation_data(name):
        data = prepared(name)
        if _next:
            data["held"] = _Held(_next[0])
        return data

    spawn.get_preparation_data = preparation_data
