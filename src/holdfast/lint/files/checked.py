"""Checks one file, whatever is in it.

What it keeps true: the answer is a record that can be sent to another process, and never an
exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.lint import allow
from holdfast.lint.engine import check_module
from holdfast.lint.program.modules import Module, UnreadableError, read

if TYPE_CHECKING:
    from holdfast.findings import Finding
    from holdfast.lint.options import Options
    from holdfast.lint.program.modules import Project


# How many functions a note names.
_MOST_NAMES = 3


@dataclass(frozen=True)
class Checked:
    """What came of one file.

    Attributes:
        file: Its path.
        findings: What was found, as the options ask for.
        allowed: How many findings comments allow.
        note: Why it was not checked, or not to the end; "" if it was.
        failed: The checker itself failed on it.
        uses: Files of the project that the result depends on.
    """

    file: str
    findings: tuple[Finding, ...] = ()
    allowed: int = 0
    note: str = ""
    failed: bool = False
    uses: tuple[str, ...] = ()


def check_file(file: str, data: bytes, options: Options, project: Project) -> Checked:
    """Check one file, whatever is in it."""
    try:
        module = Module(file, data)
        project.add(module)
        unfinished: list[str] = []
        found = check_module(module, project, options, unfinished)
        kept, allowed = allow.apply(module, found, unused=options.unused_allows)
    except UnreadableError as error:
        return Checked(file, note=str(error))
    except Exception as error:  # noqa: BLE001 - a fault of ours, told as such; the rest goes on
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        return Checked(file, note=f"{file}: not checked: holdfast failed: {why}", failed=True)
    wanted = tuple(
        each
        for each in kept
        if options.sure_enough(each.confidence) and options.wants(each.code, each.hazard.slug)
    )
    note = _unfinished(file, unfinished) if unfinished else ""
    return Checked(file, wanted, allowed, note, uses=project.used_by(module))


def _unfinished(file: str, names: list[str]) -> str:
    """The line about functions that are too much to follow."""
    shown = ", ".join(names[:_MOST_NAMES])
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{file}: checked only in part: there are too many ways through {shown}{more}"


def check_path(file: str, options: Options, project: Project) -> Checked:
    """Read one file, and check it."""
    try:
        data = read(file)
    except UnreadableError as error:
        return Checked(file, note=str(error))
    return check_file(file, data, options, project)
