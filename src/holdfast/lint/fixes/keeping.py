"""Proposals that keep a shared object as long as the process that uses it.

What it keeps true: in the order of these proposals the earlier one is what a maintainer would
write. An argument that was made in the call gets a name of its own; then the object is bound to the
instance, or to the process, which multiprocessing keeps until it has ended.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libcst as cst
from libcst import matchers as m

from holdfast.lint.fixes.editor import Editor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.findings import Finding

# Attributes that every process has.
_TAKEN = {
    "name", "daemon", "pid", "ident", "exitcode", "authkey", "sentinel", "run", "start", "join",
    "terminate", "kill", "close", "is_alive",
}  # fmt: skip


def keep(finding: Finding, data: bytes) -> Iterator[bytes]:
    """All ways to keep what a finding is about."""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    if node is None or "has been sent" in finding.message:
        return  # a sender cannot know when the receiver has it
    owner = _owner(node)
    if not isinstance(owner, (cst.Name, cst.Attribute, cst.Subscript, cst.Lambda)):
        yield from _made_in_place(finding, data)
    names = [owner.value] if isinstance(owner, cst.Name) else []
    if isinstance(owner, (cst.Call, cst.Lambda)) or finding.code == "HF105":
        if finding.subject is not None:
            names += [each.partition(".")[0] for each in finding.subject.names]
        if isinstance(owner, cst.Call):
            names += [each.value.value for each in owner.args if isinstance(each.value, cst.Name)]
    elif finding.subject is not None and isinstance(owner, cst.Name):
        names += [each.partition(".")[0] for each in finding.subject.names]
    names += [name for each in names for name in _iterated(editor, node, each)]
    for name in dict.fromkeys(names):
        if name.isidentifier():
            for way in _ways(editor, node):
                changed = way(finding, data, name)
                if changed is not None:
                    yield changed


def _owner(node: cst.BaseExpression) -> cst.BaseExpression:
    """Whose method is given as a target, whose element; else what is given itself."""
    while isinstance(node, cst.Subscript):
        node = node.value
    return node.value if isinstance(node, cst.Attribute) else node


def _iterated(editor: Editor, node: cst.BaseExpression, name: str) -> Iterator[str]:
    """What a comprehension around a node goes through under a name."""
    for each in editor.around(node):
        clause = getattr(each, "for_in", None)
        if not isinstance(clause, cst.CompFor) or not isinstance(clause.iter, cst.Name):
            continue
        if editor.text(clause.target).strip() == name:
            yield clause.iter.value


def _maker(node: cst.BaseExpression, finding: Finding) -> cst.BaseExpression:
    """What is made in the arguments of a function that starts a process; else the node itself."""
    kind = finding.subject.kind if finding.subject is not None else ""
    if not isinstance(node, cst.Call) or not kind or _last(node.func) == kind:
        return node
    calls = [each.value for each in node.args if isinstance(each.value, cst.Call)]
    made = [each for each in calls if _last(each.func) == kind]
    return made[0] if len(made) == 1 else node


def _last(node: cst.BaseExpression) -> str:
    """The last part of a dotted name."""
    last = node.attr if isinstance(node, cst.Attribute) else node
    return last.value if isinstance(last, cst.Name) else ""


def _ways(
    editor: Editor, node: cst.BaseExpression
) -> list[Callable[[Finding, bytes, str], bytes | None]]:
    """The instance first where its life is that of the process; else the process first."""
    method = editor.method(node)
    if method is None:
        return [_to_process]
    function, cls, self_name = method
    if _once(function, cls, editor) or _process_is_kept(function, self_name):
        return [_to_instance, _to_process]
    return [_to_process, _to_instance]


def _once(function: cst.FunctionDef, cls: cst.ClassDef, editor: Editor) -> bool:
    """Whether a method is the constructor, or called by it alone."""
    name = function.name.value
    if name == "__init__":
        return True
    calls = m.findall(cls, m.Call(func=m.Attribute(attr=m.Name(name))))
    callers = {editor.function(each) for each in calls}
    elsewhere = len(re.findall(rf"\.{re.escape(name)}\b", editor.module.code)) > len(calls)
    return (
        bool(callers)
        and not elsewhere
        and all(each is not None and each.name.value == "__init__" for each in callers)
    )


def _process_is_kept(function: cst.FunctionDef, self_name: str) -> bool:
    """Whether a method stores a process on its object: what is stored beside it lives as long."""
    pattern = m.AssignTarget(target=m.Attribute(value=m.Name(self_name)))
    for each in m.findall(function, m.Assign(targets=[pattern])):
        made = each.value if isinstance(each, cst.Assign) else None
        if isinstance(made, cst.Call) and "Process" in cst.Module(()).code_for_node(made.func):
            return True
    return False


# ---- what is made in the call -------------------------------------------------------------------


def _made_in_place(finding: Finding, data: bytes) -> Iterator[bytes]:
    """Give it a name before the statement: in the function, on the instance, on the process."""
    for how in ("local", "instance", "process"):
        editor = Editor(data)
        node = editor.expression_at(finding.place)
        if node is None:
            return
        made = _maker(_owner(node), finding)
        statement = editor.statement(made)
        if statement is None or (isinstance(made, cst.Call) and _is_process(made)):
            return
        wish = wish_for(made) if isinstance(made, cst.Call) else _wish_of_argument(editor, made)
        if how == "instance":
            method = editor.method(node)
            if method is None:
                continue
            name = f"{method[2]}.{_attribute(method[1], wish, method[2], editor)}"
        else:
            name = editor.fresh(wish, statement)
        line = f"{name} = {editor.text(made)}"
        alone = isinstance(statement.body[0], cst.Expr) and statement.body[0].value is made
        if alone:
            editor.rewrite(statement, line)
        else:
            editor.before(statement, line)
            editor.replace(made, name)
        if how == "process" and (alone or not _attach(editor, statement, name)):
            continue
        yield editor.result()


def _is_process(made: cst.Call) -> bool:
    """Whether the process itself is made there: it is no use to keep that."""
    return _last(made.func).endswith("Process")


def _wish_of_argument(editor: Editor, made: cst.BaseExpression) -> str:
    """A name for a list or tuple in the arguments: what the parameter is called, or `shared`."""
    around = editor.parent(made)
    keyword = around.keyword if isinstance(around, cst.Arg) else None
    return keyword.value if keyword is not None and keyword.value != "target" else "shared"


def wish_for(made: cst.Call) -> str:
    """A name for what a call makes: worker for Worker()."""
    func = made.func
    word = func.attr.value if isinstance(func, cst.Attribute) else getattr(func, "value", "")
    if not isinstance(word, str):
        return "shared"
    word = re.sub(r"^_*(?:make|create|get|new|build|open|attach)_", "", word)
    word = "target" if word == "partial" else word
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word).lower()


# ---- where it is kept ---------------------------------------------------------------------------


def _to_instance(finding: Finding, data: bytes, name: str) -> bytes | None:
    """`self._worker = worker`, behind the statement that made it."""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    method = editor.method(node) if node is not None else None
    statement = _line(editor, node)
    if statement is None or method is None:
        return None
    _, cls, self_name = method
    attribute = _attribute(cls, name, self_name, editor)
    line = f"{self_name}.{attribute} = {name}"
    outer: list[cst.CSTNode] = [statement]
    for each in editor.around(statement):
        if isinstance(each, cst.FunctionDef):
            break
        outer.append(each)
    for around in outer:
        for each in editor.preceding(around):  # type: ignore[arg-type]
            if _assigns(each, name):
                editor.after(each, line)
                return editor.result()
    editor.before(statement, line)
    return editor.result()


def _line(editor: Editor, node: cst.CSTNode | None) -> cst.SimpleStatementLine | None:
    """The statement of a node, however deep in it."""
    for each in editor.around(node) if node is not None else ():
        if isinstance(each, cst.SimpleStatementLine):
            return each if len(each.body) == 1 and editor.block(each) else None
        if isinstance(each, cst.BaseCompoundStatement):
            return None
    return None


def _attribute(cls: cst.ClassDef, name: str, self_name: str, editor: Editor) -> str:
    """An attribute of the class that is free, or that its constructor sets to None for this."""
    text = editor.text(cls)
    private = name if name.startswith("_") else f"_{name}"
    init = next(
        (
            each
            for each in cls.body.body
            if isinstance(each, cst.FunctionDef) and each.name.value == "__init__"
        ),
        None,
    )
    for wish in (private, name):
        at = rf"{re.escape(self_name)}\.{re.escape(wish)}"
        if not re.search(rf"\.{re.escape(wish)}\b", text):
            return wish
        if init is not None and re.search(rf"{at}\s*=\s*None\b", editor.text(init)):
            return wish
    return f"_kept_{name.lstrip('_')}"


def _to_process(finding: Finding, data: bytes, name: str) -> bytes | None:
    """`process.counter = counter`, behind the statement that starts the process."""
    editor = Editor(data)
    node = editor.expression_at(finding.place)
    statement = editor.statement(node) if node is not None else None
    if statement is None or not _attach(editor, statement, name):
        return None
    return editor.result()


def _attach(editor: Editor, statement: cst.SimpleStatementLine, name: str) -> bool:
    """Set an attribute of the process that a statement makes, if there is a name for it."""
    small = statement.body[0]
    if isinstance(small, cst.Assign) and len(small.targets) == 1:
        target = small.targets[0].target
        if not isinstance(target, (cst.Name, cst.Attribute, cst.Subscript)):
            return False
        process, value = editor.text(target), small.value
    elif isinstance(small, cst.Expr) and _is_started(small.value):
        process = editor.fresh("process", statement)
        started = small.value
        assert isinstance(started, cst.Call)
        assert isinstance(started.func, cst.Attribute)
        value = started.func.value
        editor.replace(value, process)
        changed = _replaced_text(editor, value)
        editor.before(statement, f"{process} = {changed}")
        editor.after(statement, f"{process}.{_of_process(name)} = {name}")
        return True
    else:
        return _attach_inside(editor, statement, name)
    if not isinstance(value, cst.Call):
        return False
    line = f"{process}.{_of_process(name)} = {name}"
    for each in editor.following(statement):
        if isinstance(each, cst.SimpleStatementLine) and _starts(each, process, editor):
            editor.after(each, line)
            return True
    editor.after(statement, line)
    return True


def _attach_inside(editor: Editor, statement: cst.SimpleStatementLine, name: str) -> bool:
    """`processes.append(Process(...))`, `return Process(...)`: the process gets a name before."""
    made = _process_in(statement.body[0])
    if made is None:
        return False
    process = editor.fresh("process", statement)
    changed = _replaced_text(editor, made)
    for inner in [each for each in editor._instead if made in editor.around(each)]:
        del editor._instead[inner]
    editor.replace(made, process)
    editor.before(statement, f"{process} = {changed}")
    editor.before(statement, f"{process}.{_of_process(name)} = {name}")
    return True


def _process_in(small: cst.BaseSmallStatement) -> cst.Call | None:
    """The process that a statement makes only to hand it on."""
    value = small.value if isinstance(small, (cst.Return, cst.Expr)) else None
    if isinstance(small, cst.Expr) and isinstance(value, cst.Call):
        adds = isinstance(value.func, cst.Attribute) and value.func.attr.value in {"append", "add"}
        value = value.args[0].value if adds and len(value.args) == 1 else None
    if isinstance(value, cst.Call) and _last(value.func).endswith("Process"):
        return value
    return None


def _replaced_text(editor: Editor, value: cst.BaseExpression) -> str:
    """The text of an expression with the changes that have been noted inside it."""
    inner = {
        old: new
        for old, new in editor._instead.items()
        if old is not value and value in editor.around(old)
    }
    changed = value.visit(_Inner(inner)) if inner else value
    return editor.text(changed)  # type: ignore[arg-type]


class _Inner(cst.CSTTransformer):
    def __init__(self, instead: dict[cst.CSTNode, cst.CSTNode]) -> None:
        super().__init__()
        self.instead = instead

    def on_leave(self, original_node: cst.CSTNode, updated_node: cst.CSTNode) -> cst.CSTNode:  # type: ignore[override]
        return self.instead.get(original_node, updated_node)


def _is_started(node: cst.BaseExpression) -> bool:
    return m.matches(node, m.Call(func=m.Attribute(value=m.Call(), attr=m.Name("start")), args=[]))


def _starts(statement: cst.SimpleStatementLine, process: str, editor: Editor) -> bool:
    return editor.text(statement.body[0]).replace(" ", "") == f"{process}.start()"


def _of_process(name: str) -> str:
    bare = name.rpartition(".")[2]
    return f"kept_{bare.lstrip('_')}" if bare in _TAKEN or bare.startswith("_") else bare


def _assigns(statement: cst.BaseStatement, name: str) -> bool:
    return m.matches(
        statement,
        m.SimpleStatementLine(
            body=[
                m.Assign(targets=[m.AssignTarget(target=m.Name(name))])
                | m.AnnAssign(target=m.Name(name))
            ]
        ),
    )
