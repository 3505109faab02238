"""Whatever waits for children tells so, and does not wait for what never comes.

What it keeps true: a wait without a limit for a process, a pool, a task or a future first calls
`step(last=True)`: what is waited for may then do its work, and of processes no other. A wait for a
task of a pool whose workers fail, or are gone, raises `Lost`; the real thing would wait for ever.
"""

from __future__ import annotations

import multiprocessing as mp
from concurrent import futures
from concurrent.futures import _base, process
from multiprocessing import pool, synchronize
from multiprocessing.process import BaseProcess

_POLL_SECONDS = 0.02


class Lost(BaseException):
    """What is waited for never comes."""


def _first(owner, name, before):
    """Let a method or function of `owner` call something first."""
    original = getattr(owner, name)

    def called(*arguments, **named):
        before(*arguments, **named)
        return original(*arguments, **named)

    setattr(owner, name, called)


def install(step, let_begin, is_worker, failed):
    """From now on it is so.

    Args:
        step: Called with `last=True` before a wait.
        let_begin: Called before what needs children to have begun, no more.
        is_worker: Whether a process belongs to a pool or an executor.
        failed: Whether a worker has failed.
    """

    def goes_on(*_arguments, **named):
        if named.get("timeout") is None:
            step(last=True)

    def shuts_down(_executor, wait=True, **_named):
        if wait:
            step(last=True)

    def joins(joined, timeout=None):
        if timeout is None and joined._popen is not None:
            let_begin() if is_worker(joined) else step(last=True, only=joined._popen)

    _first(BaseProcess, "join", joins)
    _first(synchronize.Event, "wait", lambda *_a, **_n: let_begin())
    _first(process.ProcessPoolExecutor, "shutdown", shuts_down)
    for name in ("result", "exception"):
        _first(_base.Future, name, goes_on)
    for name in ("wait", "as_completed"):
        _first(futures, name, goes_on)

    def is_hopeless(result):
        of = getattr(result, "_pool", None)
        return failed() or (of is not None and of._state == pool.TERMINATE)

    def wait(self, timeout=None):
        if timeout is not None:
            return self._event.wait(timeout)
        step(last=True)
        while not self._event.wait(_POLL_SECONDS):
            if is_hopeless(self):
                raise Lost("a task")
        return True

    pool.ApplyResult.wait = wait
    following = pool.IMapIterator.next

    def following_one(self, timeout=None):
        if timeout is not None:
            return following(self, timeout)
        step(last=True)
        while True:
            try:
                return following(self, _POLL_SECONDS)
            except mp.TimeoutError:
                if is_hopeless(self):
                    raise Lost("the next result") from None

    pool.IMapIterator.next = pool.IMapIterator.__next__ = following_one
    joining = pool.Pool.join

    def join(self):
        step(last=True)
        while self._worker_handler.is_alive():
            self._worker_handler.join(_POLL_SECONDS)
            if failed():
                raise Lost("the end of a pool")
        joining(self)

    pool.Pool.join = join
