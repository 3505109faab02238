"""HF614 queue-put-mutated: an object was changed after it had been put on a queue.

## What it does

Finds `queue.put(name)` of a `multiprocessing.Queue`, also as `self.name` or in a tuple, where the
same function then changes the object in place: by an assignment to an element, or by `append`,
`clear`, `update` and the like.

## Why is this bad?

`put()` does not pickle: it hands the object to a thread that pickles it later. What is changed
meanwhile arrives changed, or half changed, and now and then the thread raises because a dictionary
grew under it. A loop that fills one buffer again and again sends the last frame many times.

## Example

    while True:
        camera.read(into=frame)
        frame[0] = number
        queue.put(frame)

## Use instead

    while True:
        camera.read(into=frame)
        frame[0] = number
        queue.put(frame.copy())

## When it is safe

If the name stands for another object before the change, or a copy is put. A SimpleQueue and a
connection pickle at once.

## References

python/cpython#109554, python/cpython#77060.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint.events import Rule
from holdfast.lint.program.around import ancestors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Finding
    from holdfast.lint.events import Call, Scene

_QUEUES = {"Queue", "JoinableQueue"}
_CHANGING = {
    "append", "extend", "insert", "clear", "update", "pop", "popitem", "remove", "sort", "reverse",
    "fill", "add", "discard", "setdefault",
}  # fmt: skip
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class QueuePutMutated(Rule):
    """See the module."""

    code = "HF614"
    hears = frozenset({"shared"})

    def on_call(self, call: Call, scene: Scene) -> Iterator[Finding]:
        """Something is put on a queue."""
        queue = call.receiver
        if queue is None or call.node is None or call.name not in {"put", "put_nowait"}:
            return
        if queue.kind.role != "shared" or queue.kind.name not in _QUEUES or not call.arguments:
            return
        for node in _parts(call.arguments[0].node):
            name = _dotted(node)
            change = _change_after(scene.module.tree, call.node, name)
            if change is None:
                continue
            yield self.found(
                scene,
                node,
                f"{name} is changed in line {change.lineno} after it has been put on "
                f"{scene.name_of(queue)}, which pickles it later: the receiver may get it changed",
                fix=f"put a copy of {name}, or make a new one for each item",
                subject=Subject(queue.kind.name, f"a {queue.text}", (name,)),
                confidence="low" if scene.state.exceptional else "medium",
            )


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """The names and attributes that are put, those in a tuple or another display too."""
    if isinstance(node, (ast.Tuple, ast.List)):
        for each in node.elts:
            yield from _parts(each)
    elif isinstance(node, ast.Dict):
        for value in node.values:
            yield from _parts(value)
    elif _dotted(node):
        yield node


def _change_after(tree: ast.AST, call: ast.AST, name: str) -> ast.stmt | None:
    """The statement that changes what a name stands for, after a call, before it is rebound."""
    inside = call
    array = _is_array(tree, call, name)
    for around in ancestors(tree, call):
        for field in ("body", "orelse", "finalbody"):
            block: list[ast.stmt] = getattr(around, field, None) or []
            if not isinstance(around, (ast.stmt, ast.Module)) or not isinstance(inside, ast.stmt):
                continue
            if inside not in block:
                continue
            at = block.index(inside)
            later = block[at + 1 :]
            if isinstance(around, (ast.For, ast.While, ast.AsyncFor)) and field == "body":
                target = getattr(around, "target", None)
                if target is None or not _binds(target, name):
                    later += block[:at]  # the next round
            for statement in later:
                how = _does(statement, name, array)
                if how == "changes":
                    return statement
                if how == "ends":
                    return None
        if isinstance(around, _FUNCTIONS):
            return None
        inside = around
    return None


def _is_array(tree: ast.AST, call: ast.AST, name: str) -> bool:
    """Whether all that the function around a call assigns to a name is changed by `+=`."""
    function = next((each for each in ancestors(tree, call) if isinstance(each, _FUNCTIONS)), tree)
    values = [
        each.value
        for each in ast.walk(function)
        if isinstance(each, ast.Assign) and any(_is(target, name) for target in each.targets)
    ]
    return bool(values) and all(map(_makes_array, values))


def _makes_array(value: ast.expr) -> bool:
    func = value.func if isinstance(value, ast.Call) else None
    if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
        return func.value.id in {"np", "numpy"}
    lists = isinstance(func, ast.Name) and func.id in {"bytearray", "list"}
    return lists or isinstance(value, (ast.List, ast.ListComp))


def _does(statement: ast.stmt, name: str, array: bool) -> str:
    """What a statement does with what a name stands for: "changes", "ends" or nothing."""
    if isinstance(statement, (ast.Return, ast.Raise, ast.Break)):
        return "ends"
    root = name.partition(".")[0]
    if array and isinstance(statement, ast.AugAssign) and _is(statement.target, name):
        return "changes"
    for each in ast.walk(statement):
        stored = not isinstance(getattr(each, "ctx", ast.Load()), ast.Load)
        if stored and _dotted(each) in {root, name}:
            return "ends"
        # A method of the object that has it may give it another one.
        func = each.func if isinstance(each, ast.Call) and root != name else None
        if isinstance(func, ast.Attribute) and _is(func.value, root):
            return "ends"
    for each in ast.walk(statement):
        if isinstance(each, (ast.Assign, ast.AugAssign)):
            targets = each.targets if isinstance(each, ast.Assign) else [each.target]
            if any(isinstance(t, ast.Subscript) and _is(t.value, name) for t in targets):
                return "changes"
        func = each.func if isinstance(each, ast.Call) else None
        if isinstance(func, ast.Attribute) and func.attr in _CHANGING and _is(func.value, name):
            return "changes"
    return ""


def _is(node: ast.expr, name: str) -> bool:
    return _dotted(node) == name


def _dotted(node: ast.AST) -> str:
    """`frame`, `self.frame`; nothing for what is more than a name and an attribute."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _binds(target: ast.AST, name: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(target))
