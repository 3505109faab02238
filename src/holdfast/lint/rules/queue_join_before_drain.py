"""HF612 queue-join-before-drain: a process is joined before its queue is drained.

## What it does

Finds `process.join()` before the first `queue.get()`, where the process puts items on that queue
in a loop, or an item of which the text says that it is larger than a pipe (`"x" * 1_000_000`).

## Why is this bad?

`put()` hands an item to a thread of the process, which writes it to a pipe. The pipe holds 64 KiB.
The process does not end before everything has been written, and nobody reads: the parent waits for
the child, and the child for the parent. With few small items it works, so it passes the tests.

## Example

    process = mp.Process(target=produce, args=(queue,))
    process.start()
    process.join()
    items = [queue.get() for _ in range(1000)]

## Use instead

    process = mp.Process(target=produce, args=(queue,))
    process.start()
    items = [queue.get() for _ in range(1000)]
    process.join()

## When it is safe

If everything that the processes put is read before they are joined, or is a few numbers; with a
manager's queue. (A SimpleQueue has no thread, but its `put()` waits itself when the pipe is full:
it is no safer.)

## References

"Joining processes that use queues" in the programming guidelines; python/cpython#73983.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint.events import Rule
from holdfast.lint.machine.library import without_limit
from holdfast.lint.machine.things import Bound, Function
from holdfast.lint.machine.views import TRUE, may
from holdfast.lint.program import bulk
from holdfast.lint.program.around import in_loop, leaves_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from holdfast.findings import Finding
    from holdfast.lint.events import Call, Scene
    from holdfast.lint.machine.state import Spot
    from holdfast.lint.machine.things import Thing

_QUEUES = {"Queue", "JoinableQueue", "SimpleQueue"}
_JOINED, _DRAINED, _KILLED = "-joined", "-drained", "-ended by force"
_READING = {"get", "get_nowait"}
# Bytes that a pipe takes before somebody has to read.
_PIPE_BYTES = 65_536
# The same when its user has too many pipes already (pipe(7), pipe-user-pages-soft).
_SMALLEST_PIPE = 4_096


class QueueJoinBeforeDrain(Rule):
    """See the module."""

    code = "HF612"
    hears = frozenset({"process", "shared"})

    def __init__(self) -> None:
        self._joins: dict[Thing, tuple[Spot, str]] = {}

    def on_call(self, call: Call, scene: Scene) -> Iterator[Finding]:
        """A process is joined; a queue is read."""
        thing = call.receiver
        if thing is None or call.node is None:
            return
        if thing.kind.role == "process" and call.name in {"kill", "terminate"}:
            scene.state.put(thing, _KILLED, TRUE)
        elif thing.kind.role == "process" and call.name == "join" and without_limit(call):
            if not may(scene.state, thing, _KILLED):
                self._joined(thing, call.node, scene)
        elif thing.kind.role == "shared" and thing.kind.name in _QUEUES and call.name in _READING:
            if scene.state.get(thing, _JOINED) == TRUE and thing in self._joins:
                spot, process = self._joins[thing]
                name = scene.name_of(thing)
                yield self.found(
                    scene,
                    spot,
                    f"{process} is joined before {name} is read, on which it puts items: when the "
                    "pipe behind it is full, both wait for each other",
                    fix=f"read {name} first, then join",
                    subject=Subject(thing.kind.name, f"a {thing.text}", (name,)),
                    confidence="low" if scene.state.exceptional else "medium",
                )
            scene.state.put(thing, _DRAINED, TRUE)

    def _joined(self, process: Thing, node: ast.AST, scene: Scene) -> None:
        given = {each.thing for each in scene.state.handed.get(process, ())}
        if process.cls is not None:  # what it has stored on itself
            given |= scene.state.reach([process])
        for queue in given:
            if queue.kind.role != "shared" or queue.kind.name not in _QUEUES:
                continue
            if not scene.state.get(queue, _DRAINED) and _overfills(process, scene):
                self._joins[queue] = (scene.spots(node)[-1], scene.name_of(process))
                scene.state.put(queue, _JOINED, TRUE)


def _overfills(process: Thing, scene: Scene) -> bool:
    """Whether the target of a process is known, and puts more than a pipe takes, or may do so."""
    node = process.node
    if not isinstance(node, ast.Call):
        return False
    targets = [each.value for each in node.keywords if each.arg == "target"]
    values = {value for target in targets or node.args[1:2] for value in scene.evaluate(target)}
    if process.cls is not None:
        run = scene.method_of(process.cls, "run", scene.state)
        values = {run} if run is not None else values
    for value in values:
        function = value.function if isinstance(value, Bound) else value
        if isinstance(function, Function) and any(map(_is_much(function), _puts(function))):
            return True
    return False


def _puts(function: Function) -> Iterator[ast.Call]:
    """What a function puts, and what the processes put that it starts: it ends after them."""
    for each in ast.walk(function.node):
        if not isinstance(each, ast.Call):
            continue
        if isinstance(each.func, ast.Attribute) and each.func.attr == "put":
            yield each
        elif "Process" in {getattr(each.func, "attr", ""), getattr(each.func, "id", "")}:
            yield from _put_by(each, function)


def _put_by(process: ast.Call, outer: Function) -> Iterator[ast.Call]:
    """What a process puts on what a function was given itself and gives it."""
    given = {each.arg: each.value for each in process.keywords if each.arg}
    name, args = getattr(given.get("target"), "id", ""), given.get("args")
    stays = any(isinstance(e, ast.Attribute) and e.attr == "daemon" for e in ast.walk(outer.node))
    if not name or not isinstance(args, ast.Tuple) or "daemon" in given or stays:
        return
    mine = {each.arg for each in outer.node.args.args}
    for inner in outer.module.tree.body:
        if not isinstance(inner, ast.FunctionDef) or inner.name != name:
            continue
        pairs = zip(inner.args.args, args.elts, strict=False)
        passed = {own.arg for own, each in pairs if getattr(each, "id", "") in mine}
        for each in ast.walk(inner):
            func = each.func if isinstance(each, ast.Call) else None
            if not isinstance(each, ast.Call) or not isinstance(func, ast.Attribute):
                continue
            if func.attr == "put" and getattr(func.value, "id", "") in passed:
                yield each


def _is_much(function: Function) -> Callable[[ast.Call], bool]:
    def answer(put: ast.Call) -> bool:
        tree = function.module.tree
        names = bulk.assigned_once(function.node, tree)
        loop = in_loop(tree, put)
        if loop is not None and not leaves_loop(tree, put) and not _is_little(loop, put, names):
            return True
        return bool(put.args) and bulk.at_least(put.args[0], names) > _PIPE_BYTES

    return answer


def _is_little(loop: ast.stmt, put: ast.Call, names: Mapping[str, ast.expr]) -> bool:
    """Whether a loop puts so few numbers, or short texts, that they fit into any pipe."""
    if not isinstance(loop, ast.For) or not isinstance(loop.target, ast.Name) or not put.args:
        return False
    call = loop.iter
    if not isinstance(call, ast.Call) or getattr(call.func, "id", "") != "range":
        return False
    rounds = bulk.number(call.args[-1], names) if 0 < len(call.args) < 3 else 0
    name = loop.target.id
    named = [each for each in ast.walk(loop) if isinstance(each, ast.Name) and each.id == name]
    again = sum(not isinstance(each.ctx, ast.Load) for each in named) > 1
    size = bulk.at_most(put.args[0], set() if again else {name})
    return bool(rounds) and size is not None and rounds * size < _SMALLEST_PIPE
