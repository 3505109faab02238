"""The picture of a story: processes as lanes, the object's life as a bar over those that hold it.

A lane's bar is the object while the process may use it; after the drop it goes on in the colour of
a fault. What got the same bytes is a bar of its own. Each step is a mark with its number, a link to
its text below, so that the picture works without JavaScript and by keyboard.

What it keeps true: steps stand in order of time, far enough apart to be read and hit; the axis is
therefore not to scale, and says so. A story without processes or steps has no picture.
"""

from __future__ import annotations

import bisect
import html
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from holdfast.report.story import NS_PER_S, count, processes_by_pid, whole
from holdfast.report.terminal import clean

if TYPE_CHECKING:
    from holdfast.findings import Finding, Process, Report, Role, Step

# Geometry, in the SVG's own units, which are pixels at full width.
WIDTH = 1040.0
LABELS = 176.0
EDGE = 44.0
LANE = 74.0
TOP = 30.0
BOTTOM = 34.0
LEAST_GAP = 78.0
BAR = 18.0
MARK = 11.0

# Of a family of hundreds only these can be seen at once; the text below names all.
MOST_LANES = 24


@dataclass(frozen=True)
class _Bar:
    pid: int
    begin_ns: int
    end_ns: int
    kind: str  # "held", "stale" or "victim"
    name: str = ""


class _Axis:
    """Where a moment stands: steps far enough apart, what lies between them in proportion.

    Steps at the same time stand above each other if their processes differ.
    """

    def __init__(self, begin_ns: int, end_ns: int, steps: list[tuple[int, int | None]]) -> None:
        times: list[int] = [begin_ns]
        column_of: list[int] = []
        here: set[int | None] = set()
        for time, pid in steps:
            if len(times) == 1 or time != times[-1] or pid in here:
                times.append(time)
                here.clear()
            here.add(pid)
            column_of.append(len(times) - 1)
        times.append(max(end_ns, times[-1]))
        gaps = [max(later - earlier, 0) for earlier, later in pairwise(times)]
        smallest = min([gap for gap in gaps if gap] or [1])
        weights = [math.log1p(gap / smallest) for gap in gaps]
        room = WIDTH - LABELS - 2 * EDGE - LEAST_GAP * (len(gaps) - 1)
        scale = max(room, 0) / (sum(weights) or 1)
        x = LABELS + EDGE
        self._times, self._places = times, [x]
        for number, weight in enumerate(weights):
            x += (LEAST_GAP if number else LEAST_GAP / 2) + weight * scale
            self._places.append(x)
        self.end = x
        self.steps = [self._places[column] for column in column_of]

    def at(self, moment_ns: int) -> float:
        """The place of any moment; the edges for what lies outside."""
        times, places = self._times, self._places
        after = bisect.bisect_right(times, moment_ns)
        if after == 0:
            return places[0]
        if after == len(times):
            return places[-1]
        share = (moment_ns - times[after - 1]) / (times[after] - times[after - 1])
        return places[after - 1] + share * (places[after] - places[after - 1])


def timeline(finding: Finding, report: Report, prefix: str) -> str:
    """The picture of a finding as SVG; "" if there is nothing to draw.

    Args:
        finding: With its steps.
        report: Where its processes are.
        prefix: Of the ids of its steps' texts: the third one's is `prefix + "3"`.
    """
    known = processes_by_pid(report)
    lanes = _lanes(finding, known)
    hidden = max(len(lanes) - MOST_LANES, 0)
    del lanes[MOST_LANES:]
    if not lanes or not any(step.pid in known for step in finding.steps):
        return ""
    times = _times(finding.steps, report.began_ns)
    pids = [step.pid for step in finding.steps]
    end_ns = max([report.ended_ns, *times])
    axis = _Axis(report.began_ns, end_ns, list(zip(times, pids, strict=True)))
    rows = {process.pid: TOP + LANE * (number + 0.5) for number, process in enumerate(lanes)}
    height = TOP + LANE * len(lanes) + BOTTOM
    width = max(WIDTH, axis.end + EDGE)
    fits = "timeline fits" if width <= WIDTH + EDGE else "timeline"
    parts = [
        f'<svg class="{fits}" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="group" aria-label="Timeline: {_text(finding.message)}">'
    ]
    parts += _lane_lines(lanes, rows, axis, end_ns)
    parts += _drop_lines(finding, times, axis, height)
    parts += _bars(_lives(finding, lanes, times, end_ns), rows, axis)
    parts += _wrong_writes(finding, times, rows, axis)
    parts += _marks(finding, report, known, rows, axis, prefix)
    parts += _times_below(times, axis, report, height, hidden)
    return "\n".join([*parts, "</svg>"])


