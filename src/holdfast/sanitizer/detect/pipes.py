"""HF601 to HF605: ends of pipes, listeners and descriptors that are gone, or that nobody closes.

A writer whose reader was dropped dies of a broken pipe, or blocks for ever where it has, by fork, a
copy of the reading end itself (HF601). A reader that waits for the end of its data waits for ever
as long as any process has the writing end open: one that never uses it (HF602). A connection that
is pickled is fetched from its sender later, which must still be there (HF603).

Source: CPython, Lib/multiprocessing/connection.py, resource_sharer.py.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from holdfast.findings import Finding, Place, Step, Subject
from holdfast.sanitizer import naming
from holdfast.sanitizer.detect import blocked as looking
from holdfast.sanitizer.detect import telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.sanitizer.story import Event, Story

_UNKNOWN = Place("", 0)


def detect(story: Story) -> Iterator[Finding]:
    """The findings of all pipes, listeners and descriptors."""
    of_queues = {event[end] for event in story.of("queue.new") for end in ("reader", "writer")}
    pipes = [event for event in story.of("pipe.new") if event["a"] not in of_queues]
    for made in pipes:
        for reader, writer in _directions(made):
            yield from _reader_gone(story, made, reader, writer)
            yield from _end_kept(story, made, reader, writer)
    yield from _senders(story)
    yield from _listeners(story)
    yield from _numbers(story)


def _directions(made: Event) -> list[tuple[int, int]]:
    a, b = made["a"], made["b"]
    return [(a, b), (b, a)] if made["duplex"] else [(a, b)]


def names_of(story: Story, made: Event) -> tuple[str, str]:
    """What the program calls the two ends."""
    names = telling.names_of(story.stack(made))
    parts = [part.strip(" ()[]") for part in names[0].split(",")] if names else []
    if len(parts) == 2:
        return parts[0], parts[1]
    if parts:
        return f"{names[0]}[0]", f"{names[0]}[1]"
    return ("one end of the pipe", "the other end")


def _name(story: Story, made: Event, uid: int) -> str:
    return names_of(story, made)[0 if uid == made["a"] else 1]


def _subject(story: Story, made: Event, uid: int) -> Subject:
    duplex = "" if made["duplex"] else "False"
    return Subject("Connection", f"an end of Pipe({duplex})", (_name(story, made, uid),))


def _handed(story: Story, uid: int) -> list[Event]:
    return [
        start
        for start in story.of("process.starting")
        if any(known == uid for known, _ in start["handed"])
    ]


def _users(story: Story, uid: int, how: str) -> set[int]:
    return {e.number for e in story.of("conn.used") if e["uid"] == uid and e["how"] == how}


# ---- nobody reads --------------------------------------------------------------------------------


def _reader_gone(story: Story, made: Event, reader: int, writer: int) -> Iterator[Finding]:
    drops = [
        event
        for event in story.of("conn.closed")
        if event["uid"] == reader and event["how"] == "dropped" and not event["leaving"]
    ]
    drop = next((event for event in drops if event.number == made.number), None)
    if drop is None or _handed(story, reader) or _users(story, reader, "recv") - {drop.number}:
        return
    for broken in story.of("conn.broken"):
        if broken["uid"] == writer and broken.at_ns >= drop.at_ns:
            who = story.name(broken.number)
            text = f"{who} writes to it and gets BrokenPipeError"
            step = telling.step(story, "used", text, broken)
            yield _reader_finding(story, made, reader, writer, drop, broken.number, step)
            return
    for each in looking.blocked(story):
        wait = each.wait
        if wait.what == "send" and wait.target == writer and each.long_after(drop.at_ns):
            who = story.name(each.number)
            text = f"{who} is blocked in writing for {each.seconds()}, as nobody reads"
            step = telling.step(story, "used", text, each.event)
            yield _reader_finding(story, made, reader, writer, drop, each.number, step)
            return


def _reader_finding(
    story: Story, made: Event, reader: int, writer: int, drop: Event, number: int, used: Step
) -> Finding:
    subject = _subject(story, made, reader)
    what, other = subject.names[0], _name(story, made, writer)
    parent, who = story.name(drop.number), story.name(number)
    starts = [start for start in _handed(story, writer) if start.number == drop.number]
    how = telling.dropped(story, drop, [*map(story.stack, starts), story.stack(made)])
    steps = [telling.step(story, "created", "", made)]
    steps += [
        telling.step(story, "handed", f"{other} is handed to {start['name']}", start)
        for start in starts[:1]
    ]
    steps += [telling.step(story, "dropped", f"{what} is {how.text}", drop), used]
    return Finding(
        code="HF601",
        message=f"{parent} drops {what}, the reading end of {other}, to which {who} writes",
        place=how.place or story.own(drop) or story.own(made) or _UNKNOWN,
        fix=f"keep {what} in {parent}, and read from it, until {who} has ended",
        subject=subject,
        steps=tuple(steps),
    )


# ---- an end that stays open ----------------------------------------------------------------------


def _end_kept(story: Story, made: Event, reader: int, writer: int) -> Iterator[Finding]:
    legal = _users(story, writer, "send") | {
        member.number
        for start in _handed(story, writer)
        if (member := story.started(start)) is not None
    }
    given = bool(legal - {made.number})
    for number, since, until, event, for_ever in _waits(story, reader):
        # Who may still write: has not closed it, and lives.
        if any(_open_at(story, each, writer, until) for each in legal - {made.number}):
            continue
        keepers = [
            each
            for each in story.members
            if each not in legal and _inherited(story, made, each, writer, until)
        ]
        own = _open_at(story, made.number, writer, until)
        if own and for_ever and made.number == number:
            keepers = [number]
        elif own:
            continue
        if not given and not (for_ever and keepers == [number] != [made.number]):
            continue  # who has it may be about to write
        if keepers and until - since >= looking.LONG_NS:
            yield _kept_finding(story, made, reader, writer, number, keepers, event)
            return


def _waits(story: Story, reader: int) -> Iterator[tuple[int, int, int, Event, bool]]:
    """Who waits for data: (process, since, until, where, whether without a limit)."""
    for event in story.of("conn.idle"):
        if event["uid"] == reader:
            yield event.number, event["since_ns"], event.at_ns, event, False
    for each in looking.blocked(story):
        if each.wait.target == reader and each.wait.what in {"recv", "poll"}:
            limited = each.wait.timeout is not None
            yield each.number, each.wait.since_ns, each.until_ns, each.event, not limited


def _open_at(story: Story, number: int, uid: int, at_ns: int) -> bool:
    """Whether a process that has had an end still had it then."""
    death = looking.death_ns(story, story.member(number))
    if death is not None and death < at_ns:
        return False
    return not any(
        event["uid"] == uid and event.number == number and event.at_ns <= at_ns
        for event in story.of("conn.closed")
    )


def _inherited(story: Story, made: Event, number: int, uid: int, at_ns: int) -> bool:
    """Whether a forked process has an end only because its parent had it."""
    member = story.member(number)
    if member.method not in {"fork", "os.fork"} or not _open_at(story, number, uid, at_ns):
        return False
    if not made.at_ns <= member.began_ns <= at_ns:
        return False
    parent = member.parent
    if parent != made.number and made.number not in story.ancestors(number):
        return False
    return not any(
        event["uid"] == uid and event.number == parent and event.at_ns <= member.began_ns
        for event in story.of("conn.closed")
    )


def _kept_finding(
    story: Story, made: Event, reader: int, writer: int, number: int, keepers: list[int],
    waiting: Event,
) -> Finding:  # fmt: skip
    subject = _subject(story, made, writer)
    what, other = subject.names[0], _name(story, made, reader)
    who, keeper = story.name(number), story.name(keepers[0])
    own = keepers == [number]
    steps = [telling.step(story, "created", "", made)]
    steps += [
        telling.step(story, "handed", f"{what} is handed to {start['name']}", start)
        for start in _handed(story, writer)[:1]
    ]
    if not own:
        text = f"{keeper} inherits {what}, as it is forked while {what} is open"
        steps.append(telling.step(story, "noted", text, story.member(keepers[0]).start))
    steps.append(
        telling.step(story, "used", f"{who} waits for data or the end of it in vain", waiting)
    )
    if own:
        message = f"{who} reads from {other} and has {what} open itself: it never sees the end"
        fix = f"close {what} in {who} once the process that writes to it has been started"
    else:
        message = (
            f"{keeper} has inherited {what} and never closes it: {who} waits for the end of "
            f"{other} for ever"
        )
        fix = (
            f"close {what} in {who} before {keeper} is started, or start processes by the method "
            "spawn, which inherit nothing"
        )
    return Finding(
        code="HF602",
        message=message,
        place=story.own(waiting) or story.own(made) or _UNKNOWN,
        fix=fix,
        subject=subject,
        steps=tuple(steps),
    )


# ---- descriptors in flight, listeners, numbers ---------------------------------------------------


def _senders(story: Story) -> Iterator[Finding]:
    sent = {(event["address"], event["key"]): event for event in story.of("descriptor.sent")}
    for missing in story.of("descriptor.missing"):
        origin = sent.get((missing["address"], missing["key"]))
        if origin is None:
            continue
        member = story.member(origin.number)
        death = looking.death_ns(story, member)
        gone = death if death is not None else member.done_ns
        if gone is None or gone > missing.at_ns:
            continue
        sender, receiver = member.name or story.name(origin.number), story.name(missing.number)
        how = looking.how_died(story, member)
        steps = (
            telling.step(story, "handed", f"{sender} sends it", origin),
            Step("dropped", f"{sender} {how}, and with it the way to the connection",
                 member.pid, gone),
            telling.step(
                story, "used", f"{receiver} receives it and gets {missing['error']}", missing
            ),
        )  # fmt: skip
        yield Finding(
            code="HF603",
            message=f"{sender} sends a connection and ends before {receiver} has received it",
            place=story.own(origin) or story.own(missing) or _UNKNOWN,
            fix=f"let {sender} wait until {receiver} has answered, or make the pipe in the parent "
            "and pass its ends as arguments",
            subject=Subject("Connection", "a connection that is sent"),
            steps=steps,
        )


def _listeners(story: Story) -> Iterator[Finding]:
    new = {event["uid"]: event for event in story.of("listener.new")}
    for failed in story.of("client.failed"):
        for gone in reversed(story.of("listener.gone")):
            made = new.get(gone["uid"])
            if (
                made is None
                or made["address"] != failed["address"]
                or gone["how"] != "dropped"
                or gone.at_ns > failed.at_ns
            ):
                continue
            names = telling.names_of(story.stack(made))
            subject = Subject("Listener", "Listener()", names)
            what = telling.called(subject)
            parent, who = story.name(gone.number), story.name(failed.number)
            drop = telling.dropped(story, gone, [story.stack(made)])
            steps = (
                telling.step(story, "created", "", made),
                telling.step(story, "dropped", drop.text, gone),
                telling.step(
                    story, "used", f"{who} connects to its address: {failed['error']}", failed
                ),
            )
            yield Finding(
                code="HF604",
                message=f"{parent} drops {what}, to whose address {who} connects afterwards",
                place=drop.place or story.own(gone) or story.own(made) or _UNKNOWN,
                fix=f"keep {what} as long as somebody may connect: with Listener(...) as {what}:",
                subject=subject,
                steps=steps,
            )
            break


def _asks_now(story: Story, start: Event | None) -> bool:
    """Whether a process is made with a number that its owner is asked for there and then."""
    place = story.own(start, "new_stack")
    call = naming.call_at(place) if place is not None else None
    return call is not None and ".fileno()" in ast.unparse(call)


def _numbers(story: Story) -> Iterator[Finding]:
    for stale in story.of("sentinel.stale"):
        member = next((m for m in story.members.values() if m.pid == stale["pid"]), None)
        name = member.name if member is not None else f"process {stale['pid']}"
        text = f"number {stale['fd']} is waited for, which was the sentinel of {name}"
        yield Finding(
            code="HF605",
            message=f"the sentinel of {name} is waited for after its Process object is gone: the "
            "number may belong to something else",
            place=story.own(stale) or _UNKNOWN,
            fix=f"keep the Process object of {name} as long as its sentinel is used",
            subject=Subject("descriptor", f"descriptor {stale['fd']}"),
            steps=(telling.step(story, "used", text, stale),),
        )
    for used in story.of("descriptor.stale"):
        if _asks_now(story, story.member(used.number).start):
            continue  # of a file that has got the number since
        who, number, was = story.name(used.number), used["fd"], used["was"]
        now = used["now"] or "closed"
        drop = next(
            (e for e in story.of("descriptor.dropped")
             if e.number == used.number and e["fd"] == number and e["path"] == was),
            None,
        )  # fmt: skip
        start = story.member(used.number).start
        calls = f"{who} calls os.{used['how']}({number}), which is {now}"
        steps = [
            telling.step(
                story, "dropped", f"the file object of {was} dies: {number} is free", drop
            ),
            telling.step(story, "handed", f"{number} is handed to {who} as a number", start),
            telling.step(story, "used", calls, used),
        ]
        yield Finding(
            code="HF605",
            message=f"descriptor {number} of {was} outlives its file object: when {who} uses it, "
            f"it is {now}",
            place=story.own(used) or _UNKNOWN,
            fix="keep the file object as long as its number is used, or hand over the file's name",
            subject=Subject("descriptor", f"descriptor {number}"),
            steps=tuple(steps),
        )
