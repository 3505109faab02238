"""Proposals for segments and views."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libcst as cst
from libcst import matchers as m

from holdfast.lint.fixes.editor import Editor
from holdfast.lint.fixes.keeping import _attribute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Finding


def keep_segment(finding: Finding, data: bytes) -> Iterator[bytes]:
    """HF301: bind the segment to the instance, or return a copy."""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    function = editor.function(node) if node is not None else None
    if node is None or function is None:
        return
    owner = _segment_name(node)
    method = editor.method(node)
    if owner and method is not None:
        for each in editor.preceding(_top(editor, node, function)):
            if _binds(each, owner):
                attribute = _attribute(method[1], owner, method[2], editor)
                editor.after(each, f"{method[2]}.{attribute} = {owner}")
                yield editor.result()
                break
    yield from _copies(finding, data)


def _top(editor: Editor, node: cst.CSTNode, function: cst.FunctionDef) -> cst.BaseStatement:
    """The statement of the function's own block in which a node stands."""
    last: cst.CSTNode = node
    for each in editor.around(node):
        if each is function.body:
            break
        last = each
    return last  # type: ignore[return-value]


def _segment_name(node: cst.CSTNode) -> str:
    """The name of the segment whose buffer an expression looks into."""
    for each in m.findall(node, m.Attribute(value=m.Name(), attr=m.Name("buf"))):
        if isinstance(each, cst.Attribute) and isinstance(each.value, cst.Name):
            return each.value.value
    return ""


def _binds(statement: cst.BaseStatement, name: str) -> bool:
    return m.matches(
        statement,
        m.SimpleStatementLine(body=[m.Assign(targets=[m.AssignTarget(target=m.Name(name))])]),
    )


def _copies(finding: Finding, data: bytes) -> Iterator[bytes]:
    """Return a copy of what the function returns."""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    function = editor.function(node) if node is not None else None
    if node is None or function is None:
        return
    name = _bound_to(editor, node)
    if _written(editor, function, name):
        return  # what is written into a copy nobody else would see
    changed = False
    for each in m.findall(function.body, m.Return()):
        if editor.function(each) is not function or not isinstance(each, cst.Return):
            continue
        value = each.value
        if value is None:
            continue
        mine = value is node or node in _below(value)
        if (mine and value is node) or (isinstance(value, cst.Name) and value.value == name):
            editor.replace(value, _copy_of(editor, value, node))
            changed = True
    if changed:
        yield editor.result()


def _written(editor: Editor, function: cst.FunctionDef, name: str) -> bool:
    """Whether a function, or who calls it in this file, writes into the view that it returns."""
    text = editor.module.code
    maker = re.escape(function.name.value)
    results = set(re.findall(rf"\b(\w+)\s*=\s*(?:[\w.]+\.)?{maker}\(", text))
    if name and _writes(editor.text(function.body), name):
        return True
    return any(_writes(text, each) for each in results)


def _writes(text: str, name: str) -> bool:
    view = re.escape(name)
    return bool(
        re.search(rf"\b{view}(?:\[[^\n=]*\])+\s*(?:[-+*/%&|^@]|//|\*\*|<<|>>)?=(?!=)", text)
        or re.search(rf"\b{view}\.(?:fill|sort|put|partition)\(|\bcopyto\(\s*{view}\b", text)
    )


def _below(node: cst.CSTNode) -> set[cst.CSTNode]:
    found: set[cst.CSTNode] = set()
    rest = [node]
    while rest:
        each = rest.pop()
        found.add(each)
        rest.extend(each.children)
    return found


def _bound_to(editor: Editor, node: cst.CSTNode) -> str:
    """The name that an expression is assigned to."""
    around = editor.parent(node)
    if isinstance(around, cst.Assign) and len(around.targets) == 1:
        target = around.targets[0].target
        return target.value if isinstance(target, cst.Name) else ""
    return ""


def _copy_of(editor: Editor, value: cst.BaseExpression, view: cst.BaseExpression) -> str:
    text = editor.text(value)
    text_of_view = editor.text(view)
    if re.search(r"\.buf\b(\[[^\]]*\])?$", text_of_view):
        return f"bytes({text})"
    tensor = re.search(r"\btorch\.", text) or re.match(r"\s*torch\.", text_of_view)
    return f"{text}.clone()" if tensor else f"{text}.copy()"


def return_owner(finding: Finding, data: bytes) -> Iterator[bytes]:
    """HF301, for who changes the callers too: return the segment behind the view."""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    function = editor.function(node) if node is not None else None
    owner = _segment_name(node) if node is not None else ""
    if node is None or function is None or not owner:
        return
    name = _bound_to(editor, node)
    changed = False
    for each in m.findall(function.body, m.Return()):
        if not isinstance(each, cst.Return) or each.value is None:
            continue
        below = _below(each.value)
        named = any(isinstance(one, cst.Name) and one.value == name for one in below)
        if editor.function(each) is function and (node in below or (name and named)):
            text = editor.text(each.value).strip()
            if isinstance(each.value, cst.Tuple) and each.value.lpar:
                text = text[1:-1]
            editor.replace(each.value, f"{text.rstrip(', ')}, {owner}")
            changed = True
    if changed and _taken_apart(editor, function, owner):
        yield editor.result()


