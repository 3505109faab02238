"""Comments that allow a finding: `# holdfast: allow local-dropped because the pool outlives it`.

What it keeps true: nothing is allowed without a reason, and a comment that allows what is not
there is itself reported. A comment speaks for the statement that it stands on, on whichever of its
lines, or for the next one if it has a line of its own.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.findings import Finding, Place, hazard_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.lint.program.modules import Module

_COMMENT = re.compile(
    r"#\s*holdfast:\s*allow\b\s*(?P<names>[\w-]+(?:\s*,\s*[\w-]+)*)?"
    r"(?P<rest>.*)$",
    re.IGNORECASE,
)
_REASON = re.compile(r"^\s*(?:because|--|:)\s*\S.*$", re.IGNORECASE)

WITHOUT_REASON = "HF001"
UNUSED = "HF002"


@dataclass
class Allowance:
    """One comment.

    Attributes:
        names: The codes and slugs that it allows.
        place: Where it stands.
        lines: The lines that it speaks for.
        problem: What is wrong with it; "" if nothing is.
        used: Which of the names have allowed something.
    """

    names: tuple[str, ...]
    place: Place
    lines: range
    problem: str = ""
    used: set[str] = field(default_factory=set[str])


def apply(module: Module, findings: list[Finding], *, unused: bool) -> tuple[list[Finding], int]:
    """Leave out what comments allow.

    Args:
        module: The file.
        findings: All that was found in it, whatever its confidence.
        unused: Whether comments that allow nothing are reported.

    Returns:
        The findings that are left, with those about the comments themselves, and how many were
        allowed.
    """
    allowances = list(_allowances(module)) if "holdfast:" in module.text else []
    if not allowances:
        return findings, 0
    left: list[Finding] = []
    for each in findings:
        matching = [a for a in allowances if not a.problem and _allows(a, each)]
        for allowance in matching:
            allowance.used |= {each.code, each.hazard.slug}
        if not matching:
            left.append(each)
    count = len(findings) - len(left)
    for allowance in allowances:
        left += _about(allowance, unused=unused)
    return sorted(left, key=lambda each: (each.place.line, each.place.column, each.code)), count


def _allows(allowance: Allowance, finding: Finding) -> bool:
    meant = {finding.code, finding.hazard.slug}
    return finding.place.line in allowance.lines and any(
        name in meant or name.upper() in meant for name in allowance.names
    )


def _about(allowance: Allowance, *, unused: bool) -> Iterator[Finding]:
    if allowance.problem:
        yield Finding(
            WITHOUT_REASON,
            allowance.problem,
            allowance.place,
            fix="# holdfast: allow <name> because <why it is safe here>",
        )
    elif unused:
        for name in allowance.names:
            if name not in allowance.used and name.upper() not in allowance.used:
                yield Finding(
                    UNUSED,
                    f"nothing on this line is {name}: the comment allows what is not there",
                    allowance.place,
                    fix="remove the comment",
                )


def _allowances(module: Module) -> Iterator[Allowance]:
    spans: list[range] | None = None
    for token in _comments(module.text):
        match = _COMMENT.search(token.string)
        if match is None:
            continue
        if spans is None:
            spans = _statements(module.tree)
        row, column = token.start
        start = column + match.start()
        line = module.lines[row - 1]
        place = Place(
            module.file,
            row,
            start + 1,
            row,
            column + len(token.string) + 1,
            source=line.strip(),
        )
        names = tuple(re.split(r"\s*,\s*", match["names"])) if match["names"] else ()
        alone = not line[:column].strip()
        yield Allowance(
            names, place, _speaks_for(row, spans, alone), _problem(names, match["rest"])
        )


def _problem(names: tuple[str, ...], rest: str) -> str:
    if not names or names == ("because",):
        return "the comment does not say what it allows"
    strangers = [name for name in names if not is_hazard(name)]
    if strangers:
        return f"there is no hazard called {strangers[0]!r}"
    if not _REASON.match(rest):
        return f"the comment allows {', '.join(names)}, but does not say why: a reason is required"
    return ""


def is_hazard(name: str) -> bool:
    """Whether a hazard has this code or slug."""
    try:
        hazard_of(name)
    except KeyError:
        return False
    return True


def _comments(text: str) -> Iterator[tokenize.TokenInfo]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and "holdfast:" in token.string:
                yield token
    except (tokenize.TokenError, SyntaxError, IndexError):
        return  # what the parser has accepted; the comments so far count


def _statements(tree: ast.Module) -> list[range]:
    """The lines of each statement; of a compound one, those of its head."""
    found: list[range] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            last = node.end_lineno or node.lineno
            body: list[ast.stmt] = getattr(node, "body", [])
            if body:
                last = max(node.lineno, *_head_lines(node, body))
            found.append(range(node.lineno, last + 1))
    return found


def _head_lines(node: ast.stmt, body: list[ast.stmt]) -> Iterator[int]:
    """The last lines of what stands in the head of a compound statement."""
    yield node.lineno
    for child in ast.walk(node):
        line: int | None = getattr(child, "end_lineno", None)
        if line is not None and line < body[0].lineno:
            yield line


def _speaks_for(row: int, spans: list[range], alone: bool) -> range:
    around = [span for span in spans if row in span]
    if around:
        return min(around, key=len)
    if alone:
        after = [span for span in spans if span.start > row]
        if after:
            return min(after, key=lambda span: (span.start, len(span)))
    return range(row, row + 1)
