"""HF201 semaphore-gone: a semaphore is unlinked before the child has opened it.

## What it does

Finds a lock, event, condition, semaphore or queue that a process of the spawn or forkserver method
is given, and that dies in the parent while the child may still be starting: because only the
arguments of the process referred to it, or because its scope ends.

## Why is this bad?

Behind each of these is a named semaphore. When the object dies in the process that made it, the
name is unlinked; a child of spawn or forkserver opens it by that name some tens of milliseconds
later, and dies with a `FileNotFoundError` that names no file. forkserver is the default on Linux
since Python 3.14.

## Example

    process = ctx.Process(target=work, args=(ctx.Lock(),))
    process.start()

## Use instead

    lock = ctx.Lock()
    process = ctx.Process(target=work, args=(lock,))
    process.start()
    process.join()

## When it is safe

Under fork, where the child inherits the open semaphore: there a dropped lock or event is harmless.

## References

python/cpython#94765; the queue: python/cpython#123208.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.lint import words
from holdfast.lint.events import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Confidence, Finding
    from holdfast.lint.events import Call, Drop, Scene
    from holdfast.lint.machine.state import Handed, Spot
    from holdfast.lint.machine.things import Thing


class SemaphoreGone(Rule):
    """See the module."""

    code = "HF201"

    def on_process(self, process: Thing, call: Call, scene: Scene) -> Iterator[Finding]:
        """What only the arguments refer to dies when the process is started."""
        del call
        for each in words.forgotten(process, scene):
            yield from self._about(each, each.spots[-1], scene, "high", "start() returns")

    def on_drop(self, drop: Drop, scene: Scene) -> Iterator[Finding]:
        """The last reference goes away while the child may be starting."""
        handed = drop.handed
        if not handed.inline and handed.process.kind.role == "process":
            when = {
                "temporary": "the statement is over",
                "rebound": "it is rebound",
                "deleted": "it is deleted",
            }.get(drop.moment, f"{scene.function or 'the block'} ends")
            yield from self._about(handed, drop.spot, scene, drop.confidence, when)

    def _about(
        self, handed: Handed, spot: Spot, scene: Scene, confidence: Confidence, when: str
    ) -> Iterator[Finding]:
        method = scene.method(handed.process)
        thing = handed.thing
        if not words.only_semaphore(thing) or not words.harmed(thing, method):
            return
        yield self.found(
            scene,
            spot,
            f"{words.what(handed)} dies when {when}; {words.consequence(thing, method)}",
            fix="keep it until the process has been joined",
            subject=words.subject(handed, words.names(handed, scene, spot)),
            confidence=confidence,
        )
