"""Text on a terminal: its width in cells, colours where they are wanted, lines that fit.

What it keeps true: whatever a program calls its files and functions, and whatever bytes its source
holds, nothing that is printed moves the cursor, changes a colour or cannot be encoded.
"""

from __future__ import annotations

import re
import unicodedata

TAB_CELLS = 4
ELLIPSIS = "…"
# A line of which less would be seen is not cropped at all.
LEAST_ROOM = 20

# What may stand alone on a line. A number stays with what says what it is.
_WORDS = re.compile(r" *(?:\(pid [^ ]+|at [\d.]+ s\b[^ ]*|[^ ]+)| +$")
_RESET = "\x1b[0m"
_CODES = {"fault": "1;31", "strong": "1", "good": "32", "faint": "2", "name": "36", "mark": "1;33"}

# Categories that a terminal obeys, hides or cannot encode: control and format characters,
# surrogates, private use, unassigned, and the separators that some take for line ends.
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


class Paint:
    """Colours, or none: `paint("text", "fault")`."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def __call__(self, text: str, style: str) -> str:
        """The text in a style, which is one of the names in `_CODES`."""
        return f"\x1b[{_CODES[style]}m{text}{_RESET}" if self.colour and text else text


def cells(text: str) -> int:
    """How many columns of a terminal a clean text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def clean(text: str) -> str:
    """The text with everything visible: what no terminal should get is written as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _UNPRINTABLE:
        return character
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def visible_line(line: str) -> list[str]:
    """Each character of a source line as it is shown: tabs as blanks, the rest as by `clean`."""
    if line.isascii() and line.isprintable():
        return list(line)
    shown: list[str] = []
    column = 0
    for character in line:
        piece = " " * (TAB_CELLS - column % TAB_CELLS) if character == "\t" else _visible(character)
        shown.append(piece)
        column += cells(piece)
    return shown


def wrap(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Break a text into lines that fit, at blanks, and between wide characters.

    A word that is longer than a line (a path, most often) stays whole, so that it can be copied.
    A line break in the text is kept.

    Args:
        text: What to break; it is cleaned.
        width: Columns of a line.
        first: What the first line begins with; it is not cleaned, and counts.
        rest: What the other lines begin with.
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line, room = "", width - cells(first if not lines else rest)
        for piece in _pieces(clean(paragraph)):
            if line.strip() and cells((line + piece).rstrip()) > room:
                lines.append((first if not lines else rest) + line.rstrip())
                line, room = "", width - cells(rest)
                piece = piece.lstrip()
            line += piece
        lines.append(((first if not lines else rest) + line).rstrip())
    return lines


def _pieces(text: str) -> list[str]:
    """Where a text may be broken: before each of these."""
    if text.isascii():
        return _WORDS.findall(text)
    pieces: list[str] = []
    wide_before = False
    for character in text:
        wide = _cells(character) == 2
        if not pieces or wide or wide_before or (character == " " and pieces[-1].strip()):
            pieces.append(character)
        else:
            pieces[-1] += character
        wide_before = wide
    return pieces


def window(text: str, start: int, cut: int, room: int) -> str:
    """The cells from `start` on that fit into `room`; an ellipsis stands for what is cut off.

    Args:
        text: A clean text.
        start: The first cell.
        cut: How many cells at the beginning the ellipsis takes: 0 or 1.
        room: Columns.
    """
    room = max(room, LEAST_ROOM)
    if text.isascii() and not start:
        return text if len(text) <= room else text[: room - 1] + ELLIPSIS
    shown = ELLIPSIS if cut else ""
    column = 0
    for character in text:
        here, column = column, column + cells(character)
        if here < start + cut:
            continue
        shown += " " * (here - start - cells(shown)) + character
        if column - start > room:
            while cells(shown) > room - 1:
                shown = shown[:-1]
            return shown + ELLIPSIS
    return shown
