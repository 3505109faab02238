"""HF304 to HF311: segments of shared memory whose name is gone, stays, or is another's.

A name that is gone is a finding where somebody looked for it in vain, and was not who removed it.
Who did: a process by `unlink()`, a failed attach, or a resource tracker, which unlinks what is
registered with it when the last process that shares it has ended. No process of ours is the
tracker, but who registered what with which tracker is known, and when those processes ended.
"""

from __future__ import annotations

import errno
import itertools
import re
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.findings import Finding, Step
from holdfast.sanitizer.detect import telling
from holdfast.sanitizer.detect.views import subject_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.sanitizer.story import Event, Story

# A name that SharedMemory has made up: whoever has it has it from one that existed.
_MADE_UP = re.compile(r"psm_[0-9a-f]{8}$")


@dataclass
class Segment:
    """A segment's life: from its creation to the next one of the same name.

    Attributes:
        name: Without the slash.
        origin: Its `shm.opened` by the creator; None if no process of the family made it.
        opened: All that opened it, the creator too.
        events: What was done to the name: unlinked, failed, tracked, untracked; in order of time.
    """

    name: str
    origin: Event | None = None
    opened: list[Event] = field(default_factory=list["Event"])
    events: list[Event] = field(default_factory=list["Event"])


def detect(story: Story) -> Iterator[Finding]:
    """The findings of all names of segments."""
    for lives in _lives(story).values():
        for segment in lives:
            found = list(_of_segment(story, segment))
            yield from found
            if not found:
                yield from _never_unlinked(story, segment)
        yield from _reused(story, lives)
    yield from _unregistered(story)


def _lives(story: Story) -> dict[str, list[Segment]]:
    """The segments of each name, in order of time."""
    found: dict[str, list[Segment]] = {}
    kinds = ("shm.opened", "shm.failed", "shm.unlinked", "shm.tracked", "shm.untracked")
    for event in story.of(*kinds):
        name = event["name"]
        lives = found.setdefault(name, [])
        new = event.kind == "shm.opened" and event["created"]
        if new or not lives:
            lives.append(Segment(name, event if new else None))
        (lives[-1].opened if event.kind == "shm.opened" else lives[-1].events).append(event)
    return found


# ---- names that are gone ------------------------------------------------------------------------


def _of_segment(story: Story, segment: Segment) -> Iterator[Finding]:
    for event in segment.events:
        if event.kind == "shm.failed" and event["unlinked"] and not event["created"]:
            yield _failed_attach(story, segment, event)
            return
    for event in segment.events:
        if not _is_in_vain(event):
            continue
        finding = _missed(story, segment, event)
        if finding is not None:
            yield finding
            return


def _is_in_vain(event: Event) -> bool:
    if event.kind == "shm.failed":
        return bool(event["error"] == errno.ENOENT and not event["created"])
    return bool(event.kind == "shm.unlinked" and event["missing"])


def _missed(story: Story, segment: Segment, missed: Event) -> Finding | None:
    """Somebody looked for a name in vain: whose fault is it?"""
    before = [each for each in segment.events if each.at_ns < missed.at_ns]
    gone = next(
        (each for each in before if each.kind == "shm.unlinked" and not each["missing"]), None
    )
    if gone is not None:
        if gone.number == missed.number or _by_manager(story, gone):
            return None
        if segment.origin is None:
            mine = missed.kind == "shm.failed"
            return _early(story, segment, gone, missed) if mine else None
        if gone.number == segment.origin.number:
            if missed.kind == "shm.unlinked":
                return _other(story, segment, missed, gone)
            return _early(story, segment, gone, missed)
        return _other(story, segment, gone, missed)
    if segment.origin is None:
        if missed.kind == "shm.failed" and _MADE_UP.match(segment.name) and not segment.opened:
            return _creator_unknown(story, segment, missed)
        return None
    return _by_tracker(story, segment, before, missed)


def _by_manager(story: Story, gone: Event) -> bool:
    """Whether a manager's server has unlinked it: detect/managers.py tells of that."""
    pid = story.pid(gone.number)
    return any(event["server_pid"] == pid for event in story.of("manager.started"))


def _look(story: Story, missed: Event) -> Step:
    where = story.name(missed.number)
    if missed.kind == "shm.unlinked":
        text = f"{where} unlinks it: FileNotFoundError"
    else:
        text = f"{where} attaches it: FileNotFoundError"
    return telling.step(story, "used", text, missed)


