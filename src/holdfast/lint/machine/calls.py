"""What calls do: those of the project's own functions are followed, as the interpreter would.

What it keeps true: a function is followed with what it is given, as often as it is called, and
never into itself. When it returns, what only its variables kept is dropped, and the rules hear of
it. Generators and functions behind strange decorators are not followed: they hold what they get.
"""

from __future__ import annotations

import ast
import functools
import re
from typing import TYPE_CHECKING

from holdfast.lint.events import Argument, Call, Drop
from holdfast.lint.machine.base import Frame
from holdfast.lint.machine.expressions import element_key
from holdfast.lint.machine.library import PARTIAL
from holdfast.lint.machine.pruning import Pruning
from holdfast.lint.machine.state import ALIVE, ENDED, NEW, RUNNING
from holdfast.lint.machine.things import NOTHING, Bound, Class, Function, Refs, Thing
from holdfast.lint.machine.ways import merged
from holdfast.lint.program.catalogue import CONTAINER, INSTANCE, MAKERS, OUTSIDE, Named
from holdfast.lint.program.functions import all_arguments, facts, reads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.findings import Confidence
    from holdfast.lint.machine.state import Handed, State
    from holdfast.lint.machine.things import Value

# How many calls deep functions are followed.
DEEPEST = 7

_CACHES = {"functools.lru_cache", "functools.cache"}
_NOT_FOLLOWED = {"contextlib.contextmanager", "contextlib.asynccontextmanager"}


