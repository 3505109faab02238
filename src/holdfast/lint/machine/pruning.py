"""Which calls need not be followed, because nothing of a library can come of them.

What it keeps true: a call is followed if it may make something of a library, or may reach such a
thing by an argument, by a variable of its module or by what it uses of its object. What a call has
left behind once it leaves behind again, so a second one with the same constants is not followed
where the first has left nothing.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from holdfast.lint.machine.library import Library
from holdfast.lint.machine.state import PLAIN
from holdfast.lint.machine.things import NOTHING, Bound, Thing
from holdfast.lint.program import relevance
from holdfast.lint.program.catalogue import Named
from holdfast.lint.program.functions import facts, touched

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from holdfast.lint.events import Argument
    from holdfast.lint.machine.state import State
    from holdfast.lint.machine.things import Function, Refs, Value

# Methods with so few statements are followed anyway: what they return may decide something.
_SHORT = 3


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
        if receiver is None:
            return _of_library(state.reach(values))
        if not _of_library(state.reach([*values, receiver])):
            return False
        if _of_library(state.reach(values)):
            return True
        return len(function.node.body) <= _SHORT or self._touches(function, receiver, state)

    def learn_of(
        self,
        function: Function,
        receiver: Thing | None,
        arguments: Sequence[Argument],
        made: int,
        result: Refs,
        state: State,
    ) -> None:
        """Remember whether a call has left anything of a library behind.

        Args:
            function: What was called.
            receiver: Whose method it is.
            arguments: What it was given.
            made: How many things of libraries had been made before.
            result: What it has returned.
            state: As it is after the call.
        """
        key = _call_key(function, arguments)
        inert = self.memory.inert.get(key, True) and not any(isinstance(e, Named) for e in result)
        if inert and len(self.creations) > made:
            given = [each for argument in arguments for each in argument.refs]
            given += [receiver] if receiver is not None else []
            kept = state.reach([*result, *given])
            inert = not state.dead and not _of_library(kept) and not self._left(made, state)
        self.memory.inert[key] = inert

    def learn_of_any(self, function: Function, made: int, result: Refs, state: State) -> None:
        """The same of a function that was given it is not known what: it holds for all calls."""
        if (
            len(self.creations) > made
            and not any(isinstance(each, Named) for each in result)
            and not _of_library(state.reach(result))
            and not self._left(made, state)
        ):
            self.memory.idle.add(function.node)

    def _left(self, made: int, state: State) -> bool:
        """Whether any of the things that were made since then is still there."""
        new = set(self.creations[made:])
        if any(process in new for process in state.alive()):
            return True
        return not new.isdisjoint(state.kept(self.roots(state), ()))

    def _makes(self, function: Function, arguments: Sequence[Argument]) -> bool:
        node, memory = function.node, self.memory
        if node in memory.idle or node not in relevance.of(function.module, self.project).nodes:
            return False
        return not memory.inert.get(_call_key(function, arguments))

    def _used_of_module(self, function: Function, state: State) -> Iterator[Value]:
        """What a function uses of its module's variables."""
        number = self.module_frame(function.module)
        for variables in (state.frames.get(number), self._objects(number)):
            if variables:
                for name in facts(function.node).free:
                    yield from variables.get(name, NOTHING)

    def _objects(self, number: int) -> dict[str, Refs]:
        """The variables of an imported module that stand for objects: most have none."""
        memory = self.memory
        found = memory.objects.get(number)
        if found is None:
            variables = memory.layer.frames.get(number)
            if variables is None:
                return {}  # it is being imported
            found = memory.objects[number] = {
                name: refs
                for name, refs in variables.items()
                if any(isinstance(each, (Thing, Bound)) for each in refs)
            }
        return found

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
