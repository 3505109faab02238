"""Findings as one page: a list, a timeline for each story, stacks, and what each hazard is.

What it keeps true: the page is one file that loads nothing (its content security policy forbids
it), and all of it can be read without JavaScript: marks of a timeline are links, stacks are
`<details>`. The script only adds comfort: it closes what is long, opens what is clicked, moves
by arrow keys and filters the list.
"""

from __future__ import annotations

import base64
import hashlib
import html
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.report import prose
from holdfast.report.excerpt import Sources, marked_range
from holdfast.report.hazard_page import Page
from holdfast.report.story import (
    NS_PER_S,
    TOOLS,
    about,
    count,
    frames,
    processes_by_pid,
    short_path,
    spot,
    summary,
    told,
    totals,
)
from holdfast.report.terminal import clean, visible_line
from holdfast.report.timeline import timeline

if TYPE_CHECKING:
    from holdfast.findings import Finding, Place, Process, Report, Step

_HERE = Path(__file__).resolve().parent

# What the bars of a timeline mean, by their kind.
LEGEND = {
    "held": "may use the object",
    "stale": "still uses it after the drop",
    "victim": "another object in the same bytes",
}


def render(report: Report) -> str:
    """A report as one HTML page."""
    style, script = _part("page.css"), _part("page.js")
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}"
    title = f"{TOOLS.get(report.tool, report.tool)}: {_found(report)}"
    body = [_header(report), _overview(report)]
    body += [_finding(finding, report, n) for n, finding in enumerate(report.findings, 1)]
    body += [_processes(report), _hazards(report), _footer(report)]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{_text(title)}</title>",
            f"<style>{style}</style></head>",
            f"<body><main>{''.join(part for part in body if part)}</main>",
            f"<script>{script}</script></body></html>\n",
        ]
    )


