"""Checks many files: which of them are worth it, what is known already, and what came of the rest.

What it keeps true: whatever one file does to the checker, the others are checked: it gets one line
in the report's notes. The result does not depend on how many processes did the work, or on the
cache.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from holdfast.findings import Report
from holdfast.lint.files import scan
from holdfast.lint.files.cache import Cache
from holdfast.lint.files.checked import Checked
from holdfast.lint.files.crew import Crew, no_collections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from holdfast.lint.options import Options

    Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Outcome:
    """What came of a check.

    Attributes:
        report: The findings, and in its notes the files that were not checked.
        files: How many files were looked at.
        parsed: How many of them were worth parsing.
        failed: Whether the checker itself failed somewhere.
        options: How it was checked, with what the project's own code says.
    """

    report: Report
    files: int
    parsed: int
    failed: bool
    options: Options


def check_paths(
    files: Iterable[str],
    options: Options,
    *,
    jobs: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
    version: str = "",
) -> Outcome:
    """Check files.

    Args:
        files: Their paths.
        options: How to check.
        jobs: How many processes do it; 0 for as many as there are cores.
        cache: The folder where results are kept for the next time; None for nowhere.
        version: Of Holdfast, for the report and the cache.
        progress: Called now and then with how many files are done, of how many.

    Returns:
        The outcome; its report's findings stand in the order of files and lines.
    """
    everything = list(files)
    with no_collections(), _crew(jobs or _cores()) as crew:
        looked = crew.look(everything)
        worth = sorted({*looked.worth, *scan.follow(looked, crew.users)})
        if not options.start_method and len(looked.methods) == 1:
            options = replace(options, project_method=looked.methods.pop())
        kept = Cache(cache, options, version) if cache is not None else None
        done, rest = _known(worth, kept)
        for each in crew.check(rest, options, worth, everything):
            done.append(each)
            if kept is not None and not each.failed:
                kept.put(each.file, _report([each], (), version), each.uses)
            if progress is not None:
                progress(len(done), len(worth))
    if kept is not None:
        kept.save()
    done.sort(key=lambda each: each.file)
    notes = [*sorted(looked.notes), *(each.note for each in done if each.note)]
    failed = any(each.failed for each in done)
    return Outcome(_report(done, notes, version), len(everything), len(worth), failed, options)


@contextlib.contextmanager
def _crew(jobs: int) -> Iterator[Crew]:
    crew = Crew(jobs)
    try:
        yield crew
    except BaseException:
        crew.dismiss(at_once=True)
        raise
    crew.dismiss()


def _known(files: Sequence[str], kept: Cache | None) -> tuple[list[Checked], list[str]]:
    """What came of files that have not changed, and the others."""
    if kept is None:
        return [], list(files)
    done: list[Checked] = []
    rest: list[str] = []
    for file in files:
        known = kept.get(file)
        if known is None:
            rest.append(file)
        else:
            done.append(Checked(file, known.findings, known.suppressed, "".join(known.notes)))
    return done, rest


def _report(done: Sequence[Checked], notes: Sequence[str], version: str) -> Report:
    return Report(
        tool="check",
        version=version,
        program=(),
        findings=tuple(finding for each in done for finding in each.findings),
        notes=tuple(notes) or tuple(each.note for each in done if each.note),
        suppressed=sum(each.allowed for each in done),
        python=".".join(map(str, sys.version_info[:3])),
    )


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this platform
        return os.cpu_count() or 1
