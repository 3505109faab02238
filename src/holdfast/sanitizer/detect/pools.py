"""HF501, HF502: tasks of a Pool that nobody finishes.

Source: CPython, Lib/multiprocessing/pool.py; issue 96062.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.findings import Finding, Place, Step, Subject
from holdfast.sanitizer import naming, states
from holdfast.sanitizer.detect import blocked as looking
from holdfast.sanitizer.detect import telling
from holdfast.sanitizer.story import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.sanitizer.story import Story

_UNKNOWN = Place("", 0)


def detect(story: Story) -> Iterator[Finding]:
    """The findings of all pools."""
    yield from _outstanding(story)
    yield from _died(story)


def _task(story: Story, number: int, stack: int) -> tuple[Event, Place, str, str]:
    """Where a task was given to its pool: (event, place, what the pool is called, the call)."""
    event = Event("state", 0, number, {"stack": stack})
    place = story.own(event) or _UNKNOWN
    call = naming.call_at(place)
    text = telling.short(call) if call is not None else place.source
    method = next((each.function for each in reversed(story.stack(event)) if not each.own), "")
    pool = text.rpartition(f".{method.rpartition('.')[2]}(")[0] if method else ""
    return event, place, pool if pool.replace(".", "").isidentifier() else "the pool", text


def _outstanding(story: Story) -> Iterator[Finding]:
    for event in story.of("pool.outstanding"):
        if event["failed"]:
            continue
        who = story.name(event.number)
        number, stack = event["jobs"][0]
        del number
        given, place, pool, text = _task(story, event.number, stack)
        count = len(event["jobs"])
        more = f" and {count - 1} more" if count > 1 else ""
        steps = (
            telling.step(story, "created", f"given to {pool}: {text}", given),
            telling.step(
                story, "dropped", f"{who} ends: its exit handlers terminate the workers", event
            ),
        )
        wait = f"{pool}.join()" if event["state"] == "CLOSE" else f"{pool}.close(); {pool}.join()"
        yield Finding(
            code="HF501",
            message=f"{who} ends while `{text}`{more} is outstanding: the work is lost, and the "
            "exit status does not say so",
            place=place,
            fix=f"before the end: {wait}; or call get() on the result",
            subject=Subject("Pool", "Pool()", () if pool == "the pool" else (pool,)),
            steps=steps,
        )


def _died(story: Story) -> Iterator[Finding]:
    tasks = {task.number: task for task in states.tasks(story.states)}
    for event in story.of("pool.died"):
        member = next(
            (
                each
                for each in story.members.values()
                if each.pid == event["pid"] and each.parent == event.number
            ),
            None,
        )
        task = tasks.get(member.number) if member is not None else None
        if member is None or task is None:
            continue
        stack = next((stack for job, stack in event["jobs"] if job == task.job), None)
        if stack is None:
            continue
        given, place, pool, text = _task(story, event.number, stack)
        how = looking.how_died(story, member)
        steps = (
            telling.step(story, "created", f"given to {pool}: {text}", given),
            looking.step_at(
                story, "noted", f"{member.name} takes it", member.number, task.since_ns, 0
            ),
            Step("dropped", f"{member.name} {how}, with the task", member.pid, event.at_ns),
        )
        yield Finding(
            code="HF502",
            message=f"{member.name} {how} at its task `{text}`: the result never comes, and nobody "
            "is told",
            place=place,
            fix="use concurrent.futures.ProcessPoolExecutor, whose result() raises "
            "BrokenProcessPool; or give get() a timeout",
            subject=Subject("Pool", "Pool()", () if pool == "the pool" else (pool,)),
            steps=steps,
        )
