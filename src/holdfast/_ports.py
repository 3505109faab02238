"""What the native part wants done by the layer above it.

What it keeps true: the native part imports nothing from here. Who imports cells.py, arrays.py or
locks.py connects these functions to it; pickles name functions of those modules, so wherever a
shared object arrives they are connected, too. Each loads what it needs when it is called: most
programs need neither ctypes nor NumPy.
"""

from __future__ import annotations

from holdfast import _native

TYPE_CHECKING = False  # see __init__.py
if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from holdfast.statistics import LockStatistics


def _value(kind: Any, arguments: Sequence[Any], lock: Any) -> Any:
    from holdfast import structs

    return structs.value(kind, arguments, lock)


def _raw_value(kind: Any, arguments: Sequence[Any]) -> Any:
    from holdfast import structs

    return structs.raw_value(kind, arguments)


def _array(kind: Any, size_or_initializer: Any, lock: Any) -> Any:
    from holdfast import structs

    return structs.array(kind, size_or_initializer, lock)


def _raw_array(kind: Any, size_or_initializer: Any) -> Any:
    from holdfast import structs

    return structs.raw_array(kind, size_or_initializer)


def _view(kind: Any, owner: Any) -> Any:
    from holdfast import structs

    return structs.view(kind, owner)


def _within(lock: Any, timeout: float) -> AbstractContextManager[None]:
    from holdfast import locks

    return locks.within(lock, timeout)


def _lock_statistics(**figures: Any) -> LockStatistics:
    from holdfast.statistics import LockStatistics

    return LockStatistics(**figures)


def connect() -> None:
    """Connect all of them; once more changes nothing."""
    _native.connect(
        value=_value,
        raw_value=_raw_value,
        array=_array,
        raw_array=_raw_array,
        view=_view,
        within=_within,
        lock_statistics=_lock_statistics,
    )
