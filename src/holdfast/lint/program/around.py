"""What stands around a node of a module: its ancestors, and the `try` that would catch an error."""

from __future__ import annotations

import ast
import bisect
import functools
from typing import TYPE_CHECKING

from holdfast.lint.program.functions import children

if TYPE_CHECKING:
    from collections.abc import Iterator

# How many statements are looked through that may stand on one line.
_ON_ONE_LINE = 2

_ALL = {"Exception", "BaseException"}


@functools.lru_cache(maxsize=64)
def parents(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    """The parent of each node below one."""
    found: dict[ast.AST, ast.AST] = {}
    rest = [tree]
    while rest:
        node = rest.pop()
        for child in children(node):
            found[child] = node
            rest.append(child)
    return found


def ancestors(tree: ast.AST, node: ast.AST) -> Iterator[ast.AST]:
    """The nodes around a node, nearest first."""
    top = _statement_around(tree, node)
    known = parents(top)
    at = known.get(node)
    while at is not None:
        yield at
        at = known.get(at)
    if top is not tree and (node is top or node in known):
        yield tree


def _statement_around(tree: ast.AST, node: ast.AST) -> ast.AST:
    """The statement of a module in which a node stands: all that has to be gone through."""
    line = getattr(node, "lineno", 0)
    body: list[ast.stmt] = getattr(tree, "body", []) if line else []
    start = bisect.bisect_left(body, line, key=lambda each: each.end_lineno or each.lineno)
    for each in body[start : start + _ON_ONE_LINE]:
        if node is each or node in parents(each):
            return each
    return tree


def caught(tree: ast.AST, node: ast.AST, *names: str, everything: bool = True) -> bool:
    """Whether an error with one of these names, raised at a node, is caught around it.

    With `everything`, handlers of Exception and bare ones count.
    """
    inside = node
    for each in ancestors(tree, node):
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return False
        if isinstance(each, ast.Try) and inside in each.body:
            for handler in each.handlers:
                if handler.type is None:
                    if everything:
                        return True
                    continue
                said = {_last(part) for part in ast.walk(handler.type)}
                if said & set(names) or (everything and said & _ALL):
                    return True
        if isinstance(each, (ast.With, ast.AsyncWith)) and inside in each.body:
            for item in each.items:
                said = {_last(part) for part in ast.walk(item.context_expr)}
                if "suppress" in said and said & set(names) | (said & _ALL):
                    return True
        inside = each
    return False


def _last(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def in_loop(tree: ast.AST, node: ast.AST) -> ast.For | ast.AsyncFor | ast.While | None:
    """The innermost loop around a node, in its own function."""
    for each in ancestors(tree, node):
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return None
        if isinstance(each, (ast.For, ast.AsyncFor, ast.While)):
            return each
    return None


def leaves_loop(tree: ast.AST, node: ast.AST) -> bool:
    """Whether the loop around a node is over once the statement in which it stands is done."""
    inside = node
    for each in ancestors(tree, node):
        if isinstance(each, (ast.For, ast.AsyncFor, ast.While)):
            return inside in each.body and _goes_away(each.body, inside)
        if isinstance(each, (ast.If, ast.Try)):
            blocks = [each.body, each.orelse, each.finalbody if isinstance(each, ast.Try) else []]
            if any(_goes_away(block, inside) for block in blocks):
                return True
        elif isinstance(each, (ast.With, ast.AsyncWith, ast.ExceptHandler)):
            if _goes_away(each.body, inside):
                return True
        inside = each
    return False


def _goes_away(block: list[ast.stmt], inside: ast.AST) -> bool:
    """Whether a block does not go back to its loop after one of its statements."""
    places = [number for number, each in enumerate(block) if each is inside]
    after = block[places[0] :] if places else []
    return any(isinstance(each, (ast.Return, ast.Break, ast.Raise)) for each in after)


def never_ends(function: ast.AST) -> bool:
    """Whether a function goes round in a `while True` that nothing in it leaves."""
    for each in getattr(function, "body", []) if not isinstance(function, ast.Lambda) else []:
        if isinstance(each, ast.While) and isinstance(each.test, ast.Constant) and each.test.value:
            leaving = (ast.Return, ast.Break, ast.Raise)
            return not any(isinstance(inner, leaving) for inner in ast.walk(each))
    return False
