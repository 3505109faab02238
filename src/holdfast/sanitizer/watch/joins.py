"""multiprocessing.process: who waits for whom to end, and daemons that are ended.

What it keeps true: a process that joins another is noted as waiting for it. What queues looked like
when a join waited in vain is told then, because later they look different. A daemon that is about
to be terminated by its parent's exit handlers is asked what it does, and given a moment to answer.

    join.vain        pid, since_ns, queues, stack   queues: states.Queue as tuples
    daemon.started   pid
    daemon.ended     pid, name                      its parent leaves and terminates it
    daemon.orphaned  pid                            a daemon ends, and its parent is not there
    parent.watched                                  a child looks whether its parent lives

Source: CPython, Lib/multiprocessing/process.py, util.py (_exit_function).
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import select
import time
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast.sanitizer import recorder, states
from holdfast.sanitizer.watch import asked, ends, leaving

if TYPE_CHECKING:
    from types import ModuleType

    from holdfast._arrivals import Undo

_JOIN = states.WHAT.index("join")
_LONG_NS = 500_000_000
_MOST_QUEUES = 64


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `multiprocessing.process`, or another package's copy of it."""
    base = module.BaseProcess
    join, start, bootstrap = base.join, base.start, base._bootstrap

    @functools.wraps(join)
    def watched_join(self: Any, timeout: Any = None) -> Any:
        popen = self._popen
        pid = 0 if popen is None else popen.pid
        if not pid or (timeout is not None and timeout <= 0):
            return join(self, timeout)
        stack = recorder.stack()
        begun = time.monotonic_ns()
        outer = states.begin(_JOIN, pid, stack, timeout)
        try:
            result = join(self, timeout)
        finally:
            states.end(outer)
        waited = timeout is not None and time.monotonic_ns() - begun >= _LONG_NS
        if waited and recorder.active() and popen.returncode is None:
            queues = states.queues(recorder.all_states())
            told = [dataclasses.astuple(each) for each in queues][:_MOST_QUEUES]
            recorder.record("join.vain", pid=pid, since_ns=begun, queues=told, stack=stack)
        return result

    @functools.wraps(start)
    def watched_start(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = start(self, *args, **kwargs)
        if self.daemon and self._popen is not None:
            recorder.record("daemon.started", pid=self._popen.pid)
        return result

    @functools.wraps(bootstrap)
    def watched_bootstrap(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.daemon:
            parent_sentinel: Any = kwargs.get("parent_sentinel", args[0] if args else None)
            _daemon[os.getpid()] = os.getppid(), parent_sentinel
            ends.on_exit(_tell_if_orphan)
        return bootstrap(self, *args, **kwargs)

    def tell_daemons() -> None:
        daemons = [each for each in module.active_children() if each.daemon]
        if not daemons:
            return
        since = time.monotonic_ns()
        # A pool's workers are told to end by their pool.
        alone = [each for each in daemons if "PoolWorker" not in str(each.name)]
        asked.hear(asked.ask(each.pid for each in alone), recorder.all_states, since)
        for each in daemons:
            recorder.record("daemon.ended", pid=each.pid, name=str(each.name))

    leaving.on_leaving(tell_daemons)
    undo = [
        replace(base, "join", watched_join),
        replace(base, "start", watched_start),
        replace(base, "_bootstrap", watched_bootstrap),
    ]
    parent = getattr(module, "_ParentProcess", None)
    if parent is not None:
        undo += _watch_parent(parent)
    return undo


_parent_watched = False


def _note_look() -> None:
    global _parent_watched
    if not _parent_watched:
        _parent_watched = True
        recorder.record("parent.watched")


def _watch_parent(parent: Any) -> list[Undo]:
    is_alive, join = parent.is_alive, parent.join

    @functools.wraps(is_alive)
    def watched_alive(self: Any) -> Any:
        _note_look()
        return is_alive(self)

    @functools.wraps(join)
    def watched_join(self: Any, timeout: Any = None) -> Any:
        _note_look()
        return join(self, timeout)

    def sentinel(self: Any) -> Any:
        _note_look()
        return self._sentinel

    return [
        replace(parent, "is_alive", watched_alive),
        replace(parent, "join", watched_join),
        replace(parent, "sentinel", property(sentinel)),
    ]


def _tell_if_orphan() -> None:
    """At the end of a daemon: is its parent still there?"""
    known = _daemon.get(os.getpid())
    if known is None:
        return
    above, sentinel = known
    gone = os.getppid() != above
    if not gone and sentinel is not None:  # a child of a forkserver, which is above it
        with contextlib.suppress(OSError, ValueError):
            gone = bool(select.select([sentinel], [], [], 0)[0])
    if gone:
        recorder.record("daemon.orphaned", pid=os.getpid())


# The pid of a daemon: that of the process above it, and what is readable when its parent is gone.
_daemon: dict[int, tuple[int, int | None]] = {}
