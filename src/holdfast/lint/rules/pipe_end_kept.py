"""HF602 pipe-end-kept: an end of a pipe stays open where nobody uses it.

## What it does

Finds a reader that waits for the end of data (`recv()` in a loop until `EOFError`) while its own
process still has the writing end open: the parent, which gave it to a child and did not close its
own (also if it is a thread that reads), or a forked child, which has inherited the parent's, or has
both ends on its object.

## Why is this bad?

A reader gets `EOFError` only when *every* copy of the writing end is closed. The loop waits for
ever after the writer has ended.

## Example

    reader, writer = mp.Pipe(duplex=False)
    process = mp.Process(target=produce, args=(writer,))
    process.start()
    try:
        while True:
            print(reader.recv())
    except EOFError:
        process.join()

## Use instead

    reader, writer = mp.Pipe(duplex=False)
    process = mp.Process(target=produce, args=(writer,))
    process.start()
    writer.close()
    try:
        while True:
            print(reader.recv())
    except EOFError:
        process.join()

## When it is safe

If the writer sends a last message and the reader stops at it. In a child of spawn or forkserver,
which has only the ends that it was given.

## References

"Explicitly pass resources to child processes" in the programming guidelines of multiprocessing.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint.events import Rule
from holdfast.lint.machine.library import without_limit
from holdfast.lint.machine.state import NEW
from holdfast.lint.machine.things import Bound, Function
from holdfast.lint.machine.views import CLOSED, may
from holdfast.lint.program.around import caught, in_loop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Finding
    from holdfast.lint.events import Call, Scene
    from holdfast.lint.machine.state import Handed
    from holdfast.lint.machine.things import Thing
    from holdfast.lint.program.modules import Module

_NOT_STARTED = frozenset({NEW})
_READING = {"recv", "recv_bytes", "recv_bytes_into"}


class PipeEndKept(Rule):
    """See the module."""

    code = "HF602"
    hears = frozenset({"connection", "process", "thread"})

    def on_call(self, call: Call, scene: Scene) -> Iterator[Finding]:
        """The parent reads until the end; or a process is forked that does."""
        thing = call.receiver
        if thing is None or call.node is None:
            return
        if thing.kind.name == "Connection" and call.name in _READING:
            yield from self._parent_reads(thing, call, scene)
            return
        if thing.kind.role == "thread" and call.name == "join" and without_limit(call):
            yield from self._thread_reads(thing, scene)
            return
        forks = thing.kind.role == "process" and scene.method(thing) == "fork"
        if forks and call.name == "start":
            yield from self._child_reads(thing, scene)

    def _thread_reads(self, thread: Thing, scene: Scene) -> Iterator[Finding]:
        """The parent waits for its thread, which reads until the end."""
        for reader in scene.state.reach([thread]):
            if reader.kind.name != "Connection":
                continue
            for function in self._targets(thread, scene):
                parameter = _parameter(function, thread, reader, scene)
                if isinstance(function, Function) and _reads(function, parameter):
                    yield from self._reads_to_the_end(reader, scene)

    def _parent_reads(self, reader: Thing, call: Call, scene: Scene) -> Iterator[Finding]:
        if call.node is not None and _until_the_end(scene.module, call.node):
            yield from self._reads_to_the_end(reader, scene)

    def _reads_to_the_end(self, reader: Thing, scene: Scene) -> Iterator[Finding]:
        writer = scene.peer_of(reader)
        if writer is None or writer not in scene.held() or may(scene.state, writer, CLOSED):
            return
        for process, items in scene.state.handed.items():
            for each in items:
                # Whether that one has ended makes no difference: this process has not.
                if each.thing is writer and scene.state.status.get(process) != _NOT_STARTED:
                    name = scene.name_of(writer)
                    yield self._about(
                        each,
                        f"{name} stays open in this process, which waits for the end of data: "
                        "EOFError never comes, even when the child has ended",
                        f"close {name} here when the process has been started",
                        scene,
                    )
                    return

    def _child_reads(self, process: Thing, scene: Scene) -> Iterator[Finding]:
        items = scene.state.handed.get(process, ())
        for each in items:
            if each.thing.kind.name != "Connection":
                continue
            if each.via == "target":
                yield from self._object_reads(each, items, process, scene)
            if each.via not in {"args", "kwargs"}:
                continue
            writer = scene.peer_of(each.thing)
            if writer is None or writer not in scene.held() or may(scene.state, writer, CLOSED):
                continue
            if any(other.thing is writer for other in items):
                continue
            for function in scene.state.get(process, "_target") or self._targets(process, scene):
                parameter = _parameter(function, process, each.thing, scene)
                if isinstance(function, Function) and _reads(function, parameter):
                    name = scene.name_of(writer)
                    yield self._about(
                        each,
                        f"the forked child inherits {name}, the writing end, and waits for the "
                        "end of data: EOFError never comes, even when the parent has closed it",
                        f"pass {name} too and close it in the child, or send a last message",
                        scene,
                    )
                    break

    def _object_reads(
        self, reader: Handed, items: tuple[Handed, ...], process: Thing, scene: Scene
    ) -> Iterator[Finding]:
        """The target is a method of an object that has both ends, and closes none of them."""
        writer = scene.peer_of(reader.thing)
        end = [each for each in items if each.thing is writer and each.owner is reader.owner]
        if writer is None or not end or may(scene.state, writer, CLOSED):
            return
        for bound in scene.state.get(process, "_target") or self._targets(process, scene):
            method = bound.function if isinstance(bound, Bound) else None
            if method is None or not _reads(method, f"self{reader.path}"):
                continue
            if _may_close(method, scene):
                continue
            name = f"{scene.name_of(reader.owner)}{end[0].path}"
            yield self._about(
                reader,
                f"the forked child has {end[0].path.lstrip('.')}, the writing end, too, and waits "
                "for the end of data: EOFError never comes, even when the parent has closed it",
                f"close {name} in the child before it reads, or send a last message",
                scene,
            )
            return

    def _targets(self, process: Thing, scene: Scene) -> frozenset[object]:
        node = process.node
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg == "target":
                    return frozenset(scene.evaluate(keyword.value))
        return frozenset()

    def _about(self, handed: Handed, message: str, fix: str, scene: Scene) -> Finding:
        subject = Subject("Connection", "an end of a pipe", (scene.name_of(handed.thing),))
        return self.found(
            scene,
            handed.spots[-1],
            message,
            fix=fix,
            subject=subject,
            confidence="low" if scene.state.exceptional else "medium",
        )


def _until_the_end(module: Module, node: ast.AST) -> bool:
    """Whether a read stands in a loop that only EOFError ends."""
    loop = in_loop(module.tree, node)
    if not isinstance(loop, ast.While) or not caught(
        module.tree, node, "EOFError", everything=False
    ):
        return False
    if not (isinstance(loop.test, ast.Constant) and loop.test.value):
        return False
    return not _leaves(loop)


def _leaves(loop: ast.While) -> bool:
    """Whether a loop is left otherwise than by an exception's handler."""
    rest: list[ast.AST] = list(loop.body)
    while rest:
        each = rest.pop()
        if isinstance(each, (ast.Break, ast.Return)):
            return True
        if isinstance(each, (ast.ExceptHandler, ast.FunctionDef, ast.Lambda)):
            continue
        rest.extend(ast.iter_child_nodes(each))
    return False