class Calls(Pruning):
    """The part of the machine that follows calls."""

    # ---- finding out who is called --------------------------------------------------------------

    def visit_call(self, node: ast.Call, state: State) -> Refs:
        """What a call gives; what it does is done to the state."""
        mark = len(self.temporaries[-1])
        callees = one_library(self._callees(node, state))
        arguments = self.arguments(node, state)
        saved, self.surely = self.surely, self._surely(node, callees)
        found: set[Value] = set()
        try:
            for callee in callees:
                if not state.dead:
                    found |= self.call(callee, node, arguments, state, mark)
            if not callees:
                self.unknown(node, arguments, state)
        finally:
            self.surely = saved
        result = frozenset(found)
        self.keep(result)
        return result

    def _callees(self, node: ast.Call, state: State) -> Refs:
        func = node.func
        if not isinstance(func, ast.Attribute):
            return self.resolve(self.eval(func, state), state)
        if is_super(func.value):
            return self._of_super(func, state)
        owners = self.eval(func.value, state)
        self.keep(owners)
        return self.resolve(self.attribute(owners, func.attr, func, state, called=True), state)

    def _of_super(self, func: ast.Attribute, state: State) -> Refs:
        frame = self.stack[-1]
        if frame.receiver is None or frame.cls is None:
            return NOTHING
        cls = frame.receiver.cls or frame.cls
        method = self.method_of(cls, func.attr, state, after=frame.cls)
        return frozenset({Bound(frame.receiver, func.attr, method, frame.cls)})

    def _surely(self, node: ast.Call, callees: Refs) -> bool:
        """Whether a method is called on every object that the receiver may be."""
        if len(callees) == 1 or alternatives(callees):
            return True
        func = node.func
        receiver = func.value if isinstance(func, ast.Attribute) else func
        if isinstance(receiver, ast.Subscript):  # procs[i].join(), in a loop over i
            if not element_key(receiver.slice):
                return True
            list_ = ast.unparse(receiver.value)
            called = rf"\b{re.escape(list_)}\[(\d+)\]\.{getattr(func, 'attr', '')}\("
            return len(set(re.findall(called, self.function_text(node)))) > 1  # one after the other
        taken = isinstance(receiver, (ast.Call, ast.Name))
        return taken and self.in_loop()

    def arguments(self, node: ast.Call, state: State) -> list[Argument]:
        """The arguments of a call, evaluated."""
        found: list[Argument] = []
        for each in node.args:
            if isinstance(each, ast.Starred):
                refs = self.eval(each.value, state)
                found += self._unpacked(each, refs, state)
            else:
                found.append(Argument("", each, self.eval(each, state)))
        for keyword in node.keywords:
            refs = self.eval(keyword.value, state)
            if keyword.arg is not None:
                found.append(Argument(keyword.arg, keyword.value, refs))
                continue
            found += self._unpacked_names(keyword.value, refs, state)
        for argument in found:
            self.keep(argument.refs)
        return found

    def _unpacked(self, node: ast.Starred, refs: Refs, state: State) -> list[Argument]:
        """*x: its elements by position where they are known."""
        for each in refs:
            if isinstance(each, Thing) and len(refs) == 1:
                fields = state.fields(each)
                if fields and all(name.startswith("[") for name in fields):
                    last = max(int(name[1:]) for name in fields if name[1:].isdigit())
                    return [
                        Argument("", node.value, fields.get(f"[{number}", NOTHING))
                        for number in range(last + 1)
                    ]
        return [Argument("*", node.value, self.elements_of(refs, state))]

    def _unpacked_names(self, node: ast.expr, refs: Refs, state: State) -> list[Argument]:
        """**x: its elements by name where they are known."""
        found: list[Argument] = []
        for each in refs:
            for name, inner in state.fields(each).items() if isinstance(each, Thing) else ():
                key = name[2:-1] if name[:2] in {"['", '["'} else "**"
                found.append(Argument(key, node, inner))
        return found

    # ---- calling --------------------------------------------------------------------------------

    def call(
        self,
        callee: Value,
        node: ast.Call,
        arguments: Sequence[Argument],
        state: State,
        mark: int,
    ) -> Refs:
        """What one callee does and gives."""
        if isinstance(callee, Function):
            return self.follow(callee, None, node, arguments, state)
        if isinstance(callee, Class):
            return self.construct(callee, node, arguments, state, mark)
        if isinstance(callee, Bound):
            return self._call_bound(callee, node, arguments, state, mark)
        if isinstance(callee, Named):
            return self._call_named(callee, node, arguments, state, mark)
        if isinstance(callee, Thing):
            return self._call_thing(callee, node, arguments, state, mark)
        self.unknown(node, arguments, state)
        return NOTHING

    def _call_bound(
        self, callee: Bound, node: ast.Call, arguments: Sequence[Argument], state: State, mark: int
    ) -> Refs:
        receiver = callee.receiver
        if callee.function is not None:
            return self.follow(callee.function, receiver, node, arguments, state)
        if callee.name == "__init__" and receiver.kind.role != "instance":
            call = Call(node, "__init__", receiver, tuple(arguments))
            self.set_up(receiver, call, state, mark)
            return NOTHING
        if callee.name == "__init__":
            for argument in arguments:  # of a base that is not known: it may keep everything
                state.put(receiver, "*", argument.refs, add=True)
            return NOTHING
        return self.call_method(receiver, callee.name, node, arguments, state)

    def _call_named(
        self, name: Named, node: ast.Call, arguments: Sequence[Argument], state: State, mark: int
    ) -> Refs:
        head, _, method = name.name.rpartition(".")
        if head in MAKERS and arguments:  # Process.start(p), Process.__init__(self, ...)
            found: set[Value] = set()
            for each in arguments[0].refs:
                if isinstance(each, Thing):
                    bound = Bound(each, method)
                    found |= self._call_bound(bound, node, arguments[1:], state, mark)
            return frozenset(found)
        result = self.call_named(name, node, arguments, state, mark)
        if result is not None:
            return result
        self.to_stranger(name.name.rpartition(".")[2], [], arguments, state)
        return NOTHING

    def _call_thing(
        self, callee: Thing, node: ast.Call, arguments: Sequence[Argument], state: State, mark: int
    ) -> Refs:
        if callee.kind is PARTIAL and callee in self.partials:
            functions, first = self.partials[callee]
            found: set[Value] = set()
            for each in self.resolve(functions, state):
                found |= self.call(each, node, [*first, *arguments], state, mark)
            return frozenset(found)
        if callee.cls is not None:
            method = self.method_of(callee.cls, "__call__", state)
            if method is not None:
                return self.follow(method, callee, node, arguments, state)
        return self.method_of_stranger(
            callee, Call(node, "__call__", callee, tuple(arguments)), state
        )

    def unknown(self, node: ast.Call, arguments: Sequence[Argument], state: State) -> None:
        """Somebody unknown is called: he may keep what he is given, and join it."""
        func = node.func
        name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
        self.to_stranger(name, [], arguments, state)

    # ---- making objects of the project's classes ------------------------------------------------

    def construct(
        self, cls: Class, node: ast.Call, arguments: Sequence[Argument], state: State, mark: int
    ) -> Refs:
        """A class of the project is called."""
        library = self.library_base(cls, state)
        kind = MAKERS[library.name] if library is not None else INSTANCE
        thing = self.make(kind, node, state)
        thing.cls, thing.text = cls, cls.node.name
        if library is not None:
            thing.library, thing.method = library.library, library.method
        if kind.role == "process":
            state.status[thing] = frozenset({NEW})
        init = self.method_of(cls, "__init__", state)
        if init is not None:
            if self.matters(init, None, arguments, state):
                self.follow(init, thing, node, arguments, state)
            else:
                for name in empties(init.node):
                    made = self.make(CONTAINER, node, state, name)
                    state.put(thing, name, frozenset({made}))
        elif library is not None:
            self.set_up(thing, Call(node, library.name, None, tuple(arguments)), state, mark)
        else:
            self._record(cls, thing, arguments, state)
        return frozenset({thing})

    def library_base(self, cls: Class, state: State) -> Named | None:
        """The class of a library that a class descends from, if it is one of interest."""
        for each in self.lineage(cls, state):
            if isinstance(each, Named) and each.name in MAKERS:
                return each
        return None

    def _record(
        self, cls: Class, thing: Thing, arguments: Sequence[Argument], state: State
    ) -> None:
        """An object whose constructor nobody wrote: of a dataclass, or of a strange base."""
        fields = [
            each
            for each in cls.node.body
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
        ]
        names = [each.target.id for each in fields if isinstance(each.target, ast.Name)]
        given: set[str] = set()
        for number, argument in enumerate(arguments):
            position = names[number] if not argument.name and number < len(names) else "*"
            name = argument.name if argument.name.isidentifier() else position
            state.put(thing, name, argument.refs, add=True)
            given.add(name)
        for each, name in zip(fields, names, strict=False):
            if name in given or not isinstance(each.value, ast.Call):
                continue
            for keyword in each.value.keywords:
                if keyword.arg == "default_factory":
                    call = ast.copy_location(ast.Call(keyword.value, [], []), each.value)
                    state.put(thing, name, self._made_by(cls, call, state))

    def _made_by(self, cls: Class, call: ast.Call, state: State) -> Refs:
        frame = Frame(self.module_frame(cls.module), cls.module, "", cls.module.tree)
        self.stack.append(frame)
        try:
            return self.visit_call(call, state)
        finally:
            self.stack.pop()

    # ---- following a function -------------------------------------------------------------------

    def follow(
        self,
        function: Function,
        receiver: Thing | None,
        node: ast.Call,
        arguments: Sequence[Argument],
        state: State,
    ) -> Refs:
        """Call a function of the project."""
        if not self.matters(function, receiver, arguments, state):
            return NOTHING
        how = self._how(function, state)
        if self._is_static(function):
            receiver = None
        running = any(frame.node is function.node for frame in self.stack)
        if running or len(self.stack) > DEEPEST or how == "held":
            values = frozenset(each for argument in arguments for each in argument.refs)
            values |= {receiver} if receiver is not None else NOTHING
            if running or len(self.stack) > DEEPEST:
                self.unknown(node, arguments, state)
                return NOTHING
            return self.container(node, values, state)
        frame = Frame(
            self.frame_number((function.node, self.calls, node)),
            function.module,
            function.name,
            function.node,
            function.cls,
            function,
            node,
            receiver,
        )
        variables = self.parameters(function, receiver, arguments, state)
        made = len(self.creations)
        result = self._through(frame, variables, state)
        self.learn_of(function, receiver, arguments, made, result, state)
        if how == "cached":
            state.escape(result)
        return result

    def _through(self, frame: Frame, variables: dict[str, Refs], state: State) -> Refs:
        assert frame.function is not None
        state.frames[frame.number] = variables
        held, self.held_by_with = self.held_by_with, []
        self.stack.append(frame)
        self.temporaries.append([])
        try:
            ways = self.run_body(frame.function, state)
            for at, refs in ways:
                self.leave(frame, at, refs)
        finally:
            self.stack.pop()
            self.temporaries.pop()
            self.held_by_with = held
        if not ways:
            state.dead = True
            return NOTHING
        state.become(merged([at for at, _ in ways]))
        return NOTHING.union(*(refs for _, refs in ways))

    def leave(self, frame: Frame, state: State, refs: Refs) -> None:
        """A function returns: its variables go, unless something closes over them."""
        if self.silent == 0:
            self.state = state
            for rule in self.listeners["on_return"]:
                self.tell(rule.on_return(refs, frame.node, self))  # type: ignore[arg-type]
        variables = state.frames.get(frame.number, {})
        self.temporaries[-1].clear()
        if len(self.temporaries) > 1:
            self.temporaries[-2].append(refs)
        number, frame.number = frame.number, -1
        before, self.leaving = self.leaving, number
        try:
            self.check_drops(state, frame.node, "scope", refs)
            if len(self.stack) == 1:
                self._check_unstarted(state, frame.node, refs)
        finally:
            frame.number, self.leaving = number, before
        if not facts(frame.node).has_inner:
            state.frames.pop(frame.number, None)
        else:
            state.frames[frame.number] = variables

    def parameters(
        self,
        function: Function,
        receiver: Thing | None,
        arguments: Sequence[Argument],
        state: State,
    ) -> dict[str, Refs]:
        """The variables of a function at its beginning."""
        given = function.node.args
        names = [each.arg for each in (*given.posonlyargs, *given.args)]
        found = self.defaults(function, state)
        if names and "classmethod" in decorators(function.node):
            found[names[0]] = self.class_of(function, state)
            names = names[1:]
        elif receiver is not None and names:
            found[names[0]] = frozenset({receiver})
            names = names[1:]
        everything = {each.arg for each in all_arguments(given)}
        position = 0
        spare: list[Refs] = []
        spare_names: dict[str, Refs] = {}
        for argument in arguments:
            if argument.name == "":
                if position < len(names):
                    found[names[position]] = argument.refs
                else:
                    spare.append(argument.refs)
                position += 1
            elif argument.name in everything:
                found[argument.name] = argument.refs
            elif argument.name in {"*", "**"}:
                spare.append(argument.refs)
                for name in names[position:]:
                    found[name] = found.get(name, NOTHING) | argument.refs
            else:
                spare_names[argument.name] = argument.refs
        if given.vararg is not None:
            rest = self.make(CONTAINER, given.vararg, state)
            for number, refs in enumerate(spare):
                state.put(rest, f"[{number}", refs)
            found[given.vararg.arg] = frozenset({rest})
        if given.kwarg is not None:
            rest = self.make(CONTAINER, given.kwarg, state)
            for name, refs in spare_names.items():
                state.put(rest, f"[{name!r}", refs)
            found[given.kwarg.arg] = frozenset({rest})
        return {name: refs for name, refs in found.items() if refs}

    def class_of(self, function: Function, state: State) -> Refs:
        """What `cls` stands for in a class method; nobody knows if the class has heirs."""
        cls = function.cls
        heads = [each for each in function.module.tree.body if isinstance(each, ast.ClassDef)]
        named = {getattr(base, "id", "") for each in heads for base in each.bases}
        if cls is None or cls.node.name in named:
            thing = self.thing(OUTSIDE, ("class of", function.node), function.node)
            state.escaped.add(thing)  # whoever knows the class has what is on it
            return frozenset({thing})
        return frozenset({cls})

    def defaults(self, function: Function, state: State) -> dict[str, Refs]:
        """What the parameters stand for that nothing is given for, where that matters."""
        given = function.node.args
        names = [each.arg for each in (*given.posonlyargs, *given.args)]
        pairs = list(zip(names[len(names) - len(given.defaults) :], given.defaults, strict=False))
        pairs += [
            (k.arg, d)
            for k, d in zip(given.kwonlyargs, given.kw_defaults, strict=False)
            if d is not None
        ]
        return {
            name: self.in_module(function.module, default, state)
            for name, default in pairs
            if isinstance(default, (ast.Constant, ast.Name, ast.Attribute)) or _is_context(default)
        }

    def _how(self, function: Function, state: State) -> str:
        """Whether a call of it is "followed", "cached" as well, or "held": run by somebody else."""
        if facts(function.node).is_generator:
            return "held"
        for decorator in getattr(function.node, "decorator_list", ()):
            bare = decorator.func if isinstance(decorator, ast.Call) else decorator
            for each in self.in_module(function.module, bare, state):
                if isinstance(each, Named) and each.name in _CACHES:
                    return "cached"
                if isinstance(each, Named) and each.name in _NOT_FOLLOWED:
                    return "held"
        return "followed"

    @staticmethod
    def _is_static(function: Function) -> bool:
        return "staticmethod" in decorators(function.node)

    def bind(self, owner: Thing, function: Function, node: ast.AST, state: State) -> Refs:
        """A method with its object; what a property gives."""
        names = decorators(function.node)
        if "property" in names or "cached_property" in names:
            call = ast.copy_location(ast.Call(node, [], []), node)  # type: ignore[arg-type]
            refs = self.follow(function, owner, call, [], state)
            if "cached_property" in names:
                state.put(owner, getattr(function.node, "name", ""), refs)
            return refs
        return frozenset({Bound(owner, getattr(function.node, "name", ""), function)})

    # ---- what functions use ---------------------------------------------------------------------

    def globals_used(self, function: Function) -> list[tuple[ast.Name, Thing]]:
        """The module-level things of libraries that a function uses by name, calls followed."""
        found: list[tuple[ast.Name, Thing]] = []
        done: set[ast.AST] = set()
        rest = [function]
        while rest and len(done) < 50:
            each = rest.pop()
            if each.node in done:
                continue
            done.add(each.node)
            found += self._globals_of(each, rest)
        return found

    def _globals_of(self, function: Function, more: list[Function]) -> list[tuple[ast.Name, Thing]]:
        found: list[tuple[ast.Name, Thing]] = []
        for node in reads(function.node):
            for value in self.lookup_in(function.module, node.id, self.state):
                if isinstance(value, Thing):
                    found.append((node, value))
                elif isinstance(value, Function):
                    more.append(value)
        return found

    def function_text(self, node: ast.AST) -> str:
        """The source of the function that is being followed, or the node's at module level."""
        frame = self.stack[-1]
        at = node if frame.is_module else frame.node
        first, last = getattr(at, "lineno", 1), getattr(at, "end_lineno", 1)
        return "\n".join(frame.module.lines[first - 1 : last])

    def name_of(self, thing: Thing, node: ast.AST | None = None) -> str:
        """What the program calls a thing."""
        for number in (self.stack[-1].number, self.leaving):
            for name, refs in self.state.frames.get(number, {}).items():
                if thing in refs and name.isidentifier():
                    return name
        if isinstance(node, ast.expr):
            return self.module.segment(node)
        return thing.text

    # ---- drops ----------------------------------------------------------------------------------

    def check_drops(
        self, state: State, where: ast.AST, moment: str, returned: Refs = NOTHING
    ) -> None:
        """Find what nobody keeps any more although a process that may run was given it."""
        if self.views:
            self.check_views(state, where, moment, returned)
        if not state.handed or not any(state.handed.get(each) for each in state.alive()):
            return
        kept = self.kept(state) | state.reach(returned)
        rebound = state.reach(self.replaced) if moment == "temporary" else set[Thing]()
        for process, items in list(state.handed.items()):
            gone = [each for each in items if each.thing not in kept]
            if not gone:
                continue
            state.handed[process] = tuple(each for each in items if each.thing in kept)
            if state.status.get(process, frozenset()) & ALIVE:
                for each in gone:
                    how = "rebound" if each.thing in rebound else moment
                    self._dropped(each, state, where, how)

    def _check_unstarted(self, state: State, where: ast.AST, returned: Refs) -> None:
        """Processes that leave the function and will lose their arguments when they start."""
        kept = self.kept(state) | state.reach(returned)
        for process, words in list(state.status.items()):
            if words != frozenset({NEW}) or process not in kept or process.kind.role != "process":
                continue
            fields = state.own(process)
            taken = {k: v for k, v in fields.items() if k in {"_target", "_args", "_kwargs"}}
            for name in taken:
                del fields[name]
            still = self.kept(state) | state.reach(returned)
            fields.update(taken)
            for each in state.handed.get(process, ()):
                if each.thing not in still and not each.inline:
                    self._dropped(each, state, where, "unstarted")

    def _dropped(self, handed: Handed, state: State, where: ast.AST, moment: str) -> None:
        if self.silent:
            return
        spots = handed.spots
        at = min(len(self.stack), len(spots))
        drop = Drop(
            handed,
            spots[at - 1],
            where,
            moment,
            len(spots) - at,
            self.confidence(handed, state, moment, where),
        )
        self.state = state
        for rule in self.listeners["on_drop"]:
            self.tell(rule.on_drop(drop, self))  # type: ignore[arg-type]

    def confidence(self, handed: Handed, state: State, moment: str, where: ast.AST) -> Confidence:
        """How sure it is that the process is running at a drop, and that anybody suffers."""
        words = state.status.get(handed.process, frozenset())
        if moment == "unstarted":
            return "medium"
        if where in self.last and self.method(handed.process) == "fork":
            return "low"  # the program ends there: nobody is given that memory any more
        if RUNNING not in words or state.exceptional:
            return "low"
        if words & (ALIVE - {RUNNING}):
            return "low"
        return "medium" if ENDED in words or NEW in words else "high"


