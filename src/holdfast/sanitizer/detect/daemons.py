"""HF802, HF803: daemons that are ended at their work, and daemons that nobody ends.

A daemon is terminated by its parent's exit handlers; that is what it is for. It is a fault if it
was at work then: in a function that would have come to an end, or in the middle of an item of an
endless loop. One that waits for the next item, or sleeps in its endless loop, is idle.

Source: CPython, Lib/multiprocessing/util.py (_exit_function).
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from holdfast.findings import Finding, Place, Step, Subject
from holdfast.sanitizer import naming
from holdfast.sanitizer.detect import blocked as looking
from holdfast.sanitizer.detect import telling
from holdfast.sanitizer.story import Event

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.sanitizer.story import Member, Story

_UNKNOWN = Place("", 0)
# How long a daemon may outlive its parent: it may have noticed, and be ending.
_NOTICED_NS = 300_000_000
_IDLE_CALLS = (
    "sleep", "wait", "select", "poll", "get", "recv", "accept", "acquire", "pause", "sigwait",
    "join", "read", "readline", "input",
)  # fmt: skip


def detect(story: Story) -> Iterator[Finding]:
    """The findings of all daemons."""
    yield from _at_work(story)
    yield from _orphans(story)


# ---- ended at work -------------------------------------------------------------------------------


def _at_work(story: Story) -> Iterator[Finding]:
    waiting = {each.number: each for each in looking.blocked(story)}
    workers = {event.number for event in story.of("pool.worker")}
    for ended in story.of("daemon.ended"):
        member = _child(story, ended)
        if member is None or member.number in workers or _is_manager(member, story):
            continue
        if member.done_ns is not None and member.done_ns <= ended.at_ns:
            continue
        if member.number in waiting:
            continue
        answer = next(
            (e for e in reversed(story.of("asked.stacks"))
             if e.number == member.number and e.at_ns <= ended.at_ns),
            None,
        )  # fmt: skip
        if answer is None or not answer["stacks"]:
            continue
        event = Event("state", answer.at_ns, member.number, {"stack": answer["stacks"][0]})
        own = [place for place in story.stack(event) if place.own]
        if not own or _is_idle(own):
            continue
        parent = story.name(ended.number)
        who = member.name
        steps = [telling.step(story, "created", f"{who} is started as a daemon", member.start)]
        steps += [
            telling.step(story, "noted", f"{who} is at work", event),
            Step("dropped", f"{parent} ends and terminates it", member.pid, ended.at_ns),
        ]
        names = telling.names_of(story.stack(member.start, "new_stack"))
        variable = names[0] if names else "its Process"
        yield Finding(
            code="HF802",
            message=f"{parent} ends and terminates its daemon {who} at its work, at "
            f"{looking.where(own[0])}",
            place=own[0],
            fix=f"before {parent} ends: {variable}.join(); or start {who} without daemon=True",
            subject=Subject("Process", f"Process {who}", names),
            steps=tuple(steps),
        )


def _child(story: Story, ended: Event) -> Member | None:
    found = (
        each
        for each in story.members.values()
        if each.pid == ended["pid"] and each.parent == ended.number
    )
    return max(found, key=lambda member: member.began_ns, default=None)


def _is_manager(member: Member, story: Story) -> bool:
    """Whether it is the standard library's own: it is ended in its own way."""
    start = member.start
    first = next(iter(story.stack(start)), None) if start is not None else None
    place = story.stack(start)[1] if start is not None and len(story.stack(start)) > 1 else first
    return place is not None and not place.own and "managers" in place.file


def _is_idle(own: Sequence[Place]) -> bool:
    """Whether a daemon waits for its next work, by its own frames, the innermost first."""
    place = own[0]
    function = naming.function_at(place)
    statement = naming.statement_at(place)
    if function is None or statement is None:
        return False
    call = naming.call_at(place)
    name = ""
    if call is not None:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        name = call.func.id if isinstance(call.func, ast.Name) else name
    waits = name in _IDLE_CALLS or isinstance(statement, (ast.With, ast.For, ast.While))
    return waits and not _is_in_a_round(place) and any(_is_endless_around(each) for each in own)


def _is_in_a_round(place: Place) -> bool:
    """Whether the innermost loop around a place is one that comes to an end."""
    for node in naming.around(place):
        if isinstance(node, (ast.For, ast.AsyncFor)):
            return True
        if isinstance(node, (ast.While, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return False
    return False


def _is_endless_around(place: Place) -> bool:
    """Whether a place is within a loop that only its process's end ends."""
    for node in naming.around(place):
        if isinstance(node, ast.While):
            constant = isinstance(node.test, ast.Constant) and bool(node.test.value)
            if constant or _asks_to_stop(node.test):
                return True
    return False


def _asks_to_stop(test: ast.expr) -> bool:
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"is_set", "wait", "is_alive", "poll"}
        for node in ast.walk(test)
    )


# ---- orphans -------------------------------------------------------------------------------------


def _killed_ns(story: Story, member: Member) -> int | None:
    """When somebody of the family killed a process."""
    kills = (e.at_ns for e in story.of("process.killed") if e["pid"] == member.pid)
    return next((at for at in kills if at >= member.began_ns), None)


def _orphans(story: Story) -> Iterator[Finding]:
    looked = {event.number for event in story.of("parent.watched")}
    daemons = {(event.number, event["pid"]) for event in story.of("daemon.started")}
    orphaned = {event.number: event.at_ns for event in story.of("daemon.orphaned")}
    for member in list(story.members.values()):
        parent = story.members.get(member.parent)
        if parent is None or (member.parent, member.pid) not in daemons:
            continue
        if member.number in looked or not looking.was_killed(story, parent):
            continue
        death = looking.death_ns(story, parent)
        left = next((e.at_ns for e in story.of("process.left") if e.number == member.number), None)
        last = orphaned.get(member.number) or left or _killed_ns(story, member)
        if death is None or last is None or last - death < _NOTICED_NS:
            continue
        how = looking.how_died(story, parent)
        who, above = member.name, story.name(parent.number)
        seconds = (last - death) / 1e9
        still = "and still works" if left is not None else f"and worked on for {seconds:.1f} s"
        steps = (
            telling.step(story, "created", f"{who} is started as a daemon", member.start),
            Step("dropped", f"{above} {how}: no exit handler ends {who}", parent.pid, death),
            Step("used", f"{who} is there, {still}", member.pid, last),
        )
        yield Finding(
            code="HF803",
            message=f"{above} {how}; its daemon {who} has outlived it {still}",
            place=story.own(member.start, "new_stack") or story.own(member.start) or _UNKNOWN,
            fix=f"let {who} look after its parent: "
            "multiprocessing.connection.wait([multiprocessing.parent_process().sentinel], timeout)",
            subject=Subject(
                "Process",
                f"Process {who}",
                telling.names_of(story.stack(member.start, "new_stack")),
            ),
            steps=steps,
        )
