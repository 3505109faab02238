"""What a grammar is: words for each part of a program, and how they are spelled as one.

What it keeps true: a program marks the lines on which a finding may stand about the object in
question. What is said of any other line is said of something that is all right.
"""

from __future__ import annotations

import itertools
import random
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# The end of a line on which a finding about the object in question may stand.
HERE = "  # in question"

# Of so many programs drawn by chance the one with the most new pairs of words is taken.
_DRAWN = 12


class Choice:
    """A word for each part of a program, as attributes."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self.words = dict(words)

    def __getattr__(self, name: str) -> str:
        try:
            return self.__dict__["words"][name]
        except KeyError:
            raise AttributeError(name) from None

    def pairs(self) -> set[tuple[tuple[str, str], tuple[str, str]]]:
        """Each two words of it."""
        return set(itertools.combinations(self.words.items(), 2))

    def __str__(self) -> str:
        return " / ".join(self.words.values())


class Grammar(Protocol):
    """What every file under `grammars` offers.

    Attributes:
        CODES: What such a program may be found guilty of.
        PARTS: The words for each part of a program.
    """

    CODES: tuple[str, ...]
    PARTS: Mapping[str, Iterable[str]]

    def makes_sense(self, choice: Choice) -> bool:
        """Whether a choice is a program at all."""
        ...

    def spell(self, choice: Choice) -> str:
        """The program."""
        ...


@dataclass(frozen=True)
class Program:
    """A program of a grammar."""

    grammar: str
    choice: Choice
    codes: tuple[str, ...]
    text: str

    def lines(self) -> set[int]:
        """Those on which a finding about the object in question may stand."""
        lines = enumerate(self.text.splitlines(), 1)
        return {number for number, line in lines if line.endswith(HERE)}

    def __str__(self) -> str:
        return f"{self.grammar}: {self.choice}"


def choices(grammar: Grammar, count: int, seed: int, slow: float = 1.0) -> list[Choice]:
    """Different choices, early ones with as many pairs of words as can be.

    Args:
        grammar: Whose.
        count: How many, if there are so many.
        seed: Of the chance.
        slow: The part that may start interpreters: spawn.
    """
    chance = random.Random(seed)
    parts = {name: list(words) for name, words in grammar.PARTS.items()}
    seen: set[str] = set()
    met: set[tuple[tuple[str, str], tuple[str, str]]] = set()
    found: list[Choice] = []
    spawned = 0
    for _ in range(count):
        drawn: dict[str, Choice] = {}
        for _ in range(400):  # drawings, of which many make no sense
            one = Choice({name: chance.choice(words) for name, words in parts.items()})
            if str(one) in seen or not grammar.makes_sense(one):
                continue
            if one.words.get("method") == "spawn" and spawned >= slow * count:
                continue
            drawn[str(one)] = one
            if len(drawn) == _DRAWN:
                break
        if not drawn:
            break
        best = max(drawn.values(), key=lambda each: len(each.pairs() - met))
        spawned += best.words.get("method") == "spawn"
        seen.add(str(best))
        met |= best.pairs()
        found.append(best)
    return found


def indented(text: str, depth: int = 1) -> str:
    """Lines, that much deeper."""
    return textwrap.indent(text, "    " * depth)


def marked(text: str, when: Callable[[str], bool]) -> str:
    """The same with a mark on some lines."""
    return "\n".join(f"{line}{HERE}" if when(line) else line for line in text.split("\n"))
