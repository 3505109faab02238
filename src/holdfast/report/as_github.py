"""A report as annotations of a GitHub workflow: lines that the runner shows beside the code.

What it keeps true: one line a finding, whatever is in its texts. What the format cannot hold (line
ends, `%`, and in properties `:` and `,`) is escaped as the runner unescapes it.

Source: GitHub Actions, "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.findings import Confidence, Finding, Report

_LEVELS: dict[Confidence, str] = {"high": "error", "medium": "warning", "low": "notice"}


def render(report: Report) -> str:
    """A report as workflow commands, one a line."""
    return "".join(f"{_line(each)}\n" for each in report.findings)


def _line(finding: Finding) -> str:
    place = finding.place
    properties = {"file": place.file, "line": place.line}
    if place.end_line:
        properties["endLine"] = place.end_line
    if place.column and place.end_line == place.line:  # columns are for findings on one line
        properties |= {"col": place.column, "endColumn": place.end_column}
    properties["title"] = f"{finding.code} {finding.hazard.slug}"
    text = finding.message + (f"\nInstead: {finding.fix}" if finding.fix else "")
    shown = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{_LEVELS[finding.confidence]} {shown}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: object) -> str:
    return _data(str(value)).replace(":", "%3A").replace(",", "%2C")
