"""HF501 pool-result-after-exit: a program ends with tasks of a pool outstanding.

## What it does

Finds a `Pool` that is given work by `apply_async`, `map_async`, `starmap_async` or `imap`, whose
results nobody fetches, and whose `with` or whose program ends without `close()` and `join()`.

## Why is this bad?

The end of `with Pool()` is `terminate()`, and so is the end of the program: the workers are killed
at their work. Tasks that have not been run are lost, with exit status 0 and without a word; so is
the exception of one that failed.

## Example

    with mp.Pool() as pool:
        for item in items:
            pool.apply_async(work, (item,))

## Use instead

    with mp.Pool() as pool:
        results = [pool.apply_async(work, (item,)) for item in items]
        for result in results:
            result.get()

## When it is safe

If a result is fetched by `get()` or waited for, if an iterator of `imap` is gone through, or after
`close()` and `join()`. A `ProcessPoolExecutor` waits at its end. A task that never ends, such as a
worker of a server, runs for as long as the program does.

## References

`Pool` in the multiprocessing documentation; python/cpython#82682.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint.events import Rule
from holdfast.lint.machine.state import ENDED, KILLED, RUNNING, TOLD, UNSURE, Spot
from holdfast.lint.machine.things import Function
from holdfast.lint.program.around import never_ends

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from holdfast.findings import Confidence, Finding
    from holdfast.lint.events import Call, Scene
    from holdfast.lint.machine.things import Thing

_TASKS = {"apply_async", "map_async", "starmap_async", "imap", "imap_unordered"}


class PoolResultAfterExit(Rule):
    """See the module."""

    code = "HF501"
    hears = frozenset({"pool"})

    def __init__(self) -> None:
        self._task: dict[Thing, Spot] = {}
        self._ending: dict[Thing, Spot] = {}  # those that one could wait for

    def on_call(self, call: Call, scene: Scene) -> Iterator[Finding]:
        """A pool is given a task, or its `with` is over."""
        pool = call.receiver
        if pool is None or pool.kind.role != "pool":
            return
        if call.name in _TASKS and call.node is not None:
            self._task[pool] = scene.spots(call.node)[-1]
            work = call.argument("func", 0)
            refs = work.refs if work is not None else ()
            if not any(isinstance(each, Function) and never_ends(each.node) for each in refs):
                self._ending[pool] = self._task[pool]
        elif call.name == "__exit__" and pool in self._task:
            words = scene.state.status.get(pool, frozenset())
            if KILLED in words and pool not in scene.state.escaped:
                when = "its with block ends: the pool is terminated"
                yield self._about(pool, self._task[pool], when, words, scene)

    def on_end(self, where: ast.AST, scene: Scene) -> Iterator[Finding]:
        """The program ends."""
        del where
        for pool, words in scene.state.status.items():
            known = pool in self._ending and pool not in scene.state.escaped
            if pool.kind.role == "pool" and RUNNING in words and known:
                yield self._about(pool, self._ending[pool], "the program ends", words, scene)

    def _about(
        self, pool: Thing, task: Spot, when: str, words: frozenset[str], scene: Scene
    ) -> Finding:
        # Somebody unknown has the result, and may wait for it.
        handed_on = any(
            each.kind.role == "future" and each.node is task.node for each in scene.state.escaped
        )
        unsure = words & {UNSURE, TOLD} or scene.state.exceptional or handed_on
        sure: Confidence = "low" if unsure or ENDED in words else "medium"
        return self.found(
            scene,
            task,
            f"nobody waits for this task before {when}, and work that is not done by then is lost",
            fix="fetch the results with get(), or close() and join() the pool",
            subject=Subject("Pool", "a Pool", (scene.name_of(pool),)),
            confidence=sure,
        )
