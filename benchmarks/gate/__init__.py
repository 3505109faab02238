"""The table of promises that a shared value can keep or break; Holdfast's column gates a release.

Each cell is checked by running it, in processes of its own that end in bounded time:

    promises.py   one function per row, the same code for every column
    columns.py    what each peer is and how it is used, as its documentation shows it
    cell.py       checks one cell and says what it saw

`python -m benchmarks.gate` prints the table and fails if a cell of Holdfast's says no. With names
of columns it checks only those: `python -m benchmarks.gate holdfast`.
"""

from __future__ import annotations

from benchmarks.gate.table import as_json, broken, check_all, render

__all__ = ["as_json", "broken", "check_all", "render"]
