"""Findings as JSON: the report itself, in the form that `holdfast report` reads back.

docs/report-schema.md describes the form, `schema.json` beside this file is its JSON Schema.

What it keeps true: the text is ASCII, whatever bytes a path has, so that it passes through any
pipe; and `findings.report_of` makes an equal report of it.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from holdfast.findings import CONFIDENCES, Role, as_data, report_of

if TYPE_CHECKING:
    from holdfast.findings import Report

# What may stand in a field, by its annotation; records and sequences of them are walked.
_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "int | None": (int, type(None)),
    "tuple[str, ...]": (tuple,),
    "Confidence": (str,),
    "Role": (str,),
}
# No count of bytes, lines or nanoseconds is larger.
_LARGEST = 2**63
_WORDS: dict[str, tuple[str, ...]] = {"Confidence": CONFIDENCES, "Role": get_args(Role)}

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
    known = cast(dict[str, Any], data)
    report = report_of(known)
    _check(report, known, "report")
    return report


def _check(record: Any, data: Any, name: str) -> None:
    """Refuse a field that holds what it must not: a later version's, or a hand-written one."""
    for field in dataclasses.fields(record):
        value: Any = getattr(record, field.name)
        kind, where = str(field.type), f"{name}.{field.name}"
        written: Any = data.get(field.name, value)
        fits = isinstance(value, _KINDS.get(kind, object))
        if kind.startswith("int") and isinstance(value, int):
            fits = not isinstance(value, bool) and abs(value) <= _LARGEST
        if kind in _WORDS and value not in _WORDS[kind]:
            fits = False
        if isinstance(value, tuple) and not isinstance(written, list | tuple):
            fits = False  # a text, of which every letter would be an item
        if not fits:
            raise ValueError(f"not a holdfast report: {where} is {written!r}")
        if not isinstance(value, tuple):
            value, written = (value,), (written,)
        each: Any
        for number, each in enumerate(cast(Any, value)):
            if dataclasses.is_dataclass(each):
                _check(each, written[number], f"{where}[{number}]")
            elif kind == "tuple[str, ...]" and not isinstance(each, str):
                raise ValueError(f"not a holdfast report: {where}[{number}] is {each!r}")
