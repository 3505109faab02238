"""HF103 attr-of-temporary: the object behind a process's target is a temporary.

## What it does

Finds a process whose target is a method of an object that nothing else refers to, where that
object owns shared memory: `Process(target=Worker().run)`, or `Worker().start()` where `start`
makes a process of a method of its own object.

## Why is this bad?

The bound method is the only reference to the object, and `Process.start()` deletes the target when
the child has been started. The object dies in the parent, and its shared values with it: their
memory is given to the next shared object while the child goes on using it. Under spawn and
forkserver what has a lock dies before the child has opened it.

## Example

    process = mp.Process(target=Worker().run)
    process.start()

## Use instead

    worker = Worker()
    process = mp.Process(target=worker.run)
    process.start()
    process.join()

## When it is safe

If the object owns nothing that is shared, or is a `Process` itself: multiprocessing keeps a
process that was started until it has ended.

## References

python/cpython#110660; bpo-30775.
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


class AttrOfTemporary(Rule):
    """See the module."""

    code = "HF103"

    def on_process(self, process: Thing, call: Call, scene: Scene) -> Iterator[Finding]:
        """The target is a method of what was made in the same expression."""
        del call
        for each in words.forgotten(process, scene, "target"):
            yield from self._about(each, each.spots[-1], scene, "high")

    def on_drop(self, drop: Drop, scene: Scene) -> Iterator[Finding]:
        """The object whose method starts the process dies with the statement that made it."""
        handed = drop.handed
        if drop.moment != "temporary" or handed.inline or handed.via == "closure":
            return
        if handed.process.kind.role == "process" and handed.owner is not handed.thing:
            yield from self._about(handed, drop.spot, scene, drop.confidence)

    def _about(
        self, handed: Handed, spot: Spot, scene: Scene, confidence: Confidence
    ) -> Iterator[Finding]:
        method = scene.method(handed.process)
        thing = handed.thing
        if not words.harmed(thing, method) or words.only_semaphore(thing):
            return
        yield self.found(
            scene,
            spot,
            f"{words.what(handed)} is a temporary; when the process has been started, "
            f"{words.consequence(thing, method)}",
            fix=f"bind the {handed.owner.text} to a name that lives until the process has been "
            "joined",
            subject=words.subject(handed, handed.owner.text),
            confidence=confidence,
        )
