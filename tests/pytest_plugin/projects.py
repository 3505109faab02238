"""Runs small projects under `pytest --holdfast`, and gives what came of it."""

from __future__ import annotations

import json
import textwrap
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from holdfast.findings import Report, report_of

# Every project can use this. The child of `start_wrong` waits until it is told to use what its
# parent has dropped by then: no luck is needed.
SHARED = """
import multiprocessing as mp

def use(go, value):
    go.wait()
    value.value = 1

def start_wrong(go):
    value = mp.Value("i", 0)
    process = mp.Process(target=use, args=(go, value))
    process.start()
    return process

def provoke():
    go = mp.Event()
    process = start_wrong(go)
    go.set()
    process.join()
"""


@dataclass(frozen=True)
class Ran:
    """One run of pytest."""

    output: str
    errors: str
    status: int
    outcomes: dict[str, int]
    report: Report | None

    @property
    def summary(self) -> str:
        """The plugin's line at the end."""
        lines = [line for line in self.output.splitlines() if line.startswith("holdfast: ")]
        assert lines, self.output + self.errors
        return lines[-1]

    @property
    def by_test(self) -> dict[str, list[str]]:
        """The codes of what was found, by the name of the test."""
        assert self.report is not None, self.output + self.errors
        found: dict[str, list[str]] = defaultdict(list)
        for finding in self.report.findings:
            found[finding.steps[0].text.rpartition("::")[2]].append(finding.code)
        return dict(found)

    def section(self, name: str) -> str:
        """What is said of one test among the failures."""
        start = self.output.index(f"_ {name} _")
        return self.output[start : self.output.find("\n____", start)]


def run(pytester: Any, files: dict[str, str], *options: str, watch: bool = True) -> Ran:
    """Write a project and run its tests in a process of its own.

    Args:
        pytester: The fixture.
        files: Names and texts, which may be indented; `shared.py` is there already.
        options: Of pytest, after `--holdfast` and `--holdfast-json`.
        watch: Whether these two are given.
    """
    for name, text in {"shared.py": SHARED, **files}.items():
        path = pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    file = pytester.path / "found.json"
    first = ("--holdfast", f"--holdfast-json={file}") if watch else ()
    # Under CI pytest's last lines are longer, and so would be what the tests look at.
    for name in ("CI", "BUILD_NUMBER"):
        pytester._monkeypatch.delenv(name, raising=False)
    # Hypothesis, which this environment has, takes most of a second to load.
    without = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    result = pytester.runpytest_subprocess(*without, "-rA", *first, *options)
    outcomes = result.parseoutcomes() if int(result.ret) in {0, 1, 3} else {}
    # Since Python 3.12, of forks beside threads such as a worker of xdist has.
    outcomes = {name: count for name, count in outcomes.items() if not name.startswith("warning")}
    return Ran(
        result.stdout.str(),
        result.stderr.str(),
        int(result.ret),
        outcomes,
        report_of(json.loads(file.read_text())) if file.exists() else None,
    )
