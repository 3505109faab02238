"""multiprocessing.synchronize: semaphores with names, which their creator removes.

What it keeps true: locks keep the standard library's own fate; it is only told. A lock is pickled
for a child as the name of its semaphore. The name goes when the creator's lock dies, or when the
creator's exit handlers run; a child that has not opened it by then dies of FileNotFoundError.

    semaphore.new        name, kind, stack
    semaphore.sent       name, token
    semaphore.unlinked   name, leaving, stack       by finalizer or by exit handler
    semaphore.opened     name                       where it arrived
    semaphore.missing    name                       where it arrived too late
    semaphore.mixed      kind, token, refused, stack, new_stack    made for fork, sent by spawn

Source: CPython, Lib/multiprocessing/synchronize.py; issues 94765 and 77377.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast.sanitizer import recorder
from holdfast.sanitizer.watch import leaving, processes, sharedctypes

if TYPE_CHECKING:
    from types import ModuleType

    from holdfast._arrivals import Undo

# In the dict of a lock: the stack where it was made. It is not pickled with the lock.
STACK = "_holdfast_stack"
# In the dict of a lock that has arrived as an address of another process: nobody may touch it.
ASTRAY = "_holdfast_astray"
_sent: set[str] = set()


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `multiprocessing.synchronize`, or another package's copy of it."""
    lock = module.SemLock
    original, give, take, cleanup = (
        lock.__init__, lock.__getstate__, lock.__setstate__, lock._cleanup,
    )  # fmt: skip

    @functools.wraps(original)
    def initialize(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if STACK not in self.__dict__ and recorder.active():
            self.__dict__[STACK] = recorder.stack()

    @functools.wraps(give)
    def get_state(self: Any) -> Any:
        token = processes.current()
        try:
            state = give(self)
        except RuntimeError:
            if getattr(self, "_is_fork_ctx", False):
                _mixed(self, token, refused=True)
            raise
        name = getattr(self._semlock, "name", None)
        if _is_address(state):
            _mixed(self, token, refused=False)
        if name and token:
            if name not in _sent and STACK in self.__dict__:
                _sent.add(name)
                stack = self.__dict__[STACK]
                recorder.record("semaphore.new", name=name, kind=type(self).__name__, stack=stack)
            recorder.record("semaphore.sent", name=name, token=token)
        return state

    @functools.wraps(take)
    def set_state(self: Any, state: Any) -> None:
        if _is_address(state):
            self.__dict__[ASTRAY] = True
        try:
            take(self, state)
        except FileNotFoundError:
            recorder.record("semaphore.missing", name=str(state[3]), stack=recorder.stack())
            raise
        name = getattr(self._semlock, "name", None)
        if name:
            recorder.record("semaphore.opened", name=name)

    @functools.wraps(cleanup)
    def watched_cleanup(name: str) -> None:
        if name in _sent:
            _sent.discard(name)
            recorder.record(
                "semaphore.unlinked", name=name, leaving=leaving.leaving(), stack=recorder.stack()
            )
        cleanup(name)

    barrier: Any = module.Barrier
    parts = {name: getattr(barrier, name, None) for name in ("_state", "_count")}
    undo = [
        replace(barrier, name, _seen(part))
        for name, part in parts.items()
        if isinstance(part, property)
    ]
    recorder.on_fork(_sent.clear)
    return [
        *undo,
        replace(lock, "__init__", initialize),
        replace(lock, "__getstate__", get_state),
        replace(lock, "__setstate__", set_state),
        replace(lock, "_cleanup", staticmethod(watched_cleanup)),
    ]


def _mixed(lock: Any, token: int, *, refused: bool) -> None:
    recorder.record(
        "semaphore.mixed",
        kind=type(lock).__name__,
        token=token,
        refused=refused,
        stack=recorder.stack(),
        new_stack=lock.__dict__.get(STACK, 0),
    )


def _is_address(state: Any) -> bool:
    """Whether a pickled lock is an address in its sender alone: Python 3.10 does not refuse it."""
    return state[3:] == (None,) and isinstance(state[0], int)


def _seen(original: property) -> property:
    """Barrier keeps two numbers in shared memory: an access to them is a use of that memory."""
    get, write = original.fget, original.fset
    news = recorder.any_news()
    assert get is not None
    assert write is not None

    def getter(self: Any) -> Any:
        if news:
            sharedctypes.used_memory(self._wrapper, write=False, value=None)
        return get(self)

    def setter(self: Any, value: Any) -> None:
        if news:
            sharedctypes.used_memory(self._wrapper, write=True, value=value)
        write(self, value)

    return property(getter, setter, original.fdel, original.__doc__)
