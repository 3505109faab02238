"""Changes a source text through its concrete syntax tree.

What it keeps true: what is not changed comes out as it went in, byte for byte. An editor serves
for one set of changes: make one, note what goes before, after or in the place of which node, and
take the result.
"""

from __future__ import annotations

import builtins
import functools
import keyword
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypeAlias

    from libcst.metadata import CodeRange

    from holdfast.findings import Place

    # New text, or a statement that is moved.
    _Line: TypeAlias = "str | cst.SimpleStatementLine | cst.For"


# What an expression may stand in and still be evaluated exactly once, with its statement.
_CONDITIONAL = (
    cst.Lambda,
    cst.IfExp,
    cst.BooleanOperation,
    cst.GeneratorExp,
    cst.ListComp,
    cst.SetComp,
    cst.DictComp,
    cst.While,
    cst.Await,
)


@dataclass(frozen=True)
class _Tree:
    """A text, parsed; nothing changes it."""

    module: cst.Module
    positions: Mapping[cst.CSTNode, CodeRange]
    parents: dict[cst.CSTNode, cst.CSTNode]


@functools.lru_cache(maxsize=2)
def _tree(data: bytes) -> _Tree:
    wrapper = MetadataWrapper(cst.parse_module(data), unsafe_skip_copy=True)
    positions: Mapping[cst.CSTNode, CodeRange] = wrapper.resolve(PositionProvider)
    parents: dict[cst.CSTNode, cst.CSTNode] = {}
    rest: list[cst.CSTNode] = [wrapper.module]
    while rest:
        node = rest.pop()
        for child in node.children:
            parents[child] = node
            rest.append(child)
    return _Tree(wrapper.module, positions, parents)


