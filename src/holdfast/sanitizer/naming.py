"""Names, as the program writes them: found in its source when a report is made.

What it keeps true: nothing is asked of the running program for a name's sake. A line and, from
Python 3.11 on, its columns are known of each frame; the syntax tree says the rest: what the new
object is assigned to, what a process's target is an attribute of, which `return` ended a function.
All answers may be empty: source may be missing, changed, or too clever.
"""

from __future__ import annotations

import ast
import functools
import linecache
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Place

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Node = TypeVar("_Node", bound=ast.AST)


@functools.lru_cache(maxsize=64)
def tree_of(file: str) -> ast.Module | None:
    """The syntax tree of a file; None if it cannot be had."""
    text = "".join(linecache.getlines(file))
    try:
        return ast.parse(text) if text else None
    except (SyntaxError, ValueError, RecursionError):
        return None


def around(place: Place) -> list[ast.AST]:
    """The nodes that stand around a place's code, the innermost first."""
    tree = tree_of(place.file)
    if tree is None or not place.line:
        return []
    found = [node for node in _nodes_at(tree, place.line) if _covers(node, place)]
    return sorted(found, key=_extent)


def _nodes_at(tree: ast.AST, line: int) -> Iterator[ast.AST]:
    """The nodes of a tree that may stand in a line, the outermost first; a large one has few."""
    level = [tree]
    while level:
        following: list[ast.AST] = []
        for node in level:
            yield node
            for child in ast.iter_child_nodes(node):
                first = getattr(child, "lineno", line)
                for decorator in getattr(child, "decorator_list", ()):  # they stand above it
                    first = min(first, decorator.lineno)
                if first <= line <= (getattr(child, "end_lineno", None) or max(first, line)):
                    following.append(child)
        level = following


def with_source(place: Place, line: int) -> Place:
    """Another line of the same function."""
    return replace(place, line=line, source=linecache.getline(place.file, line).strip())


def call_at(place: Place, callee: str = "") -> ast.Call | None:
    """The call that a frame was executing.

    Args:
        place: The frame's.
        callee: The name of what it called, as far as it is known.
    """
    calls = [node for node in around(place) if isinstance(node, ast.Call)]
    if place.column or len(calls) == 1:
        return calls[0] if calls else None
    # Without columns all calls of the line were found. The outermost is the best guess, unless
    # one of them has the name of what is known to have been called.
    named = [call for call in calls if callee and _name_called(call) == callee]
    return next(reversed(named or calls), None)


def _name_called(call: ast.Call) -> str:
    """The last word of what stands before the parentheses of a call."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def statement_at(place: Place) -> ast.stmt | None:
    """The innermost statement around a place."""
    return next((node for node in around(place) if isinstance(node, ast.stmt)), None)


def function_at(place: Place) -> _Function | None:
    """The innermost function around a place; None at module level."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    for node in around(place):
        if isinstance(node, kinds):
            return node
        if isinstance(node, ast.ClassDef):
            return None
    return None


def assigned_at(place: Place, callee: str = "") -> tuple[str, ...]:
    """What the value made at a place is assigned to: ("self.id1",); () if it is a temporary."""
    call = call_at(place, callee)
    statement = statement_at(place)
    if statement is None:
        return ()
    value, targets = _assignment(statement)
    way = None if value is None else "" if call is None else _way(value, call)
    if way is None:
        # walrus: the nearest one whose value it is
        for node in around(place):
            if isinstance(node, ast.NamedExpr) and (call is None or node.value is call):
                return (ast.unparse(node.target),)
        return ()
    return tuple(_named(target, value, call) or f"{ast.unparse(target)}{way}" for target in targets)


def _named(target: ast.expr, value: ast.expr | None, call: ast.Call | None) -> str:
    """Which one of several targets gets the result: `b` in `a, b = f(), g()`."""
    several = (ast.Tuple, ast.List)
    if isinstance(target, several) and isinstance(value, several):
        for name, element in zip(target.elts, value.elts, strict=False):
            if element is call:
                return ast.unparse(name)
    return ""


