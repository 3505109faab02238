"""One measurement in an interpreter of its own, which is as fresh as a user's.

    figures = fresh("benchmarks.rows.live", "create_and_drop", "holdfast", 100_000)

starts an interpreter, calls the function there and returns its result, which must be JSON.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from typing import Any


def fresh(module: str, function: str, *arguments: Any) -> Any:
    """The result of a function in a new interpreter."""
    task = json.dumps([module, function, arguments])
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fresh", task], stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout)


def main() -> None:
    """Call what was asked for."""
    module, function, arguments = json.loads(sys.argv[1])
    print(json.dumps(getattr(importlib.import_module(module), function)(*arguments)))


if __name__ == "__main__":
    main()
