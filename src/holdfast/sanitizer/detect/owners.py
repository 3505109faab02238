"""HF701, HF702, HF703, HF615: who died holding a lock or waiting, and who waits for it since.

A process that dies with a lock is a hazard when somebody wants the lock afterwards: waits for it
for long, or asks for it in vain. A lock that nobody wants any more is silent, and so is one that a
process had given back. Who dies waiting for an Event, Condition or Barrier is still counted as a
sleeper: the next one that wakes the sleepers waits for it.

Source: CPython, Lib/multiprocessing/synchronize.py (Condition.notify); issues 88304, 75158, 123899.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from holdfast.findings import Finding, Place, Step
from holdfast.sanitizer import states
from holdfast.sanitizer.detect import blocked as looking
from holdfast.sanitizer.detect import telling
from holdfast.sanitizer.story import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.sanitizer.detect.blocked import Blocked, Lock
    from holdfast.sanitizer.story import Member, Story

_UNKNOWN = Place("", 0)
_WAITS = ("_wait_semaphore",)


def detect(story: Story) -> Iterator[Finding]:
    """The findings of all locks whose owner died, and of all sleepers that died."""
    locks = looking.locks(story)
    waiting = looking.blocked(story)
    yield from _owners(story, locks, waiting)
    yield from _sleepers(story, locks, waiting)
    yield from _parties(story, locks, waiting)


# ---- owners --------------------------------------------------------------------------------------


def _owners(story: Story, locks: dict[int, Lock], waiting: list[Blocked]) -> Iterator[Finding]:
    told: set[int] = set()
    dead = list(looking.dead_holders(story))
    for hold, death in dead:
        lock = locks.get(hold.uid, looking.Lock(hold.uid))
        if hold.times:
            together = sum(each.times for each, _ in dead if each.uid == hold.uid)
            if not lock.value or together < lock.value:
                continue
        if _is_closing(story, hold):
            continue
        wanted = _wanted(story, hold.uid, death, waiting)
        if wanted and hold.uid not in told:
            told.add(hold.uid)
            yield _owner_finding(story, lock, hold, death, wanted)


def _is_closing(story: Story, hold: states.Hold) -> bool:
    """Whether a pool has taken the lock for ever, so that its workers take nothing any more."""
    event = Event("state", 0, hold.number, {"stack": hold.stack})
    return any(place.function.endswith("_help_stuff_finish") for place in story.stack(event))


def _wanted(story: Story, uid: int, death: int, waiting: list[Blocked]) -> list[Step]:
    """Who wanted a lock after its owner had died."""
    found: list[Step] = []
    for each in waiting:
        wait = each.wait
        if wait.target == uid and wait.what == "lock" and each.long_after(death):
            who = story.name(each.number)
            text = f"{who} waits for it for {each.seconds()}"
            found.append(telling.step(story, "used", text, each.event))
    for hold in states.holds(story.states):
        if hold.uid == uid and hold.failed_ns >= death:
            who = story.name(hold.number)
            found.append(
                looking.step_at(
                    story, "used", f"{who} asks for it in vain", hold.number, hold.failed_ns,
                    hold.failed_stack,
                )
            )  # fmt: skip
    for event in story.of("lock.gone"):
        if event["uid"] == uid and event["failed_ns"] >= death:
            who = story.name(event.number)
            step = telling.step(story, "used", f"{who} asks for it in vain", event, "failed_stack")
            found.append(dataclasses.replace(step, at_ns=event["failed_ns"]))
    return found


def _owner_finding(
    story: Story, lock: Lock, hold: states.Hold, death: int, wanted: list[Step]
) -> Finding:
    subject = lock.subject(story)
    what = telling.called(subject)
    member = story.member(hold.number)
    who = story.name(hold.number)
    how = looking.how_died(story, member)
    taken = looking.place_at(story, hold.number, hold.stack)
    of_queue = lock.whole in {"Queue", "JoinableQueue", "SimpleQueue"}
    inner = f" of {what}" if lock.part else ""
    thing = {"_rlock": f"the reading side{inner}", "_wlock": f"the writing side{inner}"}.get(
        lock.part, f"the lock{inner}" if lock.part else what
    )
    at = f", taken at {looking.where(taken)}" if taken is not None else ""
    steps = [
        telling.step(story, "created", "", lock.made),
        looking.step_at(story, "noted", f"taken by {who}", hold.number, None, hold.stack),
        Step("dropped", f"{who} {how}, holding it", member.pid, death, _killed_at(story, member)),
        *wanted,
    ]
    if of_queue:
        message = f"{who} {how} inside {what}, holding {thing}{at}: nobody gets anything from it"
        if lock.part == "_wlock":
            message = f"{who} {how} while it wrote to {what}: nobody else can write to it any more"
        fix = (
            f"let {who} end by itself: put a sentinel on {what}, such as None, and join it; "
            "give every process that may be killed a queue of its own"
        )
    else:
        message = f"{who} {how} holding {thing}{at}: nobody can take it any more"
        name = what if subject.names else "it"
        ours = f"holdfast.{subject.kind}" if subject.kind in {"Value", "Array"} else "holdfast.Lock"
        fix = (
            f"let {who} end by itself instead of killing it; or take {ours}() for {name}, "
            "whose next owner learns that the last one died"
        )
    return Finding(
        code="HF615" if of_queue else "HF701",
        message=message,
        place=taken or story.own(lock.made) or _UNKNOWN,
        fix=fix,
        subject=subject,
        steps=tuple(steps),
    )


def _killed_at(story: Story, member: Member) -> tuple[Place, ...]:
    for event in story.of("process.killed"):
        if event["pid"] == member.pid and event.at_ns >= member.began_ns:
            return story.stack(event)
    return ()


# ---- sleepers ------------------------------------------------------------------------------------


def _sleepers(story: Story, locks: dict[int, Lock], waiting: list[Blocked]) -> Iterator[Finding]:
    """Who was killed in a wait(), and who waits for its awakening."""
    told: set[int] = set()
    for waker in waiting:
        woken = locks.get(waker.wait.target)
        if woken is None or woken.part != "_woken_count" or woken.whole_uid in told:
            continue
        for sleeper in waiting:
            asleep = locks.get(sleeper.wait.target)
            death = looking.death_ns(story, story.member(sleeper.number))
            if (
                asleep is not None
                and asleep.part in _WAITS
                and asleep.whole_uid == woken.whole_uid
                and death is not None
                and waker.long_after(death)
                and sleeper.number != waker.number
            ):
                told.add(woken.whole_uid)
                yield _sleeper_finding(story, woken, sleeper, death, waker)
                break


def _sleeper_finding(
    story: Story, lock: Lock, sleeper: Blocked, death: int, waker: Blocked
) -> Finding:
    subject = lock.subject(story)
    what = telling.called(subject)
    member = story.member(sleeper.number)
    who = story.name(sleeper.number)
    other = story.name(waker.number)
    how = looking.how_died(story, member)
    place = story.own(sleeper.event) or story.own(lock.made) or _UNKNOWN
    steps = (
        telling.step(story, "created", "", lock.made),
        telling.step(story, "noted", f"{who} waits for it", sleeper.event),
        Step("dropped", f"{who} {how}, waiting", member.pid, death, _killed_at(story, member)),
        telling.step(
            story,
            "used",
            f"{other} wakes the sleepers and waits for the dead one, for {waker.seconds()}",
            waker.event,
        ),
    )
    at = story.own(waker.event)
    call = f" at {looking.where(at)}" if at is not None else ""
    if subject.kind == "Barrier" or lock.whole == "Barrier":
        message = f"{who} {how} waiting at {what}: {other}{call} waits for it for ever"
        fix = f"do not kill a party of {what}; end {who} by {what}.abort() in another one"
        code = "HF703"
    else:
        message = f"{who} {how} waiting for {what}: {other}{call} waits for the dead one"
        fix = (
            f"let {who} end by itself, or let it look instead of waiting: "
            f"while not {what}.is_set(): time.sleep(0.05)"
            if subject.kind == "Event"
            else f"let {who} end by itself before {what} is notified"
        )
        code = "HF702"
    return Finding(code, message, place, fix, subject, steps)


def _parties(story: Story, locks: dict[int, Lock], waiting: list[Blocked]) -> Iterator[Finding]:
    """Who waits at a barrier for a party that was killed before it came."""
    told: set[int] = set()
    for party in waiting:
        lock = locks.get(party.wait.target)
        if (
            lock is None
            or lock.whole != "Barrier"
            or lock.part not in _WAITS
            or lock.whole_uid in told
            or party.wait.timeout is not None
        ):
            continue
        for start in story.of("process.starting"):
            member = story.started(start)
            handed = any(uid == lock.whole_uid for uid, _ in start["handed"])
            if member is None or not handed or member.number == party.number:
                continue
            death = looking.death_ns(story, member)
            if death is None or not looking.was_killed(story, member):
                continue
            if not party.long_after(death):
                continue
            if looking.is_dead(story, party.number) and story.ended_ns is None:
                continue
            told.add(lock.whole_uid)
            subject = lock.subject(story)
            what = telling.called(subject)
            who, other = member.name, story.name(party.number)
            how = looking.how_died(story, member)
            steps = (
                telling.step(story, "created", "", lock.made),
                telling.step(story, "handed", f"handed to {who}", start),
                Step("dropped", f"{who} {how}", member.pid, death, _killed_at(story, member)),
                telling.step(
                    story, "used", f"{other} waits there for {party.seconds()}", party.event
                ),
            )
            yield Finding(
                code="HF703",
                message=f"{who} {how} before it came to {what}: {other} waits for it for ever",
                place=story.own(party.event) or story.own(lock.made) or _UNKNOWN,
                fix=f"give {what}.wait() a timeout, and abort it when a party has died",
                subject=subject,
                steps=steps,
            )
            break
