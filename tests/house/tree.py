"""The files that the rules speak of: those git tracks, and those it would."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "holdfast"
CORE = PACKAGE / "_core"

SOURCE_SUFFIXES = {".py", ".pyi", ".pyx", ".pxd", ".pxi", ".c", ".h", ".pml", ".inc", ".sh", ".mk"}
TEXT_SUFFIXES = SOURCE_SUFFIXES | {".md", ".toml", ".txt", ".cfg", ".ini", ".yml", ".yaml", ""}


@functools.cache
def files() -> tuple[Path, ...]:
    """Every file of the project, ignored ones left out."""
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = {ROOT / name for name in listing.split("\0") if name}
    return tuple(sorted(path for path in found if path.is_file()))


def source_files() -> list[Path]:
    """Programs and headers in any language."""
    return [path for path in files() if path.suffix in SOURCE_SUFFIXES]


def text_files() -> list[Path]:
    """Everything that people write, programs and prose."""
    return [path for path in files() if path.suffix in TEXT_SUFFIXES]


def name(path: Path) -> str:
    """How a message names a file."""
    return str(path.relative_to(ROOT))


def lines(path: Path) -> int:
    """The number of lines in a file."""
    return path.read_bytes().count(b"\n")