def alternatives(callees: Refs) -> bool:
    """Whether these are methods of what one call makes: of one class or of another."""
    owners = [each.receiver for each in callees if isinstance(each, Bound)]
    if len(owners) != len(callees) or any(each.node is not owners[0].node for each in owners):
        return False
    return len({(each.kind.role, each.cls) for each in owners}) == len(owners)


def _is_context(node: ast.expr) -> bool:
    """Whether an expression is `get_context(...)`, by its looks."""
    func = node.func if isinstance(node, ast.Call) else None
    return "get_context" in {getattr(func, "attr", ""), getattr(func, "id", "")}


def one_library(callees: Refs) -> Refs:
    """The same of several libraries or start methods is one: `try: import a as x`, `except: ...`.

    Which of them it is, is decided once for the whole program; so its objects are not mixed.
    """
    if len(callees) < 2 or not all(isinstance(each, Named) for each in callees):
        return callees
    names = [each for each in callees if isinstance(each, Named)]
    if any(each.name != names[0].name for each in names):
        return callees
    return frozenset({min(names, key=lambda each: (each.library, each.method or ""))})


@functools.lru_cache(maxsize=4096)
def decorators(node: ast.AST) -> frozenset[str]:
    """The last parts of the names of a function's decorators."""
    found: set[str] = set()
    for each in getattr(node, "decorator_list", ()):
        bare = each.func if isinstance(each, ast.Call) else each
        found.add(bare.attr if isinstance(bare, ast.Attribute) else getattr(bare, "id", ""))
    return frozenset(found)


@functools.lru_cache(maxsize=4096)
def empties(node: ast.AST) -> tuple[str, ...]:
    """The attributes of `self` to which a constructor assigns an empty list or dictionary."""
    return tuple(
        target.attr
        for each in getattr(node, "body", ())
        if isinstance(each, (ast.Assign, ast.AnnAssign)) and _is_empty(each.value)
        for target in (each.targets if isinstance(each, ast.Assign) else [each.target])
        if isinstance(target, ast.Attribute)
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
    )


def _is_empty(node: ast.expr | None) -> bool:
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        return name in {"list", "dict", "set", "deque"} and not node.args
    if isinstance(node, ast.Dict):
        return not node.keys
    return isinstance(node, ast.List) and not node.elts


def is_super(node: ast.expr) -> bool:
    """Whether an expression is `super()` or `super(A, self)`."""
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
    )
