"""Findings as SARIF 2.1.0, for code-scanning pages and editors.

A story becomes one code flow with one thread flow, in order of time: that is what viewers show,
although its steps come from several processes; each step's message names its process, and its
stack is whole. The rules are the hazards that were found, with their pages as help.

What it keeps true: paths below the working directory are relative URIs; a fingerprint is the same
in the next run and differs between two findings of one run.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0, errata 01.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from holdfast.report.hazard_page import Page
from holdfast.report.story import (
    about,
    frames,
    processes_by_pid,
    short_path,
    whole,
)
from holdfast.report.terminal import clean

if TYPE_CHECKING:
    from holdfast.findings import Confidence, Finding, Hazard, Place, Process, Report, Step

VERSION = "2.1.0"
SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
FINGERPRINT = "holdfast/v1"

# From the surest on.
LEVELS: dict[Confidence, str] = {"high": "error", "medium": "warning", "low": "note"}
PRECISIONS: dict[Confidence, str] = {"high": "very-high", "medium": "high", "low": "medium"}
# What a step does, in the vocabulary of SARIF, section 3.38.8.
KINDS = {
    "created": ["acquire", "resource"],
    "handed": ["call"],
    "dropped": ["release", "resource"],
    "used": ["danger", "memory"],
    "victim": ["caution", "memory"],
    "noted": ["unknown"],
}


def render(report: Report) -> str:
    """A report as a SARIF log with one run, on one line: programs read it."""
    log = {"$schema": SCHEMA, "version": VERSION, "runs": [_run(report)]}
    return json.dumps(log) + "\n"


def _run(report: Report) -> dict[str, Any]:
    hazards = sorted({finding.hazard for finding in report.findings}, key=lambda each: each.code)
    index = {hazard.code: number for number, hazard in enumerate(hazards)}
    seen: Counter[str] = Counter()
    results = [_result(finding, report, index, seen) for finding in report.findings]
    notes = [{"level": "note", "message": {"text": clean(note)}} for note in report.notes]
    invocation: dict[str, Any] = {"executionSuccessful": True}
    if notes:
        invocation["toolExecutionNotifications"] = notes
    return {
        "tool": {
            "driver": {
                "name": "holdfast",
                "version": report.version,
                "semanticVersion": report.version,
                "rules": [_rule(hazard, report) for hazard in hazards],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "results": results,
        "properties": {
            "command": report.tool,
            "program": [clean(word) for word in report.program],
            "python": report.python,
            "suppressed": report.suppressed,
        },
    }


def _rule(hazard: Hazard, report: Report) -> dict[str, Any]:
    page = Page.of(hazard)
    given = {finding.confidence for finding in report.findings if finding.code == hazard.code}
    surest: Confidence = next(confidence for confidence in LEVELS if confidence in given)
    return {
        "id": hazard.code,
        "name": hazard.slug,
        "shortDescription": {"text": f"{hazard.title[0].upper()}{hazard.title[1:]}."},
        "fullDescription": {"text": page.summary},
        "help": {"text": page.text, "markdown": page.text},
        "defaultConfiguration": {"level": LEVELS[surest]},
        "properties": {
            "precision": PRECISIONS[surest],
            "tags": ["correctness", "multiprocessing", "lifetime"],
        },
    }


def _result(
    finding: Finding, report: Report, index: dict[str, int], seen: Counter[str]
) -> dict[str, Any]:
    fingerprint = finding.fingerprint
    seen[fingerprint] += 1
    message = finding.message + (f"\n\nFix: {finding.fix}" if finding.fix else "")
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index[finding.code],
        "level": LEVELS[finding.confidence],
        "kind": "fail",
        "message": {"text": clean_lines(message)},
        "locations": [_location(finding.place)],
        "partialFingerprints": {FINGERPRINT: f"{fingerprint}:{seen[fingerprint]}"},
        "occurrenceCount": finding.count,
        "properties": {"confidence": finding.confidence},
    }
    if about(finding):
        result["properties"]["object"] = clean(about(finding))
    if finding.fix:
        result["properties"]["fix"] = clean_lines(finding.fix)
    if finding.steps:
        processes = processes_by_pid(report)
        flow = [
            _flow_location(step, finding, report, processes, number)
            for number, step in enumerate(finding.steps, 1)
        ]
        result["codeFlows"] = [{"threadFlows": [{"locations": flow}]}]
    return result


def _flow_location(
    step: Step, finding: Finding, report: Report, processes: dict[int, Process], number: int
) -> dict[str, Any]:
    text = clean(whole(step, report, processes))
    shown = frames(step, all_frames=False)
    place = _location(shown[0] if shown else finding.place)
    result: dict[str, Any] = {
        "location": {**place, "message": {"text": text}},
        "executionOrder": number,
        "importance": "essential",
        "kinds": KINDS[step.role],
    }
    if step.stack:
        result["stack"] = {
            "message": {"text": text},
            "frames": [{"location": _location(frame)} for frame in step.stack],
        }
    return result


def _location(place: Place) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri(place.file)}}
    if place.line > 0:
        physical["region"] = region = _region(place)
        if place.source:
            snippet = {"text": clean(place.source)}
            if "startColumn" in region:
                physical["contextRegion"] = {"startLine": place.line, "snippet": snippet}
            else:
                region["snippet"] = snippet
    location: dict[str, Any] = {"physicalLocation": physical}
    if place.function:
        name = clean(place.function)
        location["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "function"}]
    return location


def _region(place: Place) -> dict[str, Any]:
    region: dict[str, Any] = {"startLine": place.line}
    if place.column > 0:
        region["startColumn"] = place.column
    if place.end_line >= place.line:
        region["endLine"] = place.end_line
        if place.column > 0 and (place.end_line > place.line or place.end_column >= place.column):
            region["endColumn"] = max(place.end_column, 1)
    return region


def uri(name: str) -> str:
    """A path as a URI: relative where it lies below the working directory."""
    path = quote(short_path(name), safe="/", errors="surrogateescape")
    return f"file://{path}" if path.startswith("/") else path


def clean_lines(text: str) -> str:
    """A text of several lines, cleaned."""
    return "\n".join(map(clean, text.split("\n")))
