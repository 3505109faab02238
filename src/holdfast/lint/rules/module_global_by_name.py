"""HF111 module-global-by-name: a module-level object is another one in the child.

## What it does

Finds a process, of the spawn or forkserver method, whose target uses a shared object that its
module makes at its top, by its name instead of as an argument.

## Why is this bad?

A child of spawn or forkserver starts from nothing and imports the module again. That makes a
second object with the same name: what the child adds to it is never seen by the parent, and a lock
of that name excludes nobody. Nothing is raised, and under fork the same program works; forkserver
is the default on Linux since Python 3.14.

## Example

    counter = mp.Value("i", 0)

    def work():
        counter.value += 1

    process = mp.Process(target=work)

## Use instead

    def work(counter):
        counter.value += 1

    counter = mp.Value("i", 0)
    process = mp.Process(target=work, args=(counter,))

## When it is safe

Under fork; and if an initializer gives the name the parent's object in each worker:
`def init(given): global counter; counter = given` with `initargs=(counter,)`.

## References

Python documentation, multiprocessing, "Explicitly pass resources to child processes";
python/cpython#84559.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint import words
from holdfast.lint.events import Rule
from holdfast.lint.machine.things import Bound, Function

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from holdfast.findings import Finding
    from holdfast.lint.events import Call, Scene
    from holdfast.lint.machine.things import Refs, Thing
    from holdfast.lint.program.modules import Module

_POOL_CALLS = {
    "map", "imap", "imap_unordered", "starmap", "apply", "apply_async", "map_async",
    "starmap_async", "submit",
}  # fmt: skip


class ModuleGlobalByName(Rule):
    """See the module."""

    code = "HF111"
    hears = frozenset({"executor", "pool", "process"})

    def __init__(self) -> None:
        self._set_by_functions: dict[Module, frozenset[str]] = {}

    def on_process(self, process: Thing, call: Call, scene: Scene) -> Iterator[Finding]:
        """A process is made: what does its target use?"""
        if process.kind.role != "process" or scene.method(process) not in words.SPAWNING:
            return
        target = call.argument("target", 1)
        if target is not None:
            # What the process is handed as well, its target falls back on by name, if at all.
            given = [value for each in call.arguments for value in each.refs if each != target]
            handed = scene.state.reach(given)
            yield from self._about(target.node, target.refs, process, scene, handed)

    def on_call(self, call: Call, scene: Scene) -> Iterator[Finding]:
        """A pool or executor gets a function to run; a process subclass is started."""
        owner = call.receiver
        if owner is None or call.node is None or scene.method(owner) not in words.SPAWNING:
            return
        if owner.kind.role in {"pool", "executor"} and call.name in _POOL_CALLS:
            first = call.argument("func", 0) or call.argument("fn", 0)
            if first is not None:
                yield from self._about(first.node, first.refs, owner, scene)
        elif owner.kind.role == "process" and call.name == "start" and owner.cls is not None:
            run = scene.method_of(owner.cls, "run", scene.state)
            if run is not None:
                yield from self._about(call.node, frozenset({run}), owner, scene)

    def _about(
        self,
        node: ast.AST,
        refs: Refs,
        process: Thing,
        scene: Scene,
        handed: AbstractSet[Thing] = frozenset(),
    ) -> Iterator[Finding]:
        told: set[str] = set()
        for value in refs:
            function = value.function if isinstance(value, Bound) else value
            if not isinstance(function, Function):
                continue
            for use, thing in scene.globals_used(function):
                shared = thing.kind.role == "shared" and (thing.memory or thing.semaphore)
                if not shared or use.id in told or use.id in self._set(thing.module):
                    continue
                if thing in handed:
                    continue
                told.add(use.id)
                yield self.found(
                    scene,
                    node,
                    f"{_name(function)} uses the module's {use.id} ({words.a(thing.text)}) by its "
                    f"name (line {use.lineno}): a child of {scene.method(process)} makes a second "
                    f"one when it imports the module",
                    fix=f"pass {use.id} to the process as an argument",
                    subject=Subject(thing.kind.name, words.a(thing.text), (use.id,)),
                    confidence="high" if process.method or scene.method_said else "medium",
                )

    def _set(self, module: Module) -> frozenset[str]:
        """The global names that functions of a module assign: initializers, in all likelihood."""
        found = self._set_by_functions.get(module)
        if found is None:
            names: set[str] = set()
            for node in ast.walk(module.tree):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    names |= _assigned_globals(node)
            found = self._set_by_functions[module] = frozenset(names)
        return found


def _assigned_globals(function: ast.AST) -> set[str]:
    declared: set[str] = set()
    assigned: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Global):
            declared.update(node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            assigned.add(node.id)
    return declared & assigned


def _name(function: Function) -> str:
    return function.name or "the target"
