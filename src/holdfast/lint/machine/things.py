"""What the checker knows values by: the few sorts that a name may stand for.

What it keeps true: a value is either a `Thing`, which has identity and can be kept alive or
dropped, or one of the records that only refer: to a library's name, a function, a class, a bound
method, a constant. What is not of interest has no value at all; a set of values (`Refs`) says what
an expression may stand for, and the empty set says nothing.

A `Thing` stands for an object that one place of the program makes in one chain of calls. The first
few that a place makes are things of their own, each with its generation; if there are more, the
last but one stands for all between. Loops are gone through twice, so they make two of each: what
is true of the first is true of all but the last.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from holdfast.lint.program.catalogue import Kind, Named
    from holdfast.lint.program.modules import Module

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

# A call that is being followed, outermost first: where the calls stand that led here.
Context = tuple[ast.AST, ...]


class Thing:
    """An object with an identity: all that one place makes, or the last of them.

    Attributes:
        kind: What it is.
        node: The expression that makes it.
        module: In whose file that is.
        function: The qualified name of the function in which it is made.
        library: Which relative of multiprocessing it is from.
        method: The start method of its context; None if it is the default one.
        cls: Its class, where that is the project's own.
        text: A few words for messages: `Value`, `Worker`.
        base: The object whose memory it shows: of a view, a proxy's manager.
        generation: How many things the same place had made before.
        lockless: It was made with `lock=False`.
        grip: How a view holds memory: "buf" is a segment's own buffer, released with it; "holds"
            keeps it mapped; "loose" has its address only.
    """

    __slots__ = (
        "base",
        "cls",
        "function",
        "generation",
        "grip",
        "kind",
        "library",
        "lockless",
        "method",
        "module",
        "node",
        "text",
    )

    def __init__(self, kind: Kind, node: ast.AST, module: Module, function: str = "") -> None:
        self.kind = kind
        self.node = node
        self.module = module
        self.function = function
        self.library = ""
        self.method: str | None = None
        self.cls: Class | None = None
        self.text = kind.name
        self.base: Thing | None = None
        self.generation = 0
        self.lockless = False
        self.grip = ""

    @property
    def semaphore(self) -> bool:
        """Whether it has a named semaphore."""
        return self.kind.semaphore and not self.lockless

    @property
    def memory(self) -> bool:
        """Whether its bytes are given to somebody else when it dies."""
        return self.kind.memory

    def __repr__(self) -> str:
        line = getattr(self.node, "lineno", 0)
        return f"<{self.text} {self.generation} of line {line}>"


@dataclass(frozen=True, slots=True)
class Function:
    """A function or lambda of the project.

    Attributes:
        node: Its definition.
        module: Where it stands.
        frame: The frame whose variables it closes over; None at module level.
        cls: The class in whose body it stands.
        name: Its qualified name.
    """

    node: Definition
    module: Module
    frame: int | None = None
    cls: Class | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Class:
    """A class of the project."""

    node: ast.ClassDef
    module: Module
    frame: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Bound:
    """A method with its object: `worker.run`, `process.start`.

    Attributes:
        receiver: The object.
        name: Of the method.
        function: Its definition, where that is the project's own.
        base_of: For `super().name`: the class whose bases are asked.
    """

    receiver: Thing
    name: str
    function: Function | None = None
    base_of: Class | None = None


@dataclass(frozen=True, slots=True)
class Lazy:
    """A name of another module of the project, looked up when it is used."""

    module: Module
    name: str


@dataclass(frozen=True, slots=True)
class Const:
    """A constant that decides something: None, a boolean, a string."""

    value: object


def only_name(value: object) -> bool:
    """Whether a value is the name or the size of a segment, which refers to nothing."""
    return (
        isinstance(value, Bound)
        and value.receiver.kind.role == "segment"
        and value.name in {"name", "_name", "size"}
    )


Value: TypeAlias = "Thing | Named | Function | Class | Bound | Lazy | Const | Module"
Refs: TypeAlias = "frozenset[Value]"
NOTHING: Refs = frozenset()
