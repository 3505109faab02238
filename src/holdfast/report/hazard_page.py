"""Reads a hazard's page: its title, its sections, its two programs.

What it keeps true: every page has the same sections in the same order, so that the reports, the
command `explain` and the tests can name them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.findings import Hazard

SECTIONS = ("What it is", "Why it bites", "Example", "Right way", "References")

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Page:
    """A hazard's page.

    Attributes:
        text: The whole page, Markdown.
        title: Its first line, without the mark of a heading.
        sections: Heading and text, in order.
    """

    text: str
    title: str
    sections: dict[str, str]

    @classmethod
    def of(cls, hazard: Hazard) -> Page:
        """The page of a hazard."""
        text = hazard.page()
        head, *rest = _HEADING.split(text)
        sections = dict(zip(rest[::2], map(str.strip, rest[1::2]), strict=True))
        return cls(text, head.strip().removeprefix("# "), sections)

    @property
    def summary(self) -> str:
        """What it is and why it bites, without marks, for readers that show plain text."""
        text = f"{self.sections['What it is']}\n\n{self.sections['Why it bites']}"
        return re.sub(r"(?<!\n)\n(?!\n)", " ", text.replace("`", ""))

    def programs(self, section: str) -> list[str]:
        """The Python programs of a section."""
        return _PROGRAM.findall(self.sections[section])
