"""The words of messages, and the questions of several rules: who is harmed, what is lost."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint.machine.state import ENDED, KILLED, NEW, RUNNING, TOLD, UNSURE
from holdfast.lint.program.catalogue import KEEPS_ARGUMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Confidence
    from holdfast.lint.events import Scene
    from holdfast.lint.machine.state import Handed, Spot
    from holdfast.lint.machine.things import Thing

SPAWNING = {"spawn", "forkserver"}


def harmed(thing: Thing, method: str) -> bool:
    """Whether a process that was started by a method is harmed if a thing dies in its parent."""
    if thing.kind.role != "shared":
        return False
    return thing.memory or (thing.semaphore and method in SPAWNING)


def only_semaphore(thing: Thing) -> bool:
    """Whether all that can be lost is the name of a semaphore."""
    return thing.semaphore and not thing.memory


def a(text: str) -> str:
    """The word with its article."""
    return f"{'an' if text[:1].lower() in 'aeiou' or text[:2] in ('RL', 'mm') else 'a'} {text}"


def what(handed: Handed) -> str:
    """What was given, for people: `a Value`, `worker and its id1, a Value`."""
    thing = handed.thing
    if handed.owner is thing:
        return a(thing.text)
    return f"{a(handed.owner.text)} whose {handed.path.lstrip('.')} is {a(thing.text)}"


def consequence(thing: Thing, method: str) -> str:
    """What then happens, in half a sentence."""
    if thing.semaphore and method in SPAWNING:
        return "its semaphore is unlinked before the child has opened it (FileNotFoundError)"
    return "its memory is given to the next shared object while the child still uses it"


def subject(handed: Handed, name: str) -> Subject:
    """The subject of a finding about what was given."""
    thing = handed.thing
    full = f"{name}{handed.path}" if handed.owner is not thing else name
    return Subject(thing.kind.name, a(thing.text), (full,))


def names(handed: Handed, scene: Scene, spot: Spot | None = None) -> str:
    """What the function at hand calls the object that was given."""
    if handed.via == "global":
        return scene.name_of(handed.owner)
    at = spot or handed.spots[-1]
    node = at.node
    if isinstance(node, ast.Attribute) and handed.via == "target":
        node = node.value
    if isinstance(node, ast.NamedExpr):
        node = node.target
    if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
        return at.module.segment(node)
    if isinstance(node, ast.Call):  # of a function of the project that starts the process
        for each in (*node.args, *(keyword.value for keyword in node.keywords)):
            if isinstance(each, ast.Name) and handed.owner in scene.evaluate(each):
                return each.id
    return scene.name_of(handed.owner)


def by_name(spot: Spot) -> bool:
    """Whether a process was given something by a name or a place, and not as it was made."""
    return isinstance(spot.node, (ast.Name, ast.Attribute, ast.Subscript))


def forgotten(process: Thing, scene: Scene, *ways: str) -> Iterator[Handed]:
    """What only a process's arguments refer to, and is gone when start() has dropped them.

    Args:
        process: The process that was just made.
        scene: Where.
        ways: How it may have been given: "args", "target", ...; any way if there is none.
    """
    if process.kind.role == "process" and process.library not in KEEPS_ARGUMENTS:
        for each in scene.state.handed.get(process, ()):
            if each.inline and (not ways or each.via in ways):
                yield each


def running(status: frozenset[str]) -> Confidence | None:
    """How sure it is that a process runs, by what may be said of it; None if it does not."""
    if RUNNING not in status:
        return "low" if status & {TOLD, UNSURE} else None
    if status & {TOLD, UNSURE, KILLED}:
        return "low"
    return "medium" if status & {ENDED, NEW} else "high"
