"""`python -m benchmarks.gate [COLUMN ...]`: prints the table, fails if Holdfast breaks one."""

from __future__ import annotations

import sys

from benchmarks import gate
from benchmarks.gate.columns import COLUMNS


def main() -> int:
    """Check and print."""
    names = sys.argv[1:]
    if unknown := [name for name in names if name not in COLUMNS]:
        print(f"no such column: {', '.join(unknown)}; there are {', '.join(COLUMNS)}")
        return 2
    cells = gate.check_all(names)
    print(gate.render(cells))
    return 1 if gate.broken(cells) else 0


if __name__ == "__main__":
    sys.exit(main())
