"""The command: `python -m benchmarks [ROW ...]`, see --help."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import drawing, gate, machine, rows, runner, table

if TYPE_CHECKING:
    from benchmarks.runner import Result

RESULTS = machine.ROOT / "benchmarks" / "results"
PICTURE = machine.ROOT / "docs" / "images" / "speed.svg"


def main() -> int:
    """Measure, print, write; the exit status says whether everything could be measured.

    A missed goal is in the table and no failure: whether speed is good enough is for people.
    """
    options = parse()
    if options.list:
        width = max(map(len, rows.ROWS))
        for name in rows.ROWS:
            print(f"{name:{width}}  {rows.title(name)}")
        return 0
    names = options.rows or list(rows.ROWS)
    if options.when_quiet is not None and not machine.wait_until_quiet(options.when_quiet, 3600):
        print("the machine did not become quiet; measuring all the same", file=sys.stderr)
    about = machine.describe() | {"load_before": machine.load()}
    results = runner.run(names, quick=options.quick)
    about["load_after"] = machine.load()
    print(table.render(results))
    whole = names == list(rows.ROWS) and not options.quick
    promises: dict[str, Any] | None = None
    broken = False
    if whole:
        checked = gate.check_all()
        print(f"\n{gate.render(checked)}")
        promises = gate.as_json(checked)
        broken = gate.broken(checked)
    file = options.json or (RESULTS / f"python-{machine.minor_version()}.json" if whole else None)
    if file:
        write(file, about, results, promises)
        print(f"\nwritten: {file}", file=sys.stderr)
    if whole:
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_text(drawing.draw(results, about))
        print(f"drawn: {PICTURE}", file=sys.stderr)
    return 1 if broken or any(result.error for result in results) else 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="measure these only; see --list")
    parser.add_argument("--list", action="store_true", help="name the rows")
    parser.add_argument("--quick", action="store_true", help="does it all work? figures are noise")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument(
        "--when-quiet", type=float, metavar="LOAD", help="wait for a load that low, up to an hour"
    )
    options = parser.parse_args()
    if unknown := [name for name in options.rows if name not in rows.ROWS]:
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(rows.ROWS)}")
    return options


def write(
    file: Path, about: dict[str, Any], results: list[Result], promises: dict[str, Any] | None
) -> None:
    """The results as JSON."""
    lines = [
        {"row": result.name, "verdict": line.verdict} | dataclasses.asdict(line)
        for result in results
        for line in result.lines
    ]
    errors = {result.name: result.error for result in results if result.error}
    content = about | {"lines": lines, "errors": errors, "gate": promises}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
