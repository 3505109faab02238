"""The grammars, one a file: each is a module with what `program.Grammar` asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lint.generator.grammars import (
    dropped,
    ends,
    executors,
    inline,
    keeps,
    managers,
    names,
    pools,
    sending,
    several,
    views,
)

if TYPE_CHECKING:
    from tests.lint.generator.program import Grammar

# Each with its part of the programs.
GRAMMARS: dict[str, tuple[Grammar, float]] = {
    "dropped": (dropped, 0.2),
    "inline": (inline, 0.1),
    "several": (several, 0.15),
    "keeps": (keeps, 0.1),
    "names": (names, 0.1),
    "ends": (ends, 0.05),
    "managers": (managers, 0.1),
    "sending": (sending, 0.05),
    "pools": (pools, 0.1),
    "executors": (executors, 0.05),
    "views": (views, 0.05),
}
