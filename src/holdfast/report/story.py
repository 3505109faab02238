"""What the formats say alike: who a process is, when a step was, how a path is shown.

What it keeps true: the same finding reads the same in a terminal, in SARIF and on a page.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.findings import Finding, Place, Process, Report, Role, Step

NS_PER_S = 1_000_000_000

# How a step begins. What detects writes what follows; where it has written the whole sentence,
# the beginning is not said twice.
OPENINGS: dict[Role, str] = {
    "created": "created",
    "handed": "handed",
    "dropped": "dropped",
    "used": "used",
    "victim": "victim:",
    "noted": "",
}

# How each tool is spoken of.
TOOLS = {"run": "holdfast run", "pytest": "pytest --holdfast", "check": "holdfast check"}


def sentence(step: Step) -> str:
    """What happened, from its role on: "handed to Process-1"."""
    opening = OPENINGS[step.role]
    bare = opening.rstrip(":")
    if not step.text:
        return bare
    if not opening or step.text.lower().startswith(bare):
        return step.text
    return f"{opening} {step.text}"


def processes_by_pid(report: Report) -> dict[int, Process]:
    """The processes; where a pid was used twice, the later one."""
    return {process.pid: process for process in report.processes}


def who(pid: int | None, processes: dict[int, Process]) -> str:
    """A process by name, pid and start method: "Process-1 (pid 4712, fork)"; "" if unknown."""
    if pid is None:
        return ""
    process = processes.get(pid)
    if process is None:
        return f"pid {pid}"
    how = "" if process.start_method == "main" else f", {process.start_method}"
    return f"{process.name} (pid {pid}{how})"


def when(step: Step, report: Report) -> str:
    """When a step was, since the watch began: "0.012 s"; "" if unknown."""
    if step.at_ns is None or not report.began_ns:
        return ""
    return f"{(step.at_ns - report.began_ns) / NS_PER_S:.3f} s"


def told(step: Step, report: Report, processes: dict[int, Process]) -> tuple[str, str]:
    """What happened, and where and when, as it follows: the two halves of a sentence.

    A sentence that names the process gets its pid there, and the process is not said twice.
    """
    text, process, time = sentence(step), who(step.pid, processes), when(step, report)
    known = processes.get(step.pid) if step.pid is not None else None
    if known is not None:
        named = re.compile(rf"(?<![\w-]){re.escape(known.name)}(?![\w-])(?! \()")
        text, times = named.subn(lambda _: process, text, count=1)
        process = "" if times else process
    rest = ", ".join(([f"in {process}"] if process else []) + ([f"at {time}"] if time else []))
    return text, rest


def whole(step: Step, report: Report, processes: dict[int, Process]) -> str:
    """What happened, where and when, in one sentence."""
    between = ", " if step.text else " "
    return between.join(filter(None, told(step, report, processes)))


def frames(step: Step, *, all_frames: bool) -> tuple[Place, ...]:
    """The frames to show: the program's own, or all; the innermost one where none is its own."""
    own = tuple(place for place in step.stack if place.own)
    return step.stack if all_frames else own or step.stack[:1]


def short_path(name: str) -> str:
    """A path as a reader here would type it: below the working directory without that."""
    try:
        here = str(Path.cwd())
    except OSError:
        return name  # the working directory has been removed
    return name[len(here) + 1 :] if name.startswith(here + os.sep) else name


def spot(place: Place) -> str:
    """A place as `file:line in function`, with what is known of it."""
    line = f":{place.line}" if place.line else ""
    function = f" in {place.function}" if place.function else ""
    return f"{short_path(place.file)}{line}{function}"


def summary(finding: Finding) -> str:
    """The line to search for, the same on every Python: the function is without its class."""
    place = finding.place
    line = f":{place.line}" if place.line else ""
    function = f" in {place.function.rpartition('.')[2]}" if place.function else ""
    name = f"{finding.code} {finding.hazard.slug}"
    return f"SUMMARY: holdfast: {name} {short_path(place.file)}{line}{function}"


def about(finding: Finding) -> str:
    """What the object is: its type, its size, what the program calls it; "" if unknown."""
    subject = finding.subject
    if subject is None:
        return ""
    text = subject.text or subject.kind
    if subject.size_bytes is not None and "byte" not in text:
        text += f", {count(subject.size_bytes, 'byte')}"
    if subject.names:
        text += f"; the program calls it {' or '.join(subject.names)}"
    return text


def count(number: int, thing: str) -> str:
    """A number and a word: "1 finding", "2 findings", "3 processes"."""
    ending = "" if number == 1 else "es" if thing.endswith("s") else "s"
    return f"{number:,} {thing}{ending}"


def totals(report: Report) -> str:
    """The last line: how many findings, of which hazards, in how many processes."""
    found = sum(finding.count for finding in report.findings)
    parts = [count(found, "finding") if found else "no findings"]
    if found:
        names: dict[str, int] = {}
        for finding in report.findings:
            name = f"{finding.code} {finding.hazard.slug}"
            names[name] = names.get(name, 0) + finding.count
        parts[0] += f" ({', '.join(f'{name}: {many}' for name, many in sorted(names.items()))})"
    if report.tool != "check":
        parts.append(f"{count(len(report.processes), 'process')} watched")
    if report.suppressed:
        parts.append(f"{report.suppressed:,} suppressed")
    return f"{TOOLS.get(report.tool, report.tool)}: {', '.join(parts)}"