class Editor:
    """See the module."""

    def __init__(self, data: bytes) -> None:
        tree = _tree(data)
        self.module = tree.module
        self._positions = tree.positions
        self._parents = tree.parents
        self._before: dict[cst.CSTNode, list[_Line]] = {}
        self._after: dict[cst.CSTNode, list[_Line]] = {}
        self._instead: dict[cst.CSTNode, cst.CSTNode] = {}
        self._removed: set[cst.CSTNode] = set()

    # ---- finding nodes --------------------------------------------------------------------------

    def expression_at(self, place: Place) -> cst.BaseExpression | None:
        """The expression that a finding names: from its first character to its last."""
        start = (place.line, place.column - 1)
        end = (place.end_line, place.end_column - 1)
        for node, at in self._positions.items():
            if (at.start.line, at.start.column) != start or (at.end.line, at.end.column) != end:
                continue
            if isinstance(node, cst.BaseExpression):
                return node
        return self._in_brackets(start, end)

    def _in_brackets(
        self, start: tuple[int, int], end: tuple[int, int]
    ) -> cst.BaseExpression | None:
        """An expression in its own brackets, which its position leaves out."""
        for node, at in self._positions.items():
            if not isinstance(node, cst.BaseExpression) or len(node.lpar) != 1:
                continue
            first, last = (at.start.line, at.start.column - 1), (at.end.line, at.end.column + 1)
            if first == start and last == end:
                return node
        return None

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """The node that a node stands in."""
        return self._parents.get(node)

    def around(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The nodes around a node, nearest first."""
        at = self.parent(node)
        while at is not None:
            yield at
            at = self.parent(at)

    def line(self, node: cst.CSTNode) -> int:
        """The line in which a node begins."""
        return self._positions[node].start.line

    def statement(self, node: cst.CSTNode) -> cst.SimpleStatementLine | None:
        """The line of one statement in which a node stands, if it is evaluated once with it."""
        for each in self.around(node):
            if isinstance(each, _CONDITIONAL):
                return None
            if isinstance(each, cst.SimpleStatementLine):
                return each if len(each.body) == 1 and self.block(each) else None
            if isinstance(each, cst.BaseCompoundStatement):
                return None
        return None

    def block(self, statement: cst.CSTNode) -> list[cst.BaseStatement]:
        """The statements among which a statement stands."""
        around = self.parent(statement)
        if isinstance(around, (cst.Module, cst.IndentedBlock)):
            return list(around.body)
        return []

    def following(self, statement: cst.BaseStatement) -> list[cst.BaseStatement]:
        """The statements that come after one in its block."""
        block = self.block(statement)
        return block[block.index(statement) + 1 :] if statement in block else []

    def preceding(self, statement: cst.BaseStatement) -> list[cst.BaseStatement]:
        """The statements that come before one in its block, nearest first."""
        block = self.block(statement)
        return block[: block.index(statement)][::-1] if statement in block else []

    def function(self, node: cst.CSTNode) -> cst.FunctionDef | None:
        """The function in which a node stands."""
        for each in self.around(node):
            if isinstance(each, cst.FunctionDef):
                return each
        return None

    def method(self, node: cst.CSTNode) -> tuple[cst.FunctionDef, cst.ClassDef, str] | None:
        """The method in which a node stands, its class, and what it calls its object."""
        function = self.function(node)
        if function is None or not function.params.params:
            return None
        names = {self.text(each.decorator) for each in function.decorators}
        if names & {"staticmethod", "classmethod"}:
            return None
        for each in self.around(function):
            if isinstance(each, cst.FunctionDef):
                return None
            if isinstance(each, cst.ClassDef):
                return function, each, function.params.params[0].name.value
        return None

    def text(self, node: cst.CSTNode) -> str:
        """The source of a node."""
        return self.module.code_for_node(node)

    # ---- names ----------------------------------------------------------------------------------

    def fresh(self, wish: str, where: cst.CSTNode) -> str:
        """A name that nothing in the function around a node has: the wish, if that is free."""
        function = self.function(where)
        taken = self._names_in(function if function is not None else self.module)
        base = wish if wish.isidentifier() and not keyword.iskeyword(wish) else "shared"
        if base in dir(builtins):
            base = f"shared_{base}"
        name, number = base, 2
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        return name

    def _names_in(self, node: cst.CSTNode) -> set[str]:
        """The names that are used below a node, those of attributes and keywords apart."""
        found: set[str] = set()
        rest = [node]
        while rest:
            each = rest.pop()
            if isinstance(each, cst.Name):
                found.add(each.value)
            elif isinstance(each, (cst.Attribute, cst.Arg)):
                rest.append(each.value)
            else:
                rest.extend(each.children)
        return found

    # ---- changing -------------------------------------------------------------------------------

    def before(self, statement: cst.CSTNode, line: str) -> None:
        """A new statement before one, behind the comments that stand above it."""
        self._before.setdefault(statement, []).append(line)

    def after(self, statement: cst.CSTNode, line: str) -> None:
        """A new statement after one."""
        self._after.setdefault(statement, []).append(line)

    def move(self, statement: cst.SimpleStatementLine | cst.For, behind: cst.CSTNode) -> None:
        """A statement goes behind another, with the comments that belong to it."""
        self._removed.add(statement)
        self._after.setdefault(behind, []).append(statement)

    def replace(self, node: cst.CSTNode, code: str) -> None:
        """An expression in the place of one."""
        new = cst.parse_expression(code)
        self._instead[node] = new

    def rewrite(self, statement: cst.SimpleStatementLine, line: str) -> None:
        """A statement in the place of one, with its comments and blanks."""
        new = self._parsed(line)
        assert isinstance(new, cst.SimpleStatementLine)
        self._instead[statement] = new.with_changes(
            leading_lines=statement.leading_lines, trailing_whitespace=statement.trailing_whitespace
        )

    def remove(self, statement: cst.CSTNode) -> None:
        """A statement goes away."""
        self._removed.add(statement)

    def result(self) -> bytes:
        """The text with all changes."""
        changed = self.module.visit(_Changes(self))
        return changed.bytes

    def _parsed(self, line: str) -> cst.SimpleStatementLine | cst.BaseCompoundStatement:
        return cst.parse_statement(line, config=self.module.config_for_parsing)

    def _new(self, lines: dict[cst.CSTNode, list[_Line]], node: cst.CSTNode) -> list[Any]:
        return [
            self._parsed(line) if isinstance(line, str) else line for line in lines.get(node, ())
        ]


class _Changes(cst.CSTTransformer):
    """Applies what an editor has noted."""

    def __init__(self, editor: Editor) -> None:
        super().__init__()
        self.editor = editor

        changed = {*editor._before, *editor._after, *editor._instead, *editor._removed}
        self.on_the_way = changed | {each for node in changed for each in editor.around(node)}

    def on_visit(self, node: cst.CSTNode) -> bool:
        return node in self.on_the_way

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        editor = self.editor
        if original_node in editor._removed:
            return cst.RemoveFromParent()
        node: Any = editor._instead.get(original_node, updated_node)
        before = editor._new(editor._before, original_node)
        after = editor._new(editor._after, original_node)
        if not before and not after:
            return node
        if before:
            before[0] = before[0].with_changes(leading_lines=node.leading_lines)
            node = node.with_changes(leading_lines=())
        return cst.FlattenSentinel[Any]([*before, node, *after])