def _finding(
    story: Story, segment: Segment, code: str, message: str, fix: str, place: Event | None,
    steps: list[Step], *, sure: bool = True,
) -> Finding:  # fmt: skip
    subject = subject_of(story, segment.origin or next(iter(segment.opened), None))
    first = _created(story, segment)
    return Finding(
        code=code,
        message=message,
        place=telling.place_at(story, place, segment.origin, *segment.opened),
        fix=fix,
        subject=subject,
        steps=(*first, *steps),
        confidence="high" if sure else "medium",
    )


def _created(story: Story, segment: Segment) -> list[Step]:
    if segment.origin is None:
        return []
    who = story.name(segment.origin.number)
    return [telling.step(story, "created", f"by {who} as {segment.name!r}", segment.origin)]


def _called(story: Story, segment: Segment) -> str:
    subject = subject_of(story, segment.origin or next(iter(segment.opened), None))
    return subject.names[0] if subject.names else f"the segment {segment.name!r}"


def _early(story: Story, segment: Segment, gone: Event, missed: Event) -> Finding:
    name, who, by = _called(story, segment), story.name(missed.number), story.name(gone.number)
    method = story.member(missed.number).method
    child = story.member(missed.number).parent == gone.number and method != "subprocess"
    process = telling.process_name(story, missed.number)
    fix = (
        f"unlink {name} after {process}.join()"
        if child and process
        else f"unlink {name} only when {who} has attached it or has ended"
    )
    steps = [
        telling.step(story, "dropped", f"{by} unlinks it", gone),
        _look(story, missed),
    ]
    message = f"{name} is unlinked before {who} has attached it"
    return _finding(story, segment, "HF306", message, fix, gone, steps)


def _other(story: Story, segment: Segment, guest: Event, missed: Event) -> Finding:
    """`guest` is by a process that does not own the segment: it unlinked, or tried to."""
    name = _called(story, segment)
    who = story.name(guest.number)
    owner = story.name(segment.origin.number) if segment.origin is not None else "another process"
    first, second = sorted((guest, missed), key=lambda event: event.at_ns)
    steps = [
        telling.step(story, "dropped", f"{story.name(first.number)} unlinks it", first),
        _look(story, second),
    ]
    message = f"{who} unlinks {name}, which {owner} owns and unlinks as well"
    if missed.kind == "shm.failed":
        message = f"{who} unlinks {name}, which {owner} owns and {story.name(missed.number)} needs"
    fix = f"only close it in {who}; unlink it once, in {owner}, when all others have ended"
    return _finding(story, segment, "HF307", message, fix, guest, steps)


def _failed_attach(story: Story, segment: Segment, failed: Event) -> Finding:
    name, who = _called(story, segment), story.name(failed.number)
    text = f"{who} fails to attach it ({failed['text']}), and SharedMemory() then unlinks it"
    steps = [telling.step(story, "dropped", text, failed)]
    steps += [_look(story, event) for event in segment.events if _is_in_vain(event)][:1]
    message = f"{who} could not attach {segment.name!r}, and has unlinked it for all others"
    fix = (
        f"make sure that {who} can map {segment.name!r} before it attaches it "
        f"({failed['text'].lower()}); until CPython is repaired (issue 153279), create {name} anew"
    )
    return _finding(story, segment, "HF308", message, fix, failed, steps)


# ---- trackers -----------------------------------------------------------------------------------


def _by_tracker(
    story: Story, segment: Segment, before: list[Event], missed: Event
) -> Finding | None:
    origin = segment.origin
    assert origin is not None
    registered: dict[int, Event] = {}
    home = 0
    for event in before:
        if event.kind == "shm.tracked":
            registered.setdefault(event["tracker"], event)
            if not home and event.number == origin.number:
                home = event["tracker"]
        elif event.kind == "shm.untracked":
            registered.pop(event["tracker"], None)
    for tracker, event in registered.items():
        if tracker != home and _ended(story, tracker, missed.at_ns):
            return _foreign_tracker(story, segment, event, missed)
    if home in registered and _ended(story, home, missed.at_ns):
        return _creators_tracker(story, segment, missed)
    return _outsider(story, segment, missed)


def _ended(story: Story, tracker: int, at_ns: int) -> bool:
    """Whether all that are known to share a tracker had ended, so that it cleans up."""
    numbers = {
        event.number
        for event in story.of("shm.tracked", "shm.untracked")
        if event["tracker"] == tracker and event.at_ns < at_ns
    }
    for number in numbers:
        member = story.member(number)
        ends = [end for end in (member.ended_ns, member.done_ns) if end is not None]
        if not ends or min(ends) > at_ns:
            return False
    return True


