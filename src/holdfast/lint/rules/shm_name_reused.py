"""HF310 shm-name-reused: one name for two segments, old users in the old.

## What it does

Finds a SharedMemory that is created under a name whose segment was unlinked before, while a process
that was given that name has not been joined; or by a class whose objects attach to what they find
under that name.

## Why is this bad?

The name leads to new memory now. Who attached the old segment keeps the old one: both read and
write without an error, and never see each other's data.

## Example

    shm = SharedMemory("frames", create=True, size=16)
    process = mp.Process(target=work, args=("frames",))
    process.start()
    shm.unlink()
    shm = SharedMemory("frames", create=True, size=32)

## Use instead

    shm = SharedMemory(create=True, size=32)    # a name of its own
    connection.send(shm.name)

## When it is safe

If all who had attached the old segment have been joined, or have closed it, before the name is used
again.

## References

`name` in the shared_memory documentation: None chooses a new one; shm_unlink(3).
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint.events import Rule
from holdfast.lint.machine.state import ALIVE
from holdfast.lint.machine.things import NOTHING, Const, Thing
from holdfast.lint.machine.views import CREATED, FALSE, UNLINKED, may

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Finding
    from holdfast.lint.events import Argument, Call, Scene
    from holdfast.lint.machine.things import Refs


class ShmNameReused(Rule):
    """See the module."""

    code = "HF310"
    hears = frozenset({""})

    def __init__(self) -> None:
        self._names: dict[Thing, str] = {}
        self._refs: dict[Thing, Refs] = {}

    def on_call(self, call: Call, scene: Scene) -> Iterator[Finding]:
        """A segment is made."""
        if call.name != "mp.SharedMemory" or call.node is None:
            return
        given = call.argument("name", 0)
        if given is None or given.refs == frozenset({Const(None)}):
            return
        name = ast.dump(given.node)
        mine = {each for each in call.result if isinstance(each, Thing)}
        if any(may(scene.state, each, CREATED) for each in mine) and any(
            old not in mine and known == name and may(scene.state, old, UNLINKED)
            for old, known in self._names.items()
        ):
            yield from self._about(given.node, name, call.node, scene)
        if any(may(scene.state, each, CREATED) for each in mine) and self._found(given, scene):
            text = scene.module.segment(given.node)
            yield self._reused(
                f"{text} was the name of a segment that is unlinked now, and others attach to what "
                "they find under it: they keep the old memory, and never see what is in the new",
                call.node,
                text,
                scene,
            )
        self._names.update(dict.fromkeys(mine, name))
        self._refs.update(dict.fromkeys(mine, given.refs))

    def _found(self, given: Argument, scene: Scene) -> bool:
        """Whether an attached segment and an unlinked one, both of before, had the name."""
        before = [
            each
            for each in scene.state.heap
            if each.function != scene.function and self._refs.get(each, NOTHING) & given.refs
        ]
        old = any(may(scene.state, each, UNLINKED) for each in before)
        return old and any(scene.state.get(each, CREATED) == FALSE for each in before)

    def _about(self, given: ast.expr, name: str, node: ast.Call, scene: Scene) -> Iterator[Finding]:
        for process, said in scene.state.status.items():
            if process.kind.role != "process" or not said & ALIVE:
                continue
            if not any(ast.dump(each) == name for each in ast.walk(process.node)):
                continue
            text = scene.module.segment(given)
            yield self._reused(
                f"{text} was the name of a segment that is unlinked now, and "
                f"{scene.name_of(process)}, which was given it, has not been joined: it may be "
                "attached to the old memory, and will never see what is in the new",
                node,
                text,
                scene,
            )
            return

    def _reused(self, message: str, node: ast.Call, text: str, scene: Scene) -> Finding:
        return self.found(
            scene,
            node,
            message,
            fix="leave the name out, so that each segment gets its own, and send shm.name",
            subject=Subject("SharedMemory", "a SharedMemory", (text,)),
            confidence="low" if scene.state.exceptional else "medium",
        )
