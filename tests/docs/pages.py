"""Reads the documentation: fenced blocks of a page, and what a block must print.

The conventions that the pages keep:

* ```` ```python ```` is a whole program. It is run from a file in an empty directory.
* ```` ```console ```` is a transcript: lines that begin with `$ ` are commands, run in the
  repository, the others are what they print.
* ```` ```text ```` directly after a program is everything that the program prints.
* ```` ```sh ```` is for the reader's hands (it installs or builds something) and is not run; so are
  `toml` and `yaml`, which are settings.
* A fence without a language is a figure.

`...` in an expected output stands for any text. Addresses, pids and moments are normalised on both
sides; where a pid is shown, lines may break elsewhere, since it may be shorter or longer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = frozenset({"python", "console", "text", "sh", "c", "toml", "yaml", ""})

FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# What differs from run to run, and what stands for it.
VARYING = {
    re.compile(r"0x[0-9a-f]+"): "0xADDRESS",
    re.compile(r"\bpid \d+"): "pid PID",
    re.compile(r"\bat \d+\.\d+ s\b"): "at MOMENT",
}


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, and the line it starts on."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Example:
    """A block that is run, and what it must print (None: it only must succeed)."""

    block: Block
    expected: str | None

    def __str__(self) -> str:
        return str(self.block)


def pages() -> list[Path]:
    """Every page of the documentation, the front pages included."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    source = page.read_text(encoding="utf-8")
    return [
        Block(page, source.count("\n", 0, match.start()) + 1, match[1], match[2])
        for match in FENCE.finditer(source)
    ]


def examples(page: Path) -> list[Example]:
    """The programs and transcripts of a page, each with its expected output."""
    found = []
    sequence = blocks(page)
    for block, following in zip_longest(sequence, sequence[1:]):
        if block.language == "python":
            shown = following is not None and following.language == "text"
            found.append(Example(block, following.text if shown and following else None))
        elif block.language == "console":
            found.append(Example(block, None))
    return found


def transcript(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output shown under it."""
    parts = re.split(r"^\$ (.+)\n", text, flags=re.MULTILINE)
    assert not parts[0].strip(), f"output before the first command: {parts[0]!r}"
    return list(zip(parts[1::2], parts[2::2], strict=True))


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def matches(expected: str, printed: str) -> bool:
    """Whether the output is what the page shows: `...` is any text, spaces at ends do not count."""
    wanted, found = normalised(expected), normalised(printed)
    pattern = ".*?".join(re.escape(part) for part in wanted.split("..."))
    return re.fullmatch(pattern, found, re.DOTALL) is not None


def normalised(text: str) -> str:
    """A text without what differs from run to run."""
    for varying, fixed in VARYING.items():
        text = varying.sub(fixed, text)
    if "pid PID" in text:
        return " ".join(text.split())
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
