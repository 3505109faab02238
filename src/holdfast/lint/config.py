"""Settings of a project: the table `[tool.holdfast]` of its pyproject.toml.

What it keeps true: a setting that the checker knows has the type that it expects, or the user is
told; where the file stands and which setting is wrong is in the text. The command line wins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast import _toml
from holdfast.errors import HoldfastError
from holdfast.findings import CONFIDENCES, GROUPS, Confidence
from holdfast.lint.allow import is_hazard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START_METHODS = ("fork", "spawn", "forkserver")


class SettingError(HoldfastError, ValueError):
    """A setting of a check is wrong.

    Cause: the pyproject.toml or the command line says what the checker cannot follow.
    Cure: what the text says.

    Attributes:
        where: The file, or the option.
        why: What is wrong.
    """

    where: str
    why: str

    def __init__(self, *, where: str, why: str) -> None:
        self.where = where
        self.why = why
        super().__init__(f"{where}: {why}")


@dataclass(frozen=True)
class Settings:
    """What `[tool.holdfast]` says about checks; None where it says nothing.

    Attributes:
        file: The pyproject.toml; None if there is none.
        select: Codes, slugs or beginnings of codes to report.
        ignore: The same, of what not to report.
        exclude: Patterns of paths to leave out, relative to the file's folder.
        min_confidence: The least confidence to report.
        start_method: How the project starts its processes.
        target: The Python that the project is for.
    """

    file: Path | None = None
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    min_confidence: Confidence | None = None
    start_method: str | None = None
    target: tuple[int, int] | None = None


def find(start: Path) -> Path | None:
    """The pyproject.toml that a file or folder belongs to: the nearest with such a table."""
    folder = start if start.is_dir() else start.parent
    for each in (folder, *folder.parents):
        file = each / "pyproject.toml"
        if file.is_file() and b"tool.holdfast" in file.read_bytes():
            return file
        if (each / ".git").exists():
            return None
    return None


def read(file: Path) -> Settings:
    """The settings in a pyproject.toml.

    Raises:
        SettingError: It cannot be read, or says something impossible.
    """
    try:
        table = _toml.table(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingError(where=str(file), why=str(error)) from None
    found: dict[str, Any] = {"file": file}
    for key, value in table.items():
        reader = _READERS.get(key)
        if reader is None:
            continue  # of another tool of the house
        try:
            found[_FIELDS.get(key, key.replace("-", "_"))] = reader(value)
        except ValueError as error:
            raise SettingError(where=f"{file}: [tool.holdfast] {key}", why=str(error)) from None
    return Settings(**found)


def names(value: object) -> tuple[str, ...]:
    """Codes, beginnings of codes and slugs.

    Raises:
        ValueError: One of them is nothing of the kind.
    """
    given = _strings(value)
    for name in given:
        beginning = re.fullmatch(r"HF\d*", name.upper())
        if beginning is not None and (name.upper() in {"HF", *GROUPS} or len(name) == 4):
            continue
        if not is_hazard(name):
            raise ValueError(
                f"there is no hazard {name!r}; `holdfast explain` lists all codes and names"
            )
    return given


def _strings(value: object) -> tuple[str, ...]:
    given: list[object] = value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]
    if not all(isinstance(each, str) for each in given):
        raise ValueError(f"expected a list of strings, found {value!r}")
    return tuple(part.strip() for each in given for part in str(each).split(",") if part.strip())


def one_of(choices: tuple[str, ...]) -> Callable[[object], str]:
    """A reader of one word out of several."""

    def read_word(value: object) -> str:
        if value not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}, found {value!r}")
        return str(value)

    return read_word


def python(value: object) -> tuple[int, int]:
    """A version of Python: "3.14".

    Raises:
        ValueError: It is none.
    """
    match = re.fullmatch(r"(\d+)\.(\d+)", str(value))
    if match is None:
        raise ValueError(f'expected a version such as "3.14", found {value!r}')
    return int(match[1]), int(match[2])


_READERS: dict[str, Callable[[object], object]] = {
    "select": names,
    "ignore": names,
    "exclude": _strings,
    "min-confidence": one_of(CONFIDENCES),
    "start-method": one_of(START_METHODS),
    "target-python": python,
}
_FIELDS = {"target-python": "target"}
