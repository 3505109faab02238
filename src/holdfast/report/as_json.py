"""Findings as JSON: the report itself, in the form that `holdfast report` reads back.

docs/report-schema.md describes the form, `schema.json` beside this file is its JSON Schema.

What it keeps true: the text is ASCII, whatever bytes a path has, so that it passes through any
pipe; and `findings.report_of` makes an equal report of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from holdfast.findings import as_data, report_of

if TYPE_CHECKING:
    from holdfast.findings import Report

SCHEMA = Path(__file__).resolve().parent / "schema.json"


def render(report: Report) -> str:
    """A report as one JSON object, with a newline at its end."""
    return json.dumps(as_data(report), indent=2) + "\n"


def read(text: str) -> Report:
    """The report of which `render` made this text.

    Raises:
        ValueError: It is no JSON, no report, or of another version; the text says which.
    """
    data: Any = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("not a holdfast report: its outermost value is no object")  # noqa: TRY004
    return report_of(cast(dict[str, Any], data))
