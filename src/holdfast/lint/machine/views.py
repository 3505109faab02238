"""Views of shared memory, and the segments that they look into.

What it keeps true: a view says how it holds the memory (`Thing.grip`), and a segment what was done
with it: its fields `-created`, `-closed` and `-unlinked` hold the constants that may be true. When
a segment dies under a view that is still kept, the rules are told.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from holdfast.lint.machine.expressions import Expressions
from holdfast.lint.machine.things import NOTHING, Bound, Const, Refs, Thing
from holdfast.lint.program.functions import all_arguments

if TYPE_CHECKING:
    from holdfast.lint.events import Argument, Call
    from holdfast.lint.machine.state import State
    from holdfast.lint.machine.things import Value
    from holdfast.lint.program.catalogue import Named

CREATED, CLOSED, UNLINKED, NAMED = "-created", "-closed", "-unlinked", "-named"
TRUE, FALSE = frozenset({Const(True)}), frozenset({Const(False)})

# Who makes a view of a buffer.
VIEWERS = {
    "numpy.frombuffer", "numpy.ndarray", "numpy.asarray", "numpy.ctypeslib.as_array",
    "numpy.lib.stride_tricks.as_strided", "numpy.reshape", "torch.from_numpy", "torch.frombuffer",
    "torch.as_tensor", "builtins.memoryview", "pandas.DataFrame", "pandas.Series",
}  # fmt: skip
# Who lets go of the buffer and keeps its address: nothing then stops the segment from unmapping.
_LOOSE = {"numpy.ndarray", "torch.frombuffer"}
# Methods and attributes of an array or buffer that give another view.
VIEW_METHODS = {
    "reshape", "view", "cast", "ravel", "transpose", "squeeze", "numpy", "get_obj", "toreadonly",
    "swapaxes", "__enter__",
}  # fmt: skip
_VIEW_PARTS = {"T", "flat", "real", "imag"}
_MEMORY = {"shared", "segment", "view", "mapping"}
# What a container passed to a stranger holds is not thereby stored.
_PASSING = {"view", "container", "partial"}


class Views(Expressions):
    """The part of the machine that knows views and segments."""

    def view(self, base: Thing, node: ast.AST, state: State, text: str = "") -> Refs:
        """A view into the memory of a thing."""
        found = super().view(base, node, state, text)
        for each in found:
            if isinstance(each, Thing):
                each.grip = _grip(base, node)
                owner = each.base
                if owner is not None and owner.kind.role == "segment":
                    self.views = True
                    if not self.silent:
                        self.state = state
                        for rule in self.listeners["on_view"]:
                            self.tell(rule.on_view(each, self))  # type: ignore[arg-type]
        return found

    def view_call(self, name: Named, call: Call, state: State) -> Refs:
        """A function that may make a view."""
        assert call.node is not None
        if name.name not in VIEWERS:
            return NOTHING
        copy = call.argument("copy")
        if copy is not None and copy.refs == TRUE:
            return NOTHING
        text = "buffer" if name.name == "builtins.memoryview" else "array"
        for argument in call.arguments:
            for each in argument.refs:
                if isinstance(each, Thing) and each.kind.role in _MEMORY:
                    found = self.view(each, call.node, state, text)
                    for made in found:
                        if isinstance(made, Thing) and _lets_go(name.name, each):
                            made.grip = "loose"
                    return found
        return NOTHING

    def attribute_of_view(self, view: Thing, name: str, node: ast.AST, state: State) -> Refs:
        """A part of a view, or a method; its shape and the like are numbers."""
        if name in _VIEW_PARTS:
            return self.view(view, node, state)
        return frozenset({Bound(view, name)}) if name in VIEW_METHODS | _METHODS else NOTHING

    def method_of_view(self, view: Thing, call: Call, state: State) -> Refs:
        """An array or memoryview over shared memory."""
        assert call.node is not None
        if call.name in VIEW_METHODS and view.base is not None:
            return self.view(view, call.node, state)
        if call.name == "release":
            state.put(view, CLOSED, TRUE)
        return NOTHING

    # ---- segments -------------------------------------------------------------------------------

    def _is_given(self, name: Argument) -> bool:
        """Whether a name comes from the caller, who knows it then."""
        if any(isinstance(each, Thing) and each.kind.role == "outside" for each in name.refs):
            return True
        frame = self.stack[-1]
        if frame.function is None:
            return False
        given = {each.arg for each in all_arguments(frame.function.node.args)}
        used = {each.id for each in ast.walk(name.node) if isinstance(each, ast.Name)}
        return bool(used & given - {"self", "cls"})

    def set_up_segment(self, segment: Thing, call: Call, state: State) -> None:
        """A SharedMemory or ShareableList is made or attached."""
        create = call.argument("create", 1)
        made: Refs = create.refs if create is not None else FALSE
        if segment.kind.name == "ShareableList":
            made = FALSE if call.argument("name") is not None else TRUE
        if any(each.name in {"*", "**"} for each in call.arguments) and create is None:
            made = NOTHING
        known = frozenset(each for each in made if each in TRUE | FALSE)
        state.put(segment, CREATED, known)
        name = call.argument("name", 0 if segment.kind.name == "SharedMemory" else -1)
        if name is not None and self._is_given(name):
            state.put(segment, NAMED, TRUE)
        state.put(segment, CLOSED, FALSE)
        state.put(segment, UNLINKED, FALSE)

    def method_of_segment(self, segment: Thing, call: Call, state: State) -> Refs:
        """SharedMemory: close and unlink are taken down."""
        if call.name in {"close", "__exit__"}:
            state.put(segment, CLOSED, TRUE)
        elif call.name == "unlink":
            state.put(segment, UNLINKED, TRUE)
        return NOTHING

    # ---- what rules are told --------------------------------------------------------------------

    def check_views(self, state: State, where: ast.AST, moment: str, returned: Refs) -> None:
        """Find the views that are still kept although their segment is not."""
        if self.silent:
            return
        kept = state.reach([*self._holders(state), *returned])
        everything: set[Thing] | None = None
        for view in kept:
            segment = view.base
            if view.kind.role != "view" or segment is None or segment.kind.role != "segment":
                continue
            if segment in kept or state.get(view, "-dangling") or segment not in state.heap:
                continue
            if everything is None:
                everything = self.kept(state)
            if segment in everything:
                continue
            state.put(view, "-dangling", TRUE)
            self.state = state
            for rule in self.listeners["on_dangling"]:
                self.tell(rule.on_dangling(view, where, moment, self))  # type: ignore[arg-type]

    def held(self) -> set[Thing]:
        """What variables and objects refer to, not what a stranger was only passed."""
        return self.state.reach(self._holders(self.state))

    def _holders(self, state: State) -> list[Value]:
        numbers = self.roots(state)
        roots: list[Value] = [each for each in state.escaped if each.kind.role not in _PASSING]
        for number in numbers:
            for refs in state.frames.get(number, {}).values():
                roots.extend(refs)
        return roots

    def used(self, refs: Refs, node: ast.AST, state: State) -> Refs:
        """Something is read; if it is a view of a closed segment, the rules are told."""
        for each in refs:
            if not isinstance(each, Thing) or each.kind.role != "view" or each.base is None:
                continue
            if state.get(each.base, CLOSED) == TRUE and not self.silent:
                self.state = state
                for rule in self.listeners["on_use"]:
                    self.tell(rule.on_use(each, node, self))  # type: ignore[arg-type]
        return refs


_METHODS = {
    "release", "copy", "sum", "mean", "min", "max", "fill", "tolist", "tobytes", "any", "all",
    "astype", "flatten", "item", "sort", "dot", "std", "argmax", "argmin", "clone", "nonzero",
}  # fmt: skip


def _grip_of(base: Thing) -> str:
    return base.grip if base.kind.role == "view" else ""


def _lets_go(maker: str, base: Thing) -> bool:
    """Whether a view keeps no more than the address of what it is made of."""
    if maker not in _LOOSE:
        return False
    # NumPy looks through a memoryview at what lies below, also through a slice of the buffer.
    through = maker == "numpy.ndarray" and base.kind.role == "view" and base.text == "buffer"
    return through or _grip_of(base) == "buf"


def _grip(base: Thing, node: ast.AST) -> str:
    """How a view that a node makes of something holds the memory."""
    if base.kind.role == "view" and base.grip != "buf":
        return base.grip
    if isinstance(node, ast.Attribute) and node.attr == "buf":
        return "buf"
    return "holds"


def may(state: State, thing: Thing, what: str) -> bool:
    """Whether something may have been done with a segment."""
    return Const(True) in state.get(thing, what)


def surely(state: State, thing: Thing, what: str) -> bool:
    """Whether something was done with a segment on every way that led here."""
    return state.get(thing, what) == TRUE
