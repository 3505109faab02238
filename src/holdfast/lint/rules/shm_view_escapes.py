"""HF301 shm-view-escapes: a view outlives the SharedMemory that it looks into.

## What it does

Finds a NumPy array, a memoryview or a DataFrame over `shm.buf` that is returned or stored, while
the `SharedMemory` object dies with the function or gets another value.

## Why is this bad?

The end of the `SharedMemory` object unmaps the segment. `np.ndarray(buffer=shm.buf)` does not stop
it: the next access ends the process with SIGSEGV, far from the cause. `shm.buf` itself is released:
the next access raises a `ValueError`. What holds the buffer (a slice of it, `np.frombuffer`) does
not crash, but the segment can never be closed: a `BufferError` is printed from `__del__`, and the
mapping and its descriptor stay until the view goes.

## Example

    def attach(name):
        shm = SharedMemory(name=name)
        return np.ndarray(512, buffer=shm.buf)

## Use instead

    def attach(name):
        shm = SharedMemory(name=name)
        return np.ndarray(512, buffer=shm.buf), shm

## When it is safe

If the `SharedMemory` is returned or stored beside the view, on `self`, in a list, as an attribute
of an array of a subclass; if a copy is returned; or if the view does not leave the function.

## References

numpy/numpy#23305; python/cpython#155003, python/cpython#115635.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint.events import Rule
from holdfast.lint.machine.state import Spot
from holdfast.lint.machine.views import CLOSED, may

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Confidence, Finding
    from holdfast.lint.events import Scene
    from holdfast.lint.machine.things import Thing

_THEN = {
    "loose": "the segment is unmapped under it, and the next access ends the process (SIGSEGV)",
    "buf": "it is released with it, and the next access raises ValueError",
    "holds": "the segment cannot be unmapped any more (BufferError in SharedMemory.__del__)",
}


class ShmViewEscapes(Rule):
    """See the module."""

    code = "HF301"

    def on_dangling(
        self, view: Thing, where: ast.AST, moment: str, scene: Scene
    ) -> Iterator[Finding]:
        """A view is kept, and its segment is not."""
        segment = view.base
        if segment is None or may(scene.state, segment, CLOSED) or of_temporary(where):
            return
        if scene.state.exceptional:
            confidence: Confidence = "low"
        else:
            confidence = "medium" if view.grip == "holds" else "high"
        what = "the buffer" if view.grip == "buf" else f"this {view.text}"
        until = {
            "scope": f"{scene.function or 'the block'} returns",
            "deleted": "it is deleted",
        }.get(moment, "it is replaced")
        yield self.found(
            scene,
            Spot(view.module, view.function, view.node),
            f"{what} outlives the {segment.text} that it looks into: when {until}, "
            f"{_THEN[view.grip]}",
            fix="keep the SharedMemory where the view is kept, or make a copy",
            subject=Subject("SharedMemory", f"a {segment.text}", (view.module.segment(view.node),)),
            confidence=confidence,
        )


def of_temporary(where: ast.AST) -> bool:
    """Whether a statement takes the buffer of what a call in it returns."""
    if isinstance(where, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Module, ast.With)):
        return False
    return any(
        isinstance(each, ast.Attribute) and each.attr == "buf" and isinstance(each.value, ast.Call)
        for each in ast.walk(where)
    )
