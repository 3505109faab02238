"""HF401, HF402, HF403: proxies whose server, referent or manager is not there.

Each finding begins with a call that failed, or an unpickling, in a process that did not itself end
what it then looked for. Proxies that are merely still there when their manager ends are no fault.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from holdfast.findings import Finding, Step, Subject
from holdfast.sanitizer.detect import telling
from holdfast.sanitizer.detect.views import subject_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Place
    from holdfast.sanitizer.story import Event, Story

# What reads all of a mapping or sequence without a proxy for its iterator.
_WITHOUT = {"__iter__": "keys(), items() or copy()"}


def detect(story: Story) -> Iterator[Finding]:
    """The findings of all managers and proxies."""
    for failed in story.of("proxy.failed"):
        if failed["what"] == "server":
            finding = _no_server(story, failed)
        elif failed["what"] == "referent":
            finding = _no_referent(story, failed)
        else:
            finding = _no_manager(story, failed)
        if finding is not None:
            yield finding
    yield from _segments(story)


# ---- what is known ------------------------------------------------------------------------------


def _made(story: Story, failed: Event) -> Event | None:
    """Where the proxy that failed, or the one that it is a copy of, was made by its manager."""
    found = None
    for event in story.of("proxy.new"):
        same = event["address"] == failed["address"] and event["ident"] == failed["ident"]
        if same and event["made"] and event.at_ns < failed.at_ns:
            found = event
    return found


def _ended(story: Story, address: str) -> tuple[Event | None, Event | None]:
    """A manager's start and end."""
    started = next(
        (each for each in reversed(story.of("manager.started")) if each["address"] == address), None
    )
    if started is None:
        return None, None
    uid = started["uid"]
    return started, next((each for each in story.of("manager.ended") if each["uid"] == uid), None)


def _subject(story: Story, made: Event | None, failed: Event) -> Subject:
    kind = failed["kind"]
    return Subject("proxy", f"a proxy of a manager's {kind}", telling.names_of(story.stack(made)))


def _journey(story: Story, made: Event | None, failed: Event) -> list[Step]:
    """How the proxy came to where it failed."""
    steps: list[Step] = []
    if made is not None:
        steps.append(telling.step(story, "created", "", made))
        handed = telling.handed_over(story, made["uid"])
        mine = [each for each in handed if _is_for(story, each, failed)]
        if mine:
            return [*steps, telling.step(story, "handed", mine[0].text(), mine[0].event)]
    sent = [
        event
        for event in story.of("proxy.sent")
        if event["address"] == failed["address"]
        and event["ident"] == failed["ident"]
        and event.at_ns < failed.at_ns
    ]
    text = f"pickled by {story.name(sent[-1].number)}" if sent else ""
    return [*steps, *(telling.step(story, "handed", text, event) for event in sent[-1:])]


def _is_for(story: Story, handed: telling.Handed, failed: Event) -> bool:
    number = handed.member.number if handed.member is not None else 0
    return number in (failed.number, *story.ancestors(failed.number))


def _used(story: Story, failed: Event) -> Step:
    call = f"calls {failed['method']}()" if failed["method"] else "unpickles it"
    if failed["method"].startswith("#"):
        call = "asks for its value"
    text = f"{story.name(failed.number)} {call}: {failed['text']}"
    return telling.step(story, "used", text, failed)


def _first(story: Story, failed: Event, ended: Event) -> str:
    who = story.name(failed.number)
    if story.member(failed.number).parent != ended.number:
        return f"wait for {who}"
    name = telling.process_name(story, failed.number)
    return f"call {name}.join()" if name else f"join {who}"


# ---- HF401 --------------------------------------------------------------------------------------


def _no_server(story: Story, failed: Event) -> Finding | None:
    started, ended = _ended(story, failed["address"])
    if started is None or ended is None or ended.at_ns > failed.at_ns:
        return None
    if ended.number == failed.number:
        return None
    made = _made(story, failed)
    subject = _subject(story, made, failed)
    name = telling.called(subject, "the proxy")
    steps = [*_journey(story, made, failed), _end(story, started, ended), _used(story, failed)]
    if made is None or _line(story, made) != _line(story, started):
        steps.insert(0, telling.step(story, "created", "its manager", started))
    return _of_manager(story, started, ended, failed, (name, subject, steps))


def _line(story: Story, event: Event) -> tuple[str, int]:
    place = telling.place_at(story, event)
    return place.file, place.line


def _end(story: Story, started: Event, ended: Event) -> Step:
    who = story.name(ended.number)
    if ended["how"] == "exit":
        text = f"the end of {who} shuts its manager down, before it waits for its children"
    elif ended["how"] == "shutdown":
        text = f"{who} shuts the manager down"
    else:
        drop = telling.dropped(story, ended, [story.stack(started)])
        text = f"{drop.text}: the end of a manager is the end of its server"
    return telling.step(story, "dropped", text, ended)


