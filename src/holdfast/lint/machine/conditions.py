"""What conditions decide, and what they tell about the values in them.

What it keeps true: a condition that was decided on a way stays decided on it until one of its
names is assigned. So what starts and joins a process under the same condition is one way, and the
rest another. Where a condition says that a process has ended or is not there, it has, and is not.
"""

from __future__ import annotations

import ast
import functools
import re
from typing import TYPE_CHECKING

from holdfast.lint.machine.calls import Calls
from holdfast.lint.machine.state import ENDED, truths
from holdfast.lint.machine.things import NOTHING, Const, Refs, Thing
from holdfast.lint.machine.ways import merged
from holdfast.lint.program.functions import nodes_of, only_looks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.lint.machine.state import State
    from holdfast.lint.program.modules import Module


class Conditions(Calls):
    """The part of the machine that decides."""

    # ---- deciding -------------------------------------------------------------------------------

    def branch(self, test: ast.expr, state: State) -> tuple[State | None, State | None]:
        """The states in which a condition holds and does not hold; None where that cannot be."""
        if isinstance(test, ast.BoolOp) and not all(map(only_looks, test.values)):
            return self._one_by_one(test, state)
        refs = self.eval(test, state)
        self.temporaries[-1].clear()
        if state.dead:
            return None, None
        possible = self._decided(test, refs, state)
        yes = state if True in possible else None
        no = (state.copy() if yes is not None else state) if False in possible else None
        if yes is not None and no is not None:
            fact = _fact(test)
            if fact is not None:
                key, names = fact
                yes.facts[key] = (True, names)
                no.facts[key] = (False, names)
        for at, outcome in ((yes, True), (no, False)):
            if at is not None:
                self.learn(test, outcome, at)
        return yes, no

    def _one_by_one(self, test: ast.BoolOp, state: State) -> tuple[State | None, State | None]:
        """`x and (y := f())`: each part is evaluated only if those before have not decided."""
        ends = isinstance(test.op, ast.Or)  # what decides
        decided: list[State] = []
        at: State | None = state
        for each in test.values:
            if at is None:
                break
            yes, no = self.branch(each, at)
            end, at = (yes, no) if ends else (no, yes)
            if end is not None:
                decided.append(end)
        end = merged(decided) if decided else None
        return (end, at) if ends else (at, end)

    def _decided(self, test: ast.expr, refs: Refs, state: State) -> set[bool]:
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            inner = self._decided(test.operand, self.eval(test.operand, state), state)
            return {not each for each in inner}
        fact = _fact(test) if state.facts else None
        if fact is not None and fact[0] in state.facts:
            return {state.facts[fact[0]][0]}
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            return self._compared(test, state)
        if isinstance(test, (ast.Name, ast.Attribute, ast.Constant, ast.NamedExpr)):
            if isinstance(test, ast.Constant):
                return {bool(test.value)}
            return truths(refs)
        return {True, False}

    def _compared(self, test: ast.Compare, state: State) -> set[bool]:
        """`x is None`, `x is not None`, `__name__ == "__main__"`."""
        right = test.comparators[0]
        operator = test.ops[0]
        if is_none(right) and isinstance(operator, (ast.Is, ast.IsNot, ast.Eq, ast.NotEq)):
            refs = self.eval(test.left, state)
            answers = {each == Const(None) for each in refs} if refs else {True, False}
            if any(isinstance(e, Thing) and e.kind.role == "outside" for e in refs):
                answers = {True, False}
            positive = isinstance(operator, (ast.Is, ast.Eq))
            return answers if positive else {not each for each in answers}
        if is_main_test(test):
            return {True}
        return {True, False}

    def learn(self, test: ast.expr, outcome: bool, state: State) -> None:
        """What a condition tells about the values in it."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            self.learn(test.operand, not outcome, state)
        elif isinstance(test, ast.BoolOp):
            if isinstance(test.op, ast.And) == outcome:
                for each in test.values:
                    self.learn(each, outcome, state)
        elif isinstance(test, ast.Compare) and len(test.ops) == 1:
            self._learn_from_comparison(test, outcome, state)
        elif isinstance(test, (ast.Name, ast.Attribute)):
            self._filter(test, outcome, state)
            if not outcome:
                self._known_empty(test, state)
        elif isinstance(test, ast.Call):
            self._learn_from_call(test, outcome, state)

    def _learn_from_comparison(self, test: ast.Compare, outcome: bool, state: State) -> None:
        """`x is None`, `p.exitcode == 0`, `len(processes) == 0`."""
        right = test.comparators[0]
        if is_none(right):
            same = isinstance(test.ops[0], (ast.Is, ast.Eq))
            if isinstance(test.left, ast.Attribute) and test.left.attr == "exitcode":
                if outcome != same:  # exitcode is not None
                    self._known_ended(test.left.value, state)
            else:
                self._filter(test.left, outcome != same, state)
        elif isinstance(test.left, ast.Attribute) and test.left.attr == "exitcode":
            if isinstance(test.ops[0], ast.Eq) == outcome:  # it is some number
                self._known_ended(test.left.value, state)
        elif _is_length(test.left) and isinstance(right, ast.Constant) and right.value == 0:
            if isinstance(test.ops[0], (ast.Eq, ast.LtE)) == outcome:
                self._known_empty(test.left.args[0], state)  # type: ignore[attr-defined]

    def _learn_from_call(self, test: ast.Call, outcome: bool, state: State) -> None:
        """`p.is_alive()`, `any(p.is_alive() for p in processes)`."""
        func = test.func
        if outcome:
            return
        if _is_length(test):
            self._known_empty(test.args[0], state)
        elif isinstance(func, ast.Attribute) and func.attr == "is_alive":
            self._known_ended(func.value, state)
        elif isinstance(func, ast.Name) and func.id == "any" and test.args:
            inner = test.args[0]
            asked = getattr(getattr(inner, "elt", None), "func", None)
            if isinstance(inner, (ast.GeneratorExp, ast.ListComp)) and (
                isinstance(asked, ast.Attribute) and asked.attr == "is_alive"
            ):
                elements = self.elements_of(self.eval(inner.generators[0].iter, state), state)
                state.note([e for e in elements if isinstance(e, Thing)], ENDED, surely=True)

    def _known_ended(self, node: ast.expr, state: State) -> None:
        things = [each for each in self.eval(node, state) if isinstance(each, Thing)]
        state.note(things, ENDED, surely=True)

    def _known_empty(self, node: ast.expr, state: State) -> None:
        """A container has nothing left: a process is taken out of it when it has ended."""
        if state.status:
            for each in self.eval(node, state):
                if isinstance(each, Thing) and each.kind.role == "container":
                    inside = [e for e in state.elements(each) if isinstance(e, Thing)]
                    state.note(inside, ENDED, surely=True)

    def _filter(self, node: ast.expr, something: bool, state: State) -> None:
        """A name or attribute is known to be something, or to be None."""
        if isinstance(node, ast.Name):
            places = [self.variables(state)] if node.id in self.variables(state) else []
            name = node.id
        elif isinstance(node, ast.Attribute):
            owners = self.eval(node.value, state)
            places = [state.own(each) for each in owners if isinstance(each, Thing)]
            name = node.attr
        else:
            return
        for place in places:
            refs = place.get(name, NOTHING)
            none = Const(None) in refs
            if something and none:
                place[name] = refs - {Const(None)}
            elif not something and none:
                place[name] = frozenset({Const(None)})
                for each in refs:  # a process that is not there on this way never was
                    if isinstance(each, Thing):
                        state.status.pop(each, None)

    def refine(self, tests: Sequence[ast.expr], state: State) -> None:
        """These conditions are true from here on."""
        for test in tests:
            self.eval(test, state)


def expects_failure(node: ast.expr) -> bool:
    """Whether a `with` of this is over as soon as something in it fails, as it should."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name == "raises" or name.startswith("assertRaises")


