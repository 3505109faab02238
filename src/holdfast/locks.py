"""Locks between processes that survive the death of their owners.

What it keeps true: nobody waits for a dead process, and nobody gets into what a dead process left
half done without having been told. The locks are in the native part; this file is what is rare.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from holdfast import _ports
from holdfast._native import Lock, RLock, attach_lock, attach_rlock
from holdfast.errors import LockTimeoutError
from holdfast.statistics import LockStatistics

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Lock", "LockStatistics", "RLock", "attach_lock", "attach_rlock", "within"]

_ports.connect()


class _Acquirable(Protocol):
    """What `within` needs of a lock."""

    def acquire(self, block: bool = ..., timeout: float | None = ...) -> bool: ...

    def release(self) -> None: ...

    def statistics(self) -> LockStatistics: ...


@contextmanager
def within(lock: _Acquirable, timeout: float) -> Iterator[None]:
    """Have the lock inside the block, or give up.

    Use it as `with lock.within(2.0):`.

    Args:
        lock: a Lock or RLock.
        timeout: seconds to wait at most.

    Yields:
        Nothing; the lock is held then.

    Raises:
        LockTimeoutError: it was not to be had in time; it is not held.
        OwnerDiedError: its owner died; it is not held.

    Concurrency: as `acquire`.
    Crash: as `acquire`.
    Fork: as `acquire`.

    Example:
        >>> import holdfast
        >>> lock = holdfast.Lock()
        >>> with lock.within(1.0):
        ...     lock.locked()
        True
        >>> with lock, lock.within(0.01):
        ...     pass
        Traceback (most recent call last):
        holdfast.errors.LockTimeoutError: ...

    Source: trio's fail_after.
    New in version 0.1.
    """
    if not lock.acquire(True, timeout):
        raise LockTimeoutError(timeout=timeout, owner_pid=lock.statistics().owner_pid or 0)
    try:
        yield
    finally:
        lock.release()