def argument_of(call: ast.Call, name: str, position: int | None = None) -> ast.expr | None:
    """An argument of a call, by keyword or by position."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if position is not None and position < len(call.args):
        found = call.args[position]
        return None if isinstance(found, ast.Starred) else found
    return None


def calls_within(node: ast.AST, *names: str) -> Iterator[ast.Call]:
    """The calls of functions or methods with these names, in order of source."""
    for each in _in_order(node, ast.Call):
        if _name_called(each) in names:
            yield each


def assigned_within(node: ast.AST, name: str) -> list[ast.expr]:
    """The values that are assigned to a name anywhere within a function, in order of source."""
    found: list[ast.expr] = []
    for each in _in_order(node, ast.stmt):
        value, targets = _assignment(each)
        if value is not None and name in {ast.unparse(target) for target in targets}:
            found.append(value)
    return found


def return_after(function: _Function, line: int) -> tuple[int, str]:
    """Where a function ends that has got beyond a line: its `return`, or its last line.

    Returns:
        The line, and "return ..." or "" if the function just ends.
    """
    last = function.body[-1] if isinstance(function.body, list) else function.body
    returns = [
        node
        for node in _in_order(function, ast.Return)
        if node.lineno >= line and _owner(function, node)
    ]
    if not returns:
        return last.end_lineno or last.lineno, ""
    # The nearest in the same block is the one, or else the last of the function.
    for node in returns:
        if node in _blocks_of(function, line):
            return node.lineno, ast.unparse(node)
    return returns[-1].lineno, ast.unparse(returns[-1])


# ---- within a tree ------------------------------------------------------------------------------


def _assignment(statement: ast.stmt) -> tuple[ast.expr | None, list[ast.expr]]:
    if isinstance(statement, ast.Assign):
        return statement.value, statement.targets
    if isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
        return statement.value, [statement.target]
    if isinstance(statement, (ast.With, ast.AsyncWith)) and len(statement.items) == 1:
        item = statement.items[0]
        return item.context_expr, [] if item.optional_vars is None else [item.optional_vars]
    return None, []


def _way(value: ast.expr, call: ast.Call) -> str | None:
    """How a call's result is reached from what an assignment stores: "", "[0]", "['a']", "[...]".

    None if it is no part of it.
    """
    if value is call:
        return ""
    inner: list[tuple[str, ast.expr]] = []
    if isinstance(value, (ast.Tuple, ast.List)):
        inner = [(f"[{index}]", each) for index, each in enumerate(value.elts)]
    elif isinstance(value, ast.Set):
        inner = [("[...]", each) for each in value.elts]
    elif isinstance(value, ast.Dict):
        keys = [f"[{ast.unparse(key)}]" if key is not None else "[...]" for key in value.keys]
        inner = list(zip(keys, value.values, strict=True))
    elif isinstance(value, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
        inner = [("[...]", value.elt)]
    elif isinstance(value, ast.DictComp):
        inner = [("[...]", value.value)]
    elif isinstance(value, ast.IfExp):
        inner = [("", value.body), ("", value.orelse)]
    elif isinstance(value, ast.BoolOp):
        inner = [("", each) for each in value.values]
    for step, each in inner:
        further = _way(each, call)
        if further is not None:
            return step + further
    return None


def _covers(node: ast.AST, place: Place) -> bool:
    line: int = getattr(node, "lineno", 0)
    end: int = getattr(node, "end_lineno", 0) or line
    if not line or not line <= place.line <= end:
        return False
    # Statements too: several may stand in one line.
    if not (place.column and isinstance(node, (ast.expr, ast.stmt))):
        return True
    # The frame's columns are characters from 1, the tree's are bytes from 0; both count the same
    # in all but the rarest lines.
    begins = (line, node.col_offset + 1) <= (place.line, place.column)
    stops = (end, (node.end_col_offset or 0) + 1) >= (
        place.end_line or place.line,
        place.end_column or place.column,
    )
    return begins and stops


def _extent(node: ast.AST) -> tuple[int, int, int]:
    line: int = getattr(node, "lineno", 0)
    end: int = getattr(node, "end_lineno", 0) or line
    start_column: int = getattr(node, "col_offset", 0)
    end_column: int = getattr(node, "end_col_offset", 0) or 0
    return end - line, end_column - start_column if end == line else 0, -start_column


def _in_order(node: ast.AST, kind: type[_Node]) -> list[_Node]:
    found = [each for each in ast.walk(node) if isinstance(each, kind)]
    return sorted(found, key=lambda each: (getattr(each, "lineno", 0), _extent(each)))


def _owner(function: _Function, node: ast.AST) -> bool:
    """Whether a statement is a function's own, not that of a function within it."""
    inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return not any(
        isinstance(each, inner) and each is not function and node in ast.walk(each)
        for each in ast.walk(function)
    )


def _blocks_of(function: _Function, line: int) -> list[ast.stmt]:
    """The statements that follow a line in its own block and in the blocks around it."""
    found: list[ast.stmt] = []
    for node in ast.walk(function):
        for name in ("body", "orelse", "finalbody"):
            block = _block(node, name)
            if any(each.lineno <= line <= (each.end_lineno or each.lineno) for each in block):
                found += [each for each in block if each.lineno >= line]
    return found


def _block(node: ast.AST, name: str) -> list[ast.stmt]:
    block: Any = getattr(node, name, None)
    return cast("list[ast.stmt]", block) if isinstance(block, list) else []
