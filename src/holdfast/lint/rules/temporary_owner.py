"""HF503 temporary-owner: a temporary owns the processes that it started.

## What it does

Finds an object that starts a process in its constructor, gives it something shared that only its
own attributes keep, and is made by an expression that nobody keeps: `Service()` as a statement.

## Why is this bad?

The object ends with the statement, and what its attributes own ends with it, while its process goes
on. It looks like a service that was started; it is a service whose memory is given to the next
shared object, whose semaphore is unlinked before the child has opened it, or whose manager is
stopped.

## Example

    class Service:
        def __init__(self):
            self.total = mp.Value("d", 0)
            mp.Process(target=work, args=(self.total,)).start()

    Service()

## Use instead

    service = Service()

## When it is safe

If the object is kept, or keeps itself: in a registry, through a thread or a callback. If the class
is a `Process` itself, which multiprocessing keeps.

## References

python/cpython#110660; bpo-30775.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from holdfast.lint import words
from holdfast.lint.events import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Finding
    from holdfast.lint.events import Drop, Scene
    from holdfast.lint.machine.things import Thing


class TemporaryOwner(Rule):
    """See the module."""

    code = "HF503"

    def on_drop(self, drop: Drop, scene: Scene) -> Iterator[Finding]:
        """What an object owned dies with the statement that made the object."""
        owner = temporary_owner(drop, scene)
        handed = drop.handed
        if owner is None or handed.process.kind.role != "process":
            return
        thing = handed.thing
        method = scene.method(handed.process)
        confidence = drop.confidence
        if thing.kind.role == "manager":
            then = "the manager is stopped while the process uses its proxies"
        elif thing.kind.role == "proxy" and thing.base in scene.kept():
            then = "the manager deletes the object, unless the process has its own proxy by then"
            confidence = "medium" if confidence == "high" else "low"
        elif words.harmed(thing, method):
            then = words.consequence(thing, method)
        else:
            return
        yield self.found(
            scene,
            drop.spot,
            f"nobody keeps this {owner.text}, which owns {words.a(thing.text)} that its process "
            f"uses: {then}",
            fix=f"bind the {owner.text} to a name that lives until its process has ended",
            subject=words.subject(handed, owner.text),
            confidence=confidence,
        )


def temporary_owner(drop: Drop, scene: Scene) -> Thing | None:
    """The object, made by the expression at hand, that owned what is dropped with the statement."""
    node = drop.spot.node
    if drop.moment != "temporary" or drop.calls == 0 or not isinstance(node, ast.Call):
        return None
    for thing in list(scene.state.heap):
        if thing.kind.role != "instance" or thing.node is not node:
            continue
        if drop.handed.thing in scene.state.reach([thing]):
            return thing
    return None
