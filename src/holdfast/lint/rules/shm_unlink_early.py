"""HF306 shm-unlink-early: a segment is unlinked before the others have attached it.

## What it does

Finds `shm.unlink()` while a process that was given the segment's name (or under spawn and
forkserver the segment itself, which travels by its name) has not been joined, or not yet started.

## Why is this bad?

`unlink()` removes the name. A process that has not attached the segment by then cannot do so any
more: `SharedMemory(name=...)` raises `FileNotFoundError` in it. Whether it was quick enough is a
race that the parent usually wins.

## Example

    process = mp.Process(target=work, args=(shm.name,))
    process.start()
    shm.close()
    shm.unlink()
    process.join()

## Use instead

    process = mp.Process(target=work, args=(shm.name,))
    process.start()
    process.join()
    shm.close()
    shm.unlink()

## When it is safe

After the process was joined, or has told through an event, a queue or a pipe that it has attached.
Under fork a process that was given the `SharedMemory` itself has inherited the mapping.

## References

`SharedMemory.unlink` in the shared_memory documentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint import words
from holdfast.lint.events import Rule
from holdfast.lint.machine.state import NEW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Confidence, Finding
    from holdfast.lint.events import Call, Scene
    from holdfast.lint.machine.state import Handed


class ShmUnlinkEarly(Rule):
    """See the module."""

    code = "HF306"
    hears = frozenset({"segment"})

    def on_call(self, call: Call, scene: Scene) -> Iterator[Finding]:
        """A segment is unlinked."""
        segment = call.receiver
        if segment is None or segment.kind.role != "segment" or call.name != "unlink":
            return
        if call.node is None or scene.options.platform == "win32":
            return
        for process, items in scene.state.handed.items():
            sure = self._running(scene.state.status.get(process, frozenset()), scene)
            given = [each for each in items if each.thing is segment and _by_name(each, scene)]
            if process.kind.role != "process" or not given or sure is None:
                continue
            name = scene.name_of(segment)
            yield self.found(
                scene,
                call.node,
                f"{name} is unlinked while {scene.name_of(process)}, which was given its name, may "
                "not have attached it (FileNotFoundError in the child)",
                fix=f"unlink {name} when the processes have been joined",
                subject=Subject("SharedMemory", f"a {segment.text}", (name,)),
                confidence=sure,
            )
            return

    @staticmethod
    def _running(status: frozenset[str], scene: Scene) -> Confidence | None:
        if status == frozenset({NEW}):
            return "low"
        sure = words.running(status)
        return "low" if sure is not None and scene.state.exceptional else sure


def _by_name(handed: Handed, scene: Scene) -> bool:
    if handed.path.endswith(".name"):
        return True
    return scene.method(handed.process) != "fork"
