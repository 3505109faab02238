"""The table `[tool.holdfast]` of a pyproject.toml, on every Python.

What it keeps true: what is read is what `tomllib` reads. Python 3.10 has none; there the package
`tomli` is asked if it is installed, and if it is not, the table is read here, as far as settings of
Holdfast go: names with strings, numbers, booleans and lists of them. What goes further is refused
with its line, never passed over. The rest of the file, other tools' tables, is not looked at.
"""

from __future__ import annotations

import importlib
import json
import re
from typing import Any, cast

_HEAD = re.compile(
    r"^[ \t]*\[[ \t]*tool[ \t]*\.[ \t]*holdfast[ \t]*\][ \t]*(?:#.*)?$", re.MULTILINE
)
_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_TABLE = re.compile(r"\[")
_KEY = re.compile(r"([A-Za-z0-9_-]+)[ \t]*=[ \t]*")
_END = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|$)")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"(?!")')
_LITERAL = re.compile(r"'([^'\n]*)'(?!')")
_WORD = re.compile(r"(?:true|false|[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?)(?![\w.+:-])")


def table(text: str) -> dict[str, Any]:
    """What the table has; empty if there is none. Lines of the text end with a line feed alone.

    Raises:
        ValueError: The text is no TOML, or cannot be read without a library that is not there.
    """
    for name in ("tomllib", "tomli"):
        try:
            reader: Any = importlib.import_module(name)
        except ImportError:
            continue
        return _inner(_inner(reader.loads(text), "tool"), "holdfast")
    return plain(text)


def _inner(outer: dict[str, Any], name: str) -> dict[str, Any]:
    inner: Any = outer.get(name, {})
    if not isinstance(inner, dict):
        raise ValueError(f"{name} is no table")  # noqa: TRY004 - the file's fault
    return cast("dict[str, Any]", inner)


def plain(text: str) -> dict[str, Any]:
    """The same, read here.

    Raises:
        ValueError: It cannot be.
    """
    head = _HEAD.search(text)
    found: dict[str, Any] = {}
    if head is None:
        return found
    at = _skip(_BLANK, text, head.end())
    while at < len(text) and not _TABLE.match(text, at):
        key = _KEY.match(text, at)
        if key is None or key[1] in found:
            raise _unread(text, at)
        found[key[1]], after = _value(text, key.end())
        end = _END.match(text, after)
        if end is None:
            raise _unread(text, after)
        at = _skip(_BLANK, text, end.end())
    return found


def _skip(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return at if match is None else match.end()


def _value(text: str, at: int) -> tuple[Any, int]:
    """A value, and where it ends."""
    if text.startswith("[", at):
        return _list(text, at + 1)
    if match := _STRING.match(text, at):
        try:  # escapes are those of JSON, and two more
            return json.loads(match[0], strict=False), match.end()
        except ValueError:
            raise _unread(text, at) from None
    if match := _LITERAL.match(text, at):
        return match[1], match.end()
    if match := _WORD.match(text, at):
        word = match[0]
        if word in {"true", "false"}:
            return word == "true", match.end()
        return (float(word) if "." in word else int(word)), match.end()
    raise _unread(text, at)


def _list(text: str, at: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    at = _skip(_BLANK, text, at)
    while not text.startswith("]", at):
        value, at = _value(text, at)
        found.append(value)
        at = _skip(_BLANK, text, at)
        if text.startswith(",", at):
            at = _skip(_BLANK, text, at + 1)
        elif not text.startswith("]", at):
            raise _unread(text, at)
    return found, at + 1


def _unread(text: str, at: int) -> ValueError:
    line = text.count("\n", 0, at) + 1
    return ValueError(
        f"line {line} cannot be read: without the package tomli, Python 3.10 reads strings, "
        "numbers, true, false and lists of them in [tool.holdfast]"
    )
