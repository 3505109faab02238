"""Proposals for queues: read before the join, put a copy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libcst as cst
from libcst import matchers as m

from holdfast.lint.fixes.editor import Editor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Finding

# Functions whose results have a method `copy()` that makes another one of them.
_COPIED_BY_METHOD = {"list", "dict", "set", "bytearray", "deque", "defaultdict", "OrderedDict"}
# Functions of NumPy that make a new array.
_ARRAYS = {"empty", "zeros", "ones", "full", "array", "arange", "empty_like", "zeros_like"}


def join_later(finding: Finding, data: bytes) -> Iterator[bytes]:
    """HF612: move the join, with the loop that is all it is in, behind what reads the queue."""
    queue = finding.subject.names[0] if finding.subject is not None else ""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    if node is None or not queue.isidentifier():
        return
    reads = re.compile(rf"\b{queue}\.get(?:_nowait)?\b")
    for each in editor.around(node):
        if isinstance(each, (cst.FunctionDef, cst.Module)):
            return
        if not isinstance(each, (cst.SimpleStatementLine, cst.For)):
            continue
        readers = [one for one in editor.following(each) if reads.search(editor.text(one))]
        if readers:
            editor.move(each, readers[-1])
            yield editor.result()
            return
        if len(editor.block(each)) != 1:
            return


def put_known_copy(finding: Finding, data: bytes) -> Iterator[bytes]:
    """HF614: `queue.put(frame.copy())`, where the program says that it is something with copy()."""
    name = finding.subject.names[0] if finding.subject is not None else ""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    if node is None or not name:
        return
    made: list[cst.BaseExpression] = []
    for each in m.findall(editor.module, m.Assign() | m.AnnAssign()):
        if isinstance(each, cst.Assign):
            targets = [one.target for one in each.targets]
        else:
            targets = [each.target] if isinstance(each, cst.AnnAssign) else []
        value = each.value if isinstance(each, (cst.Assign, cst.AnnAssign)) else None
        if value is not None and any(editor.text(one) == name for one in targets):
            made.append(value)
    if made and all(map(_has_copy, made)):
        yield from put_copy(finding, data)


def put_copy(finding: Finding, data: bytes) -> Iterator[bytes]:
    """HF614: `queue.put(frame.copy())`."""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    if isinstance(node, (cst.Name, cst.Attribute)):
        editor.replace(node, f"{editor.text(node)}.copy()")
        yield editor.result()


def _has_copy(made: cst.BaseExpression) -> bool:
    if isinstance(made, (cst.List, cst.Dict, cst.Set, cst.ListComp, cst.DictComp, cst.SetComp)):
        return True
    if isinstance(made, cst.BinaryOperation):  # [0] * 100
        return isinstance(made.left, cst.List)
    func = made.func if isinstance(made, cst.Call) else None
    if isinstance(func, cst.Name):
        return func.value in _COPIED_BY_METHOD
    if isinstance(func, cst.Attribute) and isinstance(func.value, cst.Name):
        of_numpy = func.value.value in {"np", "numpy"} and func.attr.value in _ARRAYS
        return of_numpy or func.attr.value in {"deque", "defaultdict", "OrderedDict"}
    return False
