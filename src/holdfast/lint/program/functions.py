"""What the text of a function says by itself: its names, and what sort of function it is.

What it keeps true: a function is gone through once, however often it is asked about.
"""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Names by which a function gets at the object whose method it is, or at all of its variables.
_WHOLE = {"super", "vars", "locals", "eval", "exec"}

_DOING = (
    ast.Call, ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a function, a lambda or a class.

    Attributes:
        local: The names that are its own.
        free: Those that it uses, functions in it included, and that nothing in it binds.
        is_generator: It yields.
        has_inner: It defines functions that may close over its variables.
    """

    local: frozenset[str]
    free: frozenset[str]
    is_generator: bool
    has_inner: bool


@functools.lru_cache(maxsize=4096)
def facts(node: ast.AST) -> Facts:
    """What is known of a function."""
    own: set[str] = set()
    outer: set[str] = set()
    nonlocals: set[str] = set()
    used: set[str] = set()
    bound: set[str] = set()
    inner: list[ast.AST] = []
    is_generator = False
    arguments = getattr(node, "args", None)
    rest: list[ast.AST] = [each for each in children(node) if each is not arguments]
    if isinstance(arguments, ast.arguments):
        own.update(each.arg for each in all_arguments(arguments))
        inner += children(arguments)
    while rest:
        each = rest.pop()
        kind = each.__class__
        if kind is ast.Name:
            if isinstance(each.ctx, ast.Load):  # type: ignore[attr-defined]
                used.add(each.id)  # type: ignore[attr-defined]
            else:
                bound.add(each.id)  # type: ignore[attr-defined]
        elif isinstance(each, _SCOPES):
            if not isinstance(each, ast.Lambda):
                own.add(each.name)
            inner.append(each)
        elif kind is ast.Constant:
            continue
        elif isinstance(each, (ast.Global, ast.Nonlocal)):
            outer.update(each.names)
            if kind is ast.Nonlocal:
                nonlocals.update(each.names)
        else:
            if isinstance(each, ast.alias):
                own.add((each.asname or each.name).partition(".")[0])
            elif isinstance(each, ast.ExceptHandler) and each.name is not None:
                own.add(each.name)
            elif isinstance(each, (ast.Yield, ast.YieldFrom)):
                is_generator = True
            rest += children(each)
    stored = frozenset(bound)
    has_inner = any(isinstance(each, _SCOPES) for each in inner)
    _of_inner(inner, used, bound, nonlocals)
    if isinstance(arguments, ast.arguments):
        bound.update(each.arg for each in all_arguments(arguments))
    return Facts(
        frozenset((own | stored) - outer),
        frozenset((used - bound) | nonlocals),
        is_generator and not isinstance(node, ast.Lambda),
        has_inner,
    )


@functools.lru_cache(maxsize=4096)
def touched(node: ast.AST) -> frozenset[str] | None:
    """The attributes of its object that a method uses; None if it hands on the object itself."""
    arguments = getattr(node, "args", None)
    names = all_arguments(arguments) if isinstance(arguments, ast.arguments) else []
    if not names:
        return None
    own = names[0].arg
    found: set[str] = set()
    rest = children(node)
    while rest:
        each = rest.pop()
        if isinstance(each, ast.Name):
            if each.id == own or each.id in _WHOLE:
                return None
        elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
            if each.value.id == own:
                found.add(each.attr)
            elif each.value.id in _WHOLE:
                return None
        else:
            rest += children(each)
    return frozenset(found)


def _of_inner(rest: list[ast.AST], used: set[str], bound: set[str], nonlocals: set[str]) -> None:
    """The names of what is defined in a function, and of its own defaults and annotations."""
    while rest:
        each = rest.pop()
        if isinstance(each, ast.Name):
            (used if isinstance(each.ctx, ast.Load) else bound).add(each.id)
        elif isinstance(each, ast.arg):
            bound.add(each.arg)
        elif isinstance(each, ast.Nonlocal):
            nonlocals.update(each.names)
        if not isinstance(each, ast.Constant):
            rest += children(each)


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes right below a node; `ast.iter_child_nodes`, but for contexts, in half the time."""
    found: list[ast.AST] = []
    for name, value in node.__dict__.items():
        if value.__class__ is list:
            found += [each for each in value if isinstance(each, ast.AST)]
        elif isinstance(value, ast.AST) and name != "ctx":
            found.append(value)
    return found


def nodes_of(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all below it, in no order that means anything."""
    rest = [node]
    while rest:
        each = rest.pop()
        yield each
        if each.__class__ is not ast.Name and each.__class__ is not ast.Constant:
            rest += children(each)


@functools.lru_cache(maxsize=4096)
def only_looks(node: ast.AST) -> bool:
    """Whether evaluating an expression changes nothing, by its looks."""
    return not any(isinstance(each, _DOING) for each in nodes_of(node))


@functools.lru_cache(maxsize=4096)
def reads(node: ast.AST) -> tuple[ast.Name, ...]:
    """Where a function reads a name that is not its own, from its first line to its last."""
    local = facts(node).local
    found = [
        each
        for each in nodes_of(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load) and each.id not in local
    ]
    return tuple(sorted(found, key=lambda each: (each.lineno, each.col_offset)))


def all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    """All parameters of a function, in order."""
    found = [*arguments.posonlyargs, *arguments.args]
    if arguments.vararg:
        found.append(arguments.vararg)
    found += arguments.kwonlyargs
    if arguments.kwarg:
        found.append(arguments.kwarg)
    return found
