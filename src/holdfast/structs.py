"""Structures and other ctypes types in shared memory, and wrappers with a lock around them.

What it keeps true: a ctypes object made here holds its block for as long as it or anything made
from it lives (ctypes keeps the exporter of the buffer), and it travels by reference with every
pickler, where ctypes' own pickling would silently copy it. The wrappers behave as those of
`multiprocessing.sharedctypes`.

Pickling is decided by type in Python, so the reducer below is registered for each type that is
used here. Private instances of the same types go on being pickled by value.

Source: CPython, Lib/multiprocessing/sharedctypes.py; copyreg.
"""

from __future__ import annotations

import copyreg
import ctypes
import sys
from typing import TYPE_CHECKING, Any, cast

from holdfast import _native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

__all__ = ["Synchronized", "SynchronizedArray", "SynchronizedString", "synchronized"]

# What can be the memory of a ctypes object here: exporters that hold a block and can be pickled.
_OWNERS: tuple[Any, ...] = (
    _native.Block,
    _native.Cell,
    _native.RawCell,
    _native.Vector,
    _native.RawVector,
)

# ---- raw objects: ctypes over blocks -------------------------------------------------------------


def raw_value(kind: Any, arguments: Sequence[Any]) -> Any:
    """A ctypes object in shared memory.

    Args:
        kind: a ctypes type; not py_object, whose pointers mean nothing elsewhere.
        arguments: for its constructor.

    Raises:
        TypeError: `kind` is no type that can be shared.
    """
    made = view(kind, _native.Block(_size_of(kind)))
    made.__init__(*arguments)
    return made


def raw_array(kind: Any, size_or_initializer: Any) -> Any:
    """A ctypes array of `kind` in shared memory; see `holdfast.RawArray`."""
    _size_of(kind)
    if not hasattr(size_or_initializer, "__len__"):
        if not hasattr(size_or_initializer, "__index__"):
            raise TypeError(f"a length or initial values are needed, not {size_or_initializer!r}")
        length = size_or_initializer.__index__()
        if length < 0:
            raise ValueError(f"an Array's length must be 0 or more, not {length}")
        if length * ctypes.sizeof(kind) > sys.maxsize:
            # The heap says how much it could have.
            _native.Block(sys.maxsize)
        return raw_value(kind * length, ())
    return raw_value(kind * len(size_or_initializer), tuple(size_or_initializer))


def copy_of(shared: Any) -> Any:
    """A new ctypes object in shared memory with the contents of another ctypes object."""
    made = view(type(shared), _native.Block(ctypes.sizeof(shared), zero=False))
    ctypes.memmove(ctypes.addressof(made), ctypes.addressof(shared), ctypes.sizeof(shared))
    return made


def view(kind: Any, owner: Any, offset: int = 0) -> Any:
    """A ctypes object over an owner's memory, `offset` bytes from its start; it keeps the owner."""
    made = kind.from_buffer(owner, offset)
    made._wrapper = owner
    _travels_by_reference(kind)
    return made


def _size_of(kind: Any) -> int:
    if not hasattr(kind, "from_buffer") or not isinstance(kind, type):
        raise TypeError(f"a typecode or a ctypes type is needed, not {kind!r}")
    if issubclass(cast("Any", kind), ctypes.py_object):
        raise TypeError("py_object cannot be shared: it is a pointer into one process")
    size: int = ctypes.sizeof(cast("Any", kind))
    return size


def _travels_by_reference(kind: Any) -> None:
    copyreg.pickle(kind, _reduce)
    # multiprocessing.sharedctypes registers types with its own picklers, which prefer that.
    for package in ("multiprocessing", "multiprocess", "billiard"):
        pickler = getattr(sys.modules.get(f"{package}.reduction"), "ForkingPickler", None)
        if pickler is not None:
            pickler.register(kind, _reduce)
    if issubclass(kind, ctypes.Array):
        _travels_by_reference(_element(kind))


def _element(kind: Any) -> Any:
    """The type of a ctypes array's elements."""
    return kind._type_


def _element_and_length(shared: Any) -> tuple[Any, int]:
    return shared._type_, shared._length_


def _reduce(shared: Any) -> Any:
    """Pickle a ctypes object: by reference if its memory is in the heap, else as before."""
    root = shared
    while root._b_base_ is not None:
        root = root._b_base_
    owner = getattr(root, "_wrapper", None)
    if isinstance(owner, _OWNERS):
        offset = ctypes.addressof(shared) - ctypes.addressof(root)
        if isinstance(shared, ctypes.Array):
            return rebuild_array, (*_element_and_length(shared), owner, offset)
        return view, (type(shared), owner, offset)
    if owner is not None:
        # made by multiprocessing, or a package like it, and theirs to pickle
        module = sys.modules[type(owner).__module__.rpartition(".")[0] + ".sharedctypes"]
        return module.reduce_ctype(shared)
    return shared.__reduce_ex__(2)


