"""HF110 silent-copy: an array over shared memory is sent as a private copy.

## What it does

Finds a NumPy array over a shared `Array`, `RawArray` or `SharedMemory` that is passed where it is
pickled: to a process of the spawn or forkserver method, to a pool or executor, or through a queue
or pipe.

## Why is this bad?

An array is pickled by value: the receiver gets a private copy of the data, and nothing says so.
What it writes is never seen by anybody else. Under fork the arguments of a process are not pickled,
so the same program works there.

## Example

    shared = mp.Array("d", 100)
    array = np.frombuffer(shared.get_obj())
    process = ctx.Process(target=fill, args=(array,))

## Use instead

    def fill(shared):
        array = np.frombuffer(shared.get_obj())
        array[:] = 1

    process = ctx.Process(target=fill, args=(shared,))

## When it is safe

If the receiver only reads and a copy is what is wanted: such a use is reported with low
confidence. Where the receiver is known and writes, the confidence is high.

## References

numpy.ndarray.__reduce__; Python documentation, multiprocessing, "Programming guidelines".
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint import words
from holdfast.lint.events import Rule
from holdfast.lint.machine.things import Bound, Function, Thing
from holdfast.lint.program.functions import all_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Confidence, Finding
    from holdfast.lint.events import Argument, Call, Scene
    from holdfast.lint.machine.state import State
    from holdfast.lint.machine.things import Refs

_SENDING = {"put", "put_nowait", "send"}
_RUNNING = {"apply": 0, "apply_async": 0, "submit": 0, "map": 1, "starmap": 1, "imap": 1}
_WRITING_METHODS = {"fill", "sort", "put", "itemset", "partition", "resize"}


class SilentCopy(Rule):
    """See the module."""

    code = "HF110"
    hears = frozenset({"connection", "executor", "pool", "shared"})

    def on_process(self, process: Thing, call: Call, scene: Scene) -> Iterator[Finding]:
        """A process whose arguments are pickled."""
        if process.kind.role != "process" or scene.method(process) not in words.SPAWNING:
            return
        target = call.argument("target", 1)
        arguments = call.argument("args", 3)
        given: list[tuple[int | str, ast.AST, Thing | None]] = []
        if arguments is not None:
            items = _items(arguments, scene.state)
            given += [(at, node, view) for at, (node, view) in enumerate(items)]
        named = call.argument("kwargs", 4)
        if named is not None:
            given += _named_items(named, scene.state)
        for at, node, view in given:
            if view is not None:
                writes = _writes(target, at)
                yield self._about(node, view, writes, "medium", scene.method(process), scene)

    def on_call(self, call: Call, scene: Scene) -> Iterator[Finding]:
        """A queue, pipe, pool or executor is given something to send."""
        owner = call.receiver
        if owner is None or call.node is None or not call.arguments:
            return
        if owner.kind.role in {"shared", "connection"} and call.name in _SENDING:
            view = _view(call.arguments[0].refs)
            if view is not None:
                yield self._about(call.arguments[0].node, view, None, "low", call.name, scene)
        elif owner.kind.role in {"pool", "executor"} and call.name in _RUNNING:
            function = call.arguments[0]
            for position, argument in enumerate(call.arguments[1:]):
                given: list[tuple[ast.AST, Thing | None]] = [(argument.node, _view(argument.refs))]
                if call.name.startswith("apply") and position == 0:
                    given = list(_items(argument, scene.state))
                for number, (node, view) in enumerate(given):
                    if view is not None:
                        at = number if call.name.startswith("apply") else position
                        yield self._about(
                            node, view, _writes(function, at), "low", call.name, scene
                        )

    def _about(
        self,
        node: ast.AST,
        view: Thing,
        writes: bool | None,
        otherwise: Confidence,
        how: str,
        scene: Scene,
    ) -> Finding:
        base = view.base
        text = words.a(base.text) if base is not None else "shared memory"
        sure: Confidence = otherwise if writes is None else "high" if writes else "low"
        name = scene.module.segment(node)
        return self.found(
            scene,
            node,
            f"{name} is an array over {text}, and is pickled by value ({how}): the receiver gets "
            "a private copy",
            fix="send the shared object itself, and make the array in the receiver",
            subject=Subject("array", f"an array over {text}", (name,)),
            confidence=sure,
        )


def _view(refs: Refs) -> Thing | None:
    for each in refs:
        if isinstance(each, Thing) and each.kind.role == "view" and each.text == "array":
            return each
    return None


def _items(argument: Argument, state: State) -> Iterator[tuple[ast.AST, Thing | None]]:
    things = [each for each in argument.refs if isinstance(each, Thing)]
    if isinstance(argument.node, (ast.Tuple, ast.List)) and things:
        for number, item in enumerate(argument.node.elts):
            yield item, _view(state.get(things[0], f"[{number}"))


def _named_items(
    argument: Argument, state: State
) -> Iterator[tuple[int | str, ast.AST, Thing | None]]:
    things = [each for each in argument.refs if isinstance(each, Thing)]
    if isinstance(argument.node, ast.Dict) and things:
        for key, item in zip(argument.node.keys, argument.node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, item, _view(state.get(things[0], f"[{key.value!r}"))


def _writes(target: Argument | None, position: int | str) -> bool | None:
    """Whether a function writes into what it is given at a position; None if nobody knows."""
    answers: set[bool] = set()
    for value in target.refs if target is not None else ():
        function = value.function if isinstance(value, Bound) else value
        if not isinstance(function, Function):
            return None
        given = [each.arg for each in all_arguments(function.node.args)]
        if isinstance(value, Bound):
            given = given[1:]
        if isinstance(position, str):
            name = position if position in given else ""
        else:
            name = given[position] if position < len(given) else ""
        if not name:
            return None
        answers.add(writes_into(function.node, name))
    return any(answers) if answers else None


def writes_into(function: ast.AST, name: str) -> bool:
    """Whether a function writes into an array that a parameter of it names."""
    for node in ast.walk(function):
        target: ast.AST | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            target = node.value
        elif isinstance(node, ast.AugAssign):
            target = node.target
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in _WRITING_METHODS:
                target = node.func.value
            elif node.func.attr in {"copyto", "put", "fill_diagonal"} and node.args:
                target = node.args[0]
        elif isinstance(node, ast.keyword) and node.arg == "out":
            target = node.value
        if isinstance(target, ast.Name) and target.id == name:
            return True
    return False