def _lanes(finding: Finding, known: dict[int, Process]) -> list[Process]:
    """The processes of a story and those that started them, in order of their start."""
    wanted = {step.pid for step in finding.steps} | _receivers(finding, known)
    for pid in list(wanted):
        process = known.get(pid or 0)
        while process is not None and process.parent_pid not in wanted:
            wanted.add(process.parent_pid)
            process = known.get(process.parent_pid)
    found = (known[pid] for pid in wanted if pid in known)
    return sorted(found, key=lambda each: (each.started_ns, each.parent_pid, each.pid))


def _receivers(finding: Finding, known: dict[int, Process]) -> set[int | None]:
    """Who got the object: those that a hand-over names, and those that used it."""
    told = " ".join(step.text for step in finding.steps if step.role == "handed")
    words = {word.strip(".,:;()'\"") for word in told.split()}
    named: set[int | None] = {process.pid for process in known.values() if process.name in words}
    return named | {step.pid for step in finding.steps if step.role == "used"}


def _times(steps: tuple[Step, ...], began_ns: int) -> list[int]:
    """When each step was; one whose time is unknown was when the one before it was."""
    times: list[int] = []
    for step in steps:
        before = times[-1] if times else began_ns
        times.append(max(before, step.at_ns if step.at_ns is not None else before))
    return times


def _lives(finding: Finding, lanes: list[Process], times: list[int], end_ns: int) -> list[_Bar]:
    """The object's life in each process, and that of what got its bytes."""
    first: dict[Role, tuple[Step, int]] = {}
    for step, time in zip(finding.steps, times, strict=True):
        first.setdefault(step.role, (step, time))
    dropped_ns = first["dropped"][1] if "dropped" in first else None
    made_ns = first["created"][1] if "created" in first else None
    own = first.get("created") or first.get("dropped")
    owner = own[0].pid if own else None
    receivers = _receivers(finding, {process.pid: process for process in lanes})
    bars: list[_Bar] = []
    for process in lanes:
        pid, begin, end = process.pid, process.started_ns, process.ended_ns or end_ns
        if pid == owner:
            made = begin if made_ns is None else made_ns
            name = next(iter(finding.subject.names), "") if finding.subject else ""
            bars.append(_Bar(pid, made, end if dropped_ns is None else dropped_ns, "held", name))
        elif pid in receivers:
            begin = max(begin, made_ns or begin)
            held = end if dropped_ns is None else max(min(dropped_ns, end), begin)
            bars.append(_Bar(pid, begin, held, "held"))
        if pid in receivers and dropped_ns is not None:
            uses = [
                time
                for step, time in zip(finding.steps, times, strict=True)
                if step.role == "used" and step.pid == pid
            ]
            until = max(uses, default=end) if pid == owner else end
            if until > dropped_ns:
                bars.append(_Bar(pid, max(dropped_ns, begin), until, "stale"))
        if "victim" in first and first["victim"][0].pid == pid:
            name = first["victim"][0].text.partition(",")[0]
            bars.append(_Bar(pid, first["victim"][1], end, "victim", name))
    return bars


def _lane_lines(
    lanes: list[Process], rows: dict[int, float], axis: _Axis, end_ns: int
) -> list[str]:
    parts: list[str] = []
    for number, process in enumerate(lanes):
        y = rows[process.pid]
        begin = axis.at(process.started_ns)
        ended = process.ended_ns is not None and process.ended_ns < end_ns
        end = axis.at(process.ended_ns or end_ns)
        how = process.start_method if process.start_method != "main" else "started first"
        if number % 2:
            parts.append(
                f'<rect class="band" x="0" y="{y - LANE / 2:.1f}" width="100%" height="{LANE}"/>'
            )
        parts += [
            f'<text class="who" x="14" y="{y - 8:.1f}">{_text(_short(process.name))}</text>',
            f'<text class="how" x="14" y="{y + 9:.1f}">pid {process.pid}, {_text(how)}</text>',
        ]
        if process.end:
            parts.append(f'<text class="how" x="14" y="{y + 25:.1f}">{_text(process.end)}</text>')
        parts.append(
            f'<line class="life" x1="{begin:.1f}" y1="{y:.1f}" x2="{end:.1f}" y2="{y:.1f}"/>'
        )
        if process.parent_pid in rows:
            parts.append(
                f'<line class="fork" x1="{begin:.1f}" y1="{rows[process.parent_pid]:.1f}" '
                f'x2="{begin:.1f}" y2="{y:.1f}"/>'
            )
        if ended:
            parts.append(
                f'<line class="end" x1="{end:.1f}" y1="{y - 8:.1f}" x2="{end:.1f}" '
                f'y2="{y + 8:.1f}"><title>{_text(process.end or "ended")}</title></line>'
            )
    return parts


def _short(name: str) -> str:
    return name if len(name) <= 22 else name[:21] + "…"


