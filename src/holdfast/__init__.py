"""Holdfast: shared memory that is never given to anyone else while some process can still reach it.

    Value RawValue             one scalar or structure, with atomic operations      cells.py
    Array RawArray             many of them                                         arrays.py
    ndarray asarray copy       NumPy arrays over the same memory                    arrays.py
    Lock RLock                 locks that survive the death of their owner          locks.py
    statistics trim            what is in the heap; how long tickets stay good      statistics.py
    set_ticket_grace
    guard Guard                makes `multiprocessing` itself safe                  guard/
    SharedCopyWarning          an array over shared memory travelled as a copy      guard/
    errors                     every exception                                      errors.py

`import holdfast` loads none of it; each name is loaded when it is first used. All it does is to
see to it that the processes which this one starts from now on will be of one family (_family.py).

PYTEST_DONT_REWRITE: pytest, which has a plugin of ours, shall not complain of being too late.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

# Not from typing, which alone would take as long to import as everything else here together.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from holdfast import errors as errors
    from holdfast.arrays import Array, RawArray, asarray, copy, ndarray
    from holdfast.cells import RawValue, Value
    from holdfast.guard import Guard, SharedCopyWarning, guard
    from holdfast.locks import Lock, RLock
    from holdfast.statistics import (
        LockStatistics,
        Statistics,
        set_ticket_grace,
        statistics,
        trim,
    )

__version__ = "0.1.0"

__all__ = [
    "Array",
    "Guard",
    "Lock",
    "LockStatistics",
    "RLock",
    "RawArray",
    "RawValue",
    "SharedCopyWarning",
    "Statistics",
    "Value",
    "asarray",
    "copy",
    "errors",
    "guard",
    "ndarray",
    "set_ticket_grace",
    "statistics",
    "trim",
]

# Public name -> the module that has it. Sub-modules are not here: they are found by themselves.
_HOME = {
    "Array": "holdfast.arrays",
    "Guard": "holdfast.guard",
    "Lock": "holdfast.locks",
    "LockStatistics": "holdfast.statistics",
    "RLock": "holdfast.locks",
    "RawArray": "holdfast.arrays",
    "RawValue": "holdfast.cells",
    "SharedCopyWarning": "holdfast.guard",
    "Statistics": "holdfast.statistics",
    "Value": "holdfast.cells",
    "asarray": "holdfast.arrays",
    "copy": "holdfast.arrays",
    "guard": "holdfast.guard",
    "ndarray": "holdfast.arrays",
    "set_ticket_grace": "holdfast.statistics",
    "statistics": "holdfast.statistics",
    "trim": "holdfast.statistics",
}


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("holdfast.errors")
    if name == "_native":
        return _native_part()
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'holdfast' has no attribute {name!r}")
    _native_part()
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def _native_part() -> ModuleType:
    try:
        return import_module("holdfast._native")
    except ModuleNotFoundError as error:
        if error.name != "holdfast._native":
            raise
        from holdfast.errors import PlatformError

        raise PlatformError(
            missing="the native part of the package", needed="shared objects"
        ) from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps `holdfast.guard` and `holdfast.statistics` the functions that they are.

    Whoever imports a sub-module makes the import system set it as an attribute of the package, and
    these two sub-modules are named as what they are for.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in _HOME):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

if sys.platform == "linux":
    from holdfast import _family

    _family.watch()
