"""What is looked for: one file for each small family of hazards, and one table.

A detector is a function `detect(story) -> Iterator[Finding]`. It is called when the program has
ended, or, with `--halt`, again and again while it runs, so it must not take for a hazard what is
only not over yet. It looks at the story and at source, and at nothing else.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from holdfast.sanitizer.detect import copies, managers, recycled, segments, semaphores, views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
)


def findings_of(story: Story) -> list[Finding]:
    """What all detectors find: in order of time, the same fault only once, with its count."""
    merged: dict[tuple[object, ...], Finding] = {}
    for detector in DETECTORS:
        for finding in detector(story):
            about = finding.subject
            subject = (about.kind, *about.names[:1]) if about is not None else ()
            place = finding.place
            key = (finding.code, place.file, place.line, place.column, subject)
            known = merged.get(key)
            if known is None:
                merged[key] = finding
            else:
                merged[key] = dataclasses.replace(known, count=known.count + finding.count)
    return sorted(merged.values(), key=_time)


def _time(finding: Finding) -> int:
    times = [step.at_ns for step in finding.steps if step.at_ns is not None]
    return min(times, default=0)
