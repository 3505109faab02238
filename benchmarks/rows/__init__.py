"""The rows of the table, in the order in which they are printed.

A row is a module with `measure(effort)`, which returns lines. Its docstring's first line is what
`--list` prints. `PINNED = False` in it says that it needs more than one processor.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

# Name on the command line -> module.
ROWS = {
    "value": "value",
    "load-store": "load_store",
    "add": "add",
    "contend": "contend",
    "create": "create",
    "live": "live",
    "memory": "memory",
    "array": "array",
    "lock": "lock",
    "array-1mib": "array_1mib",
    "numpy": "numpy_256mib",
    "fork": "fork",
    "subprocess": "subprocesses",
    "queue": "queues",
    "guard": "guarded",
    "watch": "watched",
    "import": "imports",
    "check": "checking",
}


def module(name: str) -> ModuleType:
    """The module of a row."""
    return importlib.import_module(f"benchmarks.rows.{ROWS[name]}")


def title(name: str) -> str:
    """What a row measures, in a line."""
    text = module(name).__doc__ or ""
    return text.splitlines()[0]