def _foreign_tracker(story: Story, segment: Segment, told: Event, missed: Event) -> Finding:
    name, who = _called(story, segment), story.name(told.number)
    member = story.member(told.number)
    end = member.ended_ns or member.done_ns
    text = f"registered by attaching, with a resource tracker of {who}'s own"
    steps = [
        telling.step(story, "noted", text, told),
        Step("dropped", f"{who} ends, and its tracker unlinks the segment", member.pid, end),
        _look(story, missed),
    ]
    message = f"{who} only attaches {name}, and its resource tracker unlinks it when {who} ends"
    if member.method == "subprocess":
        fix = (
            "attach with SharedMemory(name, track=False) (Python 3.13), or call "
            "resource_tracker.unregister(shm._name, 'shared_memory') after attaching"
        )
    else:
        parent = story.name(member.parent)
        fix = (
            f"call multiprocessing.resource_tracker.ensure_running() in {parent} before it starts "
            f"{who}, so that both share one tracker; or attach with track=False (Python 3.13)"
        )
    return _finding(story, segment, "HF304", message, fix, told, steps)


def _creators_tracker(story: Story, segment: Segment, missed: Event) -> Finding:
    origin = segment.origin
    assert origin is not None
    name, who = _called(story, segment), story.name(origin.number)
    member = story.member(origin.number)
    end = member.ended_ns or member.done_ns
    text = f"{who} ends without unlink(), and its resource tracker unlinks the segment"
    steps = [Step("dropped", text, member.pid, end), _look(story, missed)]
    other = story.name(missed.number)
    message = f"{name} ends with {who}, which created it, before {other} has attached it"
    if member.method in {"subprocess", "main"}:
        fix = (
            f"keep {who} alive until {other} has attached it; or create it with track=False "
            f"(Python 3.13) and unlink it in {other}"
        )
    else:
        fix = (
            f"create {name} in {other}, or call resource_tracker.ensure_running() there before "
            f"{who} is started, so that both share one tracker"
        )
    return _finding(story, segment, "HF305", message, fix, origin, steps)


def _outsider(story: Story, segment: Segment, missed: Event) -> Finding:
    name = _called(story, segment)
    steps = [
        Step("noted", "no process of this program has unlinked it: another program has"),
        _look(story, missed),
    ]
    message = f"{name} was unlinked by another program, most likely by its resource tracker"
    fix = "attach there with SharedMemory(name, track=False) (Python 3.13), and never unlink there"
    return _finding(story, segment, "HF304", message, fix, segment.origin, steps, sure=False)


def _creator_unknown(story: Story, segment: Segment, missed: Event) -> Finding:
    who = story.name(missed.number)
    steps = [
        Step("noted", "the name is one that SharedMemory makes up: the segment has existed"),
        _look(story, missed),
    ]
    message = f"{segment.name!r} ended with its creator before {who} could attach it"
    fix = (
        f"keep the creator alive until {who} has attached it; or create it with track=False "
        f"(Python 3.13) and unlink it in {who}"
    )
    return _finding(story, segment, "HF305", message, fix, missed, steps, sure=False)


# ---- names that stay, or change -----------------------------------------------------------------


def _never_unlinked(story: Story, segment: Segment) -> Iterator[Finding]:
    origin = segment.origin
    if origin is None or any(each.kind == "shm.unlinked" for each in segment.events):
        return
    told = [each for each in segment.events if each.kind in {"shm.tracked", "shm.untracked"}]
    home = [each for each in told if each.number == origin.number and each.kind == "shm.tracked"]
    if not home or any(each.kind == "shm.untracked" for each in told):
        return
    uids = {event["uid"] for event in segment.opened}
    if any(event["links"] == 0 for event in story.of("shm.closed") if event["uid"] in uids):
        return  # somebody whom nobody watched has unlinked it
    member = story.member(origin.number)
    killed = _killed_tracker(story, home[0]["tracker"])
    name, who = _called(story, segment), story.name(origin.number)
    if killed is not None and member.ended_ns is not None:
        steps = [
            telling.step(story, "dropped", f"the resource tracker of {who} is killed", killed),
            Step("dropped", f"{who} ends ({member.end}) without unlink()", member.pid,
                 member.ended_ns),
            Step("noted", "its memory is taken until somebody removes the file in /dev/shm"),
        ]  # fmt: skip
        message = f"{name} stays behind: {who} and its resource tracker were both killed"
        fix = (
            f"end {who} by SIGTERM and unlink {name} there; leave its resource tracker alone, "
            "which cleans up after a SIGKILL"
        )
        yield _finding(story, segment, "HF309", message, fix, origin, steps)
    elif member.status == 0 and story.ended_ns is not None:
        text = f"{who} ends without unlink(); its resource tracker cleans up, with a warning"
        steps = [Step("noted", text, member.pid, member.ended_ns)]
        message = f"nobody unlinks {name}"
        fix = f"call {name}.close() and {name}.unlink() in {who} when all others have ended"
        if not all(part.isidentifier() for part in name.split(".")):
            fix = f"close and unlink it in {who} when all others have ended"
        yield _finding(story, segment, "HF309", message, fix, origin, steps)


