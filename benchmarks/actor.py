"""Measuring in another interpreter, on request: what must not share a process with its peer.

    actor = Actor("benchmarks.rows.fork", "forks", "none", 0)
    seconds = actor.work(10)

starts an interpreter that imports the module, calls `forks("none", 0)`, and gets a function from it
that does something n times and returns the seconds. The actor then waits for numbers.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# Seconds that an actor may take to come to its end once it was told to.
PATIENCE = 60


class Actor:
    """A function of another interpreter."""

    def __init__(self, module: str, function: str, *arguments: Any) -> None:
        task = json.dumps([module, function, arguments])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.actor", task],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._hear()

    def work(self, count: int) -> float:
        """Let it do its thing `count` times; the seconds that it took."""
        assert self._process.stdin
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        return self._hear()

    def end(self) -> None:
        """End it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _hear(self) -> float:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the measuring process ended: {self._process.args}")
        return float(line)


@contextmanager
def actors(tasks: dict[str, tuple[Any, ...]]) -> Iterator[dict[str, Actor]]:
    """Actors by name, ended at the end: each task is what an Actor is made of."""
    with ExitStack() as stack:
        made = {}
        for name, task in tasks.items():
            made[name] = Actor(*task)
            stack.callback(made[name].end)
        yield made


def main() -> None:
    """Be an actor."""
    module, function, arguments = json.loads(sys.argv[1])
    work = getattr(importlib.import_module(module), function)(*arguments)
    print(0.0, flush=True)
    for line in sys.stdin:
        print(work(int(line)), flush=True)


if __name__ == "__main__":
    main()
