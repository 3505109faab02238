"""multiprocessing.managers: managers, when and how they end, and proxies that find nothing.

What it keeps true: only what failed is told as a failure, and it is told where the program sees it.
A proxy that a forked child inherited and never uses fails silently there, and here too.

An address is text; `ident` is the server's name for a referent. Events:

    manager.started   uid, address, server_pid, kind, stack
    manager.ended     uid, how, operation, stack    how: "dropped", "shutdown" (called), "exit"
    proxy.new         uid, address, ident, kind, made, stack     made: by its manager's method
    proxy.sent        address, ident, token, stack  pickled; token: see process.starting, or 0
    proxy.dropped     address, ident, leaving, operation, stack  a process needs it no more
    proxy.failed      address, ident, kind, what, method, text, stack
                      what: "server" (not there), "referent" (deleted), "manager" (a proxy that
                      has none was to make another proxy)

Source: CPython, Lib/multiprocessing/managers.py (BaseManager.start, BaseProxy); issues 119937 and
99595.
"""

from __future__ import annotations

import functools
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast.sanitizer import reach, recorder
from holdfast.sanitizer.watch import leaving, processes

if TYPE_CHECKING:
    from types import ModuleType

    from holdfast._arrivals import Undo


class _Doing(threading.local):
    """Whether this thread is told of a fork just now, by the standard library."""

    after_fork = False


_doing = _Doing()
# Address of a server that this process has started: the manager, and its id.
_managers: dict[str, tuple[weakref.ref[Any], int]] = {}


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `multiprocessing.managers`, or another package's copy of it."""
    return [*_watch_managers(module.BaseManager), *_watch_proxies(module)]


# ---- managers -----------------------------------------------------------------------------------


def _watch_managers(kind: Any) -> list[Undo]:
    start, finalize = kind.start, kind._finalize_manager

    @functools.wraps(start)
    def watched_start(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = start(self, *args, **kwargs)
        if recorder.active():
            uid = recorder.new_uid()
            reach.mark(self, uid)
            _managers[str(self._address)] = weakref.ref(self), uid
            recorder.record(
                "manager.started",
                uid=uid,
                address=str(self._address),
                server_pid=getattr(self._process, "pid", 0) or 0,
                kind=type(self).__name__,
                stack=recorder.stack(),
            )
        return result

    @functools.wraps(finalize)
    def _finalize_manager(process: Any, address: Any, *args: Any, **kwargs: Any) -> Any:
        manager, uid = _managers.pop(str(address), (None, 0))
        if manager is not None and recorder.active():
            stack = recorder.stack(_outside())
            how = "shutdown" if manager() is not None else "dropped"
            recorder.record(
                "manager.ended",
                uid=uid,
                how="exit" if leaving.leaving() else how,
                operation=recorder.operation(stack),
                stack=stack,
            )
        return finalize(process, address, *args, **kwargs)

    return [
        replace(kind, "start", watched_start),
        replace(kind, "_finalize_manager", staticmethod(_finalize_manager)),
    ]


def _outside() -> int:
    """How many frames to leave out so that a stack begins where the finalizer was called."""
    return 3 if sys._getframe(2).f_code.co_name == "__call__" else 2


# ---- proxies ------------------------------------------------------------------------------------


def _watch_proxies(module: ModuleType) -> list[Undo]:
    kind = module.BaseProxy
    initialize, reduce = kind.__init__, kind.__reduce__
    call, incref, decref, after_fork = (
        kind._callmethod,
        kind._incref,
        kind._decref,
        kind._after_fork,
    )

    @functools.wraps(initialize)
    def watched_init(self: Any, *args: Any, **kwargs: Any) -> None:
        initialize(self, *args, **kwargs)
        if recorder.active():
            uid = recorder.new_uid()
            reach.mark(self, uid)
            recorder.record(
                "proxy.new",
                uid=uid,
                made=self._manager is not None,
                stack=recorder.stack(),
                **_identity(self),
            )

    @functools.wraps(reduce)
    def watched_reduce(self: Any) -> Any:
        if recorder.active():
            recorder.record(
                "proxy.sent",
                address=str(self._token.address),
                ident=str(self._id),
                token=processes.current(),
                stack=recorder.stack(),
            )
        return reduce(self)

    @functools.wraps(call)
    def _callmethod(self: Any, methodname: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return call(self, methodname, *args, **kwargs)
        except Exception as error:
            what = _failure(self, error) if recorder.active() else ""
            if what:
                _tell_failure(self, what, str(methodname), error)
            raise

    @functools.wraps(incref)
    def _incref(self: Any) -> Any:
        try:
            return incref(self)
        except Exception as error:
            if recorder.active() and not _doing.after_fork:
                missing = _is_referent(self, error)
                _tell_failure(self, "referent" if missing else "server", "", error)
            raise

    @functools.wraps(after_fork)
    def _after_fork(self: Any) -> Any:
        outer, _doing.after_fork = _doing.after_fork, True
        try:
            return after_fork(self)
        finally:
            _doing.after_fork = outer

    @functools.wraps(decref)
    def _decref(token: Any, *args: Any, **kwargs: Any) -> Any:
        if recorder.active():
            stack = recorder.stack(_outside())
            recorder.record(
                "proxy.dropped",
                address=str(token.address),
                ident=str(token.id),
                leaving=leaving.leaving(),
                operation=recorder.operation(stack),
                stack=stack,
            )
        return decref(token, *args, **kwargs)

    return [
        replace(kind, "__init__", watched_init),
        replace(kind, "__reduce__", watched_reduce),
        replace(kind, "_callmethod", _callmethod),
        replace(kind, "_incref", _incref),
        replace(kind, "_after_fork", _after_fork),
        replace(kind, "_decref", staticmethod(_decref)),
    ]


def _identity(proxy: Any) -> dict[str, str]:
    token = proxy._token
    return {"address": str(token.address), "ident": str(token.id), "kind": str(token.typeid)}


def _tell_failure(proxy: Any, what: str, method: str, error: BaseException) -> None:
    recorder.record(
        "proxy.failed",
        what=what,
        method=method,
        text=type(error).__name__,
        stack=recorder.stack(),
        **_identity(proxy),
    )


def _failure(proxy: Any, error: Exception) -> str:
    """What a call failed of: "server", "referent", "manager"; "" for an error of the method."""
    if _is_referent(proxy, error):
        return "referent"
    if isinstance(error, AttributeError):
        orphan = proxy._manager is None and "_registry" in str(error)
        return "manager" if orphan else ""
    # What the server sends is raised in `_callmethod` itself; a lost connection further in.
    traceback = error.__traceback__
    inner = traceback.tb_next if traceback is not None else None
    lost = (
        isinstance(error, (OSError, EOFError)) and inner is not None and inner.tb_next is not None
    )
    return "server" if lost else ""


def _is_referent(proxy: Any, error: BaseException) -> bool:
    """Whether the server says that it does not know the referent."""
    said = error.args[0] if type(error).__name__ == "RemoteError" and error.args else ""
    return f"KeyError: {str(proxy._id)!r}" in str(said)
