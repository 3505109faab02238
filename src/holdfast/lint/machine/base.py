"""What all parts of the machine share: frames, things, names, and telling the rules.

The machine follows a program on paper: it goes through the statements of a module or function as
the interpreter would, calls of the project's own functions included, with a `State` in place of
memory. It is made of parts, each building on the one before: this one, `Expressions`, `Views` (of
shared memory), `Library` (what is of the libraries), `Pruning` (which calls need not be followed),
`Calls`, `Conditions` and `Machine` (statements).
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from holdfast.lint.events import Rule
from holdfast.lint.machine.state import PLAIN, Layer, Spot, State
from holdfast.lint.machine.things import NOTHING, Bound, Class, Context, Function, Lazy, Refs, Thing
from holdfast.lint.program import catalogue, relevance
from holdfast.lint.program.catalogue import OUTSIDE, Named
from holdfast.lint.program.functions import facts
from holdfast.lint.program.modules import Module, absolute_name

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from holdfast.findings import Finding
    from holdfast.lint.events import Argument, Call
    from holdfast.lint.machine.things import Value
    from holdfast.lint.options import Options
    from holdfast.lint.program.catalogue import Kind
    from holdfast.lint.program.modules import Project

# Statements that one entry may cost: more than any function that people write needs.
BUDGET = 3_000

# Of whose functions the rules are told.
_TOLD_OF = ("mp.", "struct.", "os.")

# How many things of one place are told apart; loops are gone through twice.
MOST_OF_ONE = 4


class BudgetError(Exception):
    """Following a function further costs more than it can tell."""


@dataclass(slots=True)
class Frame:
    """A call that is being followed.

    Attributes:
        number: The key of its variables in the state.
        module: In which it stands.
        name: The qualified name of the function; "" for a module.
        node: The module, function or lambda.
        cls: The class whose method it is.
        function: The function.
        call: The call that led here; None for the outermost.
        receiver: The first argument of a method.
    """

    number: int
    module: Module
    name: str
    node: ast.AST
    cls: Class | None = None
    function: Function | None = None
    call: ast.AST | None = None
    receiver: Thing | None = None

    @property
    def is_module(self) -> bool:
        """Whether it is the frame of a module."""
        return isinstance(self.node, ast.Module)


class Memory:
    """What the machines of one project share: what they have learnt of its modules.

    Attributes:
        things: Each by its key.
        frames: The numbers of frames, each by its key.
        modules: The numbers of those that hold a module's variables.
        loaded: The modules that have been imported, or are being.
        layer: What they have made.
        objects: Numbers of modules' frames: their variables that stand for objects.
        roles: Of the things that have been made at all.
        inert: Functions, with the constants that they were given, and whether following them made
            nothing of a library.
        idle: Functions that leave nothing of a library behind, whatever they are given.
    """

    def __init__(self) -> None:
        self.things: dict[Hashable, Thing] = {}
        self.frames: dict[Hashable, int] = {}
        self.modules: set[int] = set()
        self.loaded: set[Module] = set()
        self.layer = Layer()
        self.objects: dict[int, dict[str, Refs]] = {}
        self.roles: set[str] = set()
        self.inert: dict[Hashable, bool] = {}
        self.idle: set[ast.AST] = set()


class Base:
    """See the module."""

    def __init__(
        self, home: Module, project: Project, options: Options, rules: Sequence[Rule]
    ) -> None:
        self.home = home
        self.project = project
        self.memory = project.shared(Memory)
        self._lineages: dict[Class, list[Class | Named]] = {}
        self._methods: dict[tuple[Class, str, Class | None], Function | None] = {}
        self.options = options
        self.rules = rules
        self.listeners = {
            hook: [each for each in rules if getattr(type(each), hook) is not getattr(Rule, hook)]
            for hook in vars(Rule)
            if hook.startswith("on_")
        }
        self.listeners_to = {
            role: [each for each in self.listeners["on_call"] if role in each.hears]
            for role in {role for each in rules for role in each.hears}
        }
        self.default_method = options.default_method()
        self.method_said = bool(options.start_method or options.project_method)
        self.budget = BUDGET + 4 * len(home.lines)
        self.findings: list[Finding] = []
        self.stack: list[Frame] = []
        self.temporaries: list[list[Refs]] = []
        # The frame of the function that is about to return; its variables keep nothing any more.
        self.leaving = -1
        self.held_by_with: list[Refs] = []
        # What the names and places that the statement at hand assigns to stood for until now.
        self.replaced: set[Value] = set()
        # Functions with whose only call the program ends.
        self.last: set[ast.AST] = set()
        self.spent = 0
        self.silent = 0
        # The things of libraries that were made so far.
        self.creations: list[Thing] = []
        # Whether a view of a segment has been made at all.
        self.views = False
        self.state = self.fresh()

    # ---- parts that build on this one -----------------------------------------------------------
    # They are called here and defined further up. An abstract class would have to declare each of
    # them again in every part between; the only class that is ever instantiated has them all.

    def eval(self, node: ast.AST | None, state: State) -> Refs:
        """What an expression may stand for."""
        _not_here(node, state)

    def run_body(self, function: Function, state: State) -> list[tuple[State, Refs]]:
        """Follow the body of a function; each way out with what it returns."""
        _not_here(function, state)

    def assign(self, target: ast.expr, refs: Refs, state: State) -> None:
        """Assign to a name, attribute, element or several of them."""
        _not_here(target, refs, state)

    def visit_call(self, node: ast.Call, state: State) -> Refs:
        """What a call gives; what it does is done to the state."""
        _not_here(node, state)

    def call(
        self,
        callee: Value,
        node: ast.Call,
        arguments: Sequence[Argument],
        state: State,
        mark: int,
    ) -> Refs:
        """What one callee does and gives."""
        _not_here(callee, node, arguments, state, mark)

    def library_attribute(self, owner: Thing, name: str, node: ast.AST, state: State) -> Refs:
        """An attribute of a thing that is a library's."""
        _not_here(owner, name, node, state)

    def refine(self, tests: Sequence[ast.expr], state: State) -> None:
        """These conditions are true from here on."""
        _not_here(tests, state)

    def globals_used(self, function: Function) -> list[tuple[ast.Name, Thing]]:
        """The module-level things of libraries that a function uses by name, calls followed."""
        _not_here(function)

    def finished(self, futures: Refs, state: State) -> None:
        """The work behind some futures is done."""
        _not_here(futures, state)

    def used(self, refs: Refs, node: ast.AST, state: State) -> Refs:
        """Something is read by its name."""
        _not_here(refs, node, state)

    def in_loop(self) -> bool:
        """Whether the statement at hand is run again and again."""
        _not_here()

    def load(self, module: Module) -> None:
        """Import a module: what it makes is in the layer from now on."""
        _not_here(module)

    def fresh(self) -> State:
        """The state at the beginning."""
        return State(self.memory.layer)

    # ---- where the machine is -------------------------------------------------------------------

    @property
    def module(self) -> Module:
        """The module that is being followed."""
        return self.stack[-1].module if self.stack else self.home

    @property
    def function(self) -> str:
        """The qualified name of the function that is being followed."""
        return self.stack[-1].name if self.stack else ""

    @property
    def withs(self) -> tuple[Refs, ...]:
        """What the `with` statements around the place were given."""
        return tuple(self.held_by_with)

    @property
    def calls(self) -> Context:
        """The calls that are being followed, outermost first."""
        return tuple(frame.call for frame in self.stack if frame.call is not None)

    def spots(self, node: ast.AST) -> tuple[Spot, ...]:
        """Where a node stands, and the calls that led there, outermost first."""
        nodes = [*(frame.call or frame.node for frame in self.stack[1:]), node]
        return tuple(
            Spot(frame.module, frame.name, each)
            for frame, each in zip(self.stack, nodes, strict=False)
        )

    def qualified(self, name: str) -> str:
        """The qualified name of something that is defined where the machine is."""
        outer = self.stack[-1]
        if outer.is_module:
            return name
        if isinstance(outer.node, ast.ClassDef):
            return f"{outer.name}.{name}"
        return f"{outer.name}.<locals>.{name}"

    def method(self, process: Thing) -> str:
        """The start method of a process."""
        return process.method or self.default_method

    @property
    def roles(self) -> set[str]:
        """The roles of all things that have been made so far."""
        return self.memory.roles

    def kept(self, state: State | None = None) -> set[Thing]:
        """Everything that is kept alive in this process."""
        at = self.state if state is None else state
        temporaries = (each for refs in self.temporaries for some in refs for each in some)
        return at.kept(self.roots(at), temporaries)

    def kept_by_names(self) -> set[Thing]:
        """The same without the temporaries of the statement at hand."""
        level = self.temporaries.pop()
        try:
            return self.kept()
        finally:
            self.temporaries.append(level)

    def kept_after(self, returned: Refs) -> set[Thing]:
        """What is kept when the function at hand has returned this."""
        frame = self.stack[-1]
        number, frame.number = frame.number, -1
        try:
            return self.kept_by_names() | self.state.reach(returned)
        finally:
            frame.number = number

    def roots(self, state: State) -> set[int]:
        """The numbers of the frames that keep what they refer to."""
        numbers = {frame.number for frame in self.stack}
        return numbers | (state.frames.keys() & self.memory.modules)

    def keep(self, refs: Refs) -> None:
        """A temporary of the current statement."""
        if refs and self.temporaries:
            self.temporaries[-1].append(refs)

    def evaluate(self, node: ast.expr) -> Refs:
        """What an expression may stand for, without doing what it does."""
        self.silent += 1
        try:
            return self.eval(node, self.state.copy())
        finally:
            self.silent -= 1

    # ---- things ---------------------------------------------------------------------------------

    def thing(self, kind: Kind, key: Hashable, node: ast.AST) -> Thing:
        """The one thing with this key; not made older when it is asked for again."""
        found = self.memory.things.get(key)
        if found is None:
            found = self.memory.things[key] = Thing(kind, node, self.module, self.function)
            self.memory.roles.add(kind.role)
        return found

    def make(self, kind: Kind, node: ast.AST, state: State, tag: str = "") -> Thing:
        """A new thing. Of many that one place makes, the last but one stands for those between."""
        key = (node, self.calls, tag, kind.role)
        made = state.made.get(key, 0)
        number = min(made, MOST_OF_ONE - 1)
        young = self.thing(kind, (*key, number), node)
        young.generation = number
        if made >= MOST_OF_ONE:
            old = self.thing(kind, (*key, number - 1), node)
            state.age(young, old)
            for level in self.temporaries:
                level[:] = [refs | {old} if young in refs else refs for refs in level]
        state.made[key] = made + 1
        if kind.role not in PLAIN:
            self.creations.append(young)
            state.serious = True
        young.kind = kind
        state.heap[young] = {}
        self.keep(frozenset({young}))
        return young

    # ---- names ----------------------------------------------------------------------------------

    def variables(self, state: State) -> dict[str, Refs]:
        """The variables of the function that is being followed."""
        return state.names(self.stack[-1].number)

    def lookup(self, name: str, state: State) -> Refs:
        """What a name stands for, where the machine is."""
        frame = self.stack[-1]
        found = state.frames.get(frame.number, {}).get(name)
        if found is not None:
            return found
        function = frame.function
        if function is not None:
            if name in facts(function.node).local:
                return NOTHING
            outer = function.frame
            if outer is not None and outer in state.frames and name in state.frames[outer]:
                return state.frames[outer][name]
        elif isinstance(frame.node, ast.ClassDef) and len(self.stack) > 1:
            own = self.stack.pop()
            try:
                return self.lookup(name, state)
            finally:
                self.stack.append(own)
        return self.lookup_in(frame.module, name, state, own=True)

    def lookup_in(self, module: Module, name: str, state: State, *, own: bool = False) -> Refs:
        """What a name of a module stands for; with `own`, builtins are asked too."""
        number = self.module_frame(module)
        found = state.frames.get(number, {}).get(name)
        if found is None:
            if number not in state.frames:  # or else it is being followed right now
                if not own and not relevance.offers(module, name, self.project):
                    return self._submodule(module, name)
                self.load(module)
            found = state.layer.frames.get(number, {}).get(name)
        if found is not None:
            lazy = [each for each in found if isinstance(each, Lazy)]
            for each in lazy:  # a name that another module has from a third
                if each.module is not module or each.name != name:
                    found = (found - {each}) | self.lookup_in(each.module, each.name, state)
            return found
        if own:
            return _BUILTINS.get(name, NOTHING)
        return self._submodule(module, name)

    def _submodule(self, module: Module, name: str) -> Refs:
        inner = self.project.find(f"{module.name}.{name}", module) if module.is_package else None
        return frozenset({inner}) if inner is not None else NOTHING

    def module_frame(self, module: Module) -> int:
        """The number of the frame that holds a module's variables."""
        number = self.memory.frames.get(module)
        if number is None:
            number = self.frame_number(module)
            self.memory.modules.add(number)
        return number

    def frame_number(self, key: Hashable) -> int:
        """The number of a frame."""
        return self.memory.frames.setdefault(key, len(self.memory.frames) + 1)

    def imported(self, path: str, at: Module) -> Refs:
        """What an import of a dotted name gives."""
        name = Named(path)
        known = catalogue.named(path)
        if known != name:
            return frozenset({known})
        module = self.project.find(path, at)
        return frozenset({module if module is not None else known})

    def imported_from(self, node: ast.ImportFrom, name: str, at: Module) -> Refs:
        """What `from ... import name` gives."""
        source = absolute_name(node, at)
        if not node.level:
            path = f"{source}.{name}"
            known = catalogue.named(path)
            if known != Named(path):
                return frozenset({known})
        module = self.project.find(source, at) if source else None
        if module is not None and module is not at:
            inner = self.project.find(f"{source}.{name}", at) if module.is_package else None
            return frozenset({Lazy(module, name)}) if inner is None else frozenset({inner})
        inner = self.project.find(f"{source}.{name}" if source else name, at)
        if inner is not None:
            return frozenset({inner})
        return frozenset({Named(f"{source}.{name}")})

    # ---- classes --------------------------------------------------------------------------------

    def lineage(
        self, cls: Class, state: State, seen: tuple[Class, ...] = ()
    ) -> list[Class | Named]:
        """A class and its bases, nearest first; those of libraries by their names."""
        known = self._lineages.get(cls)
        if known is not None:
            return known
        found: list[Class | Named] = [cls]
        if cls in seen or len(seen) > 20:
            return found
        for base in cls.node.bases:
            for value in self.in_module(cls.module, base, state):
                if isinstance(value, Class):
                    found += [
                        each
                        for each in self.lineage(value, state, (*seen, cls))
                        if each not in found
                    ]
                elif isinstance(value, Named):
                    found.append(value)
        if not seen:
            self._lineages[cls] = found
        return found

    def in_module(self, module: Module, node: ast.expr, state: State) -> Refs:
        """What an expression at the top of a module may stand for."""
        frame = Frame(self.module_frame(module), module, "", module.tree)
        self.stack.append(frame)
        self.silent += 1
        try:
            refs = self.eval(node, state)
            return frozenset(
                found
                for each in refs
                for found in (
                    self.lookup_in(each.module, each.name, state)
                    if isinstance(each, Lazy)
                    else frozenset({each})
                )
            )
        finally:
            self.silent -= 1
            self.stack.pop()

    def method_of(
        self, cls: Class, name: str, state: State, after: Class | None = None
    ) -> Function | None:
        """The method that a class has under a name; with `after`, the one of the bases behind."""
        key = (cls, name, after)
        if key not in self._methods:
            self._methods[key] = self._method(self.lineage(cls, state), name, after)
        return self._methods[key]

    @staticmethod
    def _method(lineage: list[Class | Named], name: str, after: Class | None) -> Function | None:
        if after is not None:
            lineage = lineage[lineage.index(after) + 1 :] if after in lineage else lineage[1:]
        for each in lineage:
            if isinstance(each, Named):
                continue
            for node in reversed(each.node.body):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
                    qualified = f"{each.name}.{name}"
                    return Function(node, each.module, each.frame, each, qualified)
        return None

    def class_attribute(self, cls: Class, name: str, state: State) -> Refs:
        """What a class, or its bases, hold under a name."""
        for each in self.lineage(cls, state):
            if isinstance(each, Class):
                found = state.get(self.class_thing(each), name)
                if found:
                    return found
        found_method = self.method_of(cls, name, state)
        return frozenset({found_method}) if found_method is not None else NOTHING

    def class_thing(self, cls: Class) -> Thing:
        """The thing that holds what the body of a class assigns."""
        return self.thing(OUTSIDE, ("class", cls.node), cls.node)

    def bind(self, owner: Thing, function: Function, node: ast.AST, state: State) -> Refs:
        """A method with its object; what a property gives."""
        del node, state
        return frozenset({Bound(owner, getattr(function.node, "name", ""), function)})

    # ---- rules ----------------------------------------------------------------------------------

    def tell(self, findings: Iterable[Finding]) -> None:
        """Take down what a rule has found."""
        if not self.silent:
            self.findings.extend(findings)

    def tell_call(self, call: Call, state: State) -> None:
        """Tell the rules of a call."""
        if self.silent:
            return
        rules = self.listeners_to.get(call.receiver.kind.role if call.receiver else "")
        if rules is None or (call.receiver is None and not call.name.startswith(_TOLD_OF)):
            return
        self.state = state
        for rule in rules:
            self.tell(rule.on_call(call, self))  # type: ignore[arg-type]

    def tell_end(self, state: State) -> None:
        """Tell the rules that the program ends."""
        if not self.silent:
            self.state = state
            for rule in self.listeners["on_end"]:
                self.tell(rule.on_end(self.home.tree, self))  # type: ignore[arg-type]

    @staticmethod
    def target_names(node: ast.AST) -> set[str]:
        """The names that the clauses of a comprehension bind."""
        return {
            each.id
            for clause in getattr(node, "generators", ())
            for each in ast.walk(clause.target)
            if isinstance(each, ast.Name)
        }


def _not_here(*arguments: object) -> NoReturn:
    """Reached only if a part of the machine was forgotten: see "parts that build on this one"."""
    raise NotImplementedError(arguments)


_BUILTINS: dict[str, Refs] = {
    name: frozenset({Named(f"builtins.{name}")}) for name in dir(builtins)
}
