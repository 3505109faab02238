"""HF102 local-dropped: a shared object dies with its scope while a process uses it.

## What it does

Finds a shared object, or an object that owns one, which a function gives to a process and then
drops by returning, although the process has not been joined: nothing stores it, and it is not
returned together with the process. So it is with what is deleted, or taken out of a container.

## Why is this bad?

`Process.start()` deletes its target and arguments in the parent, so the local variable is the last
reference. When the function returns, the object dies. Its memory is given to the next shared
object of that size while the child goes on using it, and nothing is raised: values change by
themselves. Under spawn and forkserver the child usually dies with a `FileNotFoundError` first.

## Example

    def start_work(self):
        worker = Worker()                  # owns a Value
        process = mp.Process(target=worker.work)
        process.start()
        return process

## Use instead

    def start_work(self):
        self.worker = Worker()
        process = mp.Process(target=self.worker.work)
        process.start()
        return process

## When it is safe

If the process is joined without a time limit before the function returns, on every way; if the
object is stored where it lives as long (`self`, a module global, a container of those, an
attribute of the process object), returned or yielded together with the process; or if the function
never returns. `join(timeout)` and `Queue.join()` do not wait for the end of the process.

## References

python/cpython#110660, python/cpython#94765; bpo-30775.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.lint import words
from holdfast.lint.events import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Finding
    from holdfast.lint.events import Drop, Scene


class LocalDropped(Rule):
    """See the module."""

    code = "HF102"

    def on_drop(self, drop: Drop, scene: Scene) -> Iterator[Finding]:
        """A scope ends, or a name is deleted, and with it what a process uses."""
        handed = drop.handed
        given_up = drop.moment == "temporary" and words.by_name(drop.spot)
        if handed.inline or not (given_up or drop.moment in {"scope", "deleted", "unstarted"}):
            return
        if given_up and handed.via not in {"args", "kwargs"}:
            return
        if handed.process.kind.role != "process" or handed.via == "closure":
            return
        method = scene.method(handed.process)
        if not words.harmed(handed.thing, method) or words.only_semaphore(handed.thing):
            return
        name = words.names(handed, scene, drop.spot)
        when = f"when {scene.function or 'the block'} ends, while the process may be running"
        if given_up:
            line = getattr(drop.where, "lineno", 0)
            when = f"at line {line}, where only the arguments of the process still refer to it"
        yield self.found(
            scene,
            drop.spot,
            f"{name} ({words.what(handed)}) dies {when}: {words.consequence(handed.thing, method)}",
            fix=f"keep {name} as long as the process runs: on self, in what is returned, or join "
            "the process here",
            subject=words.subject(handed, name),
            confidence=drop.confidence,
        )
