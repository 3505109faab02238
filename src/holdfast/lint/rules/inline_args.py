"""HF101 inline-args: a shared object that exists only in the arguments of a process.

## What it does

Finds a `Value`, `Array`, `RawValue`, `RawArray` or `Barrier` that is made inside the call of
`Process(...)`, in `args`, `kwargs` or a `partial`, or that only such a call is given.

## Why is this bad?

`Process.start()` deletes its arguments in the parent when the child has been started. If they were
the only reference, the object dies there and then. Under every start method its memory is given to
the next shared object of that size, while the child goes on reading and writing it: two variables
in two processes silently become one. Under spawn and forkserver, what has a lock dies before the
child has opened it, and the child ends with a `FileNotFoundError` without a file name. Joining the
process does not help: the object is gone before `join()` is called.

## Example

    process = mp.Process(target=work, args=(mp.Value("i", 0),))
    process.start()

## Use instead

    counter = mp.Value("i", 0)
    process = mp.Process(target=work, args=(counter,))
    process.start()
    process.join()

## When it is safe

`initargs` of a `Pool` are kept by the pool. A subclass of `Process` that stores the object on
itself keeps it, since multiprocessing keeps a started process. billiard does not delete the
arguments. Under fork a lock, event, queue or pipe that only the child has is harmless.

## References

python/cpython#110660, python/cpython#94765; bpo-30775; Lib/multiprocessing/process.py, start().
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.lint import words
from holdfast.lint.events import Rule
from holdfast.lint.rules.temporary_owner import temporary_owner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Confidence, Finding
    from holdfast.lint.events import Call, Drop, Scene
    from holdfast.lint.machine.state import Handed, Spot
    from holdfast.lint.machine.things import Thing


class InlineArgs(Rule):
    """See the module."""

    code = "HF101"

    def on_process(self, process: Thing, call: Call, scene: Scene) -> Iterator[Finding]:
        """What nothing but the arguments refers to dies when the process is started."""
        del call
        for each in words.forgotten(process, scene, "args", "kwargs"):
            yield from self._about(each, each.spots[-1], scene, "high")

    def on_drop(self, drop: Drop, scene: Scene) -> Iterator[Finding]:
        """What was made in the arguments of a function that starts a process with it."""
        handed = drop.handed
        if drop.moment != "temporary" or handed.inline or handed.via not in {"args", "kwargs"}:
            return
        if words.by_name(drop.spot):  # it had another place when the process was made
            return
        if handed.process.kind.role != "process" or temporary_owner(drop, scene) is not None:
            return
        if handed.owner is handed.thing:
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
            f"{words.what(handed)} exists only in the arguments of the process; when start() "
            f"returns, {words.consequence(thing, method)}",
            fix="bind it to a name that lives until the process has been joined, and pass that",
            subject=words.subject(handed, thing.text),
            confidence=confidence,
        )
