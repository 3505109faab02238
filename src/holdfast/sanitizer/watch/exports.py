"""What cannot be asked of a memoryview or a mapping in Python: who looks at it, who touched it.

What it keeps true: an answer that is not certain is the harmless one. The numbers of exports lie
in structures of CPython whose layout is tried out on views made for it before it is trusted.

Source: CPython, Include/cpython/memoryobject.h (3.8 to 3.14: the same); proc(5), /proc/pid/pagemap.
"""

from __future__ import annotations

import functools
import mmap
import os
import struct
from typing import Any

_WORD = struct.calcsize("P")
# PyMemoryViewObject: ob_refcnt, ob_type, ob_size, mbuf, hash, flags, exports, view.
_MBUF_AT, _EXPORTS_AT = 3 * _WORD, 6 * _WORD
# _PyManagedBufferObject: ob_refcnt, ob_type, flags, exports, master.
_SHARES_AT = 3 * _WORD

_PRESENT_OR_SWAPPED = 0b11 << 62
_MOST_BYTES = 8 << 20


def of(view: Any) -> int:
    """How many views the buffer behind a view has: 1 if only itself; 0 if that is not known."""
    return _count(view) if _is_layout_known() else 0


def _count(view: Any) -> int:
    own = _word(id(view) + _EXPORTS_AT)
    return own + _word(_word(id(view) + _MBUF_AT) + _SHARES_AT)


@functools.cache
def _kinds() -> tuple[Any, Any]:
    """A word and a byte, as ctypes has them, without importing all of ctypes."""
    import _ctypes

    simple: Any = _ctypes._SimpleCData
    return type("Word", (simple,), {"_type_": "L"}), type("Byte", (simple,), {"_type_": "B"})


def _word(address: int) -> int:
    # SAFETY: the caller gives an address within a live object, whose layout was tried out.
    value: int = _kinds()[0].from_address(address).value
    return value


@functools.cache
def _is_layout_known() -> bool:
    """Whether views that are known to share a buffer have the numbers that they must have."""
    data = bytearray(8)
    view = memoryview(data)
    # The pointer is looked at before it is followed.
    near = abs(_word(id(view) + _MBUF_AT) - id(view)) < 1 << 46
    if not near or _word(id(view) + _EXPORTS_AT) != 0 or _count(view) != 1:
        return False
    part = view[2:]
    if _count(view) != 2:
        return False
    part.release()
    return _count(view) == 1


def address_of(memory: Any) -> int:
    """Where a writable mapping lies; 0 if it cannot be told."""
    import _ctypes

    try:
        address: int = _ctypes.addressof(_kinds()[1].from_buffer(memory))
    except (TypeError, ValueError):
        return 0
    return address


def touched(memory: Any) -> bool:
    """Whether this process has touched a page of a mapping since they were taken from it."""
    address = address_of(memory)
    if not address:
        return False
    pages = (len(memory) + mmap.PAGESIZE - 1) // mmap.PAGESIZE
    at = address // mmap.PAGESIZE * 8
    try:
        descriptor = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        end = at + 8 * pages
        while at < end:
            data = os.pread(descriptor, min(end - at, _MOST_BYTES), at)
            if not data:
                return False
            if any(entry & _PRESENT_OR_SWAPPED for (entry,) in struct.iter_unpack("<Q", data)):
                return True
            at += len(data)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False
