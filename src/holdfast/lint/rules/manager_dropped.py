"""HF401 manager-dropped: a manager is dropped while its proxies are in use.

## What it does

Finds a `Manager` or `SharedMemoryManager` that ends, because nothing refers to it any more, or by
the end of its `with`, or by `shutdown()`, while a process that was given one of its proxies or
segments has not been joined.

## Why is this bad?

The end of the manager object stops its server process. A proxy keeps its manager alive, but only in
the process that made it: in a child it is an address. The child fails with `FileNotFoundError`,
`ConnectionRefusedError` or `EOFError` at its next use. A `SharedMemoryManager` unlinks all its
segments when it ends, though `SharedMemory` objects of them live.

## Example

    def launch():
        results = mp.Manager().dict()
        process = mp.Process(target=work, args=(results,))
        process.start()
        return process

## Use instead

    def launch(manager):
        results = manager.dict()
        process = mp.Process(target=work, args=(results,))
        process.start()
        return process, results

## When it is safe

As long as the manager, or a proxy of it in the process that made it, is kept until the processes
have been joined. `Manager().dict()` is safe for that reason if the proxy is kept.

## References

The managers documentation; python/cpython#81158, python/cpython#110468.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint import words
from holdfast.lint.events import Rule
from holdfast.lint.machine.state import Spot
from holdfast.lint.machine.things import Thing
from holdfast.lint.machine.views import TRUE
from holdfast.lint.rules.temporary_owner import temporary_owner

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from holdfast.findings import Confidence, Finding
    from holdfast.lint.events import Call, Drop, Scene
    from holdfast.lint.machine.state import Handed
    from holdfast.lint.machine.things import Refs

_KEEP = "keep the manager, or its proxy, until the processes have been joined"


class ManagerDropped(Rule):
    """See the module."""

    code = "HF401"
    hears = frozenset({"manager"})

    def __init__(self) -> None:
        self._manager_of: dict[Thing, Thing] = {}

    def on_process(self, process: Thing, call: Call, scene: Scene) -> Iterator[Finding]:
        """The only proxy of a temporary manager is in the arguments."""
        del call
        if process.kind.role != "process":
            return
        for each in scene.state.handed.get(process, ()):
            if each.inline and each.thing.kind.role == "manager":
                yield self._about(
                    each.spots[-1],
                    "the manager behind this proxy exists only in the arguments of the process: "
                    "start() drops them, and the manager stops before the child has called it",
                    each.thing,
                    "high",
                    scene,
                )

    def on_drop(self, drop: Drop, scene: Scene) -> Iterator[Finding]:
        """The last reference to a manager goes."""
        handed = drop.handed
        if handed.thing.kind.role != "manager" or handed.inline or temporary_owner(drop, scene):
            return
        until = f"when {scene.function} returns" if drop.moment == "scope" else "here"
        yield self._about(
            drop.spot,
            f"the last reference to the manager behind {words.names(handed, scene)} goes {until}, "
            "and it stops while the process uses the proxy",
            handed.thing,
            running(drop, scene),
            scene,
        )

    def on_call(self, call: Call, scene: Scene) -> Iterator[Finding]:
        """A manager is shut down; a segment is made by one."""
        manager = call.receiver
        if manager is None or manager.kind.role != "manager":
            return
        if call.name in {"SharedMemory", "ShareableList"}:
            for made in call.result:
                if isinstance(made, Thing):
                    self._manager_of[made] = manager
        if call.name not in {"shutdown", "__exit__"}:
            return
        for process, said in scene.state.status.items():
            sure = words.running(said)
            if process.kind.role != "process" or sure is None:
                continue
            given = [e for e in scene.state.handed.get(process, ()) if e.via != "target"]
            things = {each.thing for each in given}
            if process.cls is not None:  # it may keep a proxy itself
                things |= {e for e in scene.state.reach([process]) if e.kind.role == "proxy"}
            mine = [each for each in things if manager in (each, each.base, self._of(each))]
            if mine:
                segment = any(self._of(each) is manager for each in mine)
                yield self._about(
                    call.node if call.node is not None else _spot(process, given),
                    f"the manager is shut down while {scene.name_of(process)}, which was given "
                    f"{'a segment' if segment else 'a proxy'} of it, has not been joined",
                    manager,
                    "low" if scene.state.exceptional else sure,
                    scene,
                )
                return

    def _of(self, segment: Thing) -> Thing | None:
        return self._manager_of.get(segment)

    def on_return(self, refs: Refs, node: ast.AST, scene: Scene) -> Iterator[Finding]:
        """A SharedMemoryManager goes, and its segments are kept or in use."""
        del node
        mine = [
            (segment, manager)
            for segment, manager in self._manager_of.items()
            if segment in scene.state.heap and manager in scene.state.heap
        ]
        if not mine or scene.state.exceptional:
            return
        kept = scene.kept_after(refs)
        for segment, manager in mine:
            if manager in kept or scene.state.get(manager, "-lost"):
                continue
            used = segment in kept or any(
                each.thing is segment
                and words.running(scene.state.status.get(process, frozenset()))
                for process, items in scene.state.handed.items()
                for each in items
            )
            if used:
                scene.state.put(manager, "-lost", TRUE)
                yield self._about(
                    Spot(segment.module, segment.function, segment.node),
                    f"when {scene.function} returns, nothing refers to the manager of this "
                    "segment any more: it ends, and unlinks the segment while it is in use",
                    manager,
                    "medium",
                    scene,
                )

    def _about(
        self, at: ast.AST | Spot, message: str, manager: Thing, sure: Confidence, scene: Scene
    ) -> Finding:
        subject = Subject("Manager", words.a(manager.text), (scene.name_of(manager),))
        return self.found(scene, at, message, fix=_KEEP, subject=subject, confidence=sure)


def _spot(process: Thing, given: list[Handed]) -> Spot:
    if given:
        return given[-1].spots[-1]
    return Spot(process.module, process.function, process.node)


def running(drop: Drop, scene: Scene) -> Confidence:
    """How sure it is that the process behind a drop runs, whatever comes after in the program."""
    if scene.state.exceptional:
        return "low"
    return words.running(scene.state.status.get(drop.handed.process, frozenset())) or "low"
