"""HF101 to HF108: shared memory that its creator drops while another process still uses it.

A block that was *handed* to a process (reachable from what `start()` was given, or pickled for it)
and dropped while that process lives is a hazard if the drop was inside `start()`, if the block was
used or changed after it, or if it is of a kind whose use nobody sees (Raw objects, what
`get_obj()` gave) and the process went on working. A block that was merely *inherited* is a hazard
if it was used after the drop. Everything else is silent.
"""

from __future__ import annotations

import ast
import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.findings import Finding, Place
from holdfast.sanitizer import naming
from holdfast.sanitizer.detect import telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Step, Subject
    from holdfast.sanitizer.story import Event, Story

# A worker of a pool that got an object whose use nobody sees may use it if it works on for so long
# after the drop: else it is only about to leave.
_WORKS_ON_NS = 50_000_000
# Kinds whose use is seen, unless get_obj() was called.
_SEEN = ("Value", "Array", "Barrier")
_MOST_STEPS = 4
# After a death nobody has told of, memory may be the next one's.
_UNKNOWN = Place("", 0)


@dataclass
class Block:
    """Everything that is known of one dropped block."""

    story: Story
    new: Event | None
    drop: Event
    handed: list[telling.Handed]
    used: list[Event]
    died: list[Event]
    changed: list[Event]
    reused: list[Event]
    raw: bool
    steps: list[Step] = field(default_factory=list["Step"])

    @property
    def uid(self) -> int:
        """Its id."""
        uid: int = self.drop["uid"]
        return uid

    def receivers(self) -> list[telling.Handed]:
        """The hand-overs by its creator to processes that were at work when it was dropped.

        What is dropped inside `start()` was dropped under the child that is being started, also if
        that one was so fast as to be done already: the next run will show another outcome.
        """
        ours = [
            each
            for each in self.handed
            if each.event.number == self.drop.number and each.event.at_ns < self.drop.at_ns
        ]
        inside = any(telling.is_start(place) for place in self.story.stack(self.drop))
        return [
            each
            for each in ours
            if (inside and each is ours[-1])
            or (each.member is not None and each.member.ran_at(self.drop.at_ns))
        ]

    def goes_on(self, handed: telling.Handed) -> bool:
        """Whether the receiver has worked on after the drop."""
        if not handed.by_pool:
            return True  # the program's own function was given it, and had not returned
        member = handed.member
        if member is None:
            return False
        ends = [at for at in (member.done_ns, member.ended_ns, self.story.ended_ns) if at]
        return bool(ends) and min(ends) - self.drop.at_ns > _WORKS_ON_NS


def detect(story: Story) -> Iterator[Finding]:
    """The findings of all dropped blocks."""
    tables = {
        name: story.by_uid(f"memory.{name}") for name in ("new", "used", "changed", "reused", "raw")
    }
    for drop in story.of("memory.dropped"):
        uid = drop["uid"]
        block = Block(
            story,
            next(iter(tables["new"].get(uid, [])), None),
            drop,
            telling.handed_over(story, uid),
            [event for event in tables["used"].get(uid, []) if event.number != drop.number],
            [],
            tables["changed"].get(uid, []),
            tables["reused"].get(uid, []),
            bool(tables["raw"].get(uid)),
        )
        block.died = _died(block)
        finding = _judged(block)
        if finding is not None:
            yield finding


def _judged(block: Block) -> Finding | None:
    story = block.story
    receivers = block.receivers()
    stacks = [story.stack(each.event) for each in block.handed]
    stacks += [story.stack(block.new), *(story.stack(e.event, "new_stack") for e in block.handed)]
    drop = telling.dropped(story, block.drop, stacks)
    seen = telling.kind_of(story.stack(block.new), "") in _SEEN and not block.raw
    evidence = bool(block.used or block.changed or block.died)
    if receivers:
        goes_on = not seen and any(block.goes_on(each) for each in receivers)
        if drop.how == "start" or evidence or goes_on:
            return _handed_and_dropped(block, receivers, drop, certain=drop.how == "start")
        return None
    if not block.used:
        return None
    users = {event.number for event in block.used}
    middle = [
        each
        for each in block.handed
        if each.member is not None and users & {each.member.number}
        and each.event.number != block.drop.number
    ]  # fmt: skip
    if middle or any(_heir_of(block, number) for number in users):
        return _outlived(block, middle, drop)
    return _inherited(block, drop)


def _died(block: Block) -> list[Event]:
    """The receivers that died because the lock of the block had no name any more."""
    story = block.story
    missing = story.of("semaphore.missing")
    if not missing or block.new is None:
        return []
    made = story.own(block.new)
    locks = {
        event["name"]
        for event in story.of("semaphore.new")
        if event.number == block.new.number and story.own(event) == made
    }
    receivers = {each.member.number for each in block.handed if each.member is not None}
    return [each for each in missing if each["name"] in locks and each.number in receivers]


