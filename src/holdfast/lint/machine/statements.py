"""The machine: follows the statements of a module or a function, every way through them.

What it keeps true: where the program branches, each way has its own state, up to a limit; ways
that have come to the same are one again. A loop is gone through twice: once for the first object
of each place, and once more with that one among the older. `for` over things that are known goes
through its body once for each. What a `return` leaves, `finally` still sees.
"""

from __future__ import annotations

import ast
import contextlib
from typing import TYPE_CHECKING, Any

from holdfast.lint.events import Call
from holdfast.lint.machine.base import BUDGET, BudgetError, Frame
from holdfast.lint.machine.calls import decorators
from holdfast.lint.machine.closers import closed_with
from holdfast.lint.machine.conditions import (
    Conditions,
    expects_failure,
    functions_called_last,
    is_main_block,
)
from holdfast.lint.machine.expressions import as_key, element_key
from holdfast.lint.machine.state import ENDED, KILLED, PLAIN, State
from holdfast.lint.machine.things import NOTHING, Class, Function, Refs, Thing
from holdfast.lint.machine.views import CLOSED, TRUE
from holdfast.lint.machine.ways import Flow, fewer, merged
from holdfast.lint.program import catalogue
from holdfast.lint.program.catalogue import CONTEXTS, INSTANCE, MAKERS, OUTSIDE, Named
from holdfast.lint.program.functions import all_arguments, facts
from holdfast.lint.program.modules import Module, absolute_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


# How many things a state may hold before those that nobody can reach are looked for.
MOST_THINGS = 60


