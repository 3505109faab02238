"""Which calls need not be followed, because nothing of a library can come of them.

What it keeps true: a call is followed if it may make something of a library, or may reach such a
thing by an argument, by a variable of its module or by what it uses of its object. What a call has
left behind once it leaves behind again, so a second one with the same constants is not followed
where the first has left nothing.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.lint import relevance
from holdfast.lint.functions import facts, touched
from holdfast.lint.library import Library
from holdfast.lint.state import PLAIN
from holdfast.lint.things import NOTHING, Thing

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from holdfast.lint.events import Argument
    from holdfast.lint.state import State
    from holdfast.lint.things import Function, Refs, Value

# Methods with so few statements are followed anyway: what they return may decide something.
_SHORT = 3


@dataclass(slots=True)
class Before:
    """What there was before a call.

    Attributes:
        key: The function, and the constants that it was given.
        given: The objects that it was given.
        makes: How many things of libraries had been made.
        kept: Those of them that were kept.
        alive: The processes that might run.
    """

    key: Hashable
    given: list[Value]
    makes: int
    kept: set[Thing]
    alive: set[Thing]


class Pruning(Library):
    """The part of the machine that knows what need not be followed."""

    def matters(
        self,
        function: Function,
        receiver: Thing | None,
        arguments: Sequence[Argument],
        state: State,
    ) -> bool:
        """Whether a call may do something to a thing of a library: then it has to be followed."""
        if function.frame is not None or isinstance(function.node, ast.Lambda):
            return True
        if self._makes(function, arguments):
            return True
        values: list[Value] = [each for argument in arguments for each in argument.refs]
        values += self._used_of_module(function, state)
        if _of_library(state.reach(values)):
            return True
        if receiver is None or not _of_library(state.reach([receiver])):
            return False
        return len(function.node.body) <= _SHORT or self._touches(function, receiver, state)

    def before(
        self,
        function: Function,
        receiver: Thing | None,
        arguments: Sequence[Argument],
        state: State,
    ) -> Before:
        """What has to be known before a call to learn of it afterwards."""
        given: list[Value] = [each for argument in arguments for each in argument.refs]
        if receiver is not None:
            given.append(receiver)
        key = _call_key(function, arguments)
        return Before(key, given, self.makes, self._kept(state), set(state.alive()))

    def learn_of(self, before: Before, result: Refs, state: State) -> None:
        """Remember whether a call has left anything of a library behind."""
        inert = self.makes == before.makes or (
            not state.dead
            and not _of_library(state.reach([*result, *before.given]))
            and self._kept(state) <= before.kept
            and before.alive.issuperset(state.alive())
        )
        self.memory.inert[before.key] = inert and self.memory.inert.get(before.key, True)

    def _kept(self, state: State) -> set[Thing]:
        if not state.serious:
            return set()
        kept = state.kept(self.roots(state), ())
        return {each for each in kept if each.kind.role not in PLAIN}

    def _makes(self, function: Function, arguments: Sequence[Argument]) -> bool:
        worth = relevance.of(function.module, self.project).nodes
        return function.node in worth and not self.memory.inert.get(_call_key(function, arguments))

    def _used_of_module(self, function: Function, state: State) -> Iterator[Value]:
        """What a function uses of its module's variables."""
        number = self.module_frame(function.module)
        for variables in (state.frames.get(number, {}), state.layer.frames.get(number, {})):
            if variables:
                for name in facts(function.node).free:
                    yield from variables.get(name, NOTHING)

    def _touches(self, function: Function, receiver: Thing, state: State) -> bool:
        """Whether a method, or one that it calls on its object, uses a library's things of it."""
        seen = {function.node}
        rest = [function]
        values: list[Value] = []
        while rest:
            method = rest.pop()
            names = touched(method.node)
            if names is None:
                return True
            values += self._used_of_module(method, state)
            for name in names:
                stored = state.get(receiver, name)
                values += stored
                if stored or receiver.cls is None:
                    continue
                found = self.method_of(receiver.cls, name, state)
                if found is None:
                    values += self.class_attribute(receiver.cls, name, state)
                elif found.node not in seen:
                    if self._makes(found, ()):
                        return True
                    seen.add(found.node)
                    rest.append(found)
        return _of_library(state.reach(values))


def _of_library(things: Iterable[Thing]) -> bool:
    return any(each.kind.role not in PLAIN for each in things)


def _call_key(function: Function, arguments: Sequence[Argument]) -> Hashable:
    """A function and what of its arguments may decide what it does, other than things."""
    constants = tuple(
        frozenset(each for each in argument.refs if not isinstance(each, Thing))
        for argument in arguments
    )
    return function.node, constants
