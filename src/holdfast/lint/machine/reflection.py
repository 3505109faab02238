"""Builtins that reach attributes and variables by name: getattr, setattr, vars, globals.

What it keeps true: what is stored under a name that nobody can foresee is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.lint.machine.things import NOTHING, Const, Refs, Thing
from holdfast.lint.program.catalogue import OUTSIDE

if TYPE_CHECKING:
    from holdfast.lint.events import Call
    from holdfast.lint.machine.library import Library
    from holdfast.lint.machine.state import State
    from holdfast.lint.program.catalogue import Named


def attribute_of(machine: Library, name: Named, call: Call, state: State) -> Refs:
    """getattr(x, "name", default): the attribute, or what is given in its place."""
    del name
    assert call.node is not None
    found: Refs = NOTHING
    if len(call.arguments) > 1:
        for key in call.arguments[1].refs:
            if isinstance(key, Const) and isinstance(key.value, str):
                found = machine.attribute(call.arguments[0].refs, key.value, call.node, state)
    return found.union(*(each.refs for each in call.arguments[2:]))


def set_attribute(machine: Library, name: Named, call: Call, state: State) -> Refs:
    """setattr(x, "name", value): kept under the name, or under any if that is computed."""
    del name, machine
    if len(call.arguments) == 3:
        owner, key, value = (each.refs for each in call.arguments)
        names = [k.value for k in key if isinstance(k, Const) and isinstance(k.value, str)]
        for thing in owner:
            if isinstance(thing, Thing):
                state.put(thing, names[0] if names else "*", value, add=True)
        if not any(isinstance(thing, Thing) for thing in owner):
            state.escape(value)
    return NOTHING


def namespace(machine: Library, name: Named, call: Call, state: State) -> Refs:
    """globals(), locals(), vars(): what is put there is kept."""
    assert call.node is not None
    if name.name == "builtins.vars" and call.arguments:
        return call.arguments[0].refs
    thing = machine.thing(OUTSIDE, (name.name, machine.module), call.node)
    state.own(thing)
    state.escaped.add(thing)
    return frozenset({thing})
