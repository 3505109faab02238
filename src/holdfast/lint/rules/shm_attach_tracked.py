"""HF304 shm-attach-tracked: who only attaches a segment unlinks it at its exit.

## What it does

Finds `SharedMemory(name)` without `track=False` in a program that creates no segment, unlinks none
and is no child of the one that does. In a function, only if its name is a text that no other file
of the project has: there another program must know it.

## Why is this bad?

Before Python 3.13, and by default since, attaching registers the segment with the resource tracker
of the process. Children of the creator share its tracker; any other program has its own, and when
it ends, its tracker takes the segment for leaked and unlinks it under everybody else. The warning
*leaked shared_memory objects* is the only sign.

## Example

    if __name__ == "__main__":
        shm = SharedMemory(name=sys.argv[1])
        print(bytes(shm.buf[:5]))
        shm.close()

## Use instead

    if __name__ == "__main__":
        shm = SharedMemory(name=sys.argv[1], track=False)
        print(bytes(shm.buf[:5]))
        shm.close()

## When it is safe

In a process that multiprocessing started from the creator: they share one tracker. In a program
that owns the segment, and unlinks it. Windows has no such tracker.

## References

python/cpython#82300, python/cpython#129999; `track` in the shared_memory documentation (3.13).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint.events import Rule
from holdfast.lint.machine.things import Const

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Finding
    from holdfast.lint.events import Argument, Call, Scene

_OWNS = re.compile(r"create\s*=\s*(?!False)|\bunlink\b|\bunregister\b|ShareableList\(\s*\[")
TRACK_SINCE = (3, 13)


class ShmAttachTracked(Rule):
    """See the module."""

    code = "HF304"
    hears = frozenset({""})

    def on_call(self, call: Call, scene: Scene) -> Iterator[Finding]:
        """A segment is attached."""
        if call.name not in {"mp.SharedMemory", "mp.ShareableList"} or call.node is None:
            return
        create, name = call.argument("create", 1), call.argument("name", 0)
        if call.name == "mp.ShareableList":
            create, name = None, call.argument("name")
        if name is None or call.argument("track") is not None or call.argument("**") is not None:
            return
        if create is not None and create.refs != frozenset({Const(False)}):
            return
        if scene.options.platform == "win32" or _OWNS.search(scene.module.text):
            return
        started = not scene.spots(call.node)[0].function
        text = "a SharedMemory" if call.name == "mp.SharedMemory" else "a ShareableList"
        if scene.options.target >= TRACK_SINCE and call.name == "mp.SharedMemory":
            advice = "attach it with track=False"
        else:
            advice = (
                "let the program that creates the segment start this one with multiprocessing, or "
                "unregister it from this program's tracker (track=False from Python 3.13)"
            )
        yield self.found(
            scene,
            call.node,
            "this program only attaches the segment, and its resource tracker will unlink it "
            "under the others when the program ends",
            fix=advice,
            subject=Subject("SharedMemory", text, (scene.module.segment(name.node),)),
            confidence="medium" if started or _is_agreed(name, scene) else "low",
        )


def _is_agreed(name: Argument, scene: Scene) -> bool:
    """Whether the name is a text that no other file of the project knows: another program does."""
    texts = [each.value for each in name.refs if isinstance(each, Const)]
    return len(texts) == len(name.refs) == 1 and all(
        isinstance(text, str) and text and scene.project.is_only_in(scene.module, text)
        for text in texts
    )
