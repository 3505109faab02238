"""A report as GitLab's Code Quality artifact: what a merge request shows beside the changed lines.

What it keeps true: paths are relative to the current folder, without `./`, as GitLab matches them;
every entry has a fingerprint of its own, the same in the next run.

Source: GitLab documentation, "Code Quality", section "Code Quality report format".
"""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.findings import Confidence, Finding, Report

_SEVERITIES: dict[Confidence, str] = {"high": "major", "medium": "minor", "low": "info"}


def render(report: Report) -> str:
    """A report as a JSON list, with a newline at its end."""
    seen: Counter[str] = Counter()
    return json.dumps([_entry(each, seen) for each in report.findings], indent=2) + "\n"


def _entry(finding: Finding, seen: Counter[str]) -> dict[str, Any]:
    fingerprint = finding.fingerprint
    seen[fingerprint] += 1
    if seen[fingerprint] > 1:  # the same line twice in one function
        fingerprint = f"{fingerprint}-{seen[fingerprint]}"
    place = finding.place
    lines = {"begin": max(place.line, 1), "end": max(place.end_line, place.line, 1)}
    return {
        "description": finding.message,
        "check_name": f"{finding.code} {finding.hazard.slug}",
        "fingerprint": fingerprint,
        "severity": _SEVERITIES[finding.confidence],
        "location": {"path": _path(place.file), "lines": lines},
    }


def _path(file: str) -> str:
    path = os.path.relpath(file) if os.path.isabs(file) else os.path.normpath(file)  # noqa: PTH117
    return path.replace(os.sep, "/")
