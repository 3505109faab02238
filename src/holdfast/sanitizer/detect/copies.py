"""HF109, HF110, HF111: what looks shared and is not.

HF109: an address, or a bare view, is alive when the object that owned the memory is gone. HF110: a
NumPy array over shared memory was pickled for a child, and so copied. HF111: an object that a
module makes when it is imported was made again in a child of spawn or forkserver; the child used
its own, and the parent its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.findings import Finding, Place, Subject
from holdfast.sanitizer.detect import telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.sanitizer.story import Event, Story

_UNKNOWN = Place("", 0)


def detect(story: Story) -> Iterator[Finding]:
    """The findings of all three."""
    new = {event["uid"]: event for event in reversed(story.of("memory.new"))}
    for event in story.of("memory.view"):
        yield _bare(story, event, new.get(event["uid"]))
    starting = {(event.number, event["token"]): event for event in story.of("process.starting")}
    for event in story.of("array.copied"):
        start = starting.get((event.number, event["token"]))
        yield _copied(story, event, new.get(event["uid"]), start)
    yield from _made_again(story, new)


def _bare(story: Story, event: Event, new: Event | None) -> Finding:
    subject = telling.subject_of(story, new)
    by = "its address" if event["how"] == "addressof" else "a view that does not keep it"
    call = "ctypes.addressof()" if event["how"] == "addressof" else "create_memoryview()"
    name = telling.called(subject)
    steps = [
        telling.step(story, "created", "", new),
        telling.step(story, "handed", f"taken by {call}", event, "view_stack"),
        telling.step(story, "dropped", "gone, while that still looks at its memory", event),
    ]
    return Finding(
        code="HF109",
        message=f"{name} is gone, and {by} is still in use",
        place=story.own(event, "view_stack") or _UNKNOWN,
        fix=f"keep {name} as long as what {call} gave, or take memoryview({name})",
        subject=subject,
        steps=tuple(step for step in steps if step.stack),
    )


def _copied(story: Story, event: Event, new: Event | None, start: Event | None) -> Finding:
    child = str(start["name"]) if start is not None else "a process"
    owner = telling.subject_of(story, new)
    subject = Subject(
        "ndarray", f"array {event['shape']} of {event['dtype']}", owner.names, event["size"]
    )
    shared = telling.called(owner, "the shared object")
    place = story.own(start, "new_stack") or story.own(event) or _UNKNOWN
    steps = [
        telling.step(story, "created", "created, the shared memory", new),
        telling.step(story, "handed", f"pickled for {child}: a private copy arrives", event),
    ]
    return Finding(
        code="HF110",
        message=f"an array over {shared} is sent to {child} as a private copy: "
        "what either writes, the other never sees",
        place=place,
        fix=f"send {shared} and make the view in {child}: numpy.frombuffer({shared})",
        subject=subject,
        steps=tuple(step for step in steps if step.stack),
    )


def _made_again(story: Story, new: dict[int, Event]) -> Iterator[Finding]:
    """Objects of modules that were touched both in a process and, made again, in its child."""
    touched = {event["uid"]: event for event in reversed(story.of("memory.touched"))}
    for uid, use in touched.items():
        here = new.get(uid)
        member = story.member(use.number)
        if here is None or not member.parent or member.method in {"fork", "os.fork"}:
            continue
        place = story.own(here)
        for other_uid, other_use in touched.items():
            there = new.get(other_uid)
            if there is None or there.number != member.parent or story.own(there) != place:
                continue
            subject = telling.subject_of(story, there)
            name, child = telling.called(subject), story.name(use.number)
            parent = story.name(there.number)
            yield Finding(
                code="HF111",
                message=f"{name} in {child} is another object than {name} in {parent}",
                place=story.own(use) or place or _UNKNOWN,
                fix=f"pass it: Process(..., args=({name},)), and use the argument",
                subject=subject,
                steps=(
                    telling.step(story, "created", "", there),
                    telling.step(
                        story, "created", f"created again in {child}, which imports it", here
                    ),
                    telling.step(story, "used", f"{child} {_verb(use)} its own one", use),
                    telling.step(
                        story, "used", f"{parent} {_verb(other_use)} its own one", other_use
                    ),
                ),
            )
            break


def _verb(event: Event) -> str:
    return "writes" if event["write"] else "reads"
