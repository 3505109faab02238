"""HF105 closure-target: only a closure that start() drops keeps a shared object.

## What it does

Finds a process whose target is a lambda or a nested function that closes over a shared object,
where the function that defines it returns before the process has ended.

## Why is this bad?

The closure's cell is the last reference to the object, and `Process.start()` deletes the target.
The object dies when the surrounding function returns, and its memory is given to the next shared
object, while the forked child goes on using it. (Under spawn and forkserver such a target cannot
be pickled at all.)

## Example

    def launch():
        hits = mp.Value("i", 0)
        process = mp.Process(target=lambda: serve(hits))
        process.start()
        return process

## Use instead

    def launch():
        hits = mp.Value("i", 0)
        process = mp.Process(target=serve, args=(hits,))
        process.start()
        return process, hits

## When it is safe

If the process is joined before the function returns, or the object is kept elsewhere.

## References

python/cpython#110660; bpo-30775.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.lint import words
from holdfast.lint.events import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Finding
    from holdfast.lint.events import Drop, Scene


class ClosureTarget(Rule):
    """See the module."""

    code = "HF105"

    def on_drop(self, drop: Drop, scene: Scene) -> Iterator[Finding]:
        """The last reference was a variable that the target closed over."""
        handed = drop.handed
        if handed.via != "closure" or handed.process.kind.role != "process":
            return
        method = scene.method(handed.process)
        if not words.harmed(handed.thing, method) or words.only_semaphore(handed.thing):
            return
        yield self.found(
            scene,
            drop.spot,
            f"{words.what(handed)} is kept by the closure only, which start() drops; when "
            f"{scene.function or 'the block'} ends, {words.consequence(handed.thing, method)}",
            fix="keep the object where it lives until the process has been joined",
            subject=words.subject(handed, scene.name_of(handed.owner)),
            confidence=drop.confidence,
        )
