"""How large what an expression makes is, pickled: as far as its text says it.

What it keeps true: what is said to be there at least is never too much, since what the text leaves
open counts as nothing; what is said to be the most is never too little. So whoever asks whether
something is larger than a pipe, or smaller, is told yes only if it is.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Functions that make as many bytes as they are told.
_BYTES = {"bytes", "bytearray", "urandom", "randbytes", "token_bytes", "token_hex"}
# Functions that make an array of numbers, of one byte each at least.
_ARRAYS = {"zeros", "ones", "empty", "full"}
# The same, where the shape comes in single arguments.
_SPREAD = {"rand", "randn"}
_DEEPEST = 8
_LARGEST = 1 << 62


def at_least(node: ast.expr, names: Mapping[str, ast.expr], depth: int = 0) -> int:
    """The least number of bytes of the pickled value of an expression.

    Args:
        node: The expression.
        names: What is known of the names in it.
        depth: How many names and operators deep the question came.
    """
    if depth > _DEEPEST:
        return 0
    if isinstance(node, ast.Constant):
        return len(node.value) if isinstance(node.value, (str, bytes)) else 1
    if isinstance(node, ast.Name):
        return at_least(names[node.id], names, depth + 1) if node.id in names else 0
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return sum(max(1, at_least(each, names, depth + 1)) for each in node.elts)
    if isinstance(node, ast.Dict):
        return sum(max(1, at_least(each, names, depth + 1)) for each in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return _repeated(node, names, depth)
    if isinstance(node, ast.ListComp) and len(node.generators) == 1:
        clause = node.generators[0]
        return 0 if clause.ifs else _count(clause.iter, names, depth + 1)
    if isinstance(node, ast.Call):
        return _made(node, names, depth)
    return 0


# More than any number, or any short text with a number in it, takes when it is pickled.
_A_NUMBER = 64


def at_most(node: ast.expr, small: set[str]) -> int | None:
    """The greatest number of bytes of the pickled value of an expression; None if nobody knows.

    Args:
        node: The expression.
        small: The names that stand for numbers.
    """
    if isinstance(node, ast.Constant):
        long = isinstance(node.value, (str, bytes))
        return _A_NUMBER + (len(node.value) * 4 if long else 0)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return _A_NUMBER if node.id in small else None
    if isinstance(node, (ast.List, ast.Tuple)):
        return _sum(node.elts, small)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Mod)):
        if isinstance(node.left, ast.Constant) and not isinstance(node.left.value, (int, float)):
            return None
        if isinstance(node.right, ast.Constant) and not isinstance(node.right.value, (int, float)):
            return None
        return _sum([node.left, node.right], small)
    if isinstance(node, ast.JoinedStr):
        parts = [e.value if isinstance(e, ast.FormattedValue) else e for e in node.values]
        return _sum(parts, small)
    return None


def _sum(nodes: list[ast.expr], small: set[str]) -> int | None:
    found = _A_NUMBER
    for each in nodes:
        size = at_most(each, small)
        if size is None:
            return None
        found += size
    return found


def _repeated(node: ast.BinOp, names: Mapping[str, ast.expr], depth: int) -> int:
    """`"x" * 1000`, `[0] * 1000`: of the elements of a list only that there are some is sure."""
    for what, times in ((node.left, node.right), (node.right, node.left)):
        if isinstance(what, (ast.List, ast.Tuple)):
            return len(what.elts) * number(times, names, depth + 1)
        if isinstance(what, ast.Constant) and isinstance(what.value, (str, bytes)):
            return len(what.value) * number(times, names, depth + 1)
    return 0


def _made(node: ast.Call, names: Mapping[str, ast.expr], depth: int) -> int:
    func = node.func
    name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
    if not node.args or any(isinstance(each, ast.Starred) for each in node.args):
        return 0
    first = node.args[0]
    if name in _BYTES:
        return number(first, names, depth + 1)
    if name in {"list", "tuple"} and isinstance(func, ast.Name):
        return _count(first, names, depth + 1)
    if not isinstance(func, ast.Attribute):
        return 0
    if name in _ARRAYS:
        shape = first.elts if isinstance(first, (ast.Tuple, ast.List)) else [first]
        return _product(shape, names, depth)
    return _product(node.args, names, depth) if name in _SPREAD else 0


def _product(shape: list[ast.expr], names: Mapping[str, ast.expr], depth: int) -> int:
    found = 1
    for each in shape:
        found = min(found * number(each, names, depth + 1), _LARGEST)
    return found


def _count(node: ast.expr, names: Mapping[str, ast.expr], depth: int) -> int:
    """How many elements an iterable has at least."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        return number(node.args[0], names, depth + 1) if len(node.args) == 1 else 0
    return 0


def number(node: ast.expr, names: Mapping[str, ast.expr], depth: int = 0) -> int:
    """The value of an expression that is a number without a sign; 0 if the text does not say."""
    if depth > _DEEPEST:
        return 0
    if isinstance(node, ast.Constant):
        plain = isinstance(node.value, int) and 0 <= node.value <= _LARGEST
        return int(node.value) if plain else 0  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return number(names[node.id], names, depth + 1) if node.id in names else 0
    if not isinstance(node, ast.BinOp):
        return 0
    left, right = (number(each, names, depth + 1) for each in (node.left, node.right))
    if isinstance(node.op, ast.Mult):
        return min(left * right, _LARGEST)
    if isinstance(node.op, ast.Add):
        return min(left + right, _LARGEST) if left and right else 0
    if isinstance(node.op, ast.Pow):
        return min(left**right, _LARGEST) if left <= 1024 and right <= 6 else 0
    if isinstance(node.op, ast.LShift):
        return left << right if left < 1 << 20 and right <= 40 else 0
    return 0


def assigned_once(*scopes: ast.AST) -> dict[str, ast.expr]:
    """What the names of some scopes stand for that one plain assignment gives them, and no other.

    Args:
        scopes: Functions and modules, the innermost first.
    """
    found: dict[str, ast.expr] = {}
    hidden: set[str] = set()
    for scope in scopes:
        own, stored = _stores(scope)
        found |= {n: v for n, v in own.items() if stored.count(n) == 1 and n not in hidden}
        hidden.update(stored)
    return found


def _stores(scope: ast.AST) -> tuple[dict[str, ast.expr], list[str]]:
    own: dict[str, ast.expr] = {}
    stored: list[str] = []
    arguments = getattr(scope, "args", None)
    rest: list[ast.AST] = [arguments] if arguments is not None else []
    rest += getattr(scope, "body", [])
    while rest:
        each = rest.pop()
        if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load):
            stored.append(each.id)
        elif isinstance(each, ast.arg):
            stored.append(each.arg)
        elif isinstance(each, (ast.Global, ast.Nonlocal)):
            stored += [*each.names, *each.names]
        elif isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            stored.append(each.name)
            continue
        elif isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name):
            own[each.targets[0].id] = each.value
        rest += ast.iter_child_nodes(each)
    return own, stored
