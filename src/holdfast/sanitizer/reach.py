"""What can be reached from an object: what is handed to a process with it.

What it keeps true: looking changes nothing. No property, `__getattr__` or iterator of the program
is called: containers are read with the builtin types' own methods, instances by their dict and
their slots. The search is bounded, and what is found are ids and paths, not references.

Watches mark what they watch by an id in the instance's dict, under `MARK`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import types
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

# The key in the dict of a watched instance; its value is the id.
MARK = "_holdfast_uid"

# So that type checkers do not ask for the types of what is in it.
_DICT: Any = dict

MOST_OBJECTS = 20_000
MOST_DEPTH = 24

Path = tuple[str, ...]

_LEAVES = (
    str, bytes, bytearray, int, float, complex, bool, type(None), type, types.ModuleType,
    types.BuiltinFunctionType, types.CodeType, types.FrameType, types.GeneratorType,
)  # fmt: skip


def mark(thing: Any, uid: int) -> None:
    """Give an instance its id."""
    thing.__dict__[MARK] = uid


def uid_of(thing: Any) -> int:
    """The id of a marked instance; 0 if it has none."""
    uid: int = instance_dict(thing).get(MARK, 0)
    return uid


def marked(roots: dict[str, Any]) -> dict[int, Path]:
    """The ids that are reachable, and by which way each is reached first.

    Args:
        roots: Name of a root, as it stands at the beginning of the path: the root.
    """
    found: dict[int, Path] = {}
    seen: set[int] = set()
    level: list[tuple[Any, Path]] = [(root, (name,)) for name, root in roots.items()]
    keep: list[Any] = []  # what was made by looking must not be freed while its id is remembered
    for _ in range(MOST_DEPTH):
        following: list[tuple[Any, Path]] = []
        for thing, path in level:
            if isinstance(thing, _LEAVES) or id(thing) in seen:
                continue
            seen.add(id(thing))
            if len(seen) > MOST_OBJECTS:
                return found
            uid = uid_of(thing)
            if uid and uid not in found:
                found[uid] = path
            for step, part in _parts(thing):
                keep.append(part)
                following.append((part, (*path, step)))
        level = following
        if not level:
            break
    return found


def _parts(thing: Any) -> Iterator[tuple[str, Any]]:
    kind = _type_of(thing)
    if issubclass(kind, dict):
        items = cast("list[tuple[Any, Any]]", list(_DICT.items(thing)))
        for key, value in items:
            yield f"[{key!r}]" if isinstance(key, (str, int)) else "[...]", value
    elif issubclass(kind, (list, tuple)):
        base: Any = list if issubclass(kind, list) else tuple
        elements: Any = itertools.islice(base.__iter__(thing), MOST_OBJECTS)
        for index, value in enumerate(elements):
            yield f"[{index}]", value
    elif issubclass(kind, (set, frozenset)):
        base_set: Any = set if issubclass(kind, set) else frozenset
        for value in list(base_set.__iter__(thing)):
            yield "{...}", value
    elif kind is types.MethodType:
        yield ".__self__", thing.__self__
        yield ".__func__", thing.__func__
    elif kind is types.FunctionType:
        yield from _of_function(thing)
    elif kind is functools.partial:
        yield ".func", thing.func
        yield ".args", thing.args
        yield ".keywords", thing.keywords
    elif kind is memoryview:
        yield ".obj", _of_view(thing)
    elif kind.__module__ == "numpy" and hasattr(kind, "base"):
        yield ".base", thing.base
    if kind is not types.FunctionType:
        yield from _of_instance(thing)


def _type_of(thing: Any) -> Any:
    return cast("Any", type(thing))


def _of_function(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        with contextlib.suppress(ValueError):  # an empty cell
            yield f".__closure__.{name}", cell.cell_contents
    if function.__defaults__:
        yield ".__defaults__", function.__defaults__
    if function.__kwdefaults__:
        yield ".__kwdefaults__", function.__kwdefaults__


def _of_view(view: Any) -> Any:
    try:
        return view.obj
    except ValueError:  # it was released
        return None


def instance_dict(thing: Any) -> dict[str, Any]:
    """What an instance has in its dict; nothing is called for it."""
    try:
        found: Any = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return {}
    return cast("dict[str, Any]", found) if type(found) is dict else {}


def _of_instance(thing: Any) -> Iterator[tuple[str, Any]]:
    for name, value in list(instance_dict(thing).items()):
        yield f".{name}", value
    for each in type(thing).__mro__:
        for name, slot in list(each.__dict__.items()) if "__slots__" in each.__dict__ else ():
            if isinstance(slot, types.MemberDescriptorType):
                try:
                    yield f".{name}", slot.__get__(thing, each)
                except AttributeError:  # an empty slot
                    continue
