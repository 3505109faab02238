"""`holdfast explain`: the page of a hazard, or the list of all.

The pages are Markdown and are printed as they are: they read well, and no pager gets between the
reader and the next command.
"""

from __future__ import annotations

import difflib
import re
import sys
from typing import TYPE_CHECKING

from holdfast.cli import USAGE, parser_of
from holdfast.cli.output import write
from holdfast.findings import GROUPS, HAZARDS, Hazard, hazard_of

if TYPE_CHECKING:
    from collections.abc import Sequence

DESCRIPTION = """\
Prints the page of a hazard: what it is, why it bites, a program that shows
it, the right way to write it, and references. Without an argument: all
hazards, one a line.
"""

EPILOG = """\
A finding names its hazard by a code and a slug; both work here.

examples:
  holdfast explain HF102            by code
  holdfast explain local-dropped    by slug
  holdfast explain HF1              a whole group
  holdfast explain | grep queue     search the list
  holdfast explain HF102 | less     a pager, if you want one

exit status:
  0; 2 if there is no such hazard
"""

# How near a word must be to be offered instead, and how many are.
CUTOFF = 0.5
MOST_OFFERS = 3


def main(arguments: Sequence[str]) -> int:
    """Print pages; see the module.

    Args:
        arguments: What follows `explain` on the command line.

    Returns:
        The exit status.

    Raises:
        SystemExit: Wrong usage, or --help.

    Version: 0.1.
    """
    parser = parser_of("holdfast explain", "[CODE | slug] ...", DESCRIPTION, EPILOG)
    parser.add_argument("hazards", nargs="*", metavar="CODE|slug", help="the hazards to explain")
    options = parser.parse_args(arguments)
    pages: list[str] = []
    for name in options.hazards:
        if re.fullmatch(r"HF\d{0,2}", name.upper()) and _listing(name.upper()):
            pages.append(_listing(name.upper()))
            continue
        try:
            pages.append(hazard_of(name.strip().rstrip(":")).page())
        except KeyError:
            write(f"holdfast explain: {_unknown(name)}\n", sys.stderr)
            return USAGE
    write("\n".join(pages or [overview()]))
    return 0


def overview() -> str:
    """All hazards, one a line, by group."""
    return f"{_listing('HF')}\nholdfast explain CODE prints a hazard's page.\n"


def _listing(prefix: str) -> str:
    """The hazards whose codes begin so, by group; "" if there are none."""
    lists: list[str] = []
    for group, title in GROUPS.items():
        lines = [
            _line(hazard)
            for hazard in HAZARDS
            if hazard.code.startswith(prefix) and hazard.code.startswith(group)
        ]
        if lines:
            lists.append("\n".join([f"{group}xx  {title}", *lines]) + "\n")
    return "\n".join(lists)


def _line(hazard: Hazard) -> str:
    return f"  {hazard.code}  {hazard.slug:<23} {hazard.title}"


def _unknown(name: str) -> str:
    """What is wrong with a name, and which ones are near it."""
    names = [word for hazard in HAZARDS for word in (hazard.slug, hazard.code)]
    near = difflib.get_close_matches(name.lower(), names, MOST_OFFERS, CUTOFF)
    near += difflib.get_close_matches(name.upper(), names, MOST_OFFERS, CUTOFF)
    near += [hazard.slug for hazard in HAZARDS if name and name.lower() in hazard.slug]
    offers = [f"  {hazard.code}  {hazard.slug}" for hazard in HAZARDS if _meant(hazard, near)]
    text = f"there is no hazard {name!r}"
    if offers:
        return "\n".join([f"{text}; near it are:", *offers])
    return f"{text}; holdfast explain lists them all"


def _meant(hazard: Hazard, near: Sequence[str]) -> bool:
    """Whether a hazard is one of those that were meant, by code or slug."""
    return hazard.code in near or hazard.slug in near
