"""The table `[tool.holdfast]` of a pyproject.toml.

What it keeps true: only who reads settings imports a reader of TOML. From Python 3.11 on that is
the standard library's; on 3.10 it is `tomli`, from which that one was made, and which is installed
with Holdfast there.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any, cast


def table(text: str) -> dict[str, Any]:
    """What the table has; empty if there is none.

    Raises:
        ValueError: The text is no TOML, or the table is none.
    """
    reader: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    return _inner(_inner(reader.loads(text), "tool"), "holdfast")


def _inner(outer: dict[str, Any], name: str) -> dict[str, Any]:
    inner: Any = outer.get(name, {})
    if not isinstance(inner, dict):
        raise ValueError(f"{name} is no table")  # noqa: TRY004 - the file's fault
    return cast("dict[str, Any]", inner)
