"""Which files a check looks at.

What it keeps true: a file that is named is looked at, whatever it is called and whoever ignores
it, unless `exclude` says otherwise. Below a folder it is the `*.py` files that neither a
`.gitignore` nor `exclude` leaves out, each once, in order of their names. Symbolic links to
folders are not followed.
"""

from __future__ import annotations

import os
from operator import attrgetter
from typing import TYPE_CHECKING

from holdfast.lint.files import ignoring

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.lint.files.ignoring import Ignoring

# Folders that hold no source of the project's own.
NEVER = {
    ".git", ".hg", ".svn", ".bzr", "__pycache__", ".venv", "venv", ".tox", ".nox", "node_modules",
    ".mypy_cache", ".ruff_cache", ".pytest_cache", ".holdfast_cache", ".eggs", "__pypackages__",
    ".direnv", ".ipynb_checkpoints",
}  # fmt: skip

SUFFIXES = (".py", ".pyw")


def discover(
    paths: Sequence[str], exclude: Sequence[str] = (), *, gitignore: bool = True
) -> Iterator[str]:
    """The files to look at.

    Args:
        paths: Files and folders.
        exclude: Patterns in the form of a `.gitignore`, relative to the current folder.
        gitignore: Whether `.gitignore` files count.

    Raises:
        FileNotFoundError: A path does not exist.
    """
    excluded = ignoring.Ignoring(os.getcwd(), list(exclude))
    seen: set[str] = set()
    for path in paths:
        absolute = os.path.abspath(path)
        if os.path.isdir(path):
            rules = ignoring.of_repository(absolute) if gitignore else None
            found = _below(path, absolute, rules, excluded, top=True)
        elif os.path.exists(path):
            found = iter([path] if not _excluded(absolute, excluded) else [])
        else:
            raise FileNotFoundError(path)
        for file in found:
            if file not in seen:
                seen.add(file)
                yield file


def _excluded(path: str, excluded: Ignoring) -> bool:
    if excluded.leaves_out(path, is_folder=False):
        return True
    return any(excluded.leaves_out(each, is_folder=True) for each in ignoring.above(path))


def _below(
    shown: str, folder: str, rules: Ignoring | None, excluded: Ignoring, *, top: bool = False
) -> Iterator[str]:
    """The files below a folder; `shown` is how the user named it."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=attrgetter("name"))
    except OSError:
        return  # not ours to read
    if not top and any(entry.name == "pyvenv.cfg" for entry in entries):
        return  # a virtual environment under another name
    before = "" if shown in {"", "."} else f"{shown.rstrip('/')}/"
    for entry in entries:
        name = entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if is_folder:
            if name in NEVER:
                continue
        elif not name.endswith(SUFFIXES):
            continue
        path = f"{folder}/{name}"
        if rules is not None and rules.leaves_out(path, is_folder=is_folder):
            continue
        if excluded.patterns and excluded.leaves_out(path, is_folder=is_folder):
            continue
        if is_folder:
            inner = rules.below(path) if rules is not None else None
            yield from _below(before + name, path, inner, excluded)
        elif entry.is_file():
            yield before + name
