"""HF303 shm-inline-buf: the buffer of a temporary SharedMemory.

## What it does

Finds `SharedMemory(...).buf`, and `function(...).buf` where the function returns a `SharedMemory`
that nothing else refers to.

## Why is this bad?

The `SharedMemory` dies as soon as its attribute has been read, and releases the buffer: whatever
is done with it raises `ValueError: operation forbidden on released memoryview object`, even in the
same expression. Had it worked, nobody could have closed or unlinked the segment.

## Example

    data = bytes(SharedMemory(name="frames").buf[:5])

## Use instead

    shm = SharedMemory(name="frames")
    data = bytes(shm.buf[:5])
    shm.close()

## When it is safe

If something else refers to the `SharedMemory`: `(shm := SharedMemory(name="frames")).buf`, or a
function that returns one which it has stored.

## References

python/cpython#155003; Lib/multiprocessing/shared_memory.py, `__del__`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint.events import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Finding
    from holdfast.lint.events import Scene
    from holdfast.lint.machine.things import Thing


class ShmInlineBuf(Rule):
    """See the module."""

    code = "HF303"

    def on_view(self, view: Thing, scene: Scene) -> Iterator[Finding]:
        """The buffer of something that nothing refers to."""
        node, segment = view.node, view.base
        if segment is None or not isinstance(node, ast.Attribute) or node.attr != "buf":
            return
        if not isinstance(node.value, ast.Call) or segment in scene.kept_by_names():
            return
        text = scene.module.segment(node.value)
        yield self.found(
            scene,
            node,
            f"nothing refers to this {segment.text}: it ends, and releases its buffer, before the "
            "buffer can be used (ValueError)",
            fix="bind the SharedMemory to a name that lives as long as its buffer is used",
            subject=Subject("SharedMemory", f"a {segment.text}", (text,)),
        )
