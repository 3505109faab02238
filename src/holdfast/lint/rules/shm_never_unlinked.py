"""HF309 shm-never-unlinked: a segment that nobody unlinks.

## What it does

Finds a `SharedMemory(create=True)` that is dropped, or still there at the program's end, without
`unlink()` on any way, where its name goes nowhere from which somebody else could unlink it.

## Why is this bad?

The memory stays until the resource tracker of the program cleans up at its exit, with a warning
about *leaked shared_memory objects*; a service that makes a segment per job fills /dev/shm until
then. If the tracker is killed as well, the segment stays until the next boot.

## Example

    def total(data):
        shm = SharedMemory(create=True, size=len(data))
        shm.buf[:len(data)] = data
        result = work(shm)
        shm.close()
        return result

## Use instead

    def total(data):
        shm = SharedMemory(create=True, size=len(data))
        try:
            shm.buf[:len(data)] = data
            return work(shm)
        finally:
            shm.close()
            shm.unlink()

## When it is safe

If another process, which was given the name, unlinks it, or the caller, who has chosen the name; if
the segment comes from a `SharedMemoryManager`, which unlinks all of its own.

## References

`SharedMemory.unlink` in the shared_memory documentation; sgl-project/sglang#28089.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint.events import Rule
from holdfast.lint.machine.state import Spot
from holdfast.lint.machine.things import Bound, Thing
from holdfast.lint.machine.views import CREATED, NAMED, TRUE, UNLINKED, may, surely
from holdfast.lint.program.around import ancestors
from holdfast.lint.program.functions import nodes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Confidence, Finding
    from holdfast.lint.events import Scene
    from holdfast.lint.machine.state import State
    from holdfast.lint.machine.things import Refs
    from holdfast.lint.program.modules import Module

_LOST = "-lost"
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class ShmNeverUnlinked(Rule):
    """See the module."""

    code = "HF309"

    def on_return(self, refs: Refs, node: ast.AST, scene: Scene) -> Iterator[Finding]:
        """A function returns, and with it goes the last reference to a segment."""
        del node
        if "segment" not in scene.roles:
            return
        state = scene.state
        if not state.serious:
            return
        segments = [each for each in state.heap if each.kind.role == "segment"]
        lost = [each for each in segments if _is_leaking(each, state)]
        if not lost or state.exceptional:
            return
        kept = scene.kept_after(refs)
        for segment in lost:
            if segment not in kept and not state.get(segment, _LOST):
                state.put(segment, _LOST, TRUE)
                away = _name_is_elsewhere(segment, refs, state)
                unlinks = "unlink" in scene.module.text
                if unlinks and (away or _is_attached_by_name(segment)):
                    continue
                if _is_tried(segment, scene):
                    continue
                yield self._about(segment, "is dropped", "low" if away else "medium", scene)

    def on_store(self, target: ast.expr, refs: Refs, scene: Scene) -> Iterator[Finding]:
        """A segment is stored on an object, whose class unlinks nothing."""
        if not isinstance(target, ast.Attribute):
            return
        for segment in refs:
            if not isinstance(segment, Thing) or segment not in scene.state.heap:
                continue
            if _is_leaking(segment, scene.state) and not _may_unlink(target, scene):
                away = _name_is_elsewhere(segment, frozenset(), scene.state)
                sure: Confidence = "medium" if target.attr.startswith("_") and not away else "low"
                yield self._about(segment, "is kept", sure, scene)

    def on_end(self, where: ast.AST, scene: Scene) -> Iterator[Finding]:
        """The program ends."""
        del where
        state = scene.state
        lost = [e for e in state.heap if _is_leaking(e, state) and not state.get(e, _LOST)]
        if not lost or state.exceptional or _is_unlinked_somewhere(scene.module):
            return
        for segment in lost:
            away = _name_is_elsewhere(segment, frozenset(), state)
            handed = any(each.thing is segment for items in state.handed.values() for each in items)
            sure: Confidence = "medium" if handed or not away else "low"
            yield self._about(segment, "is there at the program's end", sure, scene)

    def _about(self, segment: Thing, how: str, sure: Confidence, scene: Scene) -> Finding:
        name = scene.name_of(segment)
        return self.found(
            scene,
            Spot(segment.module, segment.function, segment.node),
            f"this {segment.text} {how}, and nothing unlinks it: it stays in memory until the "
            "resource tracker cleans up after the program",
            fix="call unlink() once, when all others have done with it",
            subject=Subject("SharedMemory", f"a {segment.text}", (name,)),
            confidence=sure,
        )


def _is_unlinked_somewhere(module: Module) -> bool:
    """Whether a module says unlink, other than in functions of its own that it never mentions."""
    if "unlink" not in module.text:
        return False
    nodes = list(nodes_of(module.tree))
    used = {each.id for each in nodes if isinstance(each, ast.Name)}
    used |= {each.attr for each in nodes if isinstance(each, ast.Attribute)}
    for each in nodes:
        if isinstance(each, (ast.Attribute, ast.Constant)) and "unlink" in {
            getattr(each, "attr", ""),
            getattr(each, "value", ""),
        }:
            outer = [e for e in ancestors(module.tree, each) if isinstance(e, _DEFINITIONS)]
            if not outer or outer[-1].name in used or not isinstance(outer[-1], ast.FunctionDef):
                return True
    return False


def _may_unlink(target: ast.Attribute, scene: Scene) -> bool:
    """Whether the class whose attribute it is unlinks, or others use that attribute."""
    text = scene.module.text
    if "unlink" not in text:
        return False
    for each in ancestors(scene.module.tree, target):
        if isinstance(each, ast.ClassDef):
            lines = scene.module.lines
            own = "\n".join(lines[each.lineno - 1 : each.end_lineno])
            uses = re.compile(rf"\.{re.escape(target.attr)}\b")
            return "unlink" in own or len(uses.findall(text)) > len(uses.findall(own))
    return True


def _is_leaking(thing: Thing, state: State) -> bool:
    return (
        thing.kind.role == "segment"
        and surely(state, thing, CREATED)
        and not may(state, thing, UNLINKED)
        and thing not in state.escaped
        and not _is_to_fail(thing)
    )


def _is_attached_by_name(segment: Thing) -> bool:
    """Whether its module says the same name, fixed as it is, for another segment, too."""
    name = _said_name(segment.node)
    if name is None:
        return False
    return any(
        each is not segment.node and _said_name(each) == name
        for each in ast.walk(segment.module.tree)
    )


def _said_name(node: ast.AST) -> str | None:
    """The name that a call gives a segment, if it is a text or a constant of the module."""
    if not isinstance(node, ast.Call):
        return None
    said = [each.value for each in node.keywords if each.arg == "name"] or node.args[:1]
    for each in said:
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            return repr(each.value)
        if isinstance(each, ast.Name) and each.id.isupper():
            return each.id
    return None


def _is_tried(segment: Thing, scene: Scene) -> bool:
    """Whether a test unlinks it where it expects something to fail, which is not followed."""
    text = scene.function_text(segment.node)
    return "aises(" in text and f"{scene.name_of(segment)}.unlink" in text


def _is_to_fail(segment: Thing) -> bool:
    """Whether a test expects that the segment cannot be made."""
    return any(
        isinstance(each, ast.With)
        and any("aises" in ast.dump(item.context_expr) for item in each.items)
        for each in ancestors(segment.module.tree, segment.node)
    )


def _name_is_elsewhere(segment: Thing, returned: Refs, state: State) -> bool:
    """Whether somebody has the segment's name, who could unlink it."""

    def named(refs: Refs) -> bool:
        return any(isinstance(each, Bound) and each.receiver is segment for each in refs)

    if may(state, segment, NAMED) or named(returned):
        return True
    if any(each.thing is segment for items in state.handed.values() for each in items):
        return True
    places = [*state.heap.values(), *state.frames.values()]
    return any(named(refs) for fields in places for refs in fields.values())
