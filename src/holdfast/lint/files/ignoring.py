"""Which paths of a tree are left out: `.gitignore` files, and patterns of the same form.

What it keeps true: a path is left out exactly if git would ignore it by the `.gitignore` files
from the top of the repository down to the path's folder, the last pattern that matches deciding.
Git itself need not be there.

Source: gitignore(5), PATTERN FORMAT.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Pattern:
    """One line of a `.gitignore`.

    Attributes:
        expression: Matches a path relative to `base`, with `/` between its parts.
        excludes: Whether a path that matches is left out, or (`!`) taken in again.
        folders_only: Whether it is about folders.
    """

    expression: re.Pattern[str]
    excludes: bool
    folders_only: bool

    @classmethod
    def of(cls, line: str) -> Pattern | None:
        """The pattern that a line says; None for blanks and comments."""
        line = line.rstrip("\n").rstrip("\r")
        if not line.endswith("\\ "):
            line = line.rstrip(" ")
        if not line or line.startswith("#"):
            return None
        excludes = not line.startswith("!")
        line = line if excludes else line[1:]
        folders_only = line.endswith("/")
        line = line.rstrip("/")
        anchored = "/" in line
        line = line.lstrip("/")
        if not line:
            return None
        prefix = "" if anchored else "(?:.*/)?"
        try:
            return cls(re.compile(prefix + _translated(line) + r"\Z"), excludes, folders_only)
        except re.error:
            return None


def _translated(glob: str) -> str:
    """A glob of git's as a regular expression."""
    out: list[str] = []
    at = 0
    while at < len(glob):
        if glob.startswith("**/", at) and (at == 0 or glob[at - 1] == "/"):
            out.append("(?:.*/)?")
            at += 3
        elif glob[at:] == "**" and (at == 0 or glob[at - 1] == "/"):
            out.append(".+")
            at += 2
        elif glob[at] == "*":
            out.append("[^/]*")
            at += 1
        elif glob[at] == "?":
            out.append("[^/]")
            at += 1
        elif glob[at] == "[" and "]" in glob[at + 2 :]:
            end = glob.index("]", at + 2)
            inner = glob[at + 1 : end].replace("\\", "\\\\")
            negated = inner.startswith(("!", "^"))
            out.append(f"[{'^' if negated else ''}{inner[1:] if negated else inner}]")
            at = end + 1
        elif glob[at] == "\\" and at + 1 < len(glob):
            out.append(re.escape(glob[at + 1]))
            at += 2
        else:
            out.append(re.escape(glob[at]))
            at += 1
    return "".join(out)


class Ignoring:
    """The patterns that are in force in a folder; those of the folders below come on top."""

    __slots__ = ("_base", "above", "patterns")

    def __init__(self, base: str, lines: list[str], above: Ignoring | None = None) -> None:
        self._base = _slashed(base).rstrip("/") + "/"
        self.above = above
        self.patterns = [each for line in lines if (each := Pattern.of(line)) is not None]

    def below(self, folder: str) -> Ignoring:
        """Those in force in a folder, its own `.gitignore` included."""
        try:
            with open(folder + "/.gitignore", encoding="utf-8", errors="replace") as stream:
                lines = stream.read().splitlines()
        except (OSError, ValueError):
            return self
        return Ignoring(folder, lines, self)

    def leaves_out(self, path: str, *, is_folder: bool) -> bool:
        """Whether an absolute path in such a folder is left out."""
        path = _slashed(path)
        level: Ignoring | None = self
        while level is not None:
            if level.patterns and path.startswith(level._base):
                answer = level._answer(path[len(level._base) :], is_folder)
                if answer is not None:
                    return answer
            level = level.above
        return False

    def _answer(self, relative: str, is_folder: bool) -> bool | None:
        for pattern in reversed(self.patterns):
            if (is_folder or not pattern.folders_only) and pattern.expression.match(relative):
                return pattern.excludes
        return None


def of_repository(folder: str) -> Ignoring:
    """The patterns in force in a folder: from the top of its repository down to itself."""
    chain = [folder, *above(folder)]
    top = next((each for each in chain if os.path.exists(os.path.join(each, ".git"))), folder)
    found = Ignoring(top, [])
    for each in reversed(chain[: chain.index(top) + 1]):
        found = found.below(each)
    return found


def above(path: str) -> list[str]:
    """The folders that an absolute path lies in, innermost first."""
    found: list[str] = []
    while True:
        parent = os.path.dirname(path)
        if parent == path:
            return found
        found.append(parent)
        path = parent


def _slashed(path: str) -> str:
    return path if os.sep == "/" else path.replace(os.sep, "/")
