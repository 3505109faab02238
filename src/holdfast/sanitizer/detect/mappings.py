"""HF312: a file that is written anew in place while a process has it mapped.

To open a file for writing cuts it to nothing, and what is mapped beyond its new end cannot be read
any more: the process dies of SIGBUS. That death, in a process that has a file mapped, is what is
seen; who shortened the file is not, as files are written in too many ways.
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

    from holdfast.sanitizer.story import Event, Member, Story


def detect(story: Story) -> Iterator[Finding]:
    """The findings of all processes that died of a mapped file."""
    for member in list(story.members.values()):
        if member.status == -signal.SIGBUS:
            mapped = [each for each in story.of("file.mapped") if each.number == member.number]
            if mapped:
                yield _of(story, member, mapped)


def _of(story: Story, member: Member, mapped: list[Event]) -> Finding:
    last = mapped[-1]
    path, place = last["path"], _place(story, last)
    name = path.rpartition("/")[2]
    who = story.name(member.number)
    called = _called(place) if place is not None else ""
    steps = [
        telling.step(story, "created", f"as a mapping of {each['path']!r}", each)
        for each in mapped[-3:]
    ]
    text = f"beyond the end that the file has by then: {who} dies of SIGBUS"
    steps.append(Step("used", text, member.pid, member.ended_ns))
    return Finding(
        code="HF312",
        message=f"{name} is shortened while {who} has it mapped{f' as {called}' if called else ''}",
        place=place or Place("", 0),
        fix=(
            f"write the new contents to another file in the same folder, then os.replace() it over "
            f"{name}: {who} keeps the old one until it maps the new one"
        ),
        subject=Subject(
            "mapping", f"the file {path!r}, {last['size']:,} bytes", (called,) if called else (),
            last["size"],
        ),
        steps=tuple(steps),
        confidence="high" if len({each["path"] for each in mapped}) == 1 else "medium",
    )  # fmt: skip


def _place(story: Story, mapped: Event) -> Place | None:
    """Where the program maps it: NumPy's frames say nothing to who uses NumPy."""
    stack = [place for place in story.stack(mapped) if place.own]
    return next((place for place in stack if "-packages" not in place.file), story.own(mapped))


def _called(place: Place) -> str:
    statement = naming.statement_at(place)
    if isinstance(statement, ast.Assign):
        return ast.unparse(statement.targets[0])
    return ""