class Machine(Conditions):
    """See the module."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.loops = 0
        self.most_things = MOST_THINGS
        self.most_spent = BUDGET

    # ---- entries --------------------------------------------------------------------------------

    def follow_module(self, module: Module) -> State:
        """Follow the statements of a module, its `if __name__ == "__main__"` too."""
        state = self.fresh()
        frame = Frame(self.module_frame(module), module, "", module.tree)
        state.frames[frame.number] = {}
        self._enter(frame)
        self.state = state
        self.last = functions_called_last(module)
        try:
            flow = self.run(module.tree.body, [state])
            ends = flow.after
            if not self.silent:
                for end in ends:
                    self.tell_end(end)
        finally:
            self._exit()
        final = merged(ends) if ends else state
        final.dead = False
        return final

    def follow_function(self, function: Function, state: State, receiver: Thing | None) -> None:
        """Follow a function that anybody may call: its arguments are the caller's."""
        frame = Frame(
            self.frame_number(("entry", function.node)),
            function.module,
            function.name,
            function.node,
            function.cls,
            function,
            None,
            receiver,
        )
        self._enter(frame)
        made = len(self.creations)
        try:
            given = all_arguments(function.node.args)
            variables: dict[str, Refs] = {}
            for each in given:
                thing = self.thing(OUTSIDE, ("parameter", each), each)
                state.own(thing)
                state.escaped.add(thing)
                variables[each.arg] = frozenset({thing})
            defaults = self.defaults(function, state).items()
            variables.update((name, refs) for name, refs in defaults if _is_context(refs))
            if receiver is not None and given:
                variables[given[0].arg] = frozenset({receiver})
            elif given and function.cls and "classmethod" in decorators(function.node):
                variables[given[0].arg] = self.class_of(function, state)
            state.frames[frame.number] = variables
            ways = self.run_body(function, state)
            for at, refs in ways:
                self.leave(frame, at, refs)
            if ways:
                state.become(merged([at for at, _ in ways]))
                if function.cls is None:
                    result = NOTHING.union(*(refs for _, refs in ways))
                    self.learn_of_any(function, made, result, state)
        finally:
            self._exit()

    def instance(self, cls: Class, state: State) -> Thing:
        """An object of a class as it is after its constructor, kept by somebody."""
        library = self.library_base(cls, state)
        kind = MAKERS[library.name] if library is not None else INSTANCE
        thing = self.thing(kind, ("self", cls.node), cls.node)
        thing.cls, thing.text = cls, cls.node.name
        if library is not None:
            thing.library, thing.method = library.library, library.method
        state.heap[thing] = {}
        state.escaped.add(thing)
        state.serious = state.serious or kind.role not in PLAIN
        return thing

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Follow something without telling the rules."""
        self.silent += 1
        try:
            yield
        finally:
            self.silent -= 1

    def abandon(self) -> None:
        """What was being followed is given up: the machine is as it was before."""
        self.stack, self.temporaries, self.held_by_with = [], [], []
        self.loops = self.silent = 0
        self.surely = True

    def _enter(self, frame: Frame) -> None:
        self.stack.append(frame)
        self.temporaries.append([])
        self.spent = 0
        self.most_spent = BUDGET + (len(frame.module.lines) if frame.is_module else 0)

    def _exit(self) -> None:
        self.stack.pop()
        self.temporaries.pop()

    def load(self, module: Module) -> None:
        """Import a module: what it makes is in the layer from now on."""
        if module in self.memory.loaded:
            return
        self.memory.loaded.add(module)
        saved = self.stack, self.temporaries, self.held_by_with, self.spent, self.loops
        budgets = self.budget, self.most_spent
        self.budget = BUDGET + 4 * len(module.lines)
        self.stack, self.temporaries, self.held_by_with = [], [], []
        self.silent += 1
        try:
            self._import(module)
        except (BudgetError, RecursionError):
            return
        finally:
            self.silent -= 1
            self.budget, self.most_spent = budgets
            self.stack, self.temporaries, self.held_by_with, self.spent, self.loops = saved

    def _import(self, module: Module) -> None:
        state = self.fresh()
        frame = Frame(self.module_frame(module), module, "", module.tree)
        state.frames[frame.number] = {}
        self._enter(frame)
        try:
            body = [each for each in module.tree.body if not is_main_block(each)]
            ends = self.run(body, [state]).after
        finally:
            self._exit()
        final = merged(ends) if ends else state
        layer = self.memory.layer
        layer.frames[frame.number] = names = final.frames.get(frame.number, {})
        layer.heap.update(final.heap)
        layer.rooted |= final.reach([*final.escaped, *NOTHING.union(*names.values())])

    def run_body(self, function: Function, state: State) -> list[tuple[State, Refs]]:
        """Follow the body of a function; each way out with what it returns."""
        if isinstance(function.node, ast.Lambda):
            return [(state, self.eval(function.node.body, state))]
        loops, self.loops = self.loops, 0
        try:
            flow = self.run(function.node.body, [state])
        finally:
            self.loops = loops
        return [*flow.returns, *((each, NOTHING) for each in flow.after)]

    # ---- statements -----------------------------------------------------------------------------

    def run(self, body: Sequence[ast.stmt], states: list[State]) -> Flow:
        """Follow statements from each of some states."""
        flow = Flow(states)
        for statement in body:
            if not flow.after:
                break
            after: list[State] = []
            for state in flow.after:
                self.spent += 1
                self.budget -= 1
                if self.spent > self.most_spent or self.budget < 0:
                    raise BudgetError
                one = self.statement(statement, state)
                if one is not None:
                    flow.leave(one)
                    after += one.after
                else:
                    after.append(state)
            flow.after = after if len(after) == 1 and not after[0].dead else fewer(after)
        return flow

    def statement(self, node: ast.stmt, state: State) -> Flow | None:
        """Follow one statement; what it dropped is told to the rules.

        Returns:
            Where its ways lead; None if it has but one, which goes on behind it.
        """
        visit: Callable[[Any, Any, State], Flow | None] | None = _STATEMENTS.get(type(node))
        if visit is None:
            self.eval(node, state)
        else:
            flow = visit(self, node, state)
            if flow is not None:  # made of statements, which have looked after themselves
                return flow
        self.temporaries[-1].clear()
        if not state.dead:
            moment = "deleted" if isinstance(node, ast.Delete) else "temporary"
            self.check_drops(state, node, moment)
        self.replaced.clear()
        if len(state.heap) > self.most_things:
            state.sweep(each for level in self.temporaries for refs in level for each in refs)
            self.most_things = max(MOST_THINGS, 2 * len(state.heap))
        return None

    def in_loop(self) -> bool:
        """Whether the statement at hand is run again and again."""
        return self.loops > 0

    # ---- simple statements ----------------------------------------------------------------------

    def _do_expression(self, node: ast.Expr, state: State) -> None:
        self.eval(node.value, state)

    def _do_assign(self, node: ast.Assign, state: State) -> None:
        refs = self.eval(node.value, state)
        for target in node.targets:
            self.assign(target, refs, state)

    def _do_annotated(self, node: ast.AnnAssign, state: State) -> None:
        if node.value is not None:
            self.assign(node.target, self.eval(node.value, state), state)

    def _do_augmented(self, node: ast.AugAssign, state: State) -> None:
        refs = self.eval(node.value, state)
        target = node.target
        load = ast.copy_location(_as_load(target), target)
        old = self.eval(load, state)
        for each in old:
            if isinstance(each, Thing) and each.kind.role in {"container", "outside"}:
                state.put(each, "*", self.elements_of(refs, state), add=True)

    def _do_delete(self, node: ast.Delete, state: State) -> None:
        for target in node.targets:
            self.delete(target, state)

    def delete(self, target: ast.expr, state: State) -> None:
        """`del` of a name, attribute or element."""
        if isinstance(target, ast.Name):
            self.variables(state).pop(target.id, None)
        elif isinstance(target, ast.Attribute):
            for owner in self.eval(target.value, state):
                if isinstance(owner, Thing):
                    state.put(owner, target.attr, NOTHING)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for each in target.elts:
                self.delete(each, state)
        elif isinstance(target, ast.Subscript):
            key = element_key(target.slice)
            for owner in self.eval(target.value, state):
                if isinstance(owner, Thing) and key:
                    state.put(owner, key, NOTHING)

    def _do_import(self, node: ast.Import, state: State) -> None:
        for alias in node.names:
            path = alias.name if alias.asname else alias.name.partition(".")[0]
            name = alias.asname or path
            self.variables(state)[name] = self.imported(path, self.module)

    def _do_import_from(self, node: ast.ImportFrom, state: State) -> None:
        variables = self.variables(state)
        for alias in node.names:
            if alias.name == "*":
                self._star(node, state)
                continue
            variables[alias.asname or alias.name] = self.imported_from(
                node, alias.name, self.module
            )

    def _star(self, node: ast.ImportFrom, state: State) -> None:
        source = absolute_name(node, self.module)
        known = catalogue.named(source)
        variables = self.variables(state)
        if known.name == "mp":
            for name in catalogue.STAR_NAMES:
                variables[name] = frozenset({catalogue.attribute(known, name)})
            return
        if known.name == "futures":
            variables["ProcessPoolExecutor"] = frozenset(
                {catalogue.attribute(known, "ProcessPoolExecutor")}
            )
            return
        module = self.project.find(source, self.module) if source else None
        if module is not None:
            self.lookup_in(module, "", state)
            for name, refs in state.layer.frames.get(self.module_frame(module), {}).items():
                if not name.startswith("_"):
                    variables.setdefault(name, refs)

    def _do_global(self, node: ast.Global | ast.Nonlocal, state: State) -> None:
        del node, state

    def _do_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, state: State) -> None:
        self.variables(state)[node.name] = frozenset({self.function_value(node)})

    def _do_class(self, node: ast.ClassDef, state: State) -> None:
        outer = self.stack[-1]
        at = None if outer.is_module else outer.number
        cls = Class(node, outer.module, at, self.qualified(node.name))
        self.variables(state)[node.name] = frozenset({cls})
        if not any(isinstance(each, (ast.Assign, ast.AnnAssign)) for each in node.body):
            return
        number = self.frame_number(("class", node))
        state.frames[number] = {}
        self.stack.append(Frame(number, outer.module, cls.name, node))
        try:
            assigned = [
                e for e in node.body if isinstance(e, (ast.Assign, ast.AnnAssign, ast.Import))
            ]
            for end in self.run(assigned, [state]).after[:1]:
                state.become(end)
        finally:
            self.stack.pop()
        thing = self.class_thing(cls)
        state.escaped.add(thing)
        for name, refs in state.frames.pop(number, {}).items():
            state.put(thing, name, refs)

    def _do_assert(self, node: ast.Assert, state: State) -> None:
        self.eval(node.test, state)
        self.learn(node.test, True, state)

    def _do_pass(self, node: ast.stmt, state: State) -> None:
        del node, state

    def _do_return(self, node: ast.Return, state: State) -> Flow:
        refs = self.eval(node.value, state)
        self.temporaries[-1].clear()
        if state.dead:
            return Flow()
        self.check_drops(state, node, "temporary", refs)
        return Flow(returns=[(state, refs)])

    def _do_raise(self, node: ast.Raise, state: State) -> Flow:
        self.eval(node.exc, state)
        what = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        ends = isinstance(what, ast.Name) and what.id == "SystemExit" and not state.dead
        if ends and self.stack[0].is_module:
            self.tell_end(state)
        return Flow()

    def _do_break(self, node: ast.Break, state: State) -> Flow:
        del node
        return Flow(breaks=[state])

    def _do_continue(self, node: ast.Continue, state: State) -> Flow:
        del node
        return Flow(continues=[state])

    # ---- assignment -----------------------------------------------------------------------------

    def assign(self, target: ast.expr, refs: Refs, state: State) -> None:
        """Assign to a name, attribute, element or several of them."""
        if self.silent == 0 and not isinstance(target, (ast.Tuple, ast.List, ast.Starred)):
            self.state = state
            for rule in self.listeners["on_store"]:
                self.tell(rule.on_store(target, refs, self))  # type: ignore[arg-type]
        if isinstance(target, ast.Name):
            self._assign_name(target.id, refs, state)
        elif isinstance(target, ast.Attribute):
            self._assign_attribute(target, refs, state)
        elif isinstance(target, ast.Subscript):
            self._assign_element(target, refs, state)
        elif isinstance(target, ast.Starred):
            self.assign(target.value, self.container(target, refs, state), state)
        elif isinstance(target, (ast.Tuple, ast.List)):
            self._unpack(target.elts, refs, state)

    def _assign_name(self, name: str, refs: Refs, state: State) -> None:
        self._forget_facts(name, state)
        frame = self.stack[-1]
        variables = self.variables(state)
        function = frame.function
        if function is not None and name not in facts(function.node).local:  # global or nonlocal
            outer = function.frame
            if outer is not None and name in state.frames.get(outer, {}):
                variables = state.names(outer)
            else:
                number = self.module_frame(frame.module)
                self.replaced |= self.lookup_in(frame.module, name, state)
                state.names(number)[name] = refs
                return
        self.replaced |= variables.get(name, NOTHING)
        if refs:
            variables[name] = refs
        else:
            variables.pop(name, None)

    def _assign_attribute(self, target: ast.Attribute, refs: Refs, state: State) -> None:
        self._forget_facts(target.attr, state)
        owners = self.eval(target.value, state)
        things = [each for each in owners if isinstance(each, Thing)]
        for owner in owners:
            if isinstance(owner, Thing):
                self.replaced |= state.get(owner, target.attr)
                state.put(owner, target.attr, refs, add=len(things) > 1)
            elif isinstance(owner, Class):
                thing = self.class_thing(owner)
                state.escaped.add(thing)
                state.put(thing, target.attr, refs)
                state.escape(refs)  # whoever knows the class has it
            else:
                state.escape(refs)
        if not owners:
            state.escape(refs)

    def _assign_element(self, target: ast.Subscript, refs: Refs, state: State) -> None:
        owners = self.eval(target.value, state)
        index = as_key(self.eval(target.slice, state))
        key = element_key(target.slice)
        for owner in owners:
            if not isinstance(owner, Thing):
                state.escape(refs)
            elif owner.kind.role == "weak":
                continue  # it keeps nothing
            elif key and owner.kind.role == "container":
                self.replaced |= state.get(owner, key)
                state.put(owner, key, refs)
            elif refs | index:
                state.put(owner, "*", refs | index, add=True)
        if not owners:
            state.escape(refs)

    def _unpack(self, targets: Sequence[ast.expr], refs: Refs, state: State) -> None:
        things = [each for each in refs if isinstance(each, Thing)]
        for number, target in enumerate(targets):
            found: Refs = NOTHING
            for thing in things:
                exact = state.get(thing, f"[{number}")
                if exact and not any(isinstance(each, ast.Starred) for each in targets[:number]):
                    found |= exact
                elif thing.kind.role == "outside":
                    found |= self.outside_attribute(thing, f"[{number}", target, state)
                elif thing.kind.role == "future":
                    self.finished(frozenset({thing}), state)
                elif state.get(thing, "*"):
                    found |= state.elements(thing)
            self.assign(target, found, state)

    @staticmethod
    def _forget_facts(name: str, state: State) -> None:
        for key in [key for key, (_, names) in state.facts.items() if name in names]:
            del state.facts[key]

    # ---- branches -------------------------------------------------------------------------------

    def _do_if(self, node: ast.If, state: State) -> Flow:
        flow = Flow()
        rest: State | None = state
        while rest is not None:
            yes, rest = self.branch(node.test, rest)
            if yes is not None:
                one = self.run(node.body, [yes])
                flow.leave(one)
                flow.after += one.after
            # An elif is an if in the else: a long chain of them is no deep nesting.
            if len(node.orelse) != 1 or not isinstance(node.orelse[0], ast.If):
                break
            node = node.orelse[0]
            flow.after = fewer(flow.after)
        if rest is not None:
            one = self.run(node.orelse, [rest])
            flow.leave(one)
            flow.after += one.after
        return flow

    # ---- loops ----------------------------------------------------------------------------------

    def _do_for(self, node: ast.For | ast.AsyncFor, state: State) -> Flow:
        iterable = self.eval(node.iter, state)
        self.keep(iterable)
        rounds = self.rounds(iterable, state)
        held = list(self.temporaries[-1])
        self.temporaries[-1].clear()
        flow = Flow()
        at = [state]
        self.loops += 1
        try:
            for element in rounds:
                for each in at:
                    self.temporaries[-1].extend(held)
                    self.assign(node.target, element, each)
                    self.temporaries[-1].clear()
                    self.check_drops(each, node, "rebound")
                    self.replaced.clear()
                at, left = self._round(node.body, at, flow)
                flow.after += left
                if not at:
                    break
        finally:
            self.loops -= 1
        ends = self.run(node.orelse, at) if at else Flow()
        flow.leave(ends)
        flow.after = fewer([*flow.after, *ends.after])
        return flow

    def _round(
        self, body: Sequence[ast.stmt], states: list[State], flow: Flow
    ) -> tuple[list[State], list[State]]:
        """One round of a loop: the states for the next one, and those that break."""
        one = self.run(body, states)
        flow.returns += one.returns
        return fewer([*one.after, *one.continues]), one.breaks

    def _do_while(self, node: ast.While, state: State) -> Flow:
        flow = Flow()
        at: list[State] = [state]
        out: list[State] = []
        self.loops += 1
        try:
            for number in range(2):
                inside: list[State] = []
                for each in at:
                    yes, no = self.branch(node.test, each)
                    if self.replaced and yes is not None:  # while (x := ...)
                        self.check_drops(yes, node.test, "rebound")
                        self.replaced.clear()
                    self._polled(node.test, yes, no)
                    if yes is not None:
                        inside.append(yes)
                        # That it is not entered at all is not the way that people mean.
                        if no is not None and number:
                            out.append(no)
                    elif no is not None:
                        out.append(no)
                at, left = self._round(node.body, inside, flow)
                flow.after += left
                if not at:
                    break
            for each in at:
                _, no = self.branch(node.test, each)
                if no is not None:
                    self._polled(node.test, None, no)
                    out.append(no)
        finally:
            self.loops -= 1
        ends = self.run(node.orelse, fewer(out)) if out else Flow()
        flow.leave(ends)
        flow.after = fewer([*flow.after, *ends.after])
        return flow

    def _polled(self, test: ast.expr, yes: State | None, no: State | None) -> None:
        """`while not value.value`: the program waits for what a process writes."""
        del yes
        if no is None:
            return
        for each in ast.walk(test):
            if isinstance(each, ast.Attribute) and each.attr in {"value", "is_set", "empty"}:
                for thing in self.eval(each.value, no):
                    if isinstance(thing, Thing):
                        self.told(thing, no)

    # ---- with, try ------------------------------------------------------------------------------

    def _do_with(self, node: ast.With | ast.AsyncWith, state: State) -> Flow:
        if any(expects_failure(item.context_expr) for item in node.items):
            before = state.copy()
            with self.quiet():  # what a test expects to fail may or may not have happened
                flow = self.run(node.body, [state])
            flow.after = flow.after or [before]
            for end in flow.after:
                end.exceptional = True
            return flow
        held: list[Refs] = []
        for item in node.items:
            refs = self.eval(item.context_expr, state)
            held.append(refs)
            entered = self._entered(refs, item, state)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, entered, state)
        # What is entered is kept by the statement itself.
        self.held_by_with.extend(held)
        key = f"with {id(node)}"
        hidden = frozenset(each for refs in held for each in refs)
        if hidden:
            self.variables(state)[key] = hidden
        self.temporaries[-1].clear()
        flow = self.run(node.body, [state])
        del self.held_by_with[len(self.held_by_with) - len(held) :]
        ends = [*flow.after, *flow.breaks, *flow.continues, *(each for each, _ in flow.returns)]
        for end in ends:
            refs = self.variables(end).pop(key, NOTHING)
            for each in refs:
                for thing in closed_with(each, end) if isinstance(each, Thing) else ():
                    self._closed(thing, end)
            self.check_drops(end, node, "scope")
        return flow

    def _entered(self, refs: Refs, item: ast.withitem, state: State) -> Refs:
        """What `with x as y` gives y."""
        found: set[Any] = set()
        for each in refs:
            method = None
            if isinstance(each, Thing) and each.cls is not None:
                method = self.method_of(each.cls, "__enter__", state)
            if method is not None and isinstance(each, Thing):
                call = ast.copy_location(ast.Call(item.context_expr, [], []), item.context_expr)
                found |= self.follow(method, each, call, [], state)
            else:
                found.add(each)
        return frozenset(found)

    def _closed(self, thing: Thing, state: State) -> None:
        """The `with` of a thing is over."""
        if thing.kind.role == "executor":
            state.note([thing], ENDED, surely=True)
        elif thing.kind.role == "pool":
            state.note([thing], KILLED, surely=True)
        elif thing.kind.role in {"segment", "connection", "view"}:
            state.put(thing, CLOSED, TRUE)
        elif thing.cls is not None:
            method = self.method_of(thing.cls, "__exit__", state)
            if method is not None:
                call = ast.copy_location(ast.Call(ast.Name("exit"), [], []), thing.node)
                self.follow(method, thing, call, [], state)
                return
        self.tell_call(Call(None, "__exit__", thing, ()), state)

    def _do_try(self, node: ast.Try, state: State) -> Flow:
        before = state.copy()
        body = self.run(node.body, [state])
        flow = Flow()
        flow.leave(body)
        if node.handlers:
            failed = [before, *(each.copy() for each in body.after)]
            failed += [each.copy() for each, _ in body.returns]
            start = merged([each for each in failed if not each.dead] or [before])
            start.exceptional = True
            for handler in node.handlers:
                one = self.run(handler.body, [start.copy()])
                flow.leave(one)
                flow.after += one.after
        after = self.run(node.orelse, body.after) if body.after else Flow()
        flow.leave(after)
        flow.after = fewer([*flow.after, *after.after])
        return self._finally(node.finalbody, flow) if node.finalbody else flow

    def _finally(self, body: Sequence[ast.stmt], flow: Flow) -> Flow:
        end = Flow()
        for name in ("after", "breaks", "continues"):
            states: list[State] = getattr(flow, name)
            if states:
                one = self.run(body, fewer(states))
                getattr(end, name).extend(one.after)
                one.after = []
                end.leave(one)
        for each, refs in flow.returns:
            key = f"return {id(body)}"
            self.variables(each)[key] = refs
            one = self.run(body, [each])
            for at in one.after:
                end.returns.append((at, self.variables(at).pop(key, NOTHING)))
            one.after = []
            end.leave(one)
        return end

    def _do_match(self, node: ast.Match, state: State) -> Flow:
        self.eval(node.subject, state)
        flow = Flow([state.copy()])
        for case in node.cases:
            one = self.run(case.body, [state.copy()])
            flow.leave(one)
            flow.after += one.after
        flow.after = fewer(flow.after)
        return flow


def _is_context(refs: Refs) -> bool:
    return any(isinstance(each, Named) and each.name in CONTEXTS for each in refs)


def _as_load(target: ast.expr) -> ast.expr:
    if isinstance(target, ast.Name):
        return ast.Name(target.id, ast.Load())
    if isinstance(target, ast.Attribute):
        return ast.Attribute(target.value, target.attr, ast.Load())
    if isinstance(target, ast.Subscript):
        return ast.Subscript(target.value, target.slice, ast.Load())
    return target


_STATEMENTS: dict[type[ast.AST], Any] = {
    ast.Expr: Machine._do_expression,
    ast.Assign: Machine._do_assign,
    ast.AnnAssign: Machine._do_annotated,
    ast.AugAssign: Machine._do_augmented,
    ast.Delete: Machine._do_delete,
    ast.Import: Machine._do_import,
    ast.ImportFrom: Machine._do_import_from,
    ast.Global: Machine._do_global,
    ast.Nonlocal: Machine._do_global,
    ast.FunctionDef: Machine._do_function,
    ast.AsyncFunctionDef: Machine._do_function,
    ast.ClassDef: Machine._do_class,
    ast.Assert: Machine._do_assert,
    ast.Pass: Machine._do_pass,
    ast.Return: Machine._do_return,
    ast.Raise: Machine._do_raise,
    ast.Break: Machine._do_break,
    ast.Continue: Machine._do_continue,
    ast.If: Machine._do_if,
    ast.For: Machine._do_for,
    ast.AsyncFor: Machine._do_for,
    ast.While: Machine._do_while,
    ast.With: Machine._do_with,
    ast.AsyncWith: Machine._do_with,
    ast.Try: Machine._do_try,
    ast.Match: Machine._do_match,
}
_try_star: type[ast.AST] | None = getattr(ast, "TryStar", None)  # from Python 3.11
if _try_star is not None:
    _STATEMENTS[_try_star] = Machine._do_try
