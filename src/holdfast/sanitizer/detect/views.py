"""HF301, HF302: a view of a segment that outlives the SharedMemory it was taken from.

A view that is merely alive when its SharedMemory is closed is no fault: many programs let it die a
line later. It is one if the memory is touched afterwards, which is where the program would crash;
if the standard library refuses the close with a BufferError; or, with `--as-is`, if the process
then dies of the touch, or still has the view of a SharedMemory that was never closed by hand when
it ends.
"""

from __future__ import annotations

import ast
import signal
from typing import TYPE_CHECKING

from holdfast.findings import Finding, Place, Step, Subject
from holdfast.sanitizer import naming
from holdfast.sanitizer.detect import telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.sanitizer.story import Event, Story

_CRASHES = (-signal.SIGSEGV, -signal.SIGBUS)


def detect(story: Story) -> Iterator[Finding]:
    """The findings of all SharedMemory objects that were closed under a view."""
    opened = {event["uid"]: event for event in story.of("shm.opened")}
    used = _last(story, "shm.used")
    outlived = _last(story, "shm.outlived")
    for dropped in story.of("shm.dropped"):
        origin = opened.get(dropped["uid"])
        use = used.get((dropped.number, dropped["uid"]))
        if use is not None and use.at_ns >= dropped.at_ns:
            yield _of(story, origin, dropped, _touched(story, dropped, use))
        elif story.settings.get("as_is"):
            yield from _as_is(story, origin, dropped, outlived)
    told: set[tuple[int, int]] = set()
    for refused in story.of("shm.refused"):
        key = refused.number, refused["uid"]
        if key not in told:  # it is refused again when it is closed again, and when it dies
            told.add(key)
            yield _refused(story, opened.get(refused["uid"]), refused)


def _last(story: Story, kind: str) -> dict[tuple[int, int], Event]:
    return {(event.number, event["uid"]): event for event in story.of(kind)}


def _as_is(
    story: Story, origin: Event | None, dropped: Event, outlived: dict[tuple[int, int], Event]
) -> Iterator[Finding]:
    member = story.member(dropped.number)
    if member.status in _CRASHES:
        text = f"{story.name(dropped.number)} died of {member.end} after that"
        yield _of(story, origin, dropped, Step("used", text, member.pid, member.ended_ns))
    elif (dropped.number, dropped["uid"]) in outlived and dropped["how"] == "del":
        event = outlived[dropped.number, dropped["uid"]]
        text = "the view is still there at the end of the process"
        yield _of(story, origin, dropped, telling.step(story, "noted", text, event))


def _touched(story: Story, dropped: Event, use: Event) -> Step:
    start, end = story.own(dropped), story.own(use)
    until = "the end of the process" if use["leaving"] or end is None else _where(end)
    text = f"after that, between {_where(start)} and {until}, where the memory is unmapped"
    return telling.step(story, "used", f"{text}: SIGSEGV, or ValueError for a memoryview", use)


def _where(place: Place | None) -> str:
    return f"{place.file.rpartition('/')[2]}:{place.line}" if place is not None else "the close"


def _of(story: Story, origin: Event | None, dropped: Event, last: Step) -> Finding:
    place = story.own(dropped)
    views = _views(story, dropped)
    view = _name_of_view(views[-1][0]) if views else ""
    subject = _subject(origin, story)
    name = telling.called(subject)
    shown = f"{view or 'a view'} looks into {name}"
    steps = [telling.step(story, "created", "", origin)]
    steps += [Step("noted", f"{view or 'a view'} is taken of it", *where) for _, where in views]
    if dropped["how"] == "close":
        code = "HF302"
        text = "closed while a view of it is alive"
        message = f"{name} is closed while {view or 'a view of it'} is in use"
        fix = (
            f"close {name} after the last use of {view or 'its views'}, also by a queue or thread "
            "that was given it"
        )
    else:
        code = "HF301"
        others = [where[2] for _, where in views] + [story.stack(origin)]
        drop = telling.dropped(story, dropped, others)
        place = drop.place or place
        text = f"{drop.text}, while a view of it is alive"
        message = f"{shown}, which dies before it"
        where = f" when {drop.function} returned" if drop.function else ""
        if drop.function:
            message = f"{shown}, which died{where}"
        fix = _fix_of_escape(name, view, drop.function)
    steps += [telling.step(story, "dropped", text, dropped), last]
    return Finding(
        code=code,
        message=message,
        place=place or telling.place_at(story, dropped, origin),
        fix=fix,
        subject=subject,
        steps=tuple(step for step in steps if step.stack or step.text),
    )


