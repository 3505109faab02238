"""ctypes: addresses of shared objects, which keep nothing alive.

`ctypes.addressof(shared)` gives a number, and `from_address(number)` an object that looks at the
memory without keeping it. That somebody took an address is remembered; whether anything looks
there once the object is gone, is looked for among the objects that the garbage collector knows.

Source: the ctypes manual, "from_address"; CPython issue 85839.
"""

from __future__ import annotations

import functools
import gc
import sys
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast.sanitizer import reach, recorder
from holdfast.sanitizer.watch import memory

if TYPE_CHECKING:
    from types import ModuleType

    from holdfast._arrivals import Undo

_original: Any = None
_kinds: tuple[type, ...] = ()


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `ctypes`: who takes the address of something shared."""
    global _original, _kinds
    original = _original = module.addressof
    _kinds = (module._SimpleCData, module.Array, module.Structure, module.Union)

    @functools.wraps(original)
    def addressof(*arguments: Any) -> int:
        address: int = original(*arguments)
        if sys._getframe(1).f_globals.get("__name__") not in _MACHINERY and recorder.active():
            wrapper = getattr(arguments[0], "_wrapper", None)
            track = None if wrapper is None else memory.track_of(reach.uid_of(wrapper))
            if track is not None:
                track.address = recorder.stack()
        return address

    return [replace(module, "addressof", addressof)]


_MACHINERY = frozenset(
    f"{package}.sharedctypes" for package in ("multiprocessing", "multiprocess", "billiard")
) | {"ctypes", "numpy.ctypeslib", "numpy.ctypeslib._ctypeslib"}


def points_into(address: int, size: int) -> bool:
    """Whether a ctypes object is alive that looks into this memory."""
    return any(
        isinstance(thing, _kinds) and address <= _original(thing) < address + size
        for thing in gc.get_objects()
    )
