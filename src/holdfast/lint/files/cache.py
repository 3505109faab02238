"""Results of the last check, so that what has not changed is not checked again.

What it keeps true: a result is used again only for the same version of Holdfast and of Python, the
same options, and files (the one that was checked, and those of the project that it uses) of which
size and time of change are what they were. A cache that is damaged, or cannot be written, is as
good as none.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.findings import as_data, report_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.findings import Report
    from holdfast.lint.options import Options

FOLDER = ".holdfast_cache"
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# A cache of holdfast check; safe to remove.\n"


def _mark(path: str) -> list[int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]


class Cache:
    """See the module."""

    def __init__(self, folder: Path, options: Options, version: str) -> None:
        self._folder = folder
        key = repr((version, _own_mark(), sys.version_info[:3], options)).encode()
        self._file = folder / f"check-{hashlib.sha256(key).hexdigest()[:16]}.json"
        self._entries: dict[str, Any] = {}
        self._changed = False
        try:
            loaded = json.loads(self._file.read_text(encoding="utf-8"))
            if isinstance(loaded, dict):
                self._entries = loaded
        except (OSError, ValueError):
            self._entries = {}

    def get(self, file: str) -> Report | None:
        """What was found in a file, if that still holds."""
        entry = self._entries.get(file)
        try:
            if entry is None or any(_mark(path) != mark for path, mark in entry["marks"]):
                return None
            return report_of(entry["report"])
        except (KeyError, TypeError, ValueError):
            return None

    def put(self, file: str, report: Report, uses: Iterable[str]) -> None:
        """Keep what was found in a file."""
        marks = [[path, _mark(path)] for path in (file, *uses)]
        self._entries[file] = {"marks": marks, "report": as_data(report)}
        self._changed = True

    def save(self) -> None:
        """Write the cache for the next time."""
        if not self._changed:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for name, text in (("CACHEDIR.TAG", _TAG), (".gitignore", "*\n")):
                if not (self._folder / name).exists():
                    (self._folder / name).write_text(text, encoding="utf-8")
            new = self._file.with_suffix(f".{os.getpid()}.new")
            new.write_text(json.dumps(self._entries), encoding="utf-8")
            new.replace(self._file)
        except OSError:
            return  # a tree that cannot be written to is checked all the same


def _own_mark() -> list[int]:
    """When the checker itself was changed last, for those who work on it."""
    folder = Path(__file__).parent
    files = [*folder.glob("*.py"), *(folder / "rules").glob("*.py")]
    return [max(each.stat().st_mtime_ns for each in files), len(files)]
