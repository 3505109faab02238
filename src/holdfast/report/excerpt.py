"""Lines of source as a finding shows them, with carets under the place that is meant.

What it keeps true: it shows a line only if it is the line that was meant. A file that has changed
since, is gone, or was never one (`<string>`) gives no excerpt, or the line from the record.
"""

from __future__ import annotations

import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.report.terminal import ELLIPSIS, LEAST_ROOM, Paint, cells, visible_line, window

if TYPE_CHECKING:
    from holdfast.findings import Place

# Of a statement that is longer, only the beginning and the end are shown.
MOST_LINES = 5


class Sources:
    """Source files, each read at most once."""

    def __init__(self) -> None:
        self._files: dict[str, list[str]] = {}

    def lines(self, place: Place) -> list[str]:
        """The lines of a place, without line ends; empty if they cannot be had."""
        first, last = place.line, max(place.line, place.end_line)
        found = self._file(place.file)[first - 1 : last] if first > 0 else []
        if found and place.source and found[0].strip() != place.source.strip():
            return []
        return found

    def _file(self, name: str) -> list[str]:
        if name not in self._files:
            self._files[name] = _read(name)
        return self._files[name]


def _read(name: str) -> list[str]:
    try:
        if not Path(name).is_file():
            return []
        with tokenize.open(name) as file:
            return [line.rstrip("\n") for line in file]
    except (OSError, SyntaxError, ValueError):
        return []  # no such file, no such encoding, or no text: the finding stands without


def excerpt(place: Place, sources: Sources, width: int, paint: Paint) -> list[str]:
    """The lines of a place with their numbers and carets; empty if there is no source."""
    lines = sources.lines(place)
    if not lines:
        if not place.source:
            return []
        margin = f" {place.line or '?'} |"
        text = "".join(visible_line(place.source))
        return [f"{paint(margin, 'faint')} {window(text, 0, 0, width - len(margin) - 1)}"]
    last = place.line + len(lines) - 1
    gutter = len(str(last))
    result: list[str] = []
    for number, line in enumerate(lines, place.line):
        if len(lines) > MOST_LINES and place.line + MOST_LINES - 2 <= number < last:
            if number > place.line + MOST_LINES - 2:
                continue
            result.append(f" {paint(ELLIPSIS.rjust(gutter) + ' |', 'faint')}")
            continue
        begin, end = marked_range(place, number, line)
        shown = visible_line(line)
        before = cells("".join(shown[:begin]))
        marked = max(cells("".join(shown[begin:end])), 1 if end > begin else 0)
        text, start = _crop("".join(shown), before, marked, width - gutter - 4)
        result.append(f" {paint(str(number).rjust(gutter) + ' |', 'faint')} {text}".rstrip())
        if marked:
            carets = paint("^" * min(marked, max(width - gutter - 4 - start, 1)), "mark")
            result.append(f" {paint(' ' * gutter + ' |', 'faint')} {' ' * start}{carets}")
    return result


def marked_range(place: Place, number: int, line: str) -> tuple[int, int]:
    """Which characters of a line are meant, from 0, the end excluded."""
    if place.column < 1:
        return 0, 0
    indentation = len(line) - len(line.lstrip())
    begin = min(place.column - 1, len(line)) if number == place.line else indentation
    if number == max(place.line, place.end_line):
        end = place.end_column - 1 if place.end_column else begin + 1
        end = min(max(end, begin + (number == place.line)), max(len(line), begin + 1))
    else:
        end = len(line.rstrip())
    return begin, max(end, begin)


def _crop(text: str, before: int, marked: int, room: int) -> tuple[str, int]:
    """As much of a line as fits, with the marked part in it, and the column where that begins."""
    room = max(room, LEAST_ROOM)
    if cells(text) <= room:
        return text, before
    start = 0 if before + marked <= room - 1 else max(before - room // 3, 0)
    return window(text, start, 1 if start else 0, room), before - start
