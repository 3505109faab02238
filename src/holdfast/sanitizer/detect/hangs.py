"""HF704: processes that wait for each other, or that do nothing any more.

Told when the user wants hangs to be found (`--hang`), or asked and there is a cycle: waiting long
is not a fault by itself. Where another finding says why (a dead owner, a queue that nobody reads),
it says all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.findings import Finding, Place
from holdfast.sanitizer import hang
from holdfast.sanitizer.detect import forks, owners, pipes, pools, queues, telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.sanitizer.story import Story

_UNKNOWN = Place("", 0)


def detect(story: Story) -> Iterator[Finding]:
    """The hang that was noticed, if no other detector knows its cause."""
    noticed = story.of("hang.noticed")
    if not noticed or story.ended_ns is not None:
        return  # when it has ended, nobody waits any more
    waits = hang.waits_of(story)
    ring = hang.cycle_of(waits)
    if not ring:
        reasons = (owners, queues, pipes, pools, forks)
        if not any(event["idle"] for event in noticed) or any(
            True for each in reasons for _ in each.detect(story)
        ):
            return
    concerned = ring or waits
    steps = [
        telling.step(
            story,
            "used",
            f"{story.name(each.blocked.number)} waits for {each.what}, "
            f"for {each.blocked.seconds()}{'; ' if each.held else ''}{each.held}",
            each.blocked.event,
        )
        for each in concerned
    ]
    place = story.own(concerned[0].blocked.event) if concerned else None
    names = list(dict.fromkeys(story.name(each.blocked.number) for each in concerned))
    if ring:
        message = f"deadlock: {' waits for '.join([*names, names[0]])}"
        fix = "take the locks in the same order everywhere, or wait with a timeout"
    elif concerned:
        first = concerned[0]
        seconds = noticed[-1]["seconds"]
        message = (
            f"nothing has happened for {seconds:g} s: {names[0]} waits for {first.what}"
            f"{', and ' + ', '.join(names[1:]) + ' waits as well' if names[1:] else ''}"
        )
        fix = "give the wait a timeout, and see who should have ended it"
    else:
        message = f"nothing has happened for {noticed[-1]['seconds']:g} s"
        fix = ""
    yield Finding(
        code="HF704",
        message=message,
        place=place or _UNKNOWN,
        fix=fix,
        steps=tuple(steps),
        confidence="high" if ring else "low",
    )
