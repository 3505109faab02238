"""Proposals for processes, pools and pipes: who waits for whom, and who closes what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libcst as cst
from libcst import matchers as m

from holdfast.lint.fixes.editor import Editor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Finding


def close_writer(finding: Finding, data: bytes) -> Iterator[bytes]:
    """HF602: close the parent's own end when the process has been started."""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    statement = _line(editor, node) if node is not None else None
    if statement is None or not isinstance(node, cst.Name) or "stays open" not in finding.message:
        return
    for each in editor.following(statement):
        starts = isinstance(each, (cst.SimpleStatementLine, cst.For))
        if starts and ".start()" in editor.text(each):
            editor.after(each, f"{node.value}.close()")
            yield editor.result()
            return


def close_in_child(finding: Finding, data: bytes) -> Iterator[bytes]:
    """HF602: the method that reads in the child closes the writing end of its object first."""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    said = re.search(r"the forked child has (\w+), the writing end", finding.message)
    found = editor.method(node) if node is not None else None
    if said is None or found is None or not isinstance(node, cst.Attribute):
        return
    name = node.attr.value
    if len(re.findall(rf"\.{name}\b", editor.module.code)) != 1:
        return  # the parent runs it as well
    for each in found[1].body.body:
        if isinstance(each, cst.FunctionDef) and each.name.value == name and each.params.params:
            body = each.body.body
            first = body[1:2] if each.get_docstring() is not None else body[:1]
            for statement in first:
                own = each.params.params[0].name.value
                editor.before(statement, f"{own}.{said[1]}.close()")
                yield editor.result()


def join(finding: Finding, data: bytes) -> Iterator[bytes]:
    """HF102, HF201, HF202: join the process, or all of them, at the end of its block."""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    statement = _line(editor, node) if node is not None else None
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
    if not name:
        return
    _at_the_end(editor, statement, f"{name}.join()")
    yield editor.result()
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    statement = _line(editor, node) if node is not None else None
    for each in editor.following(statement) if statement is not None else ():
        if isinstance(each, cst.For) and editor.text(each.iter) == name:  # that starts them
            one = editor.text(each.target)
            _at_the_end(editor, each, f"for {one} in {name}:\n    {one}.join()")
            yield editor.result()
            return


def _line(editor: Editor, node: cst.CSTNode) -> cst.SimpleStatementLine | None:
    for each in editor.around(node):
        if isinstance(each, cst.SimpleStatementLine):
            return each if len(each.body) == 1 and editor.block(each) else None
        if isinstance(each, cst.BaseCompoundStatement):
            return None
    return None


def _at_the_end(editor: Editor, statement: cst.CSTNode, line: str) -> None:
    """A new statement at the end of a block, but before what leaves it."""
    last = editor.block(statement)[-1]
    text = editor.text(last).strip()
    if text.startswith(("return", "raise ", "sys.exit(", "exit(", "break", "continue")):
        editor.before(last, line)
    else:
        editor.after(last, line)


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
        # The block that makes it: below `if __name__ == "__main__"`, not behind that.
        around = editor.block(each)
        if any(_assigns(one, pool) for one in around):
            block = around
            break
        if isinstance(each, cst.FunctionDef):
            block = list(each.body.body)  # type: ignore[arg-type]
            break
    if not block:
        return
    last = block[-1]
    if editor.text(last).strip() != f"{pool}.close()":
        editor.after(last, f"{pool}.close()")
    editor.after(last, f"{pool}.join()")
    yield editor.result()


def _assigns(statement: cst.BaseStatement, name: str) -> bool:
    target = m.Name(name)
    return m.matches(
        statement,
        m.SimpleStatementLine(body=[m.Assign(targets=[m.AssignTarget(target=target)])]),
    )


def _first(statement: cst.With) -> cst.CSTNode:
    return statement.body.body[0]
