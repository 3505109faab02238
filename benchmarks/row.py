"""Measures one row in this process and prints its lines as JSON: `python -m benchmarks.row add`.

The runner starts one such process for each row, so that no row meets what another has left.
"""

from __future__ import annotations

import dataclasses
import json
import sys

from benchmarks import rows
from benchmarks.timing import QUICK, Effort, pin


def main() -> None:
    """The name of the row, and perhaps --quick."""
    name, *options = sys.argv[1:]
    module = rows.module(name)
    if getattr(module, "PINNED", True):
        pin()
    lines = module.measure(QUICK if "--quick" in options else Effort())
    print(json.dumps([dataclasses.asdict(line) for line in lines]))


if __name__ == "__main__":
    main()
