"""Judges the checker by generated programs, as many as wanted.

python -m tests.lint.generator.run --programs 3000 --seed 1
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.lint.generator.judge import judge, rates, table


def main() -> int:
    """Print the confusion table and what is wrong; 1 if the rules are not good enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=20240601)
    parser.add_argument("--spawned", type=float, default=0.15, help="the part that uses spawn")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="holdfast-generator-") as folder:
        judged = judge(given.programs, given.seed, Path(folder), given.spawned)
    print(table(judged))
    high, medium, unseen = rates(judged)
    print(
        f"{len(judged)} programs, seed {given.seed}: wrong at high confidence {high}, at medium "
        f"{medium:.2%}, not seen {unseen:.2%}"
    )
    for each in judged:
        if each.wrong and each.verdict != "low":
            print(each)
    return 1 if high or medium > 0.02 or unseen > 0.02 else 0


if __name__ == "__main__":
    sys.exit(main())
