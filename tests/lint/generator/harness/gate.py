"""What the generated programs import besides their targets: the points at which they are looked at.

`step()` stands for whatever else a program does: it makes shared objects that would get the bytes
of one that has died. `step(last=True)` then lets the children write. `verdict()` says whether one
of them wrote into what is not its own, or could not start.
"""

from __future__ import annotations

import gc
import multiprocessing as mp
import sys
from multiprocessing import process as mp_process
from multiprocessing import sharedctypes

_victims = []
_started = []
_gates = {}
_unraisable = []
sys.unraisablehook = lambda said: _unraisable.append(repr(said.exc_value))

_start = mp_process.BaseProcess.start


def _noting_start(self):
    is_server = getattr(self._target, "__name__", "") == "_run_server"  # of a manager
    _start(self)
    if not is_server:
        _started.append(self._popen)


mp_process.BaseProcess.start = _noting_start


def gate(method):
    """The event that lets the children of a start method write."""
    if method not in _gates:
        _gates[method] = mp.get_context(method).Event()
    return _gates[method]


def ready(method):
    """The event by which a child says that it has begun."""
    name = f"{method} ready"
    if name not in _gates:
        _gates[name] = mp.get_context(method).Event()
    return _gates[name]


def wanted():
    """A condition that nobody can foresee; it is not true."""
    return False


def step(last=False):
    """Allocate what would get the bytes of a dead object; the last time, let the children go on."""
    gc.collect()
    _victims.extend(sharedctypes.RawArray("b", 8) for _ in range(64))
    if last:
        for name, event in _gates.items():
            if not name.endswith("ready"):
                event.set()


def verdict():
    """Why the program is faulty; "" if it is not."""
    if _unraisable:
        return f"could not be finalized: {_unraisable}"
    for each in _started:
        each.wait()
    if any(each.returncode for each in _started):
        return f"exit statuses {[each.returncode for each in _started]}"
    if any(any(victim) for victim in _victims):
        return "a child wrote into somebody else's memory"
    return ""
