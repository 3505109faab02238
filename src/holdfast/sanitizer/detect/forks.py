"""HF801, HF804, HF805, HF806: what a forked child has of its parent, and must not use or end.

Source: CPython issues 84559, 6721; POSIX.1, fork().
"""

from __future__ import annotations

import ast
import itertools
from typing import TYPE_CHECKING

from holdfast.findings import Finding, Place, Subject
from holdfast.sanitizer import naming
from holdfast.sanitizer.detect import blocked as looking
from holdfast.sanitizer.detect import telling
from holdfast.sanitizer.story import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Step
    from holdfast.sanitizer.story import Story

_UNKNOWN = Place("", 0)
# Two answers from the same place, so far apart: it does not move.
_APART_NS = 600_000_000


def detect(story: Story) -> Iterator[Finding]:
    """The findings of all forks."""
    yield from _held_locks(story)
    yield from _finalizers(story)
    yield from _goodbyes(story)
    yield from _flushes(story)


def _forked(story: Story, number: int) -> Step:
    """The step at which a child was forked."""
    member = story.member(number)
    if member.start is not None:
        return telling.step(story, "handed", f"{story.name(number)} is forked", member.start)
    begin = next((e for e in story.of("process.begin") if e.number == number), None)
    return telling.step(story, "handed", f"{story.name(number)} is forked", begin)


# ---- locks of threads that are not there ---------------------------------------------------------


def _held_locks(story: Story) -> Iterator[Finding]:
    for fork in story.of("fork.threads"):
        number = fork.number
        answers = [event for event in story.of("asked.stacks") if event.number == number]
        for first, second in itertools.pairwise(answers):
            where = _takes_lock(story, first), _takes_lock(story, second)
            if (
                second.at_ns - first.at_ns < _APART_NS
                or first["threads"] != 1
                or second["threads"] != 1
                or where[0] is None
                or first["stacks"][0] != second["stacks"][0]
            ):
                continue
            yield _held_finding(story, fork, second, where[0])
            break


def _takes_lock(story: Story, answer: Event) -> Place | None:
    """The place where a process takes a lock of threading; None if it does something else."""
    if not answer["stacks"]:
        return None
    event = Event("state", 0, answer.number, {"stack": answer["stacks"][0]})
    stack = story.stack(event)
    if not stack:
        return None
    statement = naming.statement_at(stack[0])
    call = naming.call_at(stack[0])
    name = call.func.attr if call is not None and isinstance(call.func, ast.Attribute) else ""
    takes = name == "acquire" or (call is None and isinstance(statement, ast.With))
    return (story.own(event) or stack[0]) if takes else None


def _held_finding(story: Story, fork: Event, answer: Event, place: Place) -> Finding:
    number = fork.number
    who = story.name(number)
    statement = naming.statement_at(place)
    what = "a lock"
    if isinstance(statement, ast.With) and len(statement.items) == 1:
        what = telling.short(statement.items[0].context_expr)
    else:
        call = naming.call_at(place)
        if call is not None and isinstance(call.func, ast.Attribute):
            what = ast.unparse(call.func.value)
    steps = [_forked(story, number)]
    for stack in fork["stacks"][:4]:
        at = looking.place_at(story, number, stack)
        if at is not None:
            text = f"another thread is at {looking.where(at)} then, and is not in the child"
            steps.append(looking.step_at(story, "noted", text, number, fork.at_ns, stack))
    seen = Event("state", answer.at_ns, number, {"stack": answer["stacks"][0]})
    steps.append(telling.step(story, "used", f"{who} waits for it for ever", seen))
    return Finding(
        code="HF801",
        message=f"{who} waits for {what}, which a thread of its parent held when it was forked: "
        "no thread of the child can release it",
        place=place,
        fix="start processes before threads, or by the method spawn or forkserver; or hold "
        f"{what} around the start",
        subject=Subject("Lock", "a lock of threading", (what,) if what != "a lock" else ()),
        steps=tuple(steps),
    )


# ---- finalizers, sockets, buffers ----------------------------------------------------------------


def _finalizers(story: Story) -> Iterator[Finding]:
    for event in story.of("fork.finalized"):
        who, parent = story.name(event.number), story.name(story.member(event.number).parent)
        what, name = event["what"], event["name"]
        thing = "folder" if "Directory" in what or "rmtree" in what else "file"
        text = f"{who} runs it, and removes {name}"
        yield Finding(
            code="HF804",
            message=f"{who}, a fork of {parent}, runs the finalizer of its parent's {what}: "
            f"the {thing} is gone for {parent}, too",
            place=story.own(event) or _fork_place(story, event.number),
            fix=f"leave {who} by os._exit(), and do not drop or close in it what {parent} has made",
            subject=Subject(what, f"{what} {name}"),
            steps=(_forked(story, event.number), telling.step(story, "used", text, event)),
        )


def _fork_place(story: Story, number: int) -> Place:
    step = _forked(story, number)
    return next((place for place in step.stack if place.own), _UNKNOWN)


def _described(story: Story, number: int) -> str:
    """A forked process, and whose fork it is."""
    who, parent = story.name(number), story.name(story.member(number).parent)
    return who if who == f"a fork of {parent}" else f"{who}, a fork of {parent},"


def _goodbyes(story: Story) -> Iterator[Finding]:
    for event in story.of("fork.goodbye"):
        member = story.member(event.number)
        parent = story.member(member.parent)
        death = looking.death_ns(story, parent)
        if death is not None and death < event.at_ns:
            continue
        who = story.name(event.number)
        place = story.own(event) or _fork_place(story, event.number)
        owner = place.function.rpartition(".")[0].rpartition(".")[2] or "the connection"
        yield Finding(
            code="HF805",
            message=f"{_described(story, event.number)} says goodbye on its parent's connection: "
            f"{place.function or 'a finalizer'} calls {event['what']}() on a shared socket",
            place=place,
            fix=f"open the connection of {owner} in {who} itself, or let its __del__ do nothing in "
            "another process than that which opened it (os.getpid())",
            subject=Subject("socket", f"socket {event['fd']}"),
            steps=(
                _forked(story, event.number),
                telling.step(story, "used", f"{who} drops its copy, which ends both", event),
            ),
        )


def _flushes(story: Story) -> Iterator[Finding]:
    for event in story.of("fork.flushed"):
        who, parent = story.name(event.number), story.name(story.member(event.number).parent)
        path, count = event["path"], event["bytes"]
        how = {
            "dropped": f"{who} drops its copy of the file, which writes the buffer",
            "flushed": f"{who} writes or closes its copy of the file",
            "exit": f"{who} ends by sys.exit(), which writes all buffers",
        }[event["how"]]
        yield Finding(
            code="HF806",
            message=f"{_described(story, event.number)} writes {count} bytes of its parent's "
            f"buffer to {path}, which {parent} writes as well: they are there twice",
            place=story.own(event) or _fork_place(story, event.number),
            fix="flush the file before the fork; leave a forked child by os._exit()",
            subject=Subject("file", f"file {path}", size_bytes=count),
            steps=(_forked(story, event.number), telling.step(story, "used", how, event)),
        )
