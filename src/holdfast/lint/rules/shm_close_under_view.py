"""HF302 shm-close-under-view: a SharedMemory is closed under a view that is in use.

## What it does

Finds `shm.close()` (or the end of `with closing(shm)`) where an array over `shm.buf` is read or
returned afterwards, and where a view that holds the buffer is still there.

## Why is this bad?

`close()` unmaps the segment. An array made by `np.ndarray(buffer=shm.buf)` has the address only:
the next access ends the process with SIGSEGV. A view that holds the buffer, a slice of it or an
array made by `np.frombuffer`, makes `close()` itself raise a `BufferError`.

## Example

    array = np.ndarray(512, buffer=shm.buf)
    shm.close()
    print(array.sum())

## Use instead

    array = np.ndarray(512, buffer=shm.buf)
    total = array.sum()
    del array
    shm.close()
    print(total)

## When it is safe

If the view is not read after the close and does not hold the buffer, or was deleted, released or
given another value before. Its shape and dtype may always be read.

## References

numpy/numpy#23305, numpy/numpy#9562; python/cpython#155003.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint.events import Rule
from holdfast.lint.machine.views import CLOSED, may, surely
from holdfast.lint.program.around import ancestors, caught

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Confidence, Finding
    from holdfast.lint.events import Call, Scene
    from holdfast.lint.machine.state import Spot
    from holdfast.lint.machine.things import Refs, Thing


class ShmCloseUnderView(Rule):
    """See the module."""

    code = "HF302"
    hears = frozenset({"segment"})

    def __init__(self) -> None:
        self._closes: dict[Thing, Spot] = {}

    def on_call(self, call: Call, scene: Scene) -> Iterator[Finding]:
        """A segment is closed while something holds its buffer."""
        segment = call.receiver
        if segment is None or call.name not in {"close", "__exit__"}:
            return
        node = segment.node if call.node is None else call.node  # at the end of a `with closing`
        if call.node is not None:
            self._closes[segment] = scene.spots(node)[-1]
        if caught(scene.module.tree, node, "BufferError"):
            return
        for view in scene.held():
            holds = view.kind.role == "view" and view.base is segment and view.grip == "holds"
            if holds and not may(scene.state, view, CLOSED):
                yield self._about(
                    scene.spots(node)[-1],
                    view,
                    f"{scene.name_of(segment)} is closed while {scene.name_of(view)} still "
                    "holds its buffer: close() raises BufferError",
                    "low" if scene.state.exceptional else "medium",
                    scene,
                )
                return

    def on_use(self, view: Thing, node: ast.AST, scene: Scene) -> Iterator[Finding]:
        """A view is read after the close."""
        segment = view.base
        if segment is None or view.grip == "holds" or _only_compared(node, scene):
            return
        then = "SIGSEGV" if view.grip == "loose" else "ValueError"
        at = self._closes.get(segment)
        name = scene.module.segment(node) if isinstance(node, ast.expr) else "the view"
        yield self._about(
            at if at is not None else node,
            view,
            f"{name} is read in line {getattr(node, 'lineno', 0)}, when its {segment.text} has "
            f"been closed ({then})",
            "low" if scene.state.exceptional else "high" if view.grip == "loose" else "medium",
            scene,
        )

    def on_return(self, refs: Refs, node: ast.AST, scene: Scene) -> Iterator[Finding]:
        """What was evaluated before a `finally` or the end of a `with` closed the segment."""
        del node
        if "segment" not in scene.roles:
            return
        for view in scene.state.reach(refs):
            segment = view.base
            if view.kind.role != "view" or segment is None or segment.kind.role != "segment":
                continue
            if not surely(scene.state, segment, CLOSED) or view.grip == "holds":
                continue
            at = self._closes.get(segment)
            then = "SIGSEGV" if view.grip == "loose" else "ValueError"
            yield self._about(
                at if at is not None else view.node,
                view,
                f"a view of {scene.name_of(segment)} is returned, which has been closed ({then} "
                "when it is read)",
                "medium",
                scene,
            )

    def _about(
        self, at: ast.AST | Spot, view: Thing, message: str, sure: Confidence, scene: Scene
    ) -> Finding:
        return self.found(
            scene,
            at,
            message,
            fix="close the SharedMemory when nothing reads the view any more; delete the view "
            "before, or copy what is needed",
            subject=Subject("SharedMemory", "a SharedMemory", (scene.name_of(view),)),
            confidence=sure,
        )


def _only_compared(node: ast.AST, scene: Scene) -> bool:
    """Whether something is asked for being None, which reads nothing."""
    for each in ancestors(scene.module.tree, node):
        return isinstance(each, ast.Compare) and isinstance(each.ops[0], (ast.Is, ast.IsNot))
    return False
