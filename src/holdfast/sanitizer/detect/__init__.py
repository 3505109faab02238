"""What is looked for: one file for each small family of hazards, and one table.

A detector is a function `detect(story) -> Iterator[Finding]`. It is called when the program has
ended, or, with `--halt`, again and again while it runs, so it must not take for a hazard what is
only not over yet. It looks at the story and at source, and at nothing else.
"""

from __future__ import annotations

import dataclasses
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.sanitizer.detect import (
    copies,
    daemons,
    forks,
    hangs,
    managers,
    mappings,
    owners,
    pipes,
    pools,
    queues,
    recycled,
    segments,
    semaphores,
    views,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from holdfast.findings import Finding
    from holdfast.sanitizer.story import Story

    Detector = Callable[[Story], Iterator[Finding]]

# In the order in which their findings are to be read, where time does not tell.
DETECTORS: tuple[Detector, ...] = (
    recycled.detect,
    semaphores.detect,
    copies.detect,
    views.detect,
    segments.detect,
    managers.detect,
    mappings.detect,
    pools.detect,
    pipes.detect,
    queues.detect,
    owners.detect,
    daemons.detect,
    forks.detect,
    hangs.detect,
)


def findings_of(story: Story) -> list[Finding]:
    """What all detectors find: in order of time, the same fault only once, with its count."""
    return merged(each_of(story))


def each_of(story: Story) -> Iterator[Finding]:
    """What all detectors find, one by one: the same fault as often as it was made.

    One that fails is told of in `story.failures`; the others go on.
    """
    for detector in DETECTORS:
        yield from _found_by(detector, story)


def _found_by(detector: Detector, story: Story) -> Iterator[Finding]:
    try:
        yield from detector(story)
    except Exception as error:  # noqa: BLE001 - what the others have found must not be lost
        where = traceback.extract_tb(error.__traceback__)[-1]
        name = detector.__module__.rpartition(".")[2]
        story.failures[name] = f"{error!r} at {Path(where.filename).name}:{where.lineno}"


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Findings in order of time, the same fault only once, with its count."""
    known: dict[tuple[object, ...], Finding] = {}
    for finding in findings:
        about = finding.subject
        subject = (about.kind, *about.names[:1]) if about is not None else ()
        place = finding.place
        key = (finding.code, place.file, place.line, place.column, subject)
        first = known.get(key)
        if first is None:
            known[key] = finding
        else:
            # The one that tells more stands for both: it knows who got the bytes.
            best = finding if _has_victim(finding) and not _has_victim(first) else first
            known[key] = dataclasses.replace(best, count=first.count + finding.count)
    return sorted(known.values(), key=_time)


def _has_victim(finding: Finding) -> bool:
    return any(step.role == "victim" for step in finding.steps)


def _time(finding: Finding) -> int:
    times = [step.at_ns for step in finding.steps if step.at_ns is not None]
    return min(times, default=0)
