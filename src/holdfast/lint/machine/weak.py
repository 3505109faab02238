"""weakref: what has objects and does not keep them.

What it keeps true: memory that only such a container has is dropped. A process or a pool in it may
be joined by whoever finds it there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.lint.machine.things import NOTHING, Refs, Thing

if TYPE_CHECKING:
    from holdfast.lint.events import Call
    from holdfast.lint.machine.library import Library
    from holdfast.lint.machine.state import State


def put(refs: Refs, state: State) -> None:
    """A WeakSet or WeakValueDictionary gets something."""
    state.escape(e for e in refs if not (isinstance(e, Thing) and e.kind.role == "shared"))


def method(machine: Library, holder: Thing, call: Call, state: State) -> Refs:
    """WeakSet.add, WeakValueDictionary.setdefault, ...: may be given something."""
    del machine, holder
    for argument in call.arguments:
        put(argument.refs, state)
    return NOTHING
