"""HF801 fork-with-threads: a fork copies a lock that another thread holds.

## What it does

Finds a process that is started by fork while a thread of the program runs whose function takes
locks: by itself, or through logging, queues, printing or imports. Such a thread may be another one
of those that start the processes.

## Why is this bad?

The child gets only the thread that forked, and a copy of every lock as it was. A lock that another
thread held is never released in the child, and the first one who wants it waits for ever. It
happens now and then, under load, and leaves a child that does nothing. Since Python 3.12 a
`DeprecationWarning` tells of it; 3.14's default on Linux is forkserver for this reason.

## Example

    threading.Thread(target=log_for_ever, daemon=True).start()
    process = mp.get_context("fork").Process(target=work)
    process.start()

## Use instead

    process = mp.get_context("forkserver").Process(target=work)
    process.start()
    threading.Thread(target=log_for_ever, daemon=True).start()

## When it is safe

If the processes are started before the threads, or by spawn or forkserver; or if the threads take
no lock that the child could want. The locks of multiprocessing are not copied: the thread releases
them for the child, too. A test that calls `os.fork()` beside a thread wants to see what happens.

## References

python/cpython#84559; "Contexts and start methods" in the multiprocessing documentation.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint.events import Rule
from holdfast.lint.machine.things import Bound, Function, Thing
from holdfast.lint.machine.views import TRUE
from holdfast.lint.program.around import ancestors
from holdfast.lint.program.functions import nodes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Finding
    from holdfast.lint.events import Call, Scene
    from holdfast.lint.machine.things import Refs, Value
    from holdfast.lint.program.modules import Module

_LOCKING = re.compile(
    r"\block\b|_lock\b|\.acquire\(|\blogging\.|\blog(?:ger)?\.\w+\(|\bprint\(|\.put\(|\.get\(\)"
    r"|\bimport\b|Condition\(|\.notify",
    re.IGNORECASE,
)


_FORKED = "-forked"
_SHARED = {"Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition", "Event", "Barrier"}


class ForkWithThreads(Rule):
    """See the module."""

    code = "HF801"
    hears = frozenset({"", "executor", "process"})

    def __init__(self) -> None:
        # Modules: their functions that several threads run at the same time.
        self._several: dict[Module, set[str]] = {}

    def on_process(self, process: Thing, call: Call, scene: Scene) -> Iterator[Finding]:
        """A pool starts its workers when it is made."""
        if process.kind.role == "pool" and call.node is not None:
            yield from self._about(process, call.node, scene)

    def on_call(self, call: Call, scene: Scene) -> Iterator[Finding]:
        """A process starts, or the program forks itself."""
        thing = call.receiver
        if thing is None and call.name == "os.fork" and call.node is not None:
            yield from self._about(None, call.node, scene)
        if thing is None or call.node is None:
            return
        if thing.kind.role == "process" and call.name == "start":
            yield from self._about(thing, call.node, scene)
        elif thing.kind.name == "ProcessPoolExecutor" and call.name in {"submit", "map"}:
            # Its workers are forked, all of them, when it gets its first task.
            if not scene.state.get(thing, _FORKED) and thing.library != "loky":
                yield from self._about(thing, call.node, scene)
            scene.state.put(thing, _FORKED, TRUE)

    def _about(self, process: Thing | None, node: ast.AST, scene: Scene) -> Iterator[Finding]:
        if process is not None and scene.method(process) != "fork":
            return
        name = scene.name_of(process) if process is not None else "this process"
        if scene.function in self._side_by_side(scene.module):
            yield self._beside(name, node, scene)
            return
        for thread in list(scene.state.heap):
            if thread.kind.role != "thread" or scene.state.get(thread, "-started") != TRUE:
                continue
            if process is not None and thread.node is process.node:
                continue  # one call made it, and it is the one or the other
            locks = any(_LOCKING.search(_text(each, scene)) for each in _functions(thread, scene))
            meant = process is None and scene.function.rpartition(".")[2].startswith("test")
            line = getattr(thread.node, "lineno", 0)
            yield self.found(
                scene,
                node,
                f"{name} is forked while the thread of line {line} runs: a lock "
                "that it holds at that moment stays locked in the child for ever",
                fix="start the processes before the threads, or use the forkserver or spawn method",
                subject=Subject("Thread", "a thread", (scene.name_of(thread),)),
                confidence="medium" if locks and not (scene.state.exceptional or meant) else "low",
            )
            return

    def _side_by_side(self, module: Module) -> set[str]:
        """The functions of a module that several threads run at the same time."""
        if module not in self._several:
            threads = "Thread" in module.text
            self._several[module] = set(_run_by_several_threads(module)) if threads else set()
        return self._several[module]

    def _beside(self, name: str, node: ast.AST, scene: Scene) -> Finding:
        """One of several threads that run the same function forks."""
        locks = _LOCKING.search(scene.function_text(node))
        return self.found(
            scene,
            node,
            f"{name} is forked by one of the threads that run {scene.function}, while the others "
            "run: a lock that one of them holds at that moment stays locked in the child for ever",
            fix="start the processes from one thread, or use the forkserver or spawn method",
            subject=Subject("Thread", "a thread", (scene.function,)),
            confidence="medium" if locks and not scene.state.exceptional else "low",
        )


def _run_by_several_threads(module: Module) -> Iterator[str]:
    """The functions that `Thread(target=...)` names in a loop or a comprehension."""
    for node in nodes_of(module.tree):
        func = node.func if isinstance(node, ast.Call) else None
        if not isinstance(node, ast.Call) or "Thread" not in {
            getattr(func, "attr", ""),
            getattr(func, "id", ""),
        }:
            continue
        around = {type(each) for each in _inside_function(module.tree, node)}
        if not around & {ast.For, ast.While, ast.ListComp, ast.GeneratorExp, ast.SetComp}:
            continue
        for keyword in node.keywords:
            if keyword.arg != "target":
                continue
            if isinstance(keyword.value, ast.Name):
                yield keyword.value.id
            elif isinstance(keyword.value, ast.Attribute):
                outer = [e for e in ancestors(module.tree, node) if isinstance(e, ast.ClassDef)]
                if outer and getattr(keyword.value.value, "id", "") == "self":
                    yield f"{outer[0].name}.{keyword.value.attr}"


def _inside_function(tree: ast.AST, node: ast.AST) -> Iterator[ast.AST]:
    for each in ancestors(tree, node):
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return
        yield each


def _functions(thread: Thing, scene: Scene) -> set[Value]:
    """What a thread runs, as far as that is the project's own."""
    found = {each for refs in scene.state.fields(thread).values() for each in refs}
    if thread.cls is not None:
        run = scene.method_of(thread.cls, "run", scene.state)
        found |= {run} if run is not None else set()
    return found