def _fix_of_escape(name: str, view: str, function: str) -> str:
    keep = name if name.isidentifier() else "the SharedMemory"
    if function:
        return (
            f"return {keep} together with {view or 'the view'}, or keep it where the view is kept: "
            "the view does not keep it alive"
        )
    return f"keep {keep} as long as {view or 'the view'} is used: the view does not keep it alive"


def _refused(story: Story, origin: Event | None, refused: Event) -> Finding:
    subject = _subject(origin, story)
    name = telling.called(subject)
    views = _views(story, refused)
    view = _name_of_view(views[-1][0]) if views else ""
    all_names = dict.fromkeys(_name_of_view(place) for place, _ in views)
    shown = [each for each in all_names if each]
    what = " and ".join(shown) or "a slice or an array of its buf"
    look, outlive = ("look", "outlive") if len(shown) > 1 else ("looks", "outlives")
    steps = [telling.step(story, "created", "", origin)]
    steps += [Step("noted", f"{view or 'a view'} is taken of it", *where) for _, where in views]
    if refused["how"] == "close":
        text = "close() raises BufferError: cannot close exported pointers exist"
        steps.append(telling.step(story, "dropped", text, refused))
        return Finding(
            code="HF302",
            message=f"{name} cannot be closed, as {what} still {look} into it",
            place=telling.place_at(story, refused, origin),
            fix=f"drop the views before {name}.close()"
            + (f": del {', '.join(shown)}" if all(map(str.isidentifier, shown)) and shown else ""),
            subject=subject,
            steps=tuple(steps),
        )
    text = "dies while a view of it is alive: BufferError in SharedMemory.__del__, which is ignored"
    steps.append(telling.step(story, "dropped", text, refused))
    first, second = (origin, refused) if refused["leaving"] else (refused, origin)
    return Finding(
        code="HF301",
        message=f"{what} {outlive} {name}, whose descriptor is never closed",
        place=telling.place_at(story, first, second),
        fix=_fix_of_escape(name, view, ""),
        subject=subject,
        steps=tuple(steps),
        confidence="medium" if refused["leaving"] else "high",
    )


# ---- names --------------------------------------------------------------------------------------


def subject_of(story: Story, origin: Event | None) -> Subject:
    """A segment as the subject of a finding."""
    if origin is None:
        return Subject("SharedMemory", "a SharedMemory")
    text = f"SharedMemory {origin['name']!r}, {origin['size']:,} bytes"
    kind = telling.kind_of(story.stack(origin), "SharedMemory")
    kind = kind if kind in {"SharedMemory", "ShareableList"} else "SharedMemory"
    return Subject(
        kind,
        text.replace("SharedMemory", kind, 1),
        telling.names_of(story.stack(origin)),
        origin["size"],
    )


def _subject(origin: Event | None, story: Story) -> Subject:
    return subject_of(story, origin)


_Where = tuple[int | None, int | None, tuple[Place, ...]]


def _views(story: Story, closing: Event) -> list[tuple[Place, _Where]]:
    """Where views of a segment were made that may still be there: (place, (pid, when, stack))."""
    found: list[tuple[Place, _Where]] = []
    for event in story.of("shm.viewed"):
        if event["uid"] != closing["uid"] or event.number != closing.number:
            continue
        place = story.own(event)
        if place is not None and not _is_passing(place):
            where = story.pid(event.number), event["taken_ns"], story.stack(event)
            if all(known != place for known, _ in found):
                found.append((place, where))
    return found[-3:]


def _is_passing(place: Place) -> bool:
    """Whether what is read there is an element, or a buffer that is written to at once."""
    for node in naming.around(place):
        if isinstance(node, ast.Subscript) and _is_buf(node.value):
            return isinstance(node.ctx, ast.Store) or not isinstance(node.slice, ast.Slice)
        if isinstance(node, ast.Call) and not _is_buf(node.func):
            name = ast.unparse(node.func)
            return name in {"len", "bytes", "bytearray", "print", "str", "sum"}
        if isinstance(node, ast.stmt):
            return False
    return False


def _is_buf(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "buf"


def _name_of_view(place: Place) -> str:
    """What the program calls the view that it made there."""
    statement = naming.statement_at(place)
    if isinstance(statement, ast.Assign):
        return ast.unparse(statement.targets[-1])
    if isinstance(statement, ast.AnnAssign):
        return ast.unparse(statement.target)
    if isinstance(statement, ast.Return) and statement.value is not None:
        shown = telling.short(statement.value)
        return f"`{shown}`"
    return ""
