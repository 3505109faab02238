"""HF701 kill-holding-lock: a process died holding a lock.

## What it does

Finds `kill()` and `terminate()` of a process, or `os.kill(process.pid, SIGKILL)`, that was given a
lock, a semaphore, a condition, a queue, or a `Value` or `Array` with a lock, where the same object
is then used without a time limit.

## Why is this bad?

The lock is a semaphore and has no owner: if the process was killed while it held it, nobody
releases it, and whoever wants it next waits for ever. A queue has such a lock for its readers and
one for its writers, and a message that was cut in the middle makes `get(timeout=...)` wait for ever
too.

## Example

    process.terminate()
    with lock:
        print("never reached, if the process had the lock")

## Use instead

    stop.set()                # the process looks at it and ends by itself
    process.join()
    with lock:
        print("reached")

## When it is safe

If the process cannot be holding the lock, or nobody uses the lock afterwards. A lock of which
nobody waits without a limit cannot hang a program.

## References

`Process.terminate` in the multiprocessing documentation; python/cpython#88304,
python/cpython#87971.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint import words
from holdfast.lint.events import Rule
from holdfast.lint.machine.state import ALIVE
from holdfast.lint.machine.things import Bound, Const, Function
from holdfast.lint.machine.views import TRUE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Finding
    from holdfast.lint.events import Call, Scene
    from holdfast.lint.machine.state import Spot
    from holdfast.lint.machine.things import Thing

_LOCKS = {"Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition"}
_SYNCHRONIZED = {"Value", "Array"}
_QUEUES = {"Queue", "JoinableQueue", "SimpleQueue"}
_LOCKED = _LOCKS | _SYNCHRONIZED | _QUEUES
_KILLED, _TAKEN = "-killed", "-taken"


class KillHoldingLock(Rule):
    """See the module."""

    code = "HF701"
    hears = frozenset({"", "process", "shared"})

    def __init__(self) -> None:
        self._kill: dict[Thing, tuple[Spot, str]] = {}

    def on_call(self, call: Call, scene: Scene) -> Iterator[Finding]:
        """A process is killed; or a lock that one had is used."""
        thing = call.receiver
        if thing is None:
            self._signalled(call, scene)
            return
        if thing.kind.role == "process" and call.name in {"kill", "terminate"}:
            self._killed(thing, call, scene)
        elif thing.kind.name in _LOCKED and scene.state.get(thing, _KILLED) == TRUE:
            reads = call.name == "value" and scene.state.get(thing, _TAKEN) == TRUE
            if thing not in self._kill or not (reads or _waits(thing, call)):
                return
            spot, process = self._kill[thing]
            name = scene.name_of(thing)
            yield self.found(
                scene,
                spot,
                f"{process} may be killed while it holds {name}'s lock, and {name} is used "
                "afterwards: nobody would release it",
                fix="ask the process to end, by an event or a message, and join it",
                subject=Subject(thing.kind.name, words.a(thing.text), (name,)),
                confidence="low" if scene.state.exceptional else "medium",
            )

    def _signalled(self, call: Call, scene: Scene) -> None:
        """`os.kill(process.pid, signal.SIGKILL)`."""
        signal = call.argument("sig", 1)
        if call.name != "os.kill" or signal is None or not _ends_it(signal.node):
            return
        for each in call.arguments[0].refs:
            if isinstance(each, Bound) and each.receiver.kind.role == "process":
                self._killed(each.receiver, call, scene)

    def _killed(self, process: Thing, call: Call, scene: Scene) -> None:
        alive = scene.state.status.get(process, frozenset()) & ALIVE
        if call.node is None or not alive:
            return
        for each in scene.state.handed.get(process, ()):
            thing = each.thing
            if thing.kind.role == "shared" and thing.kind.name in _LOCKED and not thing.lockless:
                self._kill[thing] = (scene.spots(call.node)[-1], scene.name_of(process))
                scene.state.put(thing, _KILLED, TRUE)
                if thing.kind.name in _SYNCHRONIZED and _takes_locks(process, scene):
                    scene.state.put(thing, _TAKEN, TRUE)


def _takes_locks(process: Thing, scene: Scene) -> bool:
    """Whether what a process runs holds the lock of a value, for longer than to read it."""
    given = process.node.keywords if isinstance(process.node, ast.Call) else []
    for value in (e for k in given if k.arg == "target" for e in scene.evaluate(k.value)):
        function = value.function if isinstance(value, Bound) else value
        if isinstance(function, Function) and any(
            isinstance(each, ast.Attribute) and each.attr == "get_lock"
            for each in ast.walk(function.node)
        ):
            return True
    return False


def _ends_it(signal: ast.AST) -> bool:
    name = signal.attr if isinstance(signal, ast.Attribute) else getattr(signal, "id", "")
    return name in {"SIGKILL", "SIGTERM"} or getattr(signal, "value", None) in {9, 15}


def _waits(thing: Thing, call: Call) -> bool:
    """Whether a call would wait for ever for the lock of something."""
    if thing.kind.name in _LOCKS | _SYNCHRONIZED:
        if call.name == "__exit__":  # what was a `with`
            return True
        limits = [call.argument("timeout", 1), call.argument("block", 0)]
        return call.name == "acquire" and not any(limits)
    # The readers' lock; a writer's feeder waits in a thread of its own.
    block = call.argument("block", 0)
    return call.name == "get" and (block is None or block.refs != frozenset({Const(False)}))
