"""What happens in a program that rules want to know, and what a rule is.

A rule is a class with a hazard's code. The machine follows the program and tells every rule what
happens, each time with the `Scene`: where that is, and what may be true there. A rule answers with
findings. It overrides only the methods that it needs.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from holdfast.findings import Confidence, Finding, Subject, hazard_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.lint.machine.state import Handed, Spot, State
    from holdfast.lint.machine.things import Class, Function, Refs, Thing
    from holdfast.lint.options import Options
    from holdfast.lint.program.modules import Module, Project


class Argument(NamedTuple):
    """One argument of a call.

    Attributes:
        name: Its keyword; "" if it is positional, "*" or "**" if it is unpacked.
        node: The expression.
        refs: What it may stand for.
    """

    name: str
    node: ast.expr
    refs: Refs


class Call(NamedTuple):
    """A call of something of a library: a method of one of its objects, or a function.

    Attributes:
        node: The call; None where it is implied, as by the end of a `with`.
        name: Of the method, or the function's name in its one form (`struct.pack_into`).
        receiver: The object whose method it is; None for a function.
        arguments: What it is given, in order.
        result: What it makes, where that is known.
    """

    node: ast.Call | None
    name: str
    receiver: Thing | None
    arguments: tuple[Argument, ...]
    result: Refs = frozenset()

    def argument(self, name: str, position: int = -1) -> Argument | None:
        """An argument by its keyword or its position."""
        for each in self.arguments:
            if each.name == name:
                return each
        positional = [each for each in self.arguments if each.name == ""]
        if 0 <= position < len(positional):
            return positional[position]
        return None


@dataclass(frozen=True, slots=True)
class Drop:
    """The last reference to something that a process was given goes away while it may run.

    Attributes:
        handed: What was given, to whom and how.
        spot: The expression, in the function that drops it, by which the process got it.
        where: The statement or the function at which it is dropped.
        moment: "temporary": at the end of the statement that made it; "rebound", "deleted": its
            name or place was given to something else; "scope": the function returned; "unstarted":
            the function returned, and the process that keeps it has yet to be started.
        calls: How many calls deep it is dropped, seen from where the process was made: 0 there.
        confidence: How sure it is.
    """

    handed: Handed
    spot: Spot
    where: ast.AST
    moment: str
    calls: int
    confidence: Confidence


class Scene(Protocol):
    """Where the machine is, and what it knows there."""

    module: Module
    options: Options
    project: Project
    state: State
    # Whether the user or the program says how processes are started.
    method_said: bool

    @property
    def function(self) -> str:
        """The qualified name of the function that is being followed; "" at module level."""
        ...

    @property
    def roles(self) -> set[str]:
        """The roles of all things that have been made so far."""
        ...

    @property
    def withs(self) -> tuple[Refs, ...]:
        """What the `with` statements around the place were given, outermost first."""
        ...

    def method(self, process: Thing) -> str:
        """The start method of a process."""
        ...

    def kept(self) -> set[Thing]:
        """Everything that is kept alive in this process."""
        ...

    def kept_by_names(self) -> set[Thing]:
        """The same without the temporaries of the statement at hand."""
        ...

    def peer_of(self, end: Thing) -> Thing | None:
        """The other end of a pipe."""
        ...

    def held(self) -> set[Thing]:
        """What variables and objects refer to, not what a stranger was only passed."""
        ...

    def kept_after(self, returned: Refs) -> set[Thing]:
        """What is kept when the function at hand has returned this."""
        ...

    def spots(self, node: ast.AST) -> tuple[Spot, ...]:
        """Where a node stands, and the calls that led there, outermost first."""
        ...

    def evaluate(self, node: ast.expr) -> Refs:
        """What an expression may stand for."""
        ...

    def globals_used(self, function: Function) -> Iterable[tuple[ast.Name, Thing]]:
        """The module-level objects that a function uses by their names, calls followed."""
        ...

    def function_text(self, node: ast.AST) -> str:
        """The source of the function that is being followed, or the node's at module level."""
        ...

    def method_of(self, cls: Class, name: str, state: State) -> Function | None:
        """The method that a class of the project has under a name, bases included."""
        ...

    def name_of(self, thing: Thing, node: ast.AST | None = None) -> str:
        """What the program calls a thing."""
        ...


class Rule:
    """Base of all rules.

    Attributes:
        code: Of its hazard.
        hears: Of whose calls `on_call` wants to know: the roles of their receivers; "" for those
            of functions.
    """

    code: ClassVar[str]
    hears: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def slug(cls) -> str:
        """The name of its hazard."""
        return hazard_of(cls.code).slug

    def on_process(self, process: Thing, call: Call, scene: Scene) -> Iterable[Finding]:
        """A process, executor or pool was made; `scene.state.handed` says what it was given."""
        del process, call, scene
        return ()

    def on_drop(self, drop: Drop, scene: Scene) -> Iterable[Finding]:
        """Something was dropped that a running process was given."""
        del drop, scene
        return ()

    def on_call(self, call: Call, scene: Scene) -> Iterable[Finding]:
        """A library's object, or a function of a library of processes, was called.

        The state is that after the call. (Of other libraries, `struct` and `os` are told of.)
        """
        del call, scene
        return ()

    def on_view(self, view: Thing, scene: Scene) -> Iterable[Finding]:
        """A view of a segment is made."""
        del view, scene
        return ()

    def on_use(self, view: Thing, node: ast.AST, scene: Scene) -> Iterable[Finding]:
        """A view of a segment that has been closed is read by its name."""
        del view, node, scene
        return ()

    def on_dangling(
        self, view: Thing, where: ast.AST, moment: str, scene: Scene
    ) -> Iterable[Finding]:
        """A view of a segment is still kept, and the segment is not; moments as of a drop."""
        del view, where, moment, scene
        return ()

    def on_return(self, refs: Refs, node: ast.AST, scene: Scene) -> Iterable[Finding]:
        """A function of the project returns; its variables are still there."""
        del refs, node, scene
        return ()

    def on_store(self, target: ast.expr, refs: Refs, scene: Scene) -> Iterable[Finding]:
        """Something is about to be assigned to a name, an attribute or an element."""
        del target, refs, scene
        return ()

    def on_end(self, where: ast.AST, scene: Scene) -> Iterable[Finding]:
        """The program has come to the end of its main module."""
        del where, scene
        return ()

    def found(
        self,
        scene: Scene,
        at: ast.AST | Spot,
        message: str,
        *,
        fix: str = "",
        subject: Subject | None = None,
        confidence: Confidence = "high",
    ) -> Finding:
        """A finding of this rule, at a spot or at a node of the module that is being followed."""
        if isinstance(at, ast.AST):
            place = scene.module.place(at, scene.function)
        else:
            place = at.module.place(at.node, at.function)
        return Finding(self.code, message, place, fix, subject, (), confidence)