def rebuild_array(kind: Any, length: int, owner: Any, offset: int) -> Any:
    """Load a pickled ctypes array: array types have no name of their own to be found by."""
    return view(kind * length, owner, offset)


# ---- wrappers with a lock -----------------------------------------------------------------------


def value(kind: Any, arguments: Sequence[Any], lock: Any) -> Any:
    """`holdfast.Value` for what is not a scalar with a lock of its own."""
    if lock is not None and not isinstance(lock, bool):
        _must_be_lock(lock)
    if isinstance(kind, str):
        kind = _native.ctype_of(kind)
    made = raw_value(kind, arguments)
    return made if lock is False else synchronized(made, lock)


def array(kind: Any, size_or_initializer: Any, lock: Any) -> Any:
    """`holdfast.Array` for what is not an array of scalars with a lock of its own."""
    if lock is not None and not isinstance(lock, bool):
        _must_be_lock(lock)
    if isinstance(kind, str):
        kind = _native.ctype_of(kind)
    made = raw_array(kind, size_or_initializer)
    return made if lock is False else synchronized(made, lock)


def _must_be_lock(lock: Any) -> None:
    for method in ("acquire", "release"):
        if not hasattr(lock, method):
            raise AttributeError(f"{lock!r} has no method {method!r}, so it cannot be the lock")


class SynchronizedBase:
    """A ctypes object in shared memory and its lock."""

    def __init__(self, shared: Any, lock: Any) -> None:
        self._obj = shared
        self._lock = lock
        self.acquire: Callable[..., bool] = lock.acquire
        self.release: Callable[[], None] = lock.release

    def __enter__(self) -> Any:
        return self._lock.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        return self._lock.__exit__(kind, value, traceback)

    def __reduce__(self) -> Any:
        # The object's own reduction, and not the pickler's choice for its type: see above.
        function, arguments = _reduce(self._obj)
        return _rebuild, (function, arguments, self._lock)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    def get_obj(self) -> Any:
        """The ctypes object itself, which disregards the lock."""
        return self._obj

    def get_lock(self) -> Any:
        """The lock."""
        return self._lock

    def __repr__(self) -> str:
        return f"<{type(self).__name__} wrapper for {self._obj}>"


def _locked(name: str) -> Any:
    """A property that has the lock while it reads or writes the object's attribute."""

    def getter(self: SynchronizedBase) -> Any:
        with self._lock:
            return getattr(self._obj, name)

    def setter(self: SynchronizedBase, value: Any) -> None:
        with self._lock:
            setattr(self._obj, name, value)

    return property(getter, setter, doc=f"`{name}` of the shared object, read and written locked.")


class Synchronized(SynchronizedBase):
    """A simple ctypes object and its lock."""

    value = _locked("value")


class SynchronizedArray(SynchronizedBase):
    """A ctypes array and its lock."""

    def __len__(self) -> int:
        return len(self._obj)

    def __getitem__(self, index: Any) -> Any:
        with self._lock:
            return self._obj[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        with self._lock:
            self._obj[index] = value

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))


class SynchronizedString(SynchronizedArray):
    """A ctypes array of characters and its lock."""

    value = _locked("value")
    raw = _locked("raw")


# Structure -> its wrapper class. Types live as long as this, of which a program has a few.
_wrappers: dict[type, type[SynchronizedBase]] = {}


def synchronized(shared: Any, lock: Any = None) -> Any:
    """Put a lock around a ctypes object in shared memory.

    Args:
        shared: what RawValue or RawArray returned for a ctypes type.
        lock: None or True for a new RLock; else an object with `acquire` and `release`.

    Returns:
        A wrapper with the object's `value`, elements or fields, each access of which has the lock.

    Raises:
        TypeError: it has a lock already, or is no ctypes object.
        AttributeError: `lock` is not a lock.
    """
    if isinstance(shared, SynchronizedBase):
        raise TypeError(f"{shared!r} has a lock already")
    if lock is None or lock is True:
        lock = _native.RLock()
    _must_be_lock(lock)
    return _wrapper_class(type(shared))(shared, lock)


def _wrapper_class(kind: Any) -> type[SynchronizedBase]:
    if issubclass(kind, ctypes._SimpleCData):
        return Synchronized
    if issubclass(kind, ctypes.Array):
        return SynchronizedString if _element(kind) is ctypes.c_char else SynchronizedArray
    if not issubclass(kind, (ctypes.Structure, ctypes.Union)):
        raise TypeError(f"{kind.__name__} is not a ctypes type that a lock can be put around")
    found = _wrappers.get(kind)
    if found is None:
        names = [
            field[0] for base in reversed(kind.__mro__) for field in vars(base).get("_fields_", ())
        ]
        fields = {name: _locked(name) for name in names}
        found = type(f"Synchronized{kind.__name__}", (SynchronizedBase,), fields)
        _wrappers[kind] = found
    return found


def _rebuild(function: Callable[..., Any], arguments: tuple[Any, ...], lock: Any) -> Any:
    """Load a pickled wrapper."""
    return synchronized(function(*arguments), lock)
