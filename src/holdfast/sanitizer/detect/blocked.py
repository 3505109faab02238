"""Who waits, for what, and since when; and who is dead.

What it keeps true: a process that was killed has left what it waited for at that moment, and so has
one that was ended by its own `os._exit` under a waiting thread. Death is when the deadly signal was
sent, if that is known, and not when somebody came to ask how the process had ended.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.findings import Step, Subject
from holdfast.sanitizer import states
from holdfast.sanitizer.detect import telling
from holdfast.sanitizer.story import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Place, Role
    from holdfast.sanitizer.story import Member, Story

# Waits that end sooner are everyday life, also on a slow machine.
LONG_NS = 500_000_000


@dataclass(frozen=True)
class Blocked:
    """A thread that waits, or waited when its process ended.

    Attributes:
        wait: For what, and since when.
        until_ns: The end of its process, or now.
        event: With the stack.
    """

    wait: states.Wait
    until_ns: int
    event: Event

    @property
    def number(self) -> int:
        """The process."""
        return self.wait.number

    def long_after(self, at_ns: int) -> bool:
        """Whether it waited for long, after that time as well."""
        return self.until_ns - max(at_ns, self.wait.since_ns) >= LONG_NS

    def seconds(self) -> str:
        """How long, for people."""
        return f"{(self.until_ns - self.wait.since_ns) / 1e9:.1f} s"


def now_ns(story: Story) -> int:
    """The end of the program, or now."""
    return story.ended_ns or time.monotonic_ns()


def death_ns(story: Story, member: Member) -> int | None:
    """When a process died; None if it lives."""
    if member.ended_ns is None and member.status is None:
        return None
    end = member.ended_ns or now_ns(story)
    if member.status is None or member.status < 0:
        for event in story.of("process.killed"):
            if event["pid"] == member.pid and member.began_ns <= event.at_ns < end:
                return event.at_ns
    return end


def is_dead(story: Story, number: int) -> bool:
    """Whether a process is known to have ended."""
    return death_ns(story, story.member(number)) is not None


def was_killed(story: Story, member: Member) -> bool:
    """Whether a process was ended by a signal."""
    if member.status is not None:
        return member.status < 0
    return member.ended_ns is not None and any(
        event["pid"] == member.pid and event.at_ns >= member.began_ns
        for event in story.of("process.killed")
    )


def how_died(story: Story, member: Member) -> str:
    """How a process died, as a part of a sentence."""
    if member.status is not None and member.status < 0:
        try:
            return f"was killed by {signal.Signals(-member.status).name}"
        except ValueError:
            return f"was killed by signal {-member.status}"
    for event in story.of("process.killed"):
        if event["pid"] == member.pid and event.at_ns >= member.began_ns:
            return f"was killed by {signal.Signals(event['signal']).name}"
    if member.status is not None:
        return f"ended with status {member.status}"
    return "ended"


def blocked(story: Story) -> list[Blocked]:
    """All threads that wait, or waited when their process ended."""
    found: list[Blocked] = []
    for wait in states.waits(story.states):
        member = story.member(wait.number)
        until = death_ns(story, member) or now_ns(story)
        event = Event("state", wait.since_ns, wait.number, {"stack": wait.stack})
        found.append(Blocked(wait, until, event))
    asked: set[tuple[int, int]] = set()
    for event in story.of("asked.stacks"):
        for uid in event["waits"] or ():
            if (event.number, uid) in asked:
                continue
            asked.add((event.number, uid))
            # A locked read or write: it was seen waiting then, and nothing is known of before.
            member = story.member(event.number)
            until = death_ns(story, member) or now_ns(story)
            stack = (event["stacks"] or [0])[0]
            wait = states.Wait(event.number, uid, "lock", stack, event.at_ns, 0, None)
            seen = Event("state", event.at_ns, event.number, {"stack": stack})
            found.append(Blocked(wait, until, seen))
    return found


def step_at(
    story: Story, role: Role, text: str, number: int, at_ns: int | None, stack: int
) -> Step:
    """A step at a stack that a state names."""
    event = Event("state", at_ns or 0, number, {"stack": stack})
    return Step(role, text, story.pid(number), at_ns, story.stack(event))


def place_at(story: Story, number: int, stack: int) -> Place | None:
    """The program's own innermost frame of a stack that a state names."""
    return story.own(Event("state", 0, number, {"stack": stack}))


# ---- locks ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lock:
    """A lock, and what it is a part of.

    Attributes:
        uid: Its id.
        new: Where it was made; None if that is not known.
        part: Of which part it is, as the standard library calls it: "_rlock"; "" if of none.
        whole: The class of what it is a part of: "Event", "Barrier", "Queue"; "" if of none.
        whole_uid: Its id.
        made: The event whose stack says what the program calls the whole, or the lock.
    """

    uid: int
    new: Event | None = None
    part: str = ""
    whole: str = ""
    whole_uid: int = 0
    made: Event | None = None

    @property
    def value(self) -> int:
        """How often it could be taken when it was new."""
        return int(self.new["value"] or 0) if self.new is not None else 1

    def subject(self, story: Story) -> Subject:
        """It, as the subject of a finding."""
        stack = story.stack(self.made)
        default = self.whole or (str(self.new["cls"]) if self.new is not None else "Lock")
        kind = telling.kind_of(stack, default)
        return Subject(kind, f"{kind}()", telling.names_of(stack))


def locks(story: Story) -> dict[int, Lock]:
    """All locks that something was told of."""
    found: dict[int, Lock] = {}
    for event in story.of("lock.new"):
        if event["uid"] not in found:
            found[event["uid"]] = Lock(event["uid"], event, made=event)
    # The last one knows best: a Condition that is a part of a Barrier tells so later.
    for event in story.of("lock.part"):
        known = found.get(event["uid"], Lock(event["uid"]))
        found[event["uid"]] = Lock(
            event["uid"], known.new, event["part"], event["cls"], event["whole"], event
        )
    return found


def dead_holders(story: Story) -> Iterator[tuple[states.Hold, int]]:
    """(lock as a dead process has it, when it died), unless a living one has it as well."""
    held: dict[int, list[states.Hold]] = {}
    for hold in states.holds(story.states):
        if hold.held:
            held.setdefault(hold.uid, []).append(hold)
    foreign = {event["uid"] for event in story.of("lock.foreign")}
    for uid, holds in held.items():
        deaths = [death_ns(story, story.member(hold.number)) for hold in holds]
        if uid in foreign or None in deaths:
            continue
        for hold, death in zip(holds, deaths, strict=True):
            if death is not None:
                yield hold, death


def where(place: Place | None) -> str:
    """A place in a sentence."""
    return f"{place.file.rpartition('/')[2]}:{place.line}" if place is not None else "?"