def _heir_of(block: Block, number: int) -> bool:
    """Whether a process descends from one that was handed the block, and has ended since."""
    receivers = {each.member.number for each in block.handed if each.member is not None}
    return bool(receivers & set(block.story.ancestors(number)))


# ---- the three cases ----------------------------------------------------------------------------


def _handed_and_dropped(
    block: Block, receivers: list[telling.Handed], drop: telling.Drop, *, certain: bool
) -> Finding:
    story = block.story
    first = receivers[0]
    owner = first.owner()
    more = [f"{owner}.{first.path[2].lstrip('.')}"] if first.root == "bound" and owner else []
    if first.root == "args" and owner:
        more.append(owner)
    subject = telling.subject_of(story, block.new, more)
    code = _class_of(first, drop)
    name = first.name
    kept = _what_to_keep(first, drop, subject)
    here = first.place or _UNKNOWN
    if code == "HF101":
        expression = first.expression()
        what = telling.short(expression) if expression is not None else subject.text
        message = f"{what} exists only in the arguments of {name}, which start() deletes"
        fix = (
            f"give it a name before: {kept} = {what}; pass {kept} in {first.path[0]}, and keep it "
            f"until {name} has ended (process.join())"
        )
    elif code == "HF103":
        what = owner if owner and owner != "self" else "the object"
        message = (
            f"{what} behind the target of {name} is a temporary: "
            f"{telling.called(subject)} dies with it while {name} runs"
        )
        fix = f"keep the object in a variable or attribute until {name} has ended"
        if owner == "self":
            fix = (
                f"keep the object whose method is the target until {name} has ended: "
                f"{kept} = {kept.capitalize()}(...); {kept}.{drop.function or 'start'}()"
            )
    elif code == "HF105":
        message = f"only the closure that is the target of {name} keeps {telling.called(subject)}"
        fix = f"keep {telling.called(subject)} outside of it as well, until {name} has ended"
    elif code == "HF106":
        message = (
            f"{telling.called(subject)} is kept only by an executor that is dropped while "
            f"its worker {name} is busy"
        )
        fix = "keep the executor until its futures are done: with ProcessPoolExecutor(...) as ..."
    elif code == "HF104":
        target = ", ".join(telling.targets(drop.place)) if drop.place is not None else ""
        message = (
            f"{target or 'a name'} is bound to a new object while {name} still uses the old one"
        )
        fix = f"keep every one until its process has ended: kept.append({target or 'value'})"
        here = drop.place or here
    else:
        message = _of_local(subject, kept, drop, name)
        fix = _keep(kept, drop, name)
        here = drop.place or here
    return Finding(
        code=code,
        message=message,
        place=here,
        fix=fix,
        subject=subject,
        steps=_steps(block, receivers, drop),
        confidence="high" if certain or block.used or block.changed else "medium",
    )


def _class_of(handed: telling.Handed, drop: telling.Drop) -> str:
    if handed.by_executor:
        return "HF106"
    if handed.root == "closure" and drop.how in {"start", "return", "other"}:
        return "HF105"
    if drop.how == "start":
        return "HF103" if handed.root == "bound" else "HF101"
    if drop.how == "rebound":
        return "HF104"
    if handed.root == "bound" and drop.how == "return" and _is_of_temporary(handed, drop):
        return "HF103"
    return "HF102"


def _is_of_temporary(handed: telling.Handed, drop: telling.Drop) -> bool:
    """Whether the target's object was the one whose own method has returned, unnamed by anyone."""
    expression = handed.expression()
    if drop.frame is None or not isinstance(expression, ast.Attribute):
        return False
    function = naming.function_at(drop.frame)
    made_in = handed.place
    if function is None or made_in is None or made_in.function != drop.frame.function:
        return False
    first = function.args.args[0].arg if function.args.args else ""
    return bool(first) and ast.unparse(expression.value).partition(".")[0] == first


def _what_to_keep(handed: telling.Handed, drop: telling.Drop, subject: Subject) -> str:
    """The name whose object has to live longer."""
    owner = handed.owner()
    if handed.root == "bound" and owner and owner != "self":
        return owner
    if handed.root == "bound" and drop.frame is not None and handed.place is not None:
        call = naming.call_at(drop.frame)
        within = drop.frame.function != handed.place.function
        if within and call is not None and isinstance(call.func, ast.Attribute):
            return ast.unparse(call.func.value)
    if owner and owner != "self":
        return owner
    if subject.names:
        return subject.names[0]
    return {"bound": "worker"}.get(handed.root, subject.kind.lower() if subject.kind else "shared")


