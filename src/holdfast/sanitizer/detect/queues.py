"""HF611, HF612, HF613, HF614, HF616: what was put on a queue and never came out.

Counted is what each process has put, what its feeder has really written, and what each has taken.
A process that ended with items in its buffer has lost them (HF613). One that cannot end because
nobody takes its items is either joined by who should take them (HF612), or writes to a queue that
was dropped (HF611).

Source: CPython, Lib/multiprocessing/queues.py; docs, "Joining processes that use queues".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.findings import Finding, Place, Step, Subject
from holdfast.sanitizer import naming, states
from holdfast.sanitizer.detect import blocked as looking
from holdfast.sanitizer.detect import telling
from holdfast.sanitizer.watch import owners

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.sanitizer.story import Event, Member, Story

_UNKNOWN = Place("", 0)
# A join that waits for a flush for less than this may well be followed by a get().
_PATIENCE_NS = 1_000_000_000
# The queues of executors, which tell every future whose task is lost (BrokenProcessPool).
_TELLING = ("_SafeQueue",)


def detect(story: Story) -> Iterator[Finding]:
    """The findings of all queues."""
    new = {event["uid"]: event for event in story.of("queue.new")}
    counts = _counts(story)
    stuck = list(_stuck(story, counts))
    told: set[tuple[int, int]] = set()
    for member, count, join in stuck:
        key = (member.number, count.uid)
        if key in told:
            continue
        told.add(key)
        gone = _gone(story, count, counts, join)
        if gone is not None:
            yield _dropped(story, new.get(count.uid), gone, member, count)
        elif join is not None:
            yield _joined(story, new.get(count.uid), member, count, join)
    yield from _missing(story, new)
    yield from _unread(story, new, counts, told)
    yield from _lost(story, new, counts, told)
    yield from _mutated(story, new)
    yield from _undone(story, new, counts)


def _counts(story: Story) -> list[states.Queue]:
    gone = [
        states.Queue(
            event.number, event["uid"], event["put"], event["flushed"], event["got"],
            event["done"], event.at_ns, 0,
        )
        for event in story.of("queue.counts")
    ]  # fmt: skip
    return [*states.queues(story.states), *gone]


def subject_of(story: Story, new: Event | None) -> Subject:
    """A queue as the subject of a finding."""
    if new is None:
        return Subject("Queue", "Queue()")
    stack = story.stack(new)
    kind = telling.kind_of(stack, new["cls"])
    return Subject(kind, f"{kind}()", telling.names_of(stack))


# ---- processes that cannot end -------------------------------------------------------------------


def _stuck(
    story: Story, counts: list[states.Queue]
) -> Iterator[tuple[Member, states.Queue, Event | None]]:
    """(process that waits for its feeder, its queue, the join that waits for it)."""
    for join in story.of("join.vain"):
        member = _child(story, join.number, join["pid"])
        if member is None:
            continue
        flushing = [
            event
            for event in story.of("queue.flushing")
            if event.number == member.number
            and join.at_ns - max(event.at_ns, join["since_ns"]) >= _PATIENCE_NS
        ]
        then = [states.Queue(*each) for each in join["queues"]]
        for event in flushing:
            ended = any(
                done.number == event.number and event.at_ns <= done.at_ns <= join.at_ns
                for done in story.of("queue.flushed")
            )
            last = max((each.last_got_ns for each in then if each.uid == event["uid"]), default=0)
            mine = next(
                (e for e in then if e.number == member.number and e.uid == event["uid"]), None
            )
            if not ended and last < event.at_ns and mine is not None and mine.unflushed:
                yield member, mine, join
    joins = [each for each in looking.blocked(story) if each.wait.what == "join"]
    for each in looking.blocked(story):
        member = story.member(each.number)
        if each.wait.what != "flush" or not each.long_after(0):
            continue
        count = next(
            (one for one in counts if one.number == each.number and one.uid == each.wait.target),
            None,
        )
        last = max((one.last_got_ns for one in counts if one.uid == each.wait.target), default=0)
        if count is None or not count.unflushed or last > each.wait.since_ns:
            continue
        waiting = (one for one in joins if one.wait.target == member.pid and one.long_after(0))
        joiner = next(waiting, None)
        yield member, count, joiner.event if joiner is not None else None


def _child(story: Story, parent: int, pid: int) -> Member | None:
    found = (m for m in story.members.values() if m.pid == pid and m.parent == parent)
    return max(found, key=lambda member: member.began_ns, default=None)


def _gone(
    story: Story, count: states.Queue, counts: list[states.Queue], join: Event | None
) -> Event | None:
    """Where the queue was dropped by who could have read it; None if somebody else reads."""
    drops = [event for event in story.of("queue.gone") if event["uid"] == count.uid]
    if not drops or any(each.got for each in counts if each.uid == count.uid):
        return None
    return drops[0] if join is None or drops[0].at_ns <= join.at_ns else None


def _steps(story: Story, new: Event | None, member: Member) -> list[Step]:
    steps: list[Step] = []
    if new is not None:
        steps.append(telling.step(story, "created", "", new))
    if member.start is not None:
        steps.append(telling.step(story, "handed", f"handed to {member.name}", member.start))
    return steps


def _put(story: Story, count: states.Queue) -> Step:
    who = story.name(count.number)
    text = f"{who} puts {_items(count.put)} on it, of which {count.unflushed} cannot be written"
    return looking.step_at(story, "used", text, count.number, None, count.stack)


def _items(count: int) -> str:
    return f"{count} item{'' if count == 1 else 's'}"


def _drop_finding(
    story: Story, new: Event | None, gone: Event, member: Member, used: Step, message: str, fix: str
) -> Finding:
    """A queue that is dropped too early; the texts may name {what}, {parent} and {user}."""
    subject = subject_of(story, new)
    names = {
        "what": telling.called(subject, "the queue"),
        "parent": story.name(gone.number),
        "user": member.name,
    }
    drop = telling.dropped(story, gone, [story.stack(member.start), story.stack(new)])
    dropped = telling.step(story, "dropped", drop.text, gone)
    return Finding(
        code="HF611",
        message=message.format_map(names),
        place=drop.place or story.own(gone) or story.own(new) or _UNKNOWN,
        fix=fix.format_map(names),
        subject=subject,
        steps=(*_steps(story, new, member), dropped, used),
    )


def _dropped(
    story: Story, new: Event | None, gone: Event, member: Member, count: states.Queue
) -> Finding:
    return _drop_finding(
        story, new, gone, member, _put(story, count),
        "{parent} drops {what}, which {user} still writes to: nobody can read it, "
        "and {user} never ends",
        "keep {what} in {parent} and take from it what {user} puts, before joining it",
    )  # fmt: skip


def _joined(
    story: Story, new: Event | None, member: Member, count: states.Queue, join: Event
) -> Finding:
    subject = subject_of(story, new)
    what = telling.called(subject, "the queue")
    parent = story.name(join.number)
    steps = [
        *_steps(story, new, member),
        _put(story, count),
        telling.step(story, "used", f"{parent} joins {member.name} meanwhile", join),
    ]
    return Finding(
        code="HF612",
        message=f"{parent} joins {member.name} before it has taken its items from {what}: "
        f"{member.name} waits until somebody does",
        place=story.own(join) or story.own(new) or _UNKNOWN,
        fix=f"call {what}.get() for every item first, then join {member.name}",
        subject=subject,
        steps=tuple(steps),
    )


def names_of_dropped(story: Story) -> dict[str, Event]:
    """The semaphores of dropped queues that a child looked for in vain: where each was dropped.

    A queue that only the arguments of the process had is none of them: start() has dropped it, and
    what is to be said of that is the same for everything with a semaphore (HF201).
    """
    locks = looking.locks(story)
    gone = {
        event["uid"]: event
        for event in story.of("queue.gone")
        if not event["leaving"] and not any(map(telling.is_start, story.stack(event)))
    }
    found: dict[str, Event] = {}
    for missing in story.of("semaphore.missing"):
        lock = locks.get(owners.uid_of_name(missing["name"]))
        if lock is not None and lock.whole_uid in gone:
            found[missing["name"]] = gone[lock.whole_uid]
    return found


def _missing(story: Story, new: dict[int, Event]) -> Iterator[Finding]:
    """Queues that were dropped before the child had opened them."""
    dropped = names_of_dropped(story)
    for missing in story.of("semaphore.missing"):
        gone = dropped.get(missing["name"])
        if gone is None or gone["uid"] not in new:
            continue
        queue, member = new[gone["uid"]], story.member(missing.number)
        used = telling.step(story, "used", f"{member.name} cannot open it any more", missing)
        yield _drop_finding(
            story, queue, gone, member, used,
            "{parent} drops {what} before {user} has opened it: {user} dies of FileNotFoundError",
            "keep {what} in {parent} until {user} has ended",
        )  # fmt: skip


def _unread(
    story: Story,
    new: dict[int, Event],
    counts: list[states.Queue],
    told: set[tuple[int, int]],
) -> Iterator[Finding]:
    """Queues that were dropped, and written to afterwards, small things only: nobody blocks."""
    for gone in story.of("queue.gone"):
        uid = gone["uid"]
        if any(each.got for each in counts if each.uid == uid) or gone["leaving"]:
            continue
        for use in story.of("queue.first_put"):
            if use["uid"] != uid or use.at_ns <= gone.at_ns or (use.number, uid) in told:
                continue
            if use.number == gone.number or _others(story, uid, use.number, gone.number):
                continue
            told.add((use.number, uid))
            count = next(
                (each for each in counts if each.uid == uid and each.number == use.number), None
            )
            if count is not None and new.get(uid) is not None:
                yield _dropped_quietly(story, new[uid], gone, use)


def _others(story: Story, uid: int, writer: int, dropper: int) -> bool:
    """Whether somebody else has the queue: was handed it, or has met it."""
    for start in story.of("process.starting"):
        member = story.started(start)
        if (
            member is not None
            and member.number not in {writer, dropper}
            and any(known == uid for known, _ in start["handed"])
        ):
            return True
    return False


def _dropped_quietly(story: Story, new: Event, gone: Event, use: Event) -> Finding:
    member = story.member(use.number)
    used = telling.step(story, "used", f"{member.name} puts an item on it", use)
    return _drop_finding(
        story, new, gone, member, used,
        "{parent} drops {what}, which {user} still writes to: nobody can read it",
        "keep {what} in {parent} and take from it what {user} puts",
    )  # fmt: skip


# ---- items that were lost ------------------------------------------------------------------------


def _lost(
    story: Story,
    new: dict[int, Event],
    counts: list[states.Queue],
    told: set[tuple[int, int]],
) -> Iterator[Finding]:
    """Processes that ended with items in their buffers."""
    cancelled = {(event.number, event["uid"]): event for event in story.of("queue.cancelled")}
    for count in counts:
        member = story.member(count.number)
        key = (count.number, count.uid)
        death = looking.death_ns(story, member)
        # What was taken was written, also if the process ended before its feeder had counted it.
        missing = sum(each.put - each.got for each in counts if each.uid == count.uid)
        lost = min(count.unflushed, missing)
        if lost <= 0 or death is None or key in told or count.uid not in new:
            continue
        if new[count.uid]["cls"] in _TELLING:
            continue
        if _ended_with_family(story, member, death):
            continue
        told.add(key)
        subject = subject_of(story, new[count.uid])
        what = telling.called(subject, "the queue")
        who = story.name(count.number)
        cancel = cancelled.get(key)
        how = looking.how_died(story, member)
        why = "called cancel_join_thread() and ended" if cancel is not None else how
        steps = [
            *_steps(story, new[count.uid], member),
            looking.step_at(
                story, "used", f"{who} puts {_items(count.put)} on it", count.number, None,
                count.stack,
            ),
        ]  # fmt: skip
        if cancel is not None:
            steps.append(telling.step(story, "noted", "it will not wait for its feeder", cancel))
        steps.append(
            Step("dropped", f"{who} {how} with {lost} of them unwritten", member.pid,
                 death)
        )  # fmt: skip
        place = looking.place_at(story, count.number, count.stack)
        yield Finding(
            code="HF613",
            message=f"{who} {why} before its feeder had written what it put on {what}: "
            f"{_items(lost)} of {count.put} lost or cut",
            place=place or story.own(new[count.uid]) or _UNKNOWN,
            fix=f"before {who} ends: {what}.close(); {what}.join_thread()",
            subject=subject,
            steps=tuple(steps),
        )


def _ended_with_family(story: Story, member: Member, death: int) -> bool:
    """Whether a process was ended together with the program: nobody would have read it."""
    parent = story.members.get(member.parent)
    if parent is None:  # the program itself: what it has not said, nobody waits for any more
        return looking.was_killed(story, member)
    leaving = parent.done_ns
    return leaving is not None and death >= leaving


def _mutated(story: Story, new: dict[int, Event]) -> Iterator[Finding]:
    for event in story.of("queue.mutated"):
        queue = new.get(event["uid"])
        subject = subject_of(story, queue)
        what = telling.called(subject, "the queue")
        place = story.own(event, "put_stack") or _UNKNOWN
        thing = _argument(place)
        steps = [
            telling.step(story, "created", "", queue),
            telling.step(story, "handed", f"{thing} is put on it", event, "put_stack"),
            Step(
                "used",
                f"{thing} had changed when the feeder thread pickled it",
                story.pid(event.number),
                event.at_ns,
            ),
        ]
        yield Finding(
            code="HF614",
            message=f"{thing} was changed after {what}.put({thing}), before it was pickled: "
            "what arrives is not what was put",
            place=place,
            fix=f"put a copy, such as {what}.put({thing}.copy()), or do not change {thing} after",
            subject=subject,
            steps=tuple(steps),
        )


def _argument(place: Place) -> str:
    import ast

    call = naming.call_at(place)
    if call is not None and call.args:
        return telling.short(call.args[0])
    return "the object" if call is None else ast.unparse(call.func)


def _undone(story: Story, new: dict[int, Event], counts: list[states.Queue]) -> Iterator[Finding]:
    """Consumers that died between get() and task_done(), and who waits in join()."""
    for joiner in looking.blocked(story):
        uid = joiner.wait.target
        if joiner.wait.what != "drain" or uid not in new:
            continue
        for count in counts:
            member = story.member(count.number)
            death = looking.death_ns(story, member)
            if (
                count.uid != uid
                or count.got <= count.done
                or death is None
                or count.number == joiner.number
                or not joiner.long_after(death)
            ):
                continue
            subject = subject_of(story, new[uid])
            what = telling.called(subject, "the queue")
            who, other = story.name(count.number), story.name(joiner.number)
            how = looking.how_died(story, member)
            missing = count.got - count.done
            steps = (
                *_steps(story, new[uid], member),
                Step("dropped", f"{who} {how} with {_items(missing)} taken and not done",
                     member.pid, death),
                telling.step(
                    story, "used", f"{other} waits in join() for {joiner.seconds()}", joiner.event
                ),
            )  # fmt: skip
            yield Finding(
                code="HF616",
                message=f"{who} {how} between {what}.get() and {what}.task_done(): "
                f"{other} waits in {what}.join() for ever",
                place=story.own(joiner.event) or story.own(new[uid]) or _UNKNOWN,
                fix=f"call {what}.task_done() in a finally block, and do not kill {who} at work",
                subject=subject,
                steps=steps,
            )
            break
