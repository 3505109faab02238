"""HF202 exit-without-join: a process ends while its children open what it made.

## What it does

Finds a program whose main module ends, or calls `sys.exit()`, without having joined a process of
the spawn or forkserver method that was given something with a semaphore, or, under any start
method, a manager's proxy.

## Why is this bad?

At its end a process first runs its finalizers, which unlink the names of its semaphores and stop
its managers, and only then joins its children. A child that is still starting then finds nothing
under the name: it dies with a `FileNotFoundError`, its work is lost, and the program's exit status
is 0. That the main module keeps the object in a global does not help.

## Example

    if __name__ == "__main__":
        lock = mp.Lock()
        process = mp.Process(target=work, args=(lock,))
        process.start()

## Use instead

    if __name__ == "__main__":
        lock = mp.Lock()
        process = mp.Process(target=work, args=(lock,))
        process.start()
        process.join()

## When it is safe

Under fork, for everything but managers; if the main module waits for the process in any way, or
never ends; for daemon processes, which are terminated at the end anyway.

## References

Lib/multiprocessing/util.py, _exit_function(); the same traceback in python/cpython#94765.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.lint import words
from holdfast.lint.events import Rule
from holdfast.lint.machine.state import ALIVE, ENDED, NEW, RUNNING
from holdfast.lint.machine.things import Const

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from holdfast.findings import Confidence, Finding
    from holdfast.lint.events import Scene
    from holdfast.lint.machine.state import Handed


class ExitWithoutJoin(Rule):
    """See the module."""

    code = "HF202"

    def on_end(self, where: ast.AST, scene: Scene) -> Iterator[Finding]:
        """The program ends: who runs, and what was he given?"""
        del where
        state = scene.state
        for process, said in state.status.items():
            if process.kind.role != "process" or RUNNING not in said:
                continue
            if Const(True) in state.get(process, "daemon") or process in state.escaped:
                continue
            sure: Confidence = "low"
            if not said & (ALIVE - {RUNNING}) and not state.exceptional:
                sure = "medium" if said & {ENDED, NEW} else "high"
            for each in state.handed.get(process, ()):
                if self._lost(each, scene):
                    yield self._about(each, sure, scene)
                    break

    @staticmethod
    def _lost(handed: Handed, scene: Scene) -> bool:
        if handed.inline:  # it is gone already
            return False
        if handed.thing.kind.role == "proxy":
            return True
        return handed.thing.semaphore and scene.method(handed.process) in words.SPAWNING

    def _about(self, handed: Handed, sure: Confidence, scene: Scene) -> Finding:
        name = words.names(handed, scene)
        gone = "its manager is stopped" if handed.thing.kind.role == "proxy" else "it is unlinked"
        return self.found(
            scene,
            handed.spots[0],
            f"the program ends without joining the process that was given {name} "
            f"({words.what(handed)}): {gone} at exit, before the children are waited for",
            fix="join the process before the program ends",
            subject=words.subject(handed, name),
            confidence=sure,
        )
