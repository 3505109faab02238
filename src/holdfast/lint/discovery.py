"""Which files a check looks at.

What it keeps true: a file that is named is looked at, whatever it is called and whoever ignores
it, unless `exclude` says otherwise. Below a folder it is the `*.py` files that neither a
`.gitignore` nor `exclude` leaves out, each once, in order of their names. Symbolic links to
folders are not followed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.lint import ignoring

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.lint.ignoring import Ignoring

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
    excluded = ignoring.Ignoring(Path.cwd(), list(exclude))
    seen: set[str] = set()
    for path in paths:
        here = Path(path)
        if here.is_dir():
            absolute = here.absolute()
            rules = ignoring.of_repository(absolute) if gitignore else None
            found = _below(path, absolute, rules, excluded)
        elif here.exists():
            absolute = here.absolute()
            found = iter([path] if not _excluded(absolute, excluded) else [])
        else:
            raise FileNotFoundError(path)
        for file in found:
            if file not in seen:
                seen.add(file)
                yield file


def _excluded(path: Path, excluded: Ignoring) -> bool:
    if excluded.leaves_out(path, is_folder=False):
        return True
    return any(excluded.leaves_out(each, is_folder=True) for each in path.parents)


def _below(shown: str, folder: Path, rules: Ignoring | None, excluded: Ignoring) -> Iterator[str]:
    """The files below a folder; `shown` is how the user named it."""
    try:
        entries = sorted(os.scandir(folder), key=lambda each: each.name)
    except OSError:
        return  # not ours to read
    for entry in entries:
        name = entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if is_folder:
            if name in NEVER:
                continue
        elif not name.endswith(SUFFIXES):
            continue
        path = folder / name
        if rules is not None and rules.leaves_out(path, is_folder=is_folder):
            continue
        if excluded.patterns and excluded.leaves_out(path, is_folder=is_folder):
            continue
        below = name if shown in {"", "."} else f"{shown.rstrip('/')}/{name}"
        if is_folder:
            if (path / "pyvenv.cfg").exists():  # a virtual environment under another name
                continue
            inner = rules.below(path) if rules is not None else None
            yield from _below(below, path, inner, excluded)
        elif entry.is_file():
            yield below
