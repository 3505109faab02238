"""Proposals for processes, pools and pipes: who waits for whom, and who closes what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from holdfast.lint.fixes.editor import Editor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Finding


def close_writer(finding: Finding, data: bytes) -> Iterator[bytes]:
    """HF602: close the parent's own end when the process has been started."""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    statement = editor.statement(node) if node is not None else None
    if statement is None or not isinstance(node, cst.Name) or "stays open" not in finding.message:
        return
    for each in editor.following(statement):
        if isinstance(each, cst.SimpleStatementLine) and ".start()" in editor.text(each):
            editor.after(each, f"{node.value}.close()")
            yield editor.result()
            return


def join(finding: Finding, data: bytes) -> Iterator[bytes]:
    """HF202: join the process at the end of its block."""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    statement = editor.statement(node) if node is not None else None
    if statement is None:
        return
    small = statement.body[0]
    name = ""
    if isinstance(small, cst.Assign) and isinstance(small.targets[0].target, cst.Name):
        name = small.targets[0].target.value
    elif isinstance(small, cst.Expr) and isinstance(small.value, cst.Call):
        func = small.value.func
        if isinstance(func, cst.Attribute) and isinstance(func.value, cst.Name):
            name = func.value.value
    last = editor.block(statement)[-1]
    if name:
        editor.after(last, f"{name}.join()")
        yield editor.result()


def wait_for_pool(finding: Finding, data: bytes) -> Iterator[bytes]:
    """HF501: close and join the pool at the end of its `with`, or of its block."""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return
    pool = editor.text(node.func.value)
    block: list[cst.BaseStatement] = []
    for each in editor.around(node):
        if isinstance(each, cst.With) and any(
            item.asname is not None and editor.text(item.asname.name) == pool for item in each.items
        ):
            block = editor.block(_first(each))
            break
        if isinstance(each, (cst.FunctionDef, cst.Module)):
            body = each.body.body if isinstance(each, cst.FunctionDef) else each.body
            block = list(body)  # type: ignore[arg-type]
            break
    if not block:
        return
    last = block[-1]
    if editor.text(last).strip() != f"{pool}.close()":
        editor.after(last, f"{pool}.close()")
    editor.after(last, f"{pool}.join()")
    yield editor.result()


def _first(statement: cst.With) -> cst.CSTNode:
    return statement.body.body[0]