def _text(value: Value, scene: Scene) -> str:
    """What a function says, without what it does to locks that lie in shared memory."""
    function = value.function if isinstance(value, Bound) else value
    if not isinstance(function, Function):
        return ""
    node = function.node
    text = "\n".join(function.module.lines[node.lineno - 1 : node.end_lineno])
    names = scene.state.frames.get(function.frame, {}) if function.frame is not None else {}
    shared = [name for name, refs in names.items() if _is_shared(refs)]
    if isinstance(value, Bound):
        fields = scene.state.fields(value.receiver)
        shared += [f"self.{name}" for name, refs in fields.items() if _is_shared(refs)]
    for name in shared:
        text = re.sub(rf"\b{re.escape(name)}\b(?:\.\w+\()?", "", text)
    return f"{text}\n{_text_of_called(function)}"


def _text_of_called(function: Function) -> str:
    """What the functions of its module say that a function calls by their names."""
    names = {
        each.func.id
        for each in ast.walk(function.node)
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)
    }
    module = function.module
    return "\n".join(
        "\n".join(module.lines[each.lineno : each.end_lineno])
        for each in module.tree.body
        if isinstance(each, ast.FunctionDef) and each.name in names and each is not function.node
    )


def _is_shared(refs: Refs) -> bool:
    """Whether something is a lock of multiprocessing: the child's is the parent's, not a copy."""
    return bool(refs) and all(
        isinstance(each, Thing) and each.kind.role == "shared" and each.kind.name in _SHARED
        for each in refs
    )
