"""multiprocessing.process: who starts whom, and what the child is handed.

What it keeps true: an object is known to have been handed to a child *before* the original
`start()` goes on to drop the child's arguments, so that no drop is taken for a private matter.
Handed is what can be reached from the target, the arguments and the Process object itself, and
what is pickled for that child.

Source: CPython, Lib/multiprocessing/process.py (BaseProcess.start, _bootstrap).
"""

from __future__ import annotations

import functools
import itertools
import threading
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast.sanitizer import reach, recorder

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from holdfast._arrivals import Undo

# In the dict of a Process: the stack where it was made.
_STACK = "_holdfast_stack"
_tokens = itertools.count(1)
_local = threading.local()
# Called with the ids of what is being handed to a child, before it is started.
_handed: list[Callable[[list[int]], object]] = []


def on_handed(function: Callable[[list[int]], object]) -> None:
    """Call `function` with the ids of objects that are handed to a child, before it starts."""
    if function not in _handed:
        _handed.append(function)


def current() -> int:
    """The token of the start that this thread is in the middle of; 0 if it is in none."""
    token: int = getattr(_local, "token", 0)
    return token


def sending(uid: int) -> int:
    """Tell that an object is pickled; the token of the start that it is pickled for, or 0."""
    token = current()
    if token:
        recorder.tell(uid)
        for function in _handed:
            function([uid])
        recorder.record("process.handed", token=token, uid=uid)
    return token


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `multiprocessing.process`, or another package's copy of it."""
    base = module.BaseProcess
    initialize, start, bootstrap = base.__init__, base.start, base._bootstrap

    @functools.wraps(initialize)
    def watched_init(self: Any, *args: Any, **kwargs: Any) -> None:
        initialize(self, *args, **kwargs)
        if recorder.active():
            self.__dict__[_STACK] = recorder.stack()

    @functools.wraps(start)
    def watched_start(self: Any, *args: Any, **kwargs: Any) -> Any:
        token = _announce(self)
        outer, _local.token = current(), token
        try:
            result = start(self, *args, **kwargs)
        finally:
            _local.token = outer
        popen = getattr(self, "_popen", None)
        recorder.record(
            "process.started",
            token=token,
            pid=getattr(popen, "pid", 0) or 0,
            name=str(self._name),
            method=str(getattr(popen, "method", "fork")),
        )
        return result

    @functools.wraps(bootstrap)
    def watched_bootstrap(self: Any, *args: Any, **kwargs: Any) -> Any:
        _local.token = 0  # of the start that forked us
        recorder.record("process.named", name=str(self._name), method="")
        return bootstrap(self, *args, **kwargs)

    return [
        replace(base, "__init__", watched_init),
        replace(base, "start", watched_start),
        replace(base, "_bootstrap", watched_bootstrap),
    ]


def _announce(process: Any) -> int:
    """Tell that a process is about to be started, and what it is handed; no reference remains."""
    token = next(_tokens)
    if not recorder.active():
        return token
    own: dict[str, Any] = process.__dict__.copy()
    roots = {name: own.pop(f"_{name}", None) for name in ("target", "args", "kwargs")}
    handed = reach.marked({**roots, "self": own})
    for uid in handed:
        recorder.tell(uid)
    for function in _handed:
        function(list(handed))
    recorder.record(
        "process.starting",
        token=token,
        name=str(process._name),
        stack=recorder.stack(),
        new_stack=process.__dict__.get(_STACK, 0),
        handed=[(uid, list(path)) for uid, path in handed.items()],
    )
    return token