def _taken_apart(editor: Editor, function: cst.FunctionDef, owner: str) -> bool:
    """Callers in the file take both; False if one of them does something else with the result."""
    for call in m.findall(editor.module, m.Call(func=m.Name(function.name.value))):
        assign = editor.parent(call)
        around = editor.parent(assign) if assign is not None else None
        if not isinstance(assign, cst.Assign) or not isinstance(around, cst.SimpleStatementLine):
            return False
        target = assign.targets[0].target
        if len(assign.targets) != 1 or not isinstance(target, cst.Name):
            return False
        editor.replace(target, f"{target.value}, {editor.fresh(owner, around)}")
    return True


def name_segment(finding: Finding, data: bytes) -> Iterator[bytes]:
    """HF303: give the segment a name before the statement."""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    if not isinstance(node, cst.Attribute):
        return
    statement = editor.statement(node)
    if statement is None:
        return
    name = editor.fresh("shm", statement)
    editor.before(statement, f"{name} = {editor.text(node.value)}")
    editor.replace(node.value, name)
    yield editor.result()


def untracked(finding: Finding, data: bytes) -> Iterator[bytes]:
    """HF304: `track=False`, from Python 3.13."""
    if "track=False" not in finding.fix or finding.fix.startswith("let"):
        return
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    if not isinstance(node, cst.Call):
        return
    text = editor.text(node).rstrip()
    if "\n" in text or not text.endswith(")"):
        return
    inner = text[:-1].rstrip().rstrip(",")
    editor.replace(node, f"{inner}, track=False)")
    yield editor.result()


def close_later(finding: Finding, data: bytes) -> Iterator[bytes]:
    """HF302: let go of the view before the close, or copy it."""
    editor = Editor(data)
    close = editor.expression_at(finding.place)
    name = finding.subject.names[0] if finding.subject is not None else ""
    statement = editor.statement(close) if close is not None else None
    if statement is None or not name.isidentifier():
        yield from _copy_before_finally(finding, data)
        return
    if "BufferError" in finding.message and not _read_after(editor, statement, name):
        editor.before(statement, f"del {name}")
        yield editor.result()
        return
    for line in (f"{name} = {name}.copy()", f"{name} = bytes({name})"):
        editor = Editor(data)
        close = editor.expression_at(finding.place)
        statement = editor.statement(close) if close is not None else None
        if statement is not None:
            editor.before(statement, line)
            yield editor.result()
    yield from _copy_before_finally(finding, data)


def _copy_before_finally(finding: Finding, data: bytes) -> Iterator[bytes]:
    """A return in a `try` whose `finally` closes: return a copy."""
    editor = Editor(data)
    close = editor.expression_at(finding.place)
    function = editor.function(close) if close is not None else None
    if close is None or function is None:
        return
    changed = False
    for each in m.findall(function.body, m.Return()):
        if isinstance(each, cst.Return) and each.value is not None:
            view = each.value
            root = view
            while isinstance(root, cst.Subscript):  # a part of it
                root = root.value
            if isinstance(root, cst.Name) or m.findall(view, m.Attribute(attr=m.Name("buf"))):
                editor.replace(view, _copy_of(editor, view, view))
                changed = True
    if changed:
        yield editor.result()


def _read_after(editor: Editor, statement: cst.BaseStatement, name: str) -> bool:
    """Whether a name is read behind a statement in its function, or a loop brings it back."""
    for each in editor.around(statement):
        if isinstance(each, (cst.For, cst.While)):
            return True
        if isinstance(each, cst.FunctionDef):
            break
    line = editor.line(statement)
    function = editor.function(statement)
    around: cst.CSTNode = function if function is not None else editor.module
    return any(
        isinstance(each, cst.Name) and editor.line(each) > line
        for each in m.findall(around, m.Name(name))
    )


def unlink(finding: Finding, data: bytes) -> Iterator[bytes]:
    """HF309: `shm.unlink()` behind the last `shm.close()` of the function."""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    name = _bound_to(editor, node) if node is not None else ""
    if node is None or not name:
        return
    function = editor.function(node)
    closes = _closes(editor, function if function is not None else editor.module, name)
    if closes:
        editor.after(closes[-1], f"{name}.unlink()")
        yield editor.result()


def unlink_with_owner(finding: Finding, data: bytes) -> Iterator[bytes]:
    """HF309, for who knows that only the owner closes: `self.shm.unlink()` behind the close."""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    method = editor.method(node) if node is not None else None
    around = editor.parent(node) if node is not None else None
    if method is None or not isinstance(around, cst.Assign) or len(around.targets) != 1:
        return
    name = editor.text(around.targets[0].target).strip()
    closes = _closes(editor, method[1], name)
    if name.startswith(f"{method[2]}.") and len(closes) == 1:
        editor.after(closes[0], f"{name}.unlink()")
        yield editor.result()


def _closes(editor: Editor, around: cst.CSTNode, name: str) -> list[cst.SimpleStatementLine]:
    """The statements below a node that close something by a name."""
    return [
        each
        for each in m.findall(around, m.SimpleStatementLine(body=[m.Expr()]))
        if isinstance(each, cst.SimpleStatementLine)
        and editor.text(each.body[0]).replace(" ", "") == f"{name}.close()"
    ]


def unlink_later(finding: Finding, data: bytes) -> Iterator[bytes]:
    """HF306: move `shm.unlink()` behind the last join of its block."""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    statement = editor.statement(node) if node is not None else None
    if statement is None:
        return
    joins = [each for each in editor.following(statement) if ".join(" in editor.text(each)]
    if joins:
        editor.move(statement, joins[-1])
        yield editor.result()


def remove(finding: Finding, data: bytes) -> Iterator[bytes]:
    """HF311: the call goes."""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    statement = editor.statement(node) if node is not None else None
    if statement is not None and len(editor.block(statement)) > 1:
        editor.remove(statement)
        yield editor.result()
