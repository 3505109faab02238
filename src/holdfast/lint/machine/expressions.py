"""What an expression may stand for.

What it keeps true: evaluating never raises for any program, and a value that is not of interest
is the empty set. What an expression makes is a temporary of the statement that it stands in, so
that it counts as kept until that statement is over.
"""

from __future__ import annotations

import ast
import functools
from typing import TYPE_CHECKING, Any

from holdfast.lint.machine.base import Base
from holdfast.lint.machine.things import NOTHING, Class, Const, Function, Lazy, Refs, Thing
from holdfast.lint.program import catalogue
from holdfast.lint.program.catalogue import CONTAINER, OUTSIDE, Named
from holdfast.lint.program.functions import children, only_looks
from holdfast.lint.program.modules import Module

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.lint.machine.state import State
    from holdfast.lint.machine.things import Value

_LONGEST_WORD = 24

# How many elements a loop goes through one by one.
MOST_ROUNDS = 8

# Whose unknown attributes are things of the outside: they may hold what is put into them.
_OPEN = {"outside", "instance"}
# Parts of an array that are not in its memory.
_NUMBERS = {"shape", "dtype", "size", "ndim", "nbytes", "itemsize", "strides", "release"}


class Expressions(Base):
    """The part of the machine that evaluates."""

    def eval(self, node: ast.AST | None, state: State) -> Refs:
        """What an expression may stand for; what it does is done to the state."""
        if node is None:
            return NOTHING
        visit: Callable[[Expressions, Any, State], Refs] | None = _VISITS.get(type(node))
        if visit is not None:
            return visit(self, node, state)
        for child in children(node):
            if isinstance(child, ast.expr):
                self.eval(child, state)
        return NOTHING

    # ---- names and attributes -------------------------------------------------------------------

    def _visit_constant(self, node: ast.Constant, state: State) -> Refs:
        del state
        value = node.value
        # Names of things, start methods, formats: not texts.
        if (
            value is None
            or isinstance(value, bool)
            or (isinstance(value, str) and len(value) <= _LONGEST_WORD)
        ):
            return _constant(value)
        return NOTHING

    def _visit_name(self, node: ast.Name, state: State) -> Refs:
        refs = self.lookup(node.id, state)
        return self.used(refs, node, state) if self.views else refs

    def _visit_attribute(self, node: ast.Attribute, state: State) -> Refs:
        if self.views and node.attr in _NUMBERS and isinstance(node.value, ast.Name):
            return self.attribute(self.lookup(node.value.id, state), node.attr, node, state)
        refs = self.attribute(self.eval(node.value, state), node.attr, node, state)
        return self.used(refs, node, state) if self.views else refs

    def attribute(
        self, owners: Refs, name: str, node: ast.AST, state: State, *, called: bool = False
    ) -> Refs:
        """What an attribute of something may stand for; `called`: it is looked up to be called."""
        found: set[Value] = set()
        for owner in self.resolve(owners, state):
            if isinstance(owner, Thing):
                found |= self._attribute_of_thing(owner, name, node, state, called=called)
            elif isinstance(owner, Named):
                found.add(catalogue.attribute(owner, name))
            elif isinstance(owner, Module):
                found |= self.lookup_in(owner, name, state)
            elif isinstance(owner, Class):
                found |= self.class_attribute(owner, name, state)
        return frozenset(found)

    def _attribute_of_thing(
        self, owner: Thing, name: str, node: ast.AST, state: State, *, called: bool
    ) -> Refs:
        stored = state.get(owner, name)
        if stored:
            return stored
        if owner.cls is not None:
            found = self.method_of(owner.cls, name, state)
            if found is not None:
                return self.bind(owner, found, node, state)
            stored = self.class_attribute(owner.cls, name, state)
            if stored:
                return stored
        if owner.kind.role in _OPEN and not called:
            return self.outside_attribute(owner, name, node, state)
        return self.library_attribute(owner, name, node, state)

    def outside_attribute(self, owner: Thing, name: str, node: ast.AST, state: State) -> Refs:
        """An attribute that the checker has not seen being set: something that it does not know."""
        thing = self.thing(OUTSIDE, (owner, name), node)
        state.own(thing)
        state.put(owner, name, frozenset({thing}))
        return frozenset({thing})

    def _visit_subscript(self, node: ast.Subscript, state: State) -> Refs:
        owners = self.eval(node.value, state)
        self.eval(node.slice, state)
        key = element_key(node.slice)
        found: set[Value] = set()
        for owner in self.resolve(owners, state):
            if isinstance(owner, Thing):
                if key and state.get(owner, key):
                    found |= state.get(owner, key)
                elif key and key[0] == "[" and owner.kind.role == "container":
                    found |= state.get(owner, "*") or (
                        state.elements(owner) if key[1:2] == "-" else NOTHING
                    )
                else:
                    found |= self.index(owner, node, state)
        return frozenset(found)

    def index(self, owner: Thing, node: ast.AST, state: State) -> Refs:
        """An element of a thing, nobody knows which; a slice of a view."""
        elements = state.elements(owner)
        if elements:
            return elements
        if owner.kind.role in {"view", "segment", "mapping"}:
            return self.view(owner, node, state) if _is_slice(node) else NOTHING
        if owner.kind.role == "outside":
            return self.outside_attribute(owner, "*", node, state)
        return NOTHING

    def view(self, base: Thing, node: ast.AST, state: State, text: str = "") -> Refs:
        """A view into the memory of a thing: "array" if it is pickled by value, else "buffer"."""
        thing = self.make(catalogue.VIEW, node, state)
        is_view = base.kind.role == "view"
        thing.base = base.base if is_view else base
        thing.text = text or (base.text if is_view else "buffer")
        return frozenset({thing})

    # ---- what makes containers ------------------------------------------------------------------

    def container(self, node: ast.AST, refs: Refs, state: State) -> Refs:
        """A container that holds these; nothing if they are nothing and it is no display."""
        thing = self.make(CONTAINER, node, state)
        if refs:
            state.put(thing, "*", refs)
        return frozenset({thing})

    def _visit_display(self, node: ast.List | ast.Tuple | ast.Set, state: State) -> Refs:
        each = [self.eval(item, state) for item in node.elts]
        thing = self.make(CONTAINER, node, state)
        starred = any(isinstance(item, ast.Starred) for item in node.elts)
        for number, (item, refs) in enumerate(zip(node.elts, each, strict=False)):
            if isinstance(item, ast.Starred):
                refs = self.elements_of(refs, state)
            if refs:
                key = "*" if starred or isinstance(node, ast.Set) else f"[{number}"
                state.put(thing, key, refs, add=True)
        return frozenset({thing})

    def _visit_dict(self, node: ast.Dict, state: State) -> Refs:
        thing_refs: list[tuple[str, Refs]] = []
        for key, value in zip(node.keys, node.values, strict=False):
            refs = as_key(self.eval(key, state)) | self.eval(value, state)
            if key is None:
                thing_refs.append(("*", self.elements_of(refs, state)))
            else:
                thing_refs.append((element_key(key) or "*", refs))
        thing = self.make(CONTAINER, node, state)
        for name, refs in thing_refs:
            if refs:
                state.put(thing, name, refs, add=True)
        return frozenset({thing})

    def _visit_starred(self, node: ast.Starred, state: State) -> Refs:
        return self.eval(node.value, state)

    def _visit_comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, state: State
    ) -> Refs:
        results: set[Value] = set()

        def inner(rest: list[ast.comprehension]) -> None:
            if not rest:
                if isinstance(node, ast.DictComp):
                    results.update(as_key(self.eval(node.key, state)))
                    results.update(self.eval(node.value, state))
                else:
                    results.update(self.eval(node.elt, state))
                return
            clause = rest[0]
            for element in self.rounds(self.eval(clause.iter, state), state):
                self.assign(clause.target, element, state)
                self.refine(clause.ifs, state)
                inner(rest[1:])

        saved = self.variables(state)
        names = self.target_names(node)
        before = {name: saved[name] for name in names if name in saved}
        inner(node.generators)
        after = self.variables(state)
        for name in names:
            after.pop(name, None)
        after.update(before)
        return self.container(node, frozenset(results), state)

    def rounds(self, iterable: Refs, state: State) -> list[Refs]:
        """What a loop's variable stands for, round by round: each element once, or two rounds."""
        elements = self.elements_of(iterable, state)
        things = sorted(
            (each for each in elements if isinstance(each, Thing)),
            key=lambda each: (
                getattr(each.node, "lineno", 0),
                each.generation,
                getattr(each.node, "col_offset", 0),
            ),
        )
        if not things:
            return [elements, elements]
        rest = frozenset(elements - set(things))
        rounds = [frozenset({each}) | rest for each in things[:MOST_ROUNDS]]
        if len(things) > MOST_ROUNDS:
            rounds.append(frozenset(things[MOST_ROUNDS:]) | rest)
        if all(each.kind.role == "outside" for each in things):
            return [*rounds, *rounds]
        return rounds

    # ---- what chooses ---------------------------------------------------------------------------

    def _visit_either(self, node: ast.IfExp, state: State) -> Refs:
        self.eval(node.test, state)
        if only_looks(node.body) and only_looks(node.orelse):
            return self.eval(node.body, state) | self.eval(node.orelse, state)
        other = state.copy()
        refs = self.eval(node.body, state)
        refs |= self.eval(node.orelse, other)
        state.merge(other)
        return refs

    def _visit_bool(self, node: ast.BoolOp, state: State) -> Refs:
        refs = self.eval(node.values[0], state)
        for value in node.values[1:]:
            if only_looks(value):
                refs |= self.eval(value, state)
                continue
            other = state.copy()
            refs |= self.eval(value, other)
            state.merge(other)
        return frozenset(each for each in refs if each != Const(None)) or refs

    def _visit_walrus(self, node: ast.NamedExpr, state: State) -> Refs:
        refs = self.eval(node.value, state)
        self.assign(node.target, refs, state)
        return refs

    def _visit_sum(self, node: ast.BinOp, state: State) -> Refs:
        left, right = self.eval(node.left, state), self.eval(node.right, state)
        held = self.elements_of(left, state) | self.elements_of(right, state)
        if held and isinstance(node.op, (ast.Add, ast.Mult, ast.BitOr)):
            return self.container(node, held, state)
        return NOTHING

    # ---- what is run later ----------------------------------------------------------------------

    def _visit_lambda(self, node: ast.Lambda, state: State) -> Refs:
        del state
        return frozenset({self.function_value(node)})

    def _visit_call_of(self, node: ast.Call, state: State) -> Refs:
        return self.visit_call(node, state)

    def _visit_await(self, node: ast.Await | ast.YieldFrom, state: State) -> Refs:
        return self.eval(node.value, state)

    def _visit_yield(self, node: ast.Yield, state: State) -> Refs:
        state.escape(self.eval(node.value, state))  # to whoever goes through it
        return NOTHING

    # ---- names ----------------------------------------------------------------------------------

    def resolve(self, refs: Refs, state: State) -> Refs:
        """The same with names of other modules looked up."""
        for each in refs:
            if isinstance(each, Lazy):
                break
        else:
            return refs
        found: set[Value] = set()
        for each in refs:
            if isinstance(each, Lazy):
                found |= self.lookup_in(each.module, each.name, state)
            else:
                found.add(each)
        return frozenset(found)

    def elements_of(self, refs: Refs, state: State) -> Refs:
        """What the elements of containers may stand for."""
        found: set[Value] = set()
        for each in self.resolve(refs, state):
            if isinstance(each, Thing):
                if each.kind.role == "future":
                    self.finished(frozenset({each}), state)
                elif each.kind.role == "outside" and not state.elements(each):
                    found |= self.outside_attribute(each, "*", each.node, state)
                else:
                    found |= state.elements(each)
        return frozenset(found)

    def function_value(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Function:
        """A function that is defined where the machine is."""
        frame = self.stack[-1]
        name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
        at = None if frame.is_module else frame.number
        return Function(node, frame.module, at, frame.cls, self.qualified(name))


@functools.lru_cache(maxsize=4096)
def _constant(value: object) -> Refs:
    return frozenset({Const(value)})


def as_key(refs: Refs) -> Refs:
    """What a dictionary holds of a key: a process or a future, that is."""
    return frozenset(each for each in refs if isinstance(each, Thing))


def _is_slice(node: ast.AST) -> bool:
    """Whether a subscript gives a part of an array, and not an element."""
    index = node.slice if isinstance(node, ast.Subscript) else node
    parts: list[ast.AST] = [*index.elts] if isinstance(index, ast.Tuple) else [index]
    return any(
        isinstance(each, ast.Slice)
        or (isinstance(each, ast.Constant) and not isinstance(each.value, int))
        for each in parts
    )


def element_key(node: ast.expr) -> str:
    """How an element is stored under a constant key; "" if the key is not constant."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, str, bytes)):
        return f"[{node.value!r}"
    if (
        isinstance(node, ast.UnaryOp)
        and isinstance(node.op, ast.USub)
        and isinstance(node.operand, ast.Constant)
        and isinstance(node.operand.value, int)
    ):
        return f"[-{node.operand.value}"
    return ""


_VISITS: dict[type[ast.AST], Any] = {
    ast.Constant: Expressions._visit_constant,
    ast.Name: Expressions._visit_name,
    ast.Attribute: Expressions._visit_attribute,
    ast.Subscript: Expressions._visit_subscript,
    ast.List: Expressions._visit_display,
    ast.Tuple: Expressions._visit_display,
    ast.Set: Expressions._visit_display,
    ast.Dict: Expressions._visit_dict,
    ast.Starred: Expressions._visit_starred,
    ast.ListComp: Expressions._visit_comprehension,
    ast.SetComp: Expressions._visit_comprehension,
    ast.GeneratorExp: Expressions._visit_comprehension,
    ast.DictComp: Expressions._visit_comprehension,
    ast.IfExp: Expressions._visit_either,
    ast.BoolOp: Expressions._visit_bool,
    ast.NamedExpr: Expressions._visit_walrus,
    ast.BinOp: Expressions._visit_sum,
    ast.Lambda: Expressions._visit_lambda,
    ast.Await: Expressions._visit_await,
    ast.YieldFrom: Expressions._visit_await,
    ast.Yield: Expressions._visit_yield,
    ast.Call: Expressions._visit_call_of,
}
