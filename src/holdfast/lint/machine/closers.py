"""contextlib: what `with` closes on behalf of other things.

What it keeps true: `closing(x)` and what an `ExitStack` has entered end with the block, and until
then the block keeps them. `closing` of a pool only closes it: its tasks go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.lint.machine.things import NOTHING, Refs, Thing
from holdfast.lint.machine.views import TRUE
from holdfast.lint.program.catalogue import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.lint.events import Call
    from holdfast.lint.machine.library import Library
    from holdfast.lint.machine.state import State
    from holdfast.lint.program.catalogue import Named

_ENTERED = "-entered"
_CLOSING = "-closing"


def closing(machine: Library, name: Named, call: Call, state: State) -> Refs:
    """contextlib.closing(x): a `with` of x itself."""
    del machine, name
    refs = call.arguments[0].refs if call.arguments else NOTHING
    for each in refs:
        if isinstance(each, Thing) and each.kind.role == "pool":
            state.put(each, _CLOSING, TRUE)
    return refs


def exit_stack(machine: Library, name: Named, call: Call, state: State) -> Refs:
    """contextlib.ExitStack(): somebody else's, but for what it enters."""
    del name
    assert call.node is not None
    return frozenset({machine.make(OUTSIDE, call.node, state)})


def entered(stack: Thing, call: Call, state: State) -> Refs:
    """stack.enter_context(x): x."""
    refs = call.arguments[0].refs if call.arguments else NOTHING
    state.put(stack, _ENTERED, refs, add=True)
    return refs


def closed_with(thing: Thing, state: State) -> Iterator[Thing]:
    """What ends with the block of a `with` of a thing."""
    if not state.get(thing, _CLOSING):
        yield thing
    for each in state.get(thing, _ENTERED):
        if isinstance(each, Thing):
            yield from closed_with(each, state)
