"""HF106 executor-initargs: an executor is dropped while its workers are busy.

## What it does

Finds a `ProcessPoolExecutor` that was given a shared object in `initargs` and is dropped, by
returning from the function that made it, while work that was submitted to it may be pending, where
nothing else refers to the object.

## Why is this bad?

Pending work goes on when an executor is dropped, its workers live on, but its `initargs` are freed.
The object's memory is given to the next shared object while the workers go on using it. Under spawn
and forkserver the pool usually breaks first (`BrokenProcessPool`), since the workers cannot open
what was dropped.

## Example

    def submit(job):
        executor = ProcessPoolExecutor(initializer=init, initargs=(mp.Value("i", 7),))
        return executor.submit(work, job)

## Use instead

    def run(job):
        with ProcessPoolExecutor(initializer=init, initargs=(mp.Value("i", 7),)) as executor:
            return executor.submit(work, job).result()

## When it is safe

As long as somebody keeps the executor; inside its `with`; after `shutdown()` with waiting, or when
all results have been fetched. A `multiprocessing.Pool` keeps its `initargs`.

## References

Lib/concurrent/futures/process.py; python/cpython#110660.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.lint import words
from holdfast.lint.events import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Finding
    from holdfast.lint.events import Drop, Scene


class ExecutorInitargs(Rule):
    """See the module."""

    code = "HF106"

    def on_drop(self, drop: Drop, scene: Scene) -> Iterator[Finding]:
        """The last reference was the executor's."""
        handed = drop.handed
        if handed.process.kind.role != "executor":
            return
        method = scene.method(handed.process)
        if not words.harmed(handed.thing, method):
            return
        yield self.found(
            scene,
            drop.spot,
            f"{words.what(handed)} is kept by the executor only, which is dropped while its "
            f"workers may be busy: {words.consequence(handed.thing, method)}",
            fix="keep the executor until its work is done, best by a with block",
            subject=words.subject(handed, words.names(handed, scene, drop.spot)),
            confidence=drop.confidence,
        )
