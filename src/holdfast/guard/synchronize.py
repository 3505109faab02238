"""multiprocessing.synchronize made safe: semaphores without names, in Holdfast's heap.

What it keeps true: a lock that was handed to a process exists as long as that process can reach
it. The standard library's semaphores have a name that the creator removes when its object dies,
perhaps before the receiver has opened it (CPython issue 94765). Ours live in a block, and their
pickle carries a ticket for it.

All else stays the standard library's: the classes, what `repr` says, the debug log, the refusal
to pickle a lock outside of spawning and to hand a fork context's lock to a spawned process.

A lock has to be readable wherever it arrives. So two of the three replaced methods stay replaced
when the guard is off again, because locks made under it may live on; and the pickle of a lock
brings those two with it to a process that never had the guard.

Source: CPython, Lib/multiprocessing/synchronize.py and Modules/_multiprocessing/semaphore.c.
"""

from __future__ import annotations

import importlib
import weakref
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast._native import SemLock
from holdfast.guard.sending import pickled

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from holdfast._arrivals import Undo

# Classes whose two travelling methods know both kinds of semaphores.
_travelled: weakref.WeakSet[type] = weakref.WeakSet()


def make_safe(module: ModuleType) -> list[Undo]:
    """Make `multiprocessing.synchronize`, or another package's copy of it, safe."""
    let_travel(module)

    def initialize(self: Any, kind: int, value: int, maxvalue: int, *, ctx: Any = None) -> None:
        if ctx is None:
            ctx = module.context._default_context.get_context()
        self._is_fork_ctx = ctx.get_start_method() == "fork"
        equip(module, self, SemLock(kind, value, maxvalue))

    return [replace(module.SemLock, "__init__", initialize)]


def make_loky_safe(module: ModuleType) -> list[Undo]:
    """Make `loky.backend.synchronize` safe, whose semaphores know no context."""
    let_travel(module)
    original = module.SemLock.__init__

    def initialize(
        self: Any, kind: int, value: int, maxvalue: int, name: str | None = None
    ) -> None:
        if name is not None:  # a semaphore that others are to open by its name
            original(self, kind, value, maxvalue, name)
            return
        self.name = None
        equip(module, self, SemLock(kind, value, maxvalue))

    return [replace(module.SemLock, "__init__", initialize)]


def equip(module: ModuleType, lock: Any, semaphore: SemLock) -> None:
    """Give a lock its new semaphore, as the end of the original constructors does."""
    lock._semlock = semaphore
    module.util.debug("created semlock with handle %s", semaphore.handle)
    lock._make_methods()
    module.util.register_after_fork(lock, _after_fork)


def _after_fork(lock: Any) -> None:
    lock._semlock._after_fork()


class Passage:
    """A semaphore on its way: makes the place where it arrives able to receive it."""

    __slots__ = ("module_name", "semaphore")

    def __init__(self, semaphore: SemLock, module_name: str) -> None:
        self.semaphore = semaphore
        self.module_name = module_name

    def __reduce__(self) -> tuple[Callable[..., SemLock], tuple[Any, ...]]:
        return arrive, (self.module_name, *pickled(self.semaphore))


def arrive(
    module_name: str, function: Callable[..., SemLock], arguments: tuple[Any, ...]
) -> SemLock:
    """What unpickling a `Passage` gives: the semaphore; the lock's `__setstate__` comes next."""
    let_travel(importlib.import_module(module_name))
    return function(*arguments)


def let_travel(module: ModuleType) -> None:
    """Teach a module's SemLock to pickle, and to be made from the pickle of, our semaphores."""
    lock_class = module.SemLock
    if lock_class in _travelled:
        return
    give, take = lock_class.__getstate__, lock_class.__setstate__

    def get_state(self: Any) -> tuple[Any, ...]:
        # The original first: it refuses what is to be refused, and has the form of the state.
        handle, *rest = give(self)
        if isinstance(self._semlock, SemLock):
            return (Passage(self._semlock, module.__name__), *rest)
        return (handle, *rest)

    def set_state(self: Any, state: tuple[Any, ...]) -> None:
        if not isinstance(state[0], SemLock):
            take(self, state)
            return
        self._semlock = state[0]
        module.util.debug("recreated blocker with handle %s", self._semlock.handle)
        self._make_methods()
        self._is_fork_ctx = False  # as in the original: what has arrived may travel on

    lock_class.__getstate__ = get_state
    lock_class.__setstate__ = set_state
    _travelled.add(lock_class)
