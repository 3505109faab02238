"""Findings as text: what a terminal, a log and a test's section show.

A finding of a run tells its story in the order of a good witness: what is wrong, what the object
is, then each step with the process and the lines of source, then what to write instead. A finding
in source is one line that editors know, an excerpt with carets, and the fix.

What it keeps true: it prints what the records hold and never fails on them. Lines fit the width,
except those that are there to be copied, searched for or matched by an editor: a path with its
line, the SUMMARY, the first line of a finding in source, and code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.report.excerpt import Sources, excerpt
from holdfast.report.story import (
    about,
    count,
    frames,
    processes_by_pid,
    short_path,
    spot,
    summary,
    totals,
    whole,
)
from holdfast.report.terminal import Paint, clean, visible_line, window, wrap

if TYPE_CHECKING:
    from holdfast.findings import Finding, Place, Report, Step

LEAST_WIDTH = 40
WIDEST_RULE = 80


def render(report: Report, *, colour: bool, width: int, all_frames: bool = False) -> str:
    """A report as text, with a line of totals at its end.

    Args:
        report: What to print.
        colour: Whether the reader's terminal shows colours.
        width: Its columns.
        all_frames: Whether stacks show the frames of libraries as well.

    Returns:
        Lines, each with its newline.
    """
    width = max(width, LEAST_WIDTH)
    paint = Paint(colour)
    sources = Sources()
    parts = [
        _finding(finding, report, sources, paint, width, all_frames=all_frames)
        for finding in report.findings
    ]
    end = [line for note in report.notes for line in wrap(note, width, "note: ", "      ")]
    style = "strong" if report.findings else "good"
    end += [paint(line, style) for line in wrap(totals(report), width, "", "    ")]
    return "\n".join("\n".join(lines) + "\n" for lines in [*parts, end])


def render_finding(
    finding: Finding, report: Report, *, colour: bool, width: int, all_frames: bool = False
) -> str:
    """One finding of a report as text, as `render` shows it; see there."""
    width = max(width, LEAST_WIDTH)
    lines = _finding(finding, report, Sources(), Paint(colour), width, all_frames=all_frames)
    return "\n".join(lines) + "\n"


def _finding(
    finding: Finding,
    report: Report,
    sources: Sources,
    paint: Paint,
    width: int,
    *,
    all_frames: bool,
) -> list[str]:
    if not finding.steps and report.tool == "check":
        return _of_source(finding, sources, paint, width)
    return _of_run(finding, report, sources, paint, width, all_frames=all_frames)


# ---- from source --------------------------------------------------------------------------------


def _of_source(finding: Finding, sources: Sources, paint: Paint, width: int) -> list[str]:
    place = finding.place
    spot_words = [clean(short_path(place.file))]
    spot_words += [str(number) for number in (place.line, place.column) if number]
    start = ":".join(spot_words) + ": "
    name = f"{finding.code} {finding.hazard.slug}: "
    text = f"{finding.message} [{finding.confidence}]{_others(finding)}"
    # An editor's pattern wants the message on the same line, however long that is.
    lines = [paint(start, "strong") + paint(name, "fault") + " ".join(clean(text).split())]
    lines += excerpt(place, sources, width, paint)
    lines += _fix(finding, paint, width, "  ")
    return lines


def _others(finding: Finding) -> str:
    return f" (and {finding.count - 1:,} more like it)" if finding.count > 1 else ""


def _fix(finding: Finding, paint: Paint, width: int, indent: str) -> list[str]:
    if not finding.fix:
        return []
    hang = " " * len("fix: ")
    first, *rest = finding.fix.split("\n")
    lines = wrap(first, width, f"{indent}fix: ", indent + hang)
    # Further lines are code, whose layout is a part of it.
    lines += [indent + hang + "".join(visible_line(line)) for line in rest]
    lines[0] = indent + paint("fix:", "good") + lines[0][len(indent) + 4 :]
    return lines


# ---- from a run ---------------------------------------------------------------------------------


def _of_run(
    finding: Finding,
    report: Report,
    sources: Sources,
    paint: Paint,
    width: int,
    *,
    all_frames: bool,
) -> list[str]:
    processes = processes_by_pid(report)
    head = f"{finding.code} {finding.hazard.slug}: "
    lines = [paint("=" * min(width, WIDEST_RULE), "faint")]
    opening, *more = wrap(finding.message + _others(finding), width, " " * len(head), "    ")
    lines += [paint(head, "fault") + paint(opening[len(head) :], "strong")]
    lines += [paint(line, "strong") for line in more]
    if finding.confidence != "high":
        lines.append(f"    confidence: {finding.confidence}")
    if about(finding):
        lines += ["", *wrap(about(finding), width, "the object: ", "            ")]
    if finding.steps:
        for step in finding.steps:
            text = whole(step, report, processes)
            lines += ["", *_step(step, text, paint, width, all_frames=all_frames)]
    else:
        lines += ["", f"  {paint(clean(spot(finding.place)), 'name')}"]
        lines += [f"  {line}" for line in excerpt(finding.place, sources, width - 2, paint)]
    lines.append("")
    lines += _fix(finding, paint, width, "")
    lines += [f"more: holdfast explain {finding.code}", paint(clean(summary(finding)), "strong")]
    return lines


def _step(step: Step, text: str, paint: Paint, width: int, *, all_frames: bool) -> list[str]:
    shown = frames(step, all_frames=all_frames)
    lines = wrap(text + (":" if shown else ""), width, "", "    ")
    role = step.role if lines[0].startswith(step.role) else ""
    style = "fault" if step.role in {"dropped", "victim"} else "strong"
    lines[0] = paint(role, style) + lines[0][len(role) :]
    for place in shown:
        lines += _frame(place, paint, width)
    hidden = len(step.stack) - len(shown)
    if hidden and not any(place.own for place in step.stack):
        lines.append(paint(f"    ({count(hidden, 'frame')} of libraries not shown)", "faint"))
    return lines


def _frame(place: Place, paint: Paint, width: int) -> list[str]:
    lines = [f"    {paint(clean(spot(place)), 'name')}"]
    if place.source:
        shown = "".join(visible_line(place.source.strip()))
        lines.append(f"        {window(shown, 0, 0, width - 8)}")
    return lines
