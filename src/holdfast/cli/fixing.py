"""What `holdfast check --fix` does: changes files, or shows how it would.

What it keeps true: a file is written only if it still is what was checked, whole or not at all,
with the permissions that it had. With `--diff` nothing is written.
"""

from __future__ import annotations

import difflib
import io
import os
import sys
import tempfile
import tokenize
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.cli import output
from holdfast.lint.fixes import Fixed, FixesUnavailableError, available, fix_source
from holdfast.lint.program.modules import UnreadableError

if TYPE_CHECKING:
    import argparse

    from holdfast.findings import Finding
    from holdfast.lint.files.tree import Outcome
    from holdfast.lint.options import Options


@dataclass(frozen=True)
class Changes:
    """What fixing came to.

    Attributes:
        outcome: The outcome with what is still to be reported.
        fixed: How many findings were fixed, or would be.
        files: In how many files.
        notes: Files that could not be fixed, and why.
    """

    outcome: Outcome
    fixed: int
    files: int
    notes: tuple[str, ...] = ()


def wanted(given: argparse.Namespace) -> bool:
    """Whether the command line asks for fixes."""
    return bool(given.fix or given.unsafe_fixes or given.diff)


def fix_all(given: argparse.Namespace, outcome: Outcome) -> Changes:
    """Fix the files of an outcome, or print what would change.

    Raises:
        FixesUnavailableError: libcst is not installed.
        OSError: A file cannot be written.
    """
    if not available():
        raise FixesUnavailableError
    left: list[Finding] = []
    notes: list[str] = []
    fixed = files = 0
    for file in dict.fromkeys(each.place.file for each in outcome.report.findings):
        mine = [each for each in outcome.report.findings if each.place.file == file]
        try:
            data = Path(file).read_bytes()
            result = fix_source(data, file, outcome.options, unsafe=given.unsafe_fixes)
        except (OSError, UnreadableError) as error:
            notes.append(f"{file}: not fixed: {error}")
            left += mine
            continue
        if result.data == data:
            left += mine
            continue
        fixed += len(result.done)
        files += 1
        left += result.left
        if given.diff:
            output.write(difference(data, result.data, file))
        else:
            _write(Path(file), data, result.data)
    report = replace(outcome.report, findings=tuple(left))
    return Changes(replace(outcome, report=report), fixed, files, tuple(notes))


def fix_standard_input(given: argparse.Namespace, options: Options, data: bytes) -> Fixed:
    """Fix a text from standard input, and print it, changed or not; or print the difference.

    Raises:
        UnreadableError: It cannot be parsed.
        FixesUnavailableError: libcst is not installed.
    """
    name = given.stdin_filename or "<stdin>"
    result = fix_source(data, name, options, unsafe=given.unsafe_fixes)
    if given.diff:
        output.write(difference(data, result.data, name))
    else:
        sys.stdout.buffer.write(result.data)
        sys.stdout.buffer.flush()
    return result


def difference(old: bytes, new: bytes, file: str) -> str:
    """Two texts of a file as a unified diff."""
    lines = difflib.unified_diff(
        _text(old).splitlines(keepends=True), _text(new).splitlines(keepends=True), file, file
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _text(data: bytes) -> str:
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding, "replace")


def _write(path: Path, old: bytes, new: bytes) -> None:
    path = path.resolve()
    if path.read_bytes() != old:
        raise OSError(f"{path} has changed meanwhile, and is left as it is")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(new)
        Path(name).chmod(path.stat().st_mode & 0o7777)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