def _killed_tracker(story: Story, tracker: int) -> Event | None:
    pids = {
        event["tracker_pid"]
        for event in story.of("shm.tracked", "shm.untracked")
        if event["tracker"] == tracker and event["tracker_pid"]
    }
    for event in story.of("process.killed"):
        if event["pid"] in pids and event["signal"] == signal.SIGKILL:
            return event
    return None


def _reused(story: Story, lives: list[Segment]) -> Iterator[Finding]:
    """Old users of a name that now is another segment's."""
    for old, new in itertools.pairwise(lives):
        if new.origin is None or not old.opened:
            continue
        used = next(_late_uses(story, old, new.origin), None)
        if used is not None:
            yield _split(story, old, new, used)


def _late_uses(story: Story, old: Segment, renewed: Event) -> Iterator[Event]:
    uids = {event["uid"] for event in old.opened}
    for event in story.of("shm.closed", "shm.open"):
        late = (event["used_ns"] or 0) > renewed.at_ns
        if late and event["uid"] in uids and event.number != renewed.number:
            yield event


def _split(story: Story, old: Segment, new: Segment, used: Event) -> Finding:
    origin = new.origin
    assert origin is not None
    who, by = story.name(used.number), story.name(origin.number)
    attached = [event for event in old.opened if event.number == used.number]
    gone = [each for each in old.events if each.kind == "shm.unlinked" and not each["missing"]]
    steps = [telling.step(story, "noted", f"{who} attaches it", event) for event in attached[-1:]]
    steps += [
        telling.step(story, "dropped", f"{story.name(event.number)} unlinks it", event)
        for event in gone[:1]
    ]
    victim = f"{by} creates another segment of the same name"
    steps.append(telling.step(story, "victim", victim, origin))
    text = f"{who} reads or writes the old one after that, which nobody else sees any more"
    steps.append(Step("used", text, story.pid(used.number), used["used_ns"]))
    message = f"{who} still uses the old segment {old.name!r} after {by} has made a new one"
    fix = (
        f"give every segment a name of its own (leave the name out), or let {who} close and attach "
        "again when it is told of the new one"
    )
    return _finding(story, old, "HF310", message, fix, origin, steps)


# ---- workarounds --------------------------------------------------------------------------------


def _unregistered(story: Story) -> Iterator[Finding]:
    """Entries of trackers that were taken out by hand, and are missed, or are another's."""
    for lives in _lives(story).values():
        for segment in lives:
            finding = _of_entry(story, segment)
            if finding is not None:
                yield finding


def _of_entry(story: Story, segment: Segment) -> Finding | None:
    by_hand: dict[int, Event] = {}
    for event in segment.events:
        if event.kind == "shm.tracked":
            by_hand.pop(event["tracker"], None)
        elif event.kind == "shm.untracked":
            first = by_hand.get(event["tracker"])
            if first is not None:
                return _taken(story, segment, first, event)
            if event["explicit"]:
                by_hand[event["tracker"]] = event
    origin = segment.origin
    for tracker, event in by_hand.items():
        if origin is not None and event.number != origin.number and any(
            each.kind == "shm.tracked" and each.number == origin.number
            and each["tracker"] == tracker
            for each in segment.events
        ):  # fmt: skip
            return _taken(story, segment, event, None)
    return None


def _taken(story: Story, segment: Segment, taken: Event, missed: Event | None) -> Finding:
    name, who = _called(story, segment), story.name(taken.number)
    owner = story.name(segment.origin.number) if segment.origin is not None else "its owner"
    steps = [
        telling.step(story, "dropped", f"{who} takes it out of the tracker that both share", taken)
    ]
    if missed is not None:
        text = f"{story.name(missed.number)} unlinks it: KeyError in the resource tracker"
        steps.append(telling.step(story, "used", text, missed))
    message = (
        f"{who} takes {name} out of the resource tracker that it shares with {owner}, whose entry "
        "it is"
    )
    if segment.origin is not None and taken.number == segment.origin.number:
        message = f"{who} takes {name} out of the resource tracker, and unlinks it nevertheless"
    fix = (
        f"leave the unregister() out: {who} shares the tracker of {owner}, which unlinks nothing "
        f"before {owner} ends; where a process has its own tracker, attach with track=False "
        "(Python 3.13)"
    )
    return _finding(story, segment, "HF311", message, fix, taken, steps)
