"""multiprocessing.pool: which worker works at what, and what is still to come.

What it keeps true: a worker's task is noted in a state that outlives the worker (states.py). The
parent tells of workers that died by themselves, and at its end of results that nobody has.

    pool.worker      uid, pid                           a worker begins
    pool.died        pid, status, jobs, stack           jobs: [(number, stack)] still outstanding
    pool.outstanding jobs, state, failed                at the beginning of the exit handlers

Source: CPython, Lib/multiprocessing/pool.py.
"""

from __future__ import annotations

import functools
import sys
import time
import weakref
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast.sanitizer import recorder, states
from holdfast.sanitizer.watch import leaving

if TYPE_CHECKING:
    from types import ModuleType

    from holdfast._arrivals import Undo

_RESULT = states.WHAT.index("result")
# In the dict of a result: the stack where the task was given to the pool.
_STACK = "_holdfast_stack"
_MOST_JOBS = 32

_pools: weakref.WeakSet[Any] = weakref.WeakSet()


class _Tasks:
    """Stands for a worker's end of the task queue, and notes what it takes."""

    def __init__(self, queue: Any, chunk: int, word: int) -> None:
        self._queue = queue
        self._writer = queue._writer
        self._where = chunk, word

    def get(self) -> Any:
        task = self._queue.get()
        chunk, word = self._where
        row = states.rows[chunk]
        if task is not None:
            row[word + 2], row[word + 5] = task[0], task[1]
            row[word + 3] = time.monotonic_ns()
        return task


class _Results:
    """Stands for a worker's end of the result queue."""

    def __init__(self, queue: Any, chunk: int, word: int) -> None:
        self._queue = queue
        self._reader = queue._reader
        self._where = chunk, word

    def put(self, result: Any) -> None:
        self._queue.put(result)
        chunk, word = self._where
        states.rows[chunk][word + 3] = 0


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `multiprocessing.pool`, or another package's copy of it."""
    pool = module.Pool
    original, initialize, join_exited = module.worker, pool.__init__, pool._join_exited_workers

    @functools.wraps(original)
    def worker(inqueue: Any, outqueue: Any, *args: Any, **kwargs: Any) -> Any:
        if not (recorder.active() and hasattr(inqueue, "_writer")):
            return original(inqueue, outqueue, *args, **kwargs)
        chunk, word = states.claim(states.TASK, 0)
        recorder.record("pool.worker", pid=recorder.pid())
        tasks, results = _Tasks(inqueue, chunk, word), _Results(outqueue, chunk, word)
        return original(tasks, results, *args, **kwargs)

    @functools.wraps(initialize)
    def watched_init(self: Any, *args: Any, **kwargs: Any) -> None:
        initialize(self, *args, **kwargs)
        if recorder.active():
            _pools.add(self)

    @functools.wraps(join_exited)
    def join_exited_workers(workers: Any) -> Any:
        before = list(workers)
        result = join_exited(workers)
        dead = [each for each in before if each not in workers and each.exitcode]
        if dead:
            jobs = _jobs(each for each in list(_pools) if each._pool is workers)
            for each in dead:
                pid, status = each.pid, each.exitcode
                recorder.record("pool.died", pid=pid, status=status, jobs=jobs)
        return result

    leaving.on_leaving(_tell_outstanding)
    recorder.on_fork(_pools.clear)  # they are the parent's
    undo = [
        replace(module, "worker", worker),
        replace(pool, "__init__", watched_init),
        replace(pool, "_join_exited_workers", staticmethod(join_exited_workers)),
    ]
    for name in ("ApplyResult", "MapResult", "IMapIterator"):
        cls = getattr(module, name, None)
        if cls is not None and "__init__" in cls.__dict__:
            undo.append(_watch_result(cls))
    wait = module.ApplyResult.wait

    @functools.wraps(wait)
    def watched_wait(self: Any, timeout: Any = None) -> Any:
        outer = states.begin(_RESULT, self._job, recorder.stack(), timeout)
        try:
            return wait(self, timeout)
        finally:
            states.end(outer)

    return [*undo, replace(module.ApplyResult, "wait", watched_wait)]


def _watch_result(cls: Any) -> Undo:
    original = cls.__init__

    @functools.wraps(original)
    def initialize(self: Any, *args: Any, **kwargs: Any) -> None:
        if recorder.active() and _STACK not in self.__dict__:
            self.__dict__[_STACK] = recorder.stack()
        original(self, *args, **kwargs)

    return replace(cls, "__init__", initialize)


def _jobs(pools: Any) -> list[tuple[int, int]]:
    """The tasks whose results are still to come: (number, stack)."""
    found: list[tuple[int, int]] = []
    for pool in pools:
        for job, result in list(pool._cache.items())[:_MOST_JOBS]:
            found.append((job, recorder.tell_stack(result.__dict__.get(_STACK, 0))))
    return found


def _tell_outstanding() -> None:
    for pool in list(_pools):
        state = str(pool._state)
        jobs = _jobs([pool]) if state in {"RUN", "CLOSE"} else []
        if jobs:
            # A program that dies of an exception loses its tasks, and says why.
            failed = getattr(sys, "last_value", None) is not None
            recorder.record("pool.outstanding", jobs=jobs, state=state, failed=failed)