def _drop_lines(finding: Finding, times: list[int], axis: _Axis, height: float) -> list[str]:
    parts: list[str] = []
    places = zip(finding.steps, times, axis.steps, strict=True)
    for step, _, x in places:
        if step.role == "dropped":
            parts.append(
                f'<line class="drop" x1="{x:.1f}" y1="{TOP - 8:.0f}" x2="{x:.1f}" '
                f'y2="{height - BOTTOM:.0f}"/>'
                f'<text class="drop" x="{x:.1f}" y="{TOP - 14:.0f}">dropped</text>'
            )
    return parts


def _bars(bars: list[_Bar], rows: dict[int, float], axis: _Axis) -> list[str]:
    titles = {
        "held": "may use the object",
        "stale": "can still use it, after it was dropped",
        "victim": "another object in the same bytes",
    }
    parts: list[str] = []
    for bar in bars:
        begin, end = axis.at(bar.begin_ns), axis.at(bar.end_ns)
        if end > begin:
            parts.append(
                f'<rect class="bar {bar.kind}" x="{begin:.1f}" y="{rows[bar.pid] - BAR / 2:.1f}" '
                f'width="{end - begin:.1f}" height="{BAR}" rx="4">'
                f"<title>{titles[bar.kind]}</title></rect>"
            )
        if bar.name:
            y = rows[bar.pid] - BAR / 2 - 8
            parts.append(
                f'<text class="named" x="{begin + 2:.1f}" y="{y:.1f}">{_text(_short(bar.name))}'
                "</text>"
            )
    return parts


def _wrong_writes(
    finding: Finding, times: list[int], rows: dict[int, float], axis: _Axis
) -> list[str]:
    """An arrow from each use after the drop to the object that has the bytes by then."""
    victims = [
        (step, time)
        for step, time in zip(finding.steps, times, strict=True)
        if step.role == "victim" and step.pid in rows
    ]
    parts: list[str] = []
    for step, time, x in zip(finding.steps, times, axis.steps, strict=True):
        if step.role != "used" or step.pid not in rows:
            continue
        for victim, since in victims:
            if since <= time and victim.pid != step.pid:
                begin, end = rows[step.pid], rows[victim.pid or 0]
                way = 1 if end > begin else -1
                tip = end - way * BAR / 2
                parts.append(
                    f'<path class="wrong" d="M{x:.1f} {begin + way * MARK:.1f}V{tip - way * 6:.1f}"'
                    f'/><path class="tip" d="M{x - 5:.1f} {tip - way * 9:.1f}h10l-5 {way * 9}z"/>'
                )
    return parts


_WIDE = MARK + 3
_SHAPES: dict[Role, str] = {
    "created": f"M0 -{MARK}a{MARK} {MARK} 0 1 0 .01 0z",
    "handed": f"M-{MARK} -{MARK}h{MARK}l{MARK + 3} {MARK}l-{MARK + 3} {MARK}h-{MARK}z",
    "dropped": f"M-{MARK} -{MARK}h{2 * MARK}v{2 * MARK}h-{2 * MARK}z",
    "used": f"M0 -{MARK + 4}l{MARK + 4} {2 * MARK + 3}h-{2 * MARK + 8}z",
    "victim": f"M0 -{_WIDE}l{_WIDE} {_WIDE}l-{_WIDE} {_WIDE}l-{_WIDE} -{_WIDE}z",
    "noted": f"M0 -{MARK}a{MARK} {MARK} 0 1 0 .01 0z",
}


def _marks(
    finding: Finding,
    report: Report,
    known: dict[int, Process],
    rows: dict[int, float],
    axis: _Axis,
    prefix: str,
) -> list[str]:
    parts: list[str] = []
    for number, (step, x) in enumerate(zip(finding.steps, axis.steps, strict=True), 1):
        if step.pid not in rows:
            continue
        told = whole(step, report, known)
        low = 4 if step.role == "used" else 0
        parts.append(
            f'<a class="mark {step.role}" href="#{prefix}{number}" aria-label="{_text(told)}">'
            f"<title>{_text(told)}</title>"
            f'<g transform="translate({x:.1f} {rows[step.pid]:.1f})">'
            f'<circle class="hit" r="20"/><path d="{_SHAPES[step.role]}"/>'
            f'<text y="{4 + low}">{number}</text></g></a>'
        )
    return parts


def _times_below(
    times: list[int], axis: _Axis, report: Report, height: float, hidden: int
) -> list[str]:
    y = height - 12
    parts = [f'<text class="how" x="14" y="{y:.0f}">not to scale</text>']
    if hidden:
        more = f"{count(hidden, 'process')} more in the list below"
        parts = [f'<text class="how" x="14" y="{y:.0f}">not to scale; {more}</text>']
    if report.began_ns:
        for x, time in sorted(set(zip(axis.steps, times, strict=True))):
            shown = f"{(time - report.began_ns) / NS_PER_S:.3f} s"
            parts.append(f'<text class="when" x="{x:.1f}" y="{y:.0f}">{shown}</text>')
    return parts


def _text(text: str) -> str:
    return html.escape(clean(text))