def _may_close(method: Function, scene: Scene) -> bool:
    """Whether a method closes something, by itself or in another one of its object."""
    for each in ast.walk(method.node):
        func = each.func if isinstance(each, ast.Call) else None
        if not isinstance(func, ast.Attribute):
            continue
        if func.attr == "close":
            return True
        if method.cls is not None and isinstance(func.value, ast.Name) and func.value.id == "self":
            other = scene.method_of(method.cls, func.attr, scene.state)
            if other is None or "close" in ast.unparse(other.node):
                return True
    return False


def _parameter(function: object, process: Thing, thing: Thing, scene: Scene) -> str:
    """The parameter of a target under which it gets something."""
    if not isinstance(function, Function) or not isinstance(process.node, ast.Call):
        return ""
    for keyword in process.node.keywords:
        if keyword.arg == "args" and isinstance(keyword.value, (ast.Tuple, ast.List)):
            names = [each.arg for each in function.node.args.args]
            if function.cls is not None:
                names = names[1:]
            for name, item in zip(names, keyword.value.elts, strict=False):
                if thing in scene.evaluate(item):
                    return name
        elif keyword.arg == "kwargs" and isinstance(keyword.value, ast.Dict):
            for key, item in zip(keyword.value.keys, keyword.value.values, strict=True):
                if isinstance(key, ast.Constant) and thing in scene.evaluate(item):
                    return str(key.value)
    return ""


def _reads(function: Function, parameter: str) -> bool:
    """Whether a function reads a parameter until the end of data."""
    return bool(parameter) and any(
        isinstance(each, ast.Call)
        and isinstance(each.func, ast.Attribute)
        and each.func.attr in _READING
        and isinstance(each.func.value, (ast.Name, ast.Attribute))
        and ast.unparse(each.func.value) == parameter
        and _until_the_end(function.module, each)
        for each in ast.walk(function.node)
    )
