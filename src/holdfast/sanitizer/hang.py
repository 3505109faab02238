"""Hangs: for every process of the family, what it waits for, who has it, since when; the cycle.

What it keeps true: nothing is stopped to look. What threads wait for is in their states
(states.py); where the others are, they say when asked (watch/asked.py), those that can. A family
hangs when none of its processes has used the processor for as long as the user has said.

Source: proc(5), /proc/pid/stat.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.sanitizer import states
from holdfast.sanitizer.detect import blocked as looking
from holdfast.sanitizer.detect import telling
from holdfast.sanitizer.watch import asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.sanitizer.capture import Reader
    from holdfast.sanitizer.detect.blocked import Blocked, Lock
    from holdfast.sanitizer.story import Member, Story

# Seconds between two looks at the family; between two questions to one process.
INTERVAL = 1.0
_AGAIN = 0.8
# Which share of the time the processes may have used and still count as waiting.
_IDLE_SHARE = 0.02
_MOST_QUESTIONS = 3
_HOPELESS_NS = 2_000_000_000
_TICKS = os.sysconf("SC_CLK_TCK")


# ---- who waits for whom --------------------------------------------------------------------------


@dataclass(frozen=True)
class Waiting:
    """One process that waits.

    Attributes:
        blocked: How.
        what: What it waits for, for people: "lock_a (a Lock)".
        owners: The processes that could end the wait, as far as they are known.
        held: How the owners have it: "taken at app.py:12 by Process-1, which was killed".
    """

    blocked: Blocked
    what: str
    owners: tuple[int, ...] = ()
    held: str = ""


def waits_of(story: Story) -> list[Waiting]:
    """What living processes wait for now."""
    locks = looking.locks(story)
    return [
        _waiting(story, each, locks)
        for each in looking.blocked(story)
        if not looking.is_dead(story, each.number)
    ]


def _waiting(story: Story, each: Blocked, locks: dict[int, Lock]) -> Waiting:
    wait = each.wait
    if wait.what == "lock":
        return _for_lock(story, each, locks)
    if wait.what == "join":
        for member in story.members.values():
            if member.pid == wait.target and member.parent == each.number:
                dead = looking.death_ns(story, member) is not None
                state = looking.how_died(story, member) if dead else "lives"
                return Waiting(each, f"the end of {member.name}", (member.number,), f"it {state}")
        return Waiting(each, f"the end of process {wait.target}")
    if wait.what in {"recv", "poll", "send"}:
        return _for_pipe(story, each)
    if wait.what in {"flush", "drain"}:
        return _for_queue(story, each)
    return Waiting(each, {"result": "the result of a task"}.get(wait.what, f"a {wait.what}"))


def _for_lock(story: Story, each: Blocked, locks: dict[int, Lock]) -> Waiting:
    lock = locks.get(each.wait.target, looking.Lock(each.wait.target))
    subject = lock.subject(story)
    name = telling.called(subject)
    what = f"{name} ({telling.a(subject.kind)})" if subject.names else telling.a(subject.kind)
    if lock.part in {"_wait_semaphore"}:
        return Waiting(each, f"{what} to be set or notified")
    if lock.part == "_woken_count":
        return Waiting(each, f"a sleeper of {what} to wake up")
    owners: list[int] = []
    held: list[str] = []
    for hold in states.holds(story.states):
        if hold.uid == each.wait.target and hold.held:
            owners.append(hold.number)
            place = looking.place_at(story, hold.number, hold.stack)
            member = story.member(hold.number)
            dead = looking.death_ns(story, member) is not None
            how = looking.how_died(story, member) if dead else "lives"
            at = f", taken at {looking.where(place)}" if place is not None else ""
            held.append(f"{story.name(hold.number)} has it{at}, and {how}")
    return Waiting(each, what, tuple(owners), "; ".join(held))


def _for_pipe(story: Story, each: Blocked) -> Waiting:
    uid, how = each.wait.target, each.wait.what
    for queue in story.of("queue.new"):
        if uid in {queue["reader"], queue["writer"]}:
            subject = telling.called(looking.Lock(0, whole=queue["cls"], made=queue).subject(story))
            return Waiting(each, f"room in {subject}" if how == "send" else f"an item of {subject}")
    made = next((event for event in story.of("pipe.new") if uid in {event["a"], event["b"]}), None)
    if made is None:
        return Waiting(each, "room in a pipe" if how == "send" else "data from a pipe")
    names = telling.names_of(story.stack(made))
    ends = [part.strip(" ()") for part in names[0].split(",")] if names else []
    index = 0 if uid == made["a"] else 1
    name = ends[index] if len(ends) == 2 else "a pipe"
    peer = made["b"] if index == 0 else made["a"]
    users = {
        event.number
        for event in story.of("conn.used")
        if event["uid"] == peer and event.number != each.number
    }
    for start in story.of("process.starting"):
        member = story.started(start)
        if member is not None and any(known == peer for known, _ in start["handed"]):
            users.add(member.number)
    held = ", ".join(
        f"{story.name(number)} {_alive(story, number)}" for number in sorted(users)
    )  # fmt: skip
    other = f"the other end: {held}" if held else ""
    return Waiting(each, f"room in {name}" if how == "send" else f"data from {name}",
                   tuple(sorted(users)), other)  # fmt: skip


def _for_queue(story: Story, each: Blocked) -> Waiting:
    uid = each.wait.target
    new = next((event for event in story.of("queue.new") if event["uid"] == uid), None)
    name = telling.called(looking.Lock(uid, whole="Queue", made=new).subject(story))
    if each.wait.what == "drain":
        return Waiting(each, f"task_done() for every item of {name}")
    return Waiting(each, f"somebody to take its items from {name}")


def _alive(story: Story, number: int) -> str:
    member = story.member(number)
    dead = looking.death_ns(story, member) is not None
    return f"({looking.how_died(story, member)})" if dead else "(lives)"


def cycle_of(waits: Sequence[Waiting]) -> list[Waiting]:
    """Processes of which each waits for the next, and the last for the first; [] if there is none.

    Only waits without a timeout count, on one who alone can end them.
    """
    certain: dict[int, list[Waiting]] = {}
    for each in waits:
        if each.blocked.wait.timeout is None and each.owners:
            certain.setdefault(each.blocked.number, []).append(each)
    for start in certain:
        way: list[Waiting] = []
        at, seen = start, [start]
        while at in certain:
            step = next((one for one in certain[at] if len(one.owners) == 1), None)
            if step is None:
                break
            way.append(step)
            at = step.owners[0]
            if at in seen:
                return way[seen.index(at) :]
            seen.append(at)
    return []


def text_of(story: Story, why: str) -> str:
    """What the family waits for, for people."""
    waits = waits_of(story)
    lines = [f"holdfast: {why}; what each process waits for:"]
    for member in sorted(story.members.values(), key=_began):
        dead = looking.death_ns(story, member) is not None
        own = [each for each in waits if each.blocked.number == member.number]
        if dead and not _concerns(member, waits):
            continue
        head = f"  {story.name(member.number)} (pid {member.pid})"
        if dead:
            lines.append(f"{head} {looking.how_died(story, member)}")
        elif not own:
            lines.append(f"{head} {_where_it_is(story, member)}")
        for each in own:
            limit = each.blocked.wait.timeout
            limited = "" if limit is None else f", at most {limit:g} s"
            lines.append(f"{head} waits for {each.what}, for {each.blocked.seconds()}{limited}")
            if each.held:
                lines.append(f"      {each.held}")
            place = story.own(each.blocked.event)
            if place is not None:
                lines.append(f"      at {_located(place)}")
    ring = cycle_of(waits)
    if ring:
        names = [story.name(each.blocked.number) for each in ring]
        lines.append(f"  deadlock: {' -> '.join([*names, names[0]])}")
    return "\n".join(lines) + "\n"


def _located(place: object) -> str:
    file, line = getattr(place, "file", ""), getattr(place, "line", 0)
    function, source = getattr(place, "function", ""), getattr(place, "source", "")
    return f"{os.path.relpath(file)}:{line} in {function}: {source}"


def _began(member: Member) -> int:
    return member.began_ns


def _concerns(member: Member, waits: Sequence[Waiting]) -> bool:
    return any(member.number in each.owners for each in waits)


def _where_it_is(story: Story, member: Member) -> str:
    answers = [event for event in story.of("asked.stacks") if event.number == member.number]
    if answers:
        stacks = answers[-1]["stacks"] or [0]
        place = looking.place_at(story, member.number, stacks[0])
        if place is not None:
            return f"is at {_located(place)}"
    if member.done_ns is not None:
        return "has done its work and is ending"
    return "does not answer: it is busy in C, or stopped"


# ---- looking at a family that runs ---------------------------------------------------------------


@dataclass
class Looks:
    """A supervisor's looks at the family, now and then.

    Attributes:
        story: What is known; read from the reader at each look.
        reader: Of the capture.
        limit: After how many seconds of rest the family counts as hung; None for never.
    """

    story: Story
    reader: Reader
    limit: float | None = None
    _asked: dict[int, list[float]] = field(default_factory=dict[int, list[float]])
    _used: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])

    def look(self) -> bool:
        """Look, once an interval; whether the family hangs."""
        self.story.read(self.reader)
        idle = self._idle()  # before they are asked, which is work
        suspects = self._suspects()
        if suspects:
            asked.ask(suspects)
        return idle

    def hopeless(self) -> bool:
        """Whether a process waits, without a limit, for what only a dead one could give."""
        dead = {hold.uid: death for hold, death in looking.dead_holders(self.story)}
        locks: dict[int, Lock] | None = None
        for each in looking.blocked(self.story):
            wait = each.wait
            if wait.what != "lock" or wait.timeout is not None:
                continue
            if looking.is_dead(self.story, each.number):
                continue
            if wait.target in dead and each.until_ns - dead[wait.target] >= _HOPELESS_NS:
                return True
            locks = looking.locks(self.story) if locks is None else locks
            lock = locks.get(wait.target)
            for_sleeper = lock is not None and lock.part == "_woken_count"
            if for_sleeper and each.until_ns - wait.since_ns >= _HOPELESS_NS:
                return True  # a sleeper that lives wakes up at once
        return False

    def ask_all(self) -> None:
        """Ask all living processes where they are, and read what they say."""
        note_the_dead(self.story)
        living = [each.pid for each in self.story.members.values() if each.ended_ns is None]
        since = time.monotonic_ns()
        asked.hear(asked.ask(living), self.reader.states, since)
        self.story.read(self.reader)

    def _suspects(self) -> list[int]:
        """Those that may wait for what never comes, and have noted nothing.

        These are children of a fork under threads, and all that live while a dead process has a
        lock: a locked read of a Value notes nothing.
        """
        numbers = {event.number for event in self.story.of("fork.threads")}
        if any(True for _ in looking.dead_holders(self.story)):
            numbers |= set(self.story.members)
        waiting = {each.number for each in looking.blocked(self.story)}
        now = time.monotonic()
        found: list[int] = []
        for number in numbers - waiting:
            member = self.story.member(number)
            if member.ended_ns is not None or now - member.began_ns / 1e9 < _AGAIN:
                continue
            times = self._asked.setdefault(number, [])
            if len(times) < _MOST_QUESTIONS and (not times or now - times[-1] >= _AGAIN):
                times.append(now)
                found.append(member.pid)
        return found

    def _idle(self) -> bool:
        if self.limit is None:
            return False
        now = time.monotonic()
        living = [each.pid for each in self.story.members.values() if each.ended_ns is None]
        used = sum(asked.ticks_of(pid) or 0 for pid in living)
        self._used.append((now, used))
        while len(self._used) > 1 and self._used[1][0] <= now - self.limit:
            self._used.pop(0)
        then, before = self._used[0]
        if now - then < self.limit:
            return False
        share = abs(used - before) / _TICKS / (now - then)
        # Who waits for a processor on a busy machine has used none, and does not rest.
        return share <= _IDLE_SHARE and not any(map(asked.is_runnable, living))


def note_the_dead(story: Story) -> None:
    """Find out who has ended without anybody telling."""
    for member in story.members.values():
        if member.ended_ns is None and member.pid and asked.state_of(member.pid) in {"", "Z", "X"}:
            member.ended_ns = time.monotonic_ns()
