"""Judges the checker by generated programs, as many as wanted.

python -m tests.lint.generator.run --programs 3000 --seed 1
python -m tests.lint.generator.run --grammar managers --show 3
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lint.generator.grammars import GRAMMARS
from tests.lint.generator.judge import judge, programs, rates, table

if TYPE_CHECKING:
    from tests.lint.generator.judge import Judged


def main() -> int:
    """Print the confusion tables and what is wrong; 1 if the rules are not good enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=20240601)
    parser.add_argument("--spawned", type=float, default=0.1, help="the part that uses spawn")
    parser.add_argument("--grammar", choices=GRAMMARS, nargs="*", default=list(GRAMMARS))
    parser.add_argument("--show", type=int, default=0, help="print so many of the wrong programs")
    given = parser.parse_args()
    whole = sum(GRAMMARS[name][1] for name in given.grammar)
    counts = {name: round(given.programs * GRAMMARS[name][1] / whole) for name in given.grammar}
    with tempfile.TemporaryDirectory(prefix="holdfast-generator-") as folder:
        judged = judge(programs(counts, given.seed, given.spawned), Path(folder))
    by_grammar: dict[str, list[Judged]] = defaultdict(list)
    for each in judged:
        by_grammar[each.program.grammar].append(each)
    for name, mine in by_grammar.items():
        print(f"{name}, {len(mine)} programs:\n{table(mine)}")
    high, medium, unseen = rates(judged)
    print(
        f"all:\n{table(judged)}\n{len(judged)} programs, seed {given.seed}: wrong at high "
        f"confidence {high}, at medium {medium:.2%}, not seen {unseen:.2%}"
    )
    wrong = [each for each in judged if each.wrong and (each.beside or each.verdict != "low")]
    for each in wrong:
        print(each)
    for each in wrong[: given.show]:
        print(f"\n# ---- {each}\n{each.program.text}")
    return 1 if high or medium > 0.02 or unseen > 0.02 else 0


if __name__ == "__main__":
    sys.exit(main())