def _of_local(subject: Subject, kept: str, drop: telling.Drop, name: str) -> str:
    what = telling.called(subject)
    through = f" with {kept}" if kept and kept != what else ""
    when = f"when {drop.function} returns" if drop.function else drop.text.removeprefix("dropped ")
    return f"{what} dies{through} {when}, while {name} still uses it"


def _keep(kept: str, drop: telling.Drop, name: str) -> str:
    plain = kept.rpartition(".")[2]
    if drop.how == "return" and drop.frame is not None:
        function = naming.function_at(drop.frame)
        arguments = function.args.args if function is not None else []
        if arguments and arguments[0].arg == "self" and not kept.startswith("self."):
            return f"keep {kept} on self: self._{plain.lstrip('_')} = {kept}"
        return f"return {kept} as well and keep it, or join {name} before {drop.function} returns"
    return f"keep {kept} until {name} has ended (process.join())"


def _outlived(block: Block, middle: list[telling.Handed], drop: telling.Drop) -> Finding:
    story = block.story
    subject = telling.subject_of(story, block.new)
    user = story.name(block.used[0].number)
    parents = [story.name(number) for number in story.ancestors(block.used[0].number)]
    via = f", started by {parents[0]}," if parents else ""
    return Finding(
        code="HF107",
        message=(
            f"{user}{via} uses {telling.called(subject)} after its creator has dropped it: "
            "to have joined the children is not enough"
        ),
        place=drop.place or _UNKNOWN,
        fix=f"keep {telling.called(subject)} until {user} has ended too, "
        f"or let {parents[0] if parents else 'its parent'} join {user}",
        subject=subject,
        steps=_steps(block, [*block.handed[:_MOST_STEPS]] or middle, drop),
    )


def _inherited(block: Block, drop: telling.Drop) -> Finding:
    story = block.story
    subject = telling.subject_of(story, block.new)
    user = story.name(block.used[0].number)
    return Finding(
        code="HF108",
        message=(
            f"{user} uses {telling.called(subject)}, which it inherited by fork, "
            "after its creator has dropped it"
        ),
        place=drop.place or _UNKNOWN,
        fix=f"keep {telling.called(subject)} until {user} has ended",
        subject=subject,
        steps=_steps(block, [], drop),
    )


# ---- the story of a finding ---------------------------------------------------------------------


def _steps(block: Block, handed: list[telling.Handed], drop: telling.Drop) -> tuple[Step, ...]:
    story = block.story
    steps: list[Step] = []
    if block.new is not None:
        made = telling.step(story, "created", "", block.new)
        steps.append(dataclasses.replace(made, at_ns=block.new["made_ns"]))
    steps += [
        telling.step(story, "handed", each.text(), each.event) for each in handed[:_MOST_STEPS]
    ]
    dropped = telling.step(story, "dropped", drop.text, block.drop)
    if drop.how == "return" and drop.place is not None:
        dropped = dataclasses.replace(dropped, stack=(drop.place, *dropped.stack))
    steps.append(dropped)
    first: dict[tuple[int, bool], Event] = {}
    for event in block.used:
        first.setdefault((event.number, bool(event["write"])), event)
    for event in list(first.values())[:_MOST_STEPS]:
        steps.append(telling.step(story, "used", _use(story, event), event))
    for event in block.died[:1]:
        text = (
            f"used too late: {story.name(event.number)} died of FileNotFoundError, "
            "as its lock had no name any more"
        )
        steps.append(telling.step(story, "used", text, event))
    if not block.used:
        for event in block.changed[:1]:
            text = (
                f"changed by a process that still has it: {_bytes(event['before'])} "
                f"became {_bytes(event['after'])} at byte {event['offset']}"
            )
            steps.append(dataclasses.replace(telling.step(story, "used", text, event), pid=None))
    for event in block.reused[:1]:
        steps.append(_victim(story, event))
    return tuple(sorted(steps, key=lambda each: each.at_ns or 0))


def _use(story: Story, event: Event) -> str:
    how = "written" if event["write"] else "read"
    value = f", {event['value']}" if event["value"] else ""
    return f"used by {story.name(event.number)} after the drop: {how}{value}"


def _victim(story: Story, event: Event) -> Step:
    new = next((each for each in story.of("memory.new") if each["uid"] == event["by"]), None)
    stack = story.stack(event)
    kind = telling.kind_of(stack, "memory")
    names = telling.names_of(stack)
    if new is not None:
        subject = telling.subject_of(story, new)
        text = subject.text
    else:
        text = kind
    verb = "got" if story.settings.get("as_is") else "would get"
    name = names[0] if names else "a new object"
    return telling.step(
        story,
        "victim",
        f"{name}, {text}, {verb} these very bytes from the standard library",
        event,
    )


def _bytes(data: bytes) -> str:
    return data.hex(" ")