@cache
def _part(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _text(text: str) -> str:
    return html.escape(clean(text))


def _found(report: Report) -> str:
    found = sum(finding.count for finding in report.findings)
    return count(found, "finding") if found else "no findings"


# ---- the head of the page -----------------------------------------------------------------------


def _header(report: Report) -> str:
    facts: list[tuple[str, str]] = []
    if report.program:
        what = "checked" if report.tool == "check" else "program"
        facts.append((what, " ".join(report.program)))
    if report.python:
        facts.append(("Python", report.python))
    if report.processes:
        facts.append(("processes", f"{len(report.processes):,}"))
    if report.ended_ns > report.began_ns:
        facts.append(("watched for", f"{(report.ended_ns - report.began_ns) / NS_PER_S:.3f} s"))
    if report.suppressed:
        facts.append(("suppressed", f"{report.suppressed:,}"))
    listed = "".join(f"<div><dt>{name}</dt><dd>{_text(fact)}</dd></div>" for name, fact in facts)
    tool = TOOLS.get(report.tool, report.tool)
    state = "found" if report.findings else "clean"
    return (
        f'<header><p class="tool">{_text(tool)}</p><h1 class="{state}">{_text(_found(report))}</h1>'
        f'<dl class="facts">{listed}</dl></header>'
    )


def _overview(report: Report) -> str:
    if not report.findings:
        return ""
    rows = [
        f'<li><a href="#f{number}"><span class="code">{finding.code}</span>'
        f'<span class="what"><b>{finding.hazard.slug}</b> {prose.coded(finding.message)}</span>'
        f'<span class="place">{_text(_short_spot(finding.place))}</span></a></li>'
        for number, finding in enumerate(report.findings, 1)
    ]
    return f'<nav aria-label="Findings"><ol class="list">{"".join(rows)}</ol></nav>'


def _short_spot(place: Place) -> str:
    return f"{short_path(place.file)}:{place.line}" if place.line else short_path(place.file)


# ---- a finding ----------------------------------------------------------------------------------


def _finding(finding: Finding, report: Report, number: int) -> str:
    hazard = finding.hazard
    more = f' <span class="times">{finding.count:,} times</span>' if finding.count > 1 else ""
    parts = [
        f'<article id="f{number}" tabindex="-1" aria-labelledby="h{number}">',
        f'<p class="kicker"><a class="code" href="#{hazard.code}">{hazard.code} {hazard.slug}</a>'
        f' <span class="confidence">{finding.confidence} confidence</span>{more}</p>',
        f'<h2 id="h{number}">{prose.coded(finding.message)}</h2>',
    ]
    if about(finding):
        parts.append(f'<p class="object">{prose.coded(about(finding))}</p>')
    if finding.fix:
        parts.append(_fix(finding.fix))
    if finding.steps:
        prefix = f"f{number}-"
        picture = timeline(finding, report, prefix)
        if picture:
            scroller = f'<div class="scroll">{picture}</div>'
            parts.append(f"<figure>{scroller}{_legend(picture)}</figure>")
        processes = processes_by_pid(report)
        parts.append('<ol class="steps">')
        parts += [
            _step(step, report, processes, f"{prefix}{index}", index)
            for index, step in enumerate(finding.steps, 1)
        ]
        parts.append("</ol>")
    else:
        parts.append(_excerpt(finding.place))
    parts.append(f'<p class="summary"><code>{_text(summary(finding))}</code></p></article>')
    return "\n".join(parts)


def _legend(picture: str) -> str:
    shown = {kind: text for kind, text in LEGEND.items() if f'class="bar {kind}"' in picture}
    items = "".join(f'<li><i class="bar {kind}"></i>{text}</li>' for kind, text in shown.items())
    return f'<figcaption><ul class="legend">{items}</ul></figcaption>' if items else ""


def _fix(fix: str) -> str:
    first, *rest = fix.split("\n")
    shown = f"<p><b>Fix</b> {prose.coded(first)}</p>"
    return f'<div class="fix">{shown}{prose.code(chr(10).join(rest)) if rest else ""}</div>'


def _step(step: Step, report: Report, processes: dict[int, Process], name: str, number: int) -> str:
    what, rest = told(step, report, processes)
    head = (
        f'<span class="badge {step.role}">{number}</span> <b>{prose.coded(what)}</b>'
        f' <span class="where">{prose.coded(rest)}</span>'
    )
    for place in frames(step, all_frames=False)[:1]:
        line = f"<code>{_text(place.source.strip())}</code>" if place.source else ""
        head += f' <span class="place">{_text(_short_spot(place))} {line}</span>'
    if not step.stack:
        return f'<li class="step" id="{name}"><p class="bare">{head}</p></li>'
    stack = "".join(f"<li>{_place(place)}</li>" for place in step.stack)
    return (
        f'<li class="step"><details open><summary>{head}</summary>'
        f'<div id="{name}" class="stack"><ol>{stack}</ol></div></details></li>'
    )


def _place(place: Place) -> str:
    kind = "own" if place.own else "library"
    source = prose.code(place.source.strip()) if place.source else ""
    return f'<div class="frame {kind}"><p>{_text(spot(place))}</p>{source}</div>'


def _excerpt(place: Place) -> str:
    """The place of a finding in source: with the range marked, if the file is still there."""
    lines = Sources().lines(place)
    if not lines:
        return _place(place)
    shown: list[str] = []
    for number, line in enumerate(lines, place.line):
        begin, end = marked_range(place, number, line)
        pieces = visible_line(line)
        before, meant, after = (
            html.escape("".join(part)) for part in (pieces[:begin], pieces[begin:end], pieces[end:])
        )
        mark = f"<mark>{meant}</mark>" if meant else ""
        shown.append(f'<span class="number">{number}</span>{before}{mark}{after}')
    code = "\n".join(shown)
    return f'<div class="frame own"><p>{_text(spot(place))}</p><pre><code>{code}</code></pre></div>'


# ---- the foot of the page -----------------------------------------------------------------------


def _processes(report: Report) -> str:
    if not report.processes:
        return ""
    known = processes_by_pid(report)
    rows: list[str] = []
    for process in report.processes:
        parent = known.get(process.parent_pid)
        begun = f"{(process.started_ns - report.began_ns) / NS_PER_S:.3f} s"
        ended = process.ended_ns
        over = f"{(ended - report.began_ns) / NS_PER_S:.3f} s" if ended is not None else "alive"
        cells = [
            process.name, str(process.pid), process.start_method,
            parent.name if parent else "", begun, over, process.end,
        ]  # fmt: skip
        rows.append("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in cells) + "</tr>")
    heads = ("process", "pid", "start method", "started by", "from", "to", "end")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    return (
        f'<section><h2>Processes</h2><div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _hazards(report: Report) -> str:
    hazards = sorted({finding.hazard for finding in report.findings}, key=lambda each: each.code)
    if not hazards:
        return ""
    parts = ["<section><h2>What these hazards are</h2>"]
    for hazard in hazards:
        sections = Page.of(hazard).sections
        told = "".join(f"<h3>{name}</h3>{prose.blocks(text)}" for name, text in sections.items())
        title = f"{hazard.title[0].upper()}{hazard.title[1:]}"
        parts.append(
            f'<details class="hazard" open><summary><span class="code">{hazard.code} {hazard.slug}'
            f'</span> {_text(title)}</summary><div id="{hazard.code}">{told}</div></details>'
        )
    return "".join([*parts, "</section>"])


def _footer(report: Report) -> str:
    notes = "".join(f"<li>{_text(note)}</li>" for note in report.notes)
    listed = f'<ul class="notes">{notes}</ul>' if notes else ""
    return (
        f"<footer>{listed}<p>{_text(totals(report))}. holdfast {_text(report.version)}</p></footer>"
    )