def _of_manager(
    story: Story, started: Event, ended: Event, failed: Event,
    about: tuple[str, Subject, list[Step]],
) -> Finding:  # fmt: skip
    name, subject, steps = about
    who = story.name(failed.number)
    names = telling.names_of(story.stack(started))
    manager = names[0] if names else f"the {started['kind']}"
    place = story.own(ended)
    by = story.name(ended.number)
    if ended["how"] == "exit":
        message = f"{by} ends, and {manager} with it, while {who} uses {name}"
        fix = f"{_first(story, failed, ended)} before the end of {by}"
        place = _start_of(story, failed) or story.own(started)
    elif ended["how"] == "shutdown":
        message = f"{manager} is shut down while {who} uses {name}"
        fix = f"{_first(story, failed, ended)} before {manager} is shut down"
    else:
        message = f"{manager} is dropped, and its server ends, while {who} uses {name}"
        keep = f"keep {manager}" if names else "give the manager a name, and keep it"
        process = telling.process_name(story, failed.number)
        until = f"until after {process}.join()" if process else f"until {who} has ended"
        fix = f"{keep} {until}: a proxy in another process does not keep it alive"
        place = telling.dropped(story, ended, [story.stack(started)]).place
    return Finding(
        code="HF401",
        message=message,
        place=place or telling.place_at(story, started, failed),
        fix=fix,
        subject=subject,
        steps=tuple(steps),
    )


def _start_of(story: Story, failed: Event) -> Place | None:
    """Where the process was started in which it failed."""
    start = story.member(failed.number).start
    return story.own(start) if start is not None else None


def _segments(story: Story) -> Iterator[Finding]:
    """Segments that a SharedMemoryManager unlinked because it was dropped."""
    servers = {event["server_pid"]: event for event in story.of("manager.started")}
    told: set[str] = set()
    for failed in story.of("shm.failed"):
        name = failed["name"]
        if failed["error"] != errno.ENOENT or failed["created"] or name in told:
            continue
        for gone in story.of("shm.unlinked"):
            if gone["name"] != name or gone["missing"] or gone.at_ns > failed.at_ns:
                continue
            started = servers.get(story.pid(gone.number) or 0)
            ended = _ended(story, started["address"])[1] if started is not None else None
            if started is None or ended is None or ended.at_ns > failed.at_ns:
                continue
            if ended.number == failed.number and ended["how"] != "dropped":
                continue
            told.add(name)
            origin = next((each for each in story.of("shm.opened") if each["name"] == name), None)
            subject = subject_of(story, origin)
            who = story.name(failed.number)
            steps = [
                telling.step(story, "created", "its manager", started),
                telling.step(story, "noted", "the segment is created", origin),
                _end(story, started, ended),
                telling.step(story, "used", f"{who} attaches it: FileNotFoundError", failed),
            ]
            name = telling.called(subject)
            yield _of_manager(story, started, ended, failed, (name, subject, steps))
            break


# ---- HF402, HF403 -------------------------------------------------------------------------------


def _no_referent(story: Story, failed: Event) -> Finding | None:
    drops = [
        event
        for event in story.of("proxy.dropped")
        if event["address"] == failed["address"]
        and event["ident"] == failed["ident"]
        and event.at_ns < failed.at_ns
    ]
    others = [event for event in drops if event.number != failed.number]
    if not others and not failed["method"]:
        # It was on its way to who had sent it.
        others = [drop for drop in drops if _was_sent(story, failed, drop)]
    if not others:
        return None
    made, last = _made(story, failed), others[-1]
    subject = _subject(story, made, failed)
    name, who = telling.called(subject, "the proxy"), story.name(failed.number)
    by = story.name(last.number)
    drop = telling.dropped(story, last, [story.stack(made)])
    how = f"the end of {by} drops it" if last["leaving"] else drop.text
    text = f"{how}: the last proxy that counts, so the server deletes its {failed['kind']}"
    steps = [
        *_journey(story, made, failed),
        telling.step(story, "dropped", text, last),
        _used(story, failed),
    ]
    place = drop.place or telling.place_at(story, last, made, failed)
    verb = "uses" if failed["method"] else "has"
    if last.number == failed.number:
        verb = "receives"
    message = f"{name} is dropped in {by} before {who} {verb} it, and its {failed['kind']} with it"
    if last["leaving"]:
        fix = f"let {by} wait until {who} has received {name}, or keep a proxy of it elsewhere"
    elif any(step.role == "handed" and step.text.startswith("handed") for step in steps):
        process = telling.process_name(story, failed.number)
        until = f"after {process}.join()" if process else f"{who} has been joined"
        fix = f"keep {name} in {by} until {until}"
    else:
        fix = (
            f"keep {name} in {by} until {who} has received it: a proxy in flight counts for nothing"
        )
    return Finding(
        code="HF402",
        message=message,
        place=place,
        fix=fix,
        subject=subject,
        steps=tuple(steps),
    )


def _was_sent(story: Story, failed: Event, drop: Event) -> bool:
    """Whether the proxy that failed was pickled before it was dropped."""
    return any(
        sent["address"] == failed["address"]
        and sent["ident"] == failed["ident"]
        and sent.at_ns < drop.at_ns
        for sent in story.of("proxy.sent")
    )


def _no_manager(story: Story, failed: Event) -> Finding:
    made = _made(story, failed)
    subject = _subject(story, made, failed)
    name, who = telling.called(subject, "the proxy"), story.name(failed.number)
    method = failed["method"]
    what = "iterating over it" if method == "__iter__" else f"{method}()"
    text = f"{who} calls {method}(), whose result is a proxy: AttributeError, as it has no manager"
    steps = [*_journey(story, made, failed), telling.step(story, "used", text, failed)]
    instead = _WITHOUT.get(method)
    if instead is not None:
        fix = f"in {who}, use {name}'s {instead} instead of iterating over it"
    else:
        fix = f"call {method}() where {name}'s manager is, and pass on the result"
    return Finding(
        code="HF403",
        message=f"{what} in {who} needs {name}'s manager, which does not travel with a proxy",
        place=telling.place_at(story, failed, made),
        fix=fix,
        subject=subject,
        steps=tuple(steps),
    )
