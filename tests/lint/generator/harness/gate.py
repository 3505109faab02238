"""What the generated programs import besides their targets: the points at which they are looked at.

`step()` stands for whatever else a program does: it makes shared objects that would get the bytes
of one that has died. `step(last=True)` then lets the children go on, as every wait for them does.
`verdict()` says whether a child wrote into what is not its own, could not do its work, or was not
allowed to finish it.
"""

from __future__ import annotations

import gc
import multiprocessing as mp
import os
import signal
import sys
import time
from concurrent.futures import process as futures_process
from multiprocessing import process as mp_process
from multiprocessing import sharedctypes, util

import slow
import waits

# How long tasks that nobody waits for may take.
_SECONDS = 10
# What the processes of a pool and of an executor run.
_OF_WORKERS = {"worker", "_process_worker"}

_victims = []
_started = []
_workers = []
_gates = {}
_tasks = []
_endings = []
_unraisable = []
sys.unraisablehook = lambda said: _unraisable.append(repr(said.exc_value))

_start = mp_process.BaseProcess.start


def _noting_start(self):
    target = getattr(self._target, "__name__", "")
    _start(self)
    if target in _OF_WORKERS:
        _workers.append(self._popen)
    elif target != "_run_server":  # of a manager
        _started.append(self._popen)


def _is_worker(process):
    return process._popen in _workers


def _failed():
    return any((each.poll() or 0) > 0 for each in _workers)


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


def tasks(count):
    """That many tasks, each by the name of a file that says that it was done."""
    names = [os.path.join(os.environ["MARKS"], f"{len(_tasks) + n}") for n in range(count)]
    _tasks.extend(names)
    return names


def given_up():
    """Nobody cares for the tasks any more."""
    _tasks.clear()


def program_ends():
    """The last statement of a program: nothing but its end comes after."""
    _endings.append(True)


def step(last=False, only=None):
    """Allocate what would get the bytes of a dead object; the last time, let the children go on.

    Args:
        last: Nothing comes after that the children would have to be kept from.
        only: The only child that may begin, by its Popen object; all if there is none.
    """
    gc.collect()
    _victims.extend(sharedctypes.RawArray("b", 8) for _ in range(64))
    slow.let_begin(only)  # first: who sets an event waits for those that it wakes
    if last:
        for name, event in _gates.items():
            if not name.endswith("ready"):
                event.set()


def _end():
    """The interpreter's end, as far as it is about processes."""
    if any(each.poll() is None for each in _workers) and futures_process._threads_wakeups:
        step(last=True)
    futures_process._python_exit()
    util._exit_function()


def _outstanding():
    """Whether tasks are not done, when they have had their time."""
    until = time.monotonic() + _SECONDS
    while not all(os.path.exists(each) for each in _tasks):
        gone = all(each.poll() is not None for each in _workers)
        if gone or _failed() or time.monotonic() > until:
            return not all(os.path.exists(each) for each in _tasks)
        time.sleep(0.005)
    return False


def verdict():
    """Why the program is faulty; "" if it is not."""
    if _unraisable:
        return f"could not be finalized: {_unraisable}"
    if _endings:
        _end()
    else:
        step(last=True)
    for each in _started:
        each.wait()
    # A daemon is terminated at the end, as it is meant to be.
    if any(each.returncode not in {0, -signal.SIGTERM} for each in _started):
        return f"exit statuses {[each.returncode for each in _started]}"
    if _failed():
        return "a worker failed"
    if _outstanding():
        return "tasks are lost"
    if any(any(victim) for victim in _victims):
        return "a child wrote into somebody else's memory"
    return ""


mp_process.BaseProcess.start = _noting_start
slow.install()
waits.install(step, slow.let_begin, _is_worker, _failed)
