"""HF104 rebound-in-loop: a name is rebound while its old object is in use.

## What it does

Finds a shared object whose last reference in the parent is overwritten, by the next round of a
loop or by another assignment, while a process that was given it may be running.

## Why is this bad?

`Process.start()` has deleted the arguments, so the name is all that keeps the object. Assigning to
it frees the object's memory, and one of the next shared objects gets it (the one after next, since
the right-hand side is made before the old object dies), while the child goes on using it.

## Example

    for job in jobs:
        progress = mp.Value("i", 0)
        process = mp.Process(target=work, args=(job, progress))
        process.start()
        processes.append(process)

## Use instead

    for job in jobs:
        progress = mp.Value("i", 0)
        process = mp.Process(target=work, args=(job, progress))
        process.start()
        processes.append((process, progress))

## When it is safe

If the process is joined in the same round, or the objects are kept in a container that lives as
long as the processes do.

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


class ReboundInLoop(Rule):
    """See the module."""

    code = "HF104"

    def on_drop(self, drop: Drop, scene: Scene) -> Iterator[Finding]:
        """Something else was assigned to the last name of an object."""
        handed = drop.handed
        if drop.moment != "rebound" or handed.inline or handed.via == "closure":
            return
        if handed.process.kind.role != "process":
            return
        method = scene.method(handed.process)
        if not words.harmed(handed.thing, method) or words.only_semaphore(handed.thing):
            return
        name = words.names(handed, scene, drop.spot)
        line = getattr(drop.where, "lineno", 0)
        yield self.found(
            scene,
            drop.spot,
            f"{name} ({words.what(handed)}) is rebound at line {line} while the process may be "
            f"running: {words.consequence(handed.thing, method)}",
            fix=f"keep each {name} in a container that lives until the processes have been joined",
            subject=words.subject(handed, name),
            confidence=drop.confidence,
        )
