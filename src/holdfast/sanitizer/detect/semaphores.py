"""HF201, HF202, HF203: semaphores whose name is gone before the child has opened it.

A child of spawn or forkserver that found no semaphore has died of it: that is the finding, whoever
removed the name. If it was the creator's exit handlers, joining the child is the cure (HF202); else
it was the end of the creator's object (HF201). Where the semaphore is the lock of a Value or an
Array that was dropped with it, the block's finding (HF101 to HF106) says it all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.findings import Finding, Place, Subject
from holdfast.sanitizer.detect import queues, telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Step
    from holdfast.sanitizer.story import Event, Story

_UNKNOWN = Place("", 0)


def detect(story: Story) -> Iterator[Finding]:
    """The findings of all semaphores that were looked for in vain, or refused."""
    sent = {event["name"]: event for event in story.of("semaphore.sent")}
    new = {event["name"]: event for event in story.of("semaphore.new")}
    unlinked = {event["name"]: event for event in story.of("semaphore.unlinked")}
    starting = {(event.number, event["token"]): event for event in story.of("process.starting")}
    of_queues = queues.names_of_dropped(story)
    told: set[tuple[int, str]] = set()
    for missing in story.of("semaphore.missing"):
        name = missing["name"]
        gone, origin, sending = unlinked.get(name), new.get(name), sent.get(name)
        start = starting.get((sending.number, sending["token"])) if sending is not None else None
        leaving = gone is not None and bool(gone["leaving"])
        if not leaving and _is_of_dropped_block(story, origin, start):
            continue
        if not leaving and name in of_queues:
            continue
        kind = telling.kind_of(story.stack(origin), "Lock")
        if (missing.number, kind) in told:
            continue  # a Queue has three semaphores, and dies of the first
        told.add((missing.number, kind))
        if leaving:
            yield _left(story, missing, origin, start, gone)
        else:
            yield _gone(story, missing, origin, start, gone)
    for event in story.of("semaphore.mixed"):
        yield _mixed(story, event, starting.get((event.number, event["token"])))


def _is_of_dropped_block(story: Story, origin: Event | None, start: Event | None) -> bool:
    if origin is None or start is None:
        return False
    made = story.own(origin)
    dropped = {event["uid"] for event in story.of("memory.dropped")}
    handed = {uid for uid, _ in start["handed"]}
    return any(
        event["uid"] in dropped & handed and story.own(event) == made
        for event in story.of("memory.new")
        if event.number == origin.number
    )


def _subject(story: Story, origin: Event | None) -> Subject:
    stack = story.stack(origin)
    kind = telling.kind_of(stack, "Lock")
    text = kind if kind in {"Value", "Array"} else f"{kind}()"
    return Subject(kind, text, telling.names_of(stack))


def _steps(
    story: Story, origin: Event | None, start: Event | None, gone: Event | None, missing: Event,
    how: str,
) -> tuple[Step, ...]:  # fmt: skip
    steps: list[Step] = []
    if origin is not None:
        steps.append(telling.step(story, "created", "", origin))
    if start is not None:
        text = f"handed to {start['name']} as the name of a semaphore"
        steps.append(telling.step(story, "handed", text, start))
    if gone is not None:
        steps.append(telling.step(story, "dropped", how, gone))
    text = f"{story.name(missing.number)} died of FileNotFoundError when it opened the semaphore"
    steps.append(telling.step(story, "used", text, missing))
    return tuple(steps)


def _gone(
    story: Story, missing: Event, origin: Event | None, start: Event | None, gone: Event | None
) -> Finding:
    subject = _subject(story, origin)
    child = str(start["name"]) if start is not None else story.name(missing.number)
    what = telling.called(subject, telling.a(subject.kind))
    how = "its semaphore was unlinked"
    if gone is not None:
        drop = telling.dropped(story, gone, [story.stack(start)])
        how = f"{drop.text}, and its semaphore unlinked"
    place = story.own(start, "new_stack") or story.own(start) or story.own(origin) or _UNKNOWN
    return Finding(
        code="HF201",
        message=f"{what} is dropped before {child} has opened its semaphore: {child} dies",
        place=place,
        fix=f"keep {what if subject.names else 'it in a variable'} until {child} has ended "
        "(process.join())",
        subject=subject,
        steps=_steps(story, origin, start, gone, missing, how),
    )


def _left(
    story: Story, missing: Event, origin: Event | None, start: Event | None, gone: Event | None
) -> Finding:
    subject = _subject(story, origin)
    child = str(start["name"]) if start is not None else story.name(missing.number)
    parent = story.name(gone.number) if gone is not None else "its creator"
    what = telling.called(subject, telling.a(subject.kind))
    how = f"unlinked by the exit handlers of {parent}, which had not joined {child}"
    place = story.own(start) or story.own(origin) or _UNKNOWN
    return Finding(
        code="HF202",
        message=f"{parent} ends without joining {child}, which still has to open {what}",
        place=place,
        fix=f"join {child} before {parent} ends",
        subject=subject,
        steps=_steps(story, origin, start, gone, missing, how),
    )


def _mixed(story: Story, event: Event, start: Event | None) -> Finding:
    stack = story.stack(event, "new_stack")
    kind = telling.kind_of(stack, str(event["kind"]))
    subject = Subject(kind, f"{kind}()", telling.names_of(stack))
    child = str(start["name"]) if start is not None else "a process"
    how = "which refused with RuntimeError" if event["refused"] else "as an address in this process"
    steps = [
        telling.step(story, "created", "created with the start method fork", event, "new_stack"),
        telling.step(story, "handed", f"handed to {child}, {how}", event),
    ]
    what = telling.called(subject, telling.a(kind))
    place = story.own(start, "new_stack") or story.own(event) or _UNKNOWN
    return Finding(
        code="HF203",
        message=f"{what} of the start method fork is sent to {child} of another one",
        place=place,
        fix=f"make {what} and {child} from the same context: "
        'context = multiprocessing.get_context("spawn")',
        subject=subject,
        steps=tuple(steps),
    )