def is_none(node: ast.expr) -> bool:
    """Whether an expression is None."""
    return isinstance(node, ast.Constant) and node.value is None


def _is_length(node: ast.expr) -> bool:
    """Whether an expression is `len(x)`."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "len"
        and len(node.args) == 1
    )


def is_main_test(node: ast.expr) -> bool:
    """Whether a condition is `__name__ == "__main__"`."""
    return (
        isinstance(node, ast.Compare)
        and isinstance(node.left, ast.Name)
        and node.left.id == "__name__"
        and len(node.comparators) == 1
        and isinstance(node.comparators[0], ast.Constant)
        and node.comparators[0].value == "__main__"
        and isinstance(node.ops[0], ast.Eq)
    )


def is_main_block(node: ast.stmt) -> bool:
    """Whether a statement is `if __name__ == "__main__": ...`."""
    return isinstance(node, ast.If) and is_main_test(node.test)


@functools.lru_cache(maxsize=1024)
def _fact(test: ast.expr) -> tuple[str, frozenset[str]] | None:
    """A condition as text, and its names, if it stays as it is while its names do."""
    names: set[str] = set()
    rest: list[ast.AST] = [test]
    while rest:
        each = rest.pop()
        if isinstance(each, ast.Name):
            names.add(each.id)
        elif isinstance(each, ast.Attribute):
            names.add(each.attr)
            rest.append(each.value)
        elif isinstance(each, (ast.Call, ast.Await, ast.Subscript, ast.NamedExpr)):
            return None
        elif not isinstance(each, ast.Constant):
            rest += ast.iter_child_nodes(each)
        elif each is test:
            return None
    return ast.dump(test), frozenset(names)


def functions_called_last(module: Module) -> set[ast.AST]:
    """The functions of a module whose only call is the last that the program does."""
    tree = module.tree
    last = tree.body[-1] if tree.body else None
    while isinstance(last, (ast.If, ast.With, ast.Try)):
        last = last.body[-1]
    value = last.value if isinstance(last, ast.Expr) else None
    names: set[str] = set()
    while isinstance(value, ast.Call):  # main(), sys.exit(main()), asyncio.run(main())
        if isinstance(value.func, ast.Name):
            names.add(value.func.id)
        value = value.args[0] if value.args else None
    return {
        node
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name in names
        and _uses(node.name, module) == 1
    }


def _uses(name: str, module: Module) -> int:
    """How often a name is read or written."""
    if len(re.findall(rf"\b{re.escape(name)}\b", module.text)) == 2:  # its definition, and one
        return 1
    return sum(isinstance(each, ast.Name) and each.id == name for each in nodes_of(module.tree))
