"""Fixes: changes a program so that a finding is gone, and nothing else.

What it keeps true: a fix is only proposed here; whether it is one, the checker decides. Each
proposal is a change of the concrete syntax tree, in which blanks and comments stay as they are; the
changed text is compiled and checked again, and taken only if the finding is gone and there is no
new one, not even one of low confidence. So what is left after a fix has been judged like any other
program, and fixing it again finds nothing to do.

editor.py changes the tree; keeping.py, segments.py and processes.py hold the proposals, by code.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from holdfast.errors import HoldfastError
from holdfast.lint import allow
from holdfast.lint.engine import check_module
from holdfast.lint.program.modules import Module, Project, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Finding
    from holdfast.lint.options import Options

# More than any file needs; a guard against going round in circles.
_MOST = 200


class FixesUnavailableError(HoldfastError, ImportError):
    """Fixing needs libcst, which is not installed.

    Cause: `holdfast check` needs nothing but Python, but changing source without touching its
    layout needs a library for it. Cure: `pip install "holdfast[check]"`.
    """

    def __init__(self) -> None:
        super().__init__(
            "fixing needs libcst, which is not installed; checking does not. Install it with: "
            'pip install "holdfast[check]"'
        )


@dataclass(frozen=True)
class Fixed:
    """What became of a file.

    Attributes:
        data: Its bytes, changed or not.
        done: The findings that are fixed.
        left: Those that are still there, as the options ask for.
    """

    data: bytes
    done: tuple[Finding, ...]
    left: tuple[Finding, ...]


def available() -> bool:
    """Whether libcst is installed."""
    return importlib.util.find_spec("libcst") is not None


def fix_source(data: bytes, file: str, options: Options, *, unsafe: bool = False) -> Fixed:
    """Fix what can be fixed in one file.

    Args:
        data: The file as it is.
        file: Its path: for findings, and for the modules that it imports.
        options: Which findings.
        unsafe: Make changes that the program's behaviour might depend on, too.

    Returns:
        The new text, and what was and was not fixed.

    Raises:
        UnreadableError: It cannot be parsed.
        FixesUnavailableError: libcst is not installed.
    """
    if not available():
        raise FixesUnavailableError
    from holdfast.lint.fixes.proposals import proposals

    found = _check(data, file, options)
    done: list[Finding] = []
    hopeless: set[str] = set()
    for _ in range(_MOST):
        wanted = [each for each in found if _is_wanted(each, options)]
        open_ = [each for each in wanted if each.fingerprint not in hopeless]
        if not open_:
            break
        finding = open_[0]
        for changed in proposals(finding, data, unsafe=unsafe):
            better = _better(changed, file, options, found, finding)
            if better is not None:
                done.append(finding)
                data, found = changed, better
                break
        else:
            hopeless.add(finding.fingerprint)
    left = [each for each in found if _is_wanted(each, options)]
    return Fixed(data, tuple(done), tuple(left))


def _better(
    data: bytes, file: str, options: Options, before: list[Finding], fixed: Finding
) -> list[Finding] | None:
    """The findings of a changed text, if it is better than before by the one that was meant."""
    try:
        compile(data, file, "exec", dont_inherit=True)
        after = _check(data, file, options)
    except (UnreadableError, SyntaxError, ValueError):
        return None
    old, new = Counter(_kinds(before)), Counter(_kinds(after))
    if new - old or new[fixed.code] >= old[fixed.code]:
        return None
    return after


def _kinds(findings: list[Finding]) -> Iterator[str]:
    return (each.code for each in findings)


def _check(data: bytes, file: str, options: Options) -> list[Finding]:
    """All findings of a text, those of low confidence and those not asked for too."""
    module = Module(file, data)
    project = Project()
    project.add(module)
    everything = replace(options, select=(), ignore=(), min_confidence="low")
    found = check_module(module, project, everything)
    kept, _ = allow.apply(module, found, unused=False)
    return list(kept)


def _is_wanted(finding: Finding, options: Options) -> bool:
    return options.sure_enough(finding.confidence) and options.wants(
        finding.code, finding.hazard.slug
    )
