"""Findings of a run that the user does not want to see: which, where, and whether they are there.

A suppression is `WHAT`, `WHAT:FILE` or `WHAT:FILE:FUNCTION`. WHAT is a code, the beginning of one,
a slug, or `*`; FILE is the end of a path, or a pattern of one; FUNCTION is a function's name, with
its class or without. It means a finding if its place, or a frame of one of its stacks that is the
program's own, is there. They come from `--ignore` and from `suppress` in `[tool.holdfast]` of the
project's pyproject.toml; `ignore` there names hazards that no tool of the house reports, and a
comment `# holdfast: allow WHAT because ...` at a finding's place allows it, as it does for
`holdfast check`.

What it keeps true: a suppression that meant nothing is itself told of.
"""

from __future__ import annotations

import fnmatch
import linecache
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast import _toml
from holdfast.errors import HoldfastError
from holdfast.findings import codes, hazard_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from holdfast.findings import Finding, Place

_COMMENT = re.compile(
    r"#\s*holdfast:\s*allow\s+(?P<names>[\w-]+(?:\s*,\s*[\w-]+)*)\s*(?:because|--|:)\s*\S",
    re.IGNORECASE,
)


class SuppressionError(HoldfastError, ValueError):
    """A suppression cannot be understood.

    Cause: it names no hazard, or has more than three parts.
    Cure: what the text says; `holdfast explain` lists all codes and slugs.

    Attributes:
        text: The suppression.
        origin: Where it stands.
    """

    text: str
    origin: str

    def __init__(self, *, text: str, origin: str, why: str) -> None:
        self.text = text
        self.origin = origin
        super().__init__(
            f"{origin}: {text!r} {why}; expected CODE, CODE:FILE or CODE:FILE:FUNCTION, "
            "such as local-dropped:worker.py:start"
        )


@dataclass(frozen=True, slots=True)
class Suppression:
    """One of them.

    Attributes:
        text: As the user has written it.
        origin: Where: "--ignore", or a file.
        what: A code, the beginning of one, a slug or "*".
        file: The end of a path, or a pattern; "" for any.
        function: A function's name; "" for any.
        must_be_used: Whether it is told of if it meant nothing.
    """

    text: str
    origin: str
    what: str
    file: str = ""
    function: str = ""
    must_be_used: bool = True

    @classmethod
    def of(cls, text: str, origin: str, *, must_be_used: bool = True) -> Suppression:
        """What the user has written.

        Raises:
            SuppressionError: It cannot be understood.
        """
        what, *rest = (part.strip() for part in text.split(":"))
        if len(rest) > 2:
            raise SuppressionError(text=text, origin=origin, why="has more than three parts")
        if not _is_known(what):
            raise SuppressionError(text=text, origin=origin, why="names no hazard")
        file, function = [*rest, "", ""][:2]
        return cls(text, origin, what, file, function, must_be_used)

    def means(self, finding: Finding) -> bool:
        """Whether it is about a finding."""
        slug, code = finding.hazard.slug, finding.code
        if self.what not in {"*", slug} and not code.startswith(self.what.upper()):
            return False
        return not (self.file or self.function) or any(map(self._is_at, _places(finding)))

    def _is_at(self, place: Place) -> bool:
        path = Path(place.file).as_posix()
        there = (
            not self.file
            or path == self.file
            or path.endswith(f"/{self.file}")
            or fnmatch.fnmatch(path, self.file)
            or fnmatch.fnmatch(path, f"*/{self.file}")
        )
        name = place.function
        return there and (
            not self.function
            or self.function in {name, name.rpartition(".")[2]}
            or fnmatch.fnmatch(name, self.function)
        )


def _is_known(what: str) -> bool:
    if what == "*":
        return True
    if re.fullmatch(r"HF\d{0,3}", what.upper()):
        return any(code.startswith(what.upper()) for code in codes())
    try:
        hazard_of(what)
    except KeyError:
        return False
    return True


def _places(finding: Finding) -> Iterator[Place]:
    yield finding.place
    for step in finding.steps:
        yield from (place for place in step.stack if place.own)


def apply(
    findings: Iterable[Finding], suppressions: Iterable[Suppression]
) -> tuple[tuple[Finding, ...], int, tuple[str, ...]]:
    """Leave out what is suppressed.

    Returns:
        The findings that are left, how many were not, and notes about suppressions without use.
    """
    known = list(suppressions)
    used: set[Suppression] = set()
    left: list[Finding] = []
    count = 0
    for finding in findings:
        meant = [each for each in known if each.means(finding)]
        used.update(meant)
        if meant or _is_allowed(finding):
            count += finding.count
        else:
            left.append(finding)
    notes = tuple(
        f"the suppression {each.text!r} ({each.origin}) has suppressed nothing"
        for each in known
        if each.must_be_used and each not in used
    )
    return tuple(left), count, notes


def _is_allowed(finding: Finding) -> bool:
    """Whether a comment at its place allows it: on the line, or alone on the lines before."""
    place = finding.place
    lines = [linecache.getline(place.file, place.line)]
    number = place.line - 1
    while number > 0 and linecache.getline(place.file, number).lstrip().startswith("#"):
        lines.append(linecache.getline(place.file, number))
        number -= 1
    for line in lines:
        match = _COMMENT.search(line)
        if match is not None:
            names = re.split(r"\s*,\s*", match["names"])
            if finding.hazard.slug in names or finding.code in {name.upper() for name in names}:
                return True
    return False


# ---- where they come from ------------------------------------------------------------------------


def of_options(words: Iterable[str]) -> list[Suppression]:
    """Those of `--ignore`, of which each may hold several with commas between them.

    Raises:
        SuppressionError: One cannot be understood.
    """
    return [
        Suppression.of(part.strip(), "--ignore")
        for word in words
        for part in word.split(",")
        if part.strip()
    ]


def of_project(file: Path) -> list[Suppression]:
    """Those of a project: of its pyproject.toml.

    Raises:
        SuppressionError: One cannot be understood, or the file cannot.
    """
    try:
        table = _toml.table(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SuppressionError(
            text=file.name, origin=str(file), why=f"cannot be read ({error})"
        ) from None
    found: list[Suppression] = []
    for key in ("suppress", "ignore"):
        origin = f"{file}, {key}"
        words = _words(table.get(key, []))
        if words is None:
            raise SuppressionError(text=str(table[key]), origin=origin, why="is no list of strings")
        found += [Suppression.of(word, origin, must_be_used=key == "suppress") for word in words]
    return found


def _words(given: Any) -> list[str] | None:
    words: list[Any] = [given] if isinstance(given, str) else given
    strings = isinstance(given, (str, list)) and all(isinstance(word, str) for word in words)
    return words if strings else None
