"""HF311 tracker-unregister: a workaround takes the owner's entry from the tracker.

## What it does

Finds `resource_tracker.unregister(...)` of a segment in a function that the program gives to a
process or a pool as what it runs, or in a program whose processes make the segments.

## Why is this bad?

The call is the old workaround for attaching a segment without owning it. It is right in a program
of its own. A child of multiprocessing shares its parent's tracker, though, which knows each name
once: the child removes the *owner's* entry. The owner's `unlink()` then makes the tracker print a
`KeyError`, and if the owner crashes, nobody cleans up.

## Example

    def work(name):
        shm = SharedMemory(name=name)
        resource_tracker.unregister(shm._name, "shared_memory")

## Use instead

    def work(name):
        shm = SharedMemory(name=name)     # a child of the creator shares its tracker
        ...
        shm.close()

## When it is safe

In a program that the creator did not start through multiprocessing (from Python 3.13
`track=False` says the same), and in a creator that wants its segment to outlive it.

## References

python/cpython#82300; mlcommons/storage#777; `track` in the shared_memory documentation (3.13).
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint.events import Rule
from holdfast.lint.machine.views import CREATED, may

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Finding
    from holdfast.lint.events import Call, Scene

TRACK_SINCE = (3, 13)
_MAKES = re.compile(r"SharedMemory\([^()]*\bcreate\s*=\s*True")


class TrackerUnregister(Rule):
    """See the module."""

    code = "HF311"
    hears = frozenset({""})

    def on_call(self, call: Call, scene: Scene) -> Iterator[Finding]:
        """Something is taken from the tracker."""
        if call.name != "mp.unregister" or call.node is None or not call.arguments:
            return
        kind = call.argument("rtype", 1)
        if kind is not None and "semaphore" in scene.module.segment(kind.node):
            return
        owned = any(
            may(scene.state, thing, CREATED)
            for thing in scene.state.heap
            if thing.kind.role == "segment"
        )
        if scene.options.target >= TRACK_SINCE:
            advice = "leave it out in a child of the creator; elsewhere attach with track=False"
        else:
            advice = "leave it out in a child of the creator: it shares the creator's tracker"
        makes = not owned and _made_by_a_child(scene)
        who = "the parent" if makes else "a child"
        yield self.found(
            scene,
            call.node,
            f"{who} of the creator shares its resource tracker, so this removes the owner's "
            "entry: the owner's unlink() makes the tracker fail (KeyError), and after a crash "
            "nobody cleans up",
            fix=advice,
            subject=Subject(
                "SharedMemory", "a segment", (scene.module.segment(call.arguments[0].node),)
            ),
            confidence="medium" if makes or (_runs_in_a_child(scene) and not owned) else "low",
        )


def _made_by_a_child(scene: Scene) -> bool:
    """Whether the function at hand starts a process that makes a segment, and makes none itself."""
    body = [each for each in scene.module.tree.body if isinstance(each, ast.FunctionDef)]
    makers = {each.name for each in body if _MAKES.search(ast.unparse(each))}
    around = scene.function_text(scene.module.tree)
    targets = set(re.findall(r"\bProcess\([^()]*\btarget\s*=\s*(\w+)", around))
    return bool(makers & targets) and not _MAKES.search(around)


def _runs_in_a_child(scene: Scene) -> bool:
    """Whether the module starts a process, or a pool's task, with the function at hand."""
    name = re.escape(scene.function.rpartition(".")[2])
    target = rf"\b(?:target|initializer)\s*=\s*[\w.]*\b{name}\b"
    task = rf"\.(?:map|imap|imap_unordered|starmap|apply|submit|\w+_async)\(\s*[\w.]*\b{name}\b"
    return bool(name) and re.search(rf"{target}|{task}", scene.module.text) is not None
