"""Runs small programs under `holdfast run`, and gives what came of it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from holdfast.findings import Finding, Report, report_of

TIME_LIMIT = 90.0
RUN = (sys.executable, "-m", "holdfast", "run")
CONDITIONS = Path(__file__).with_name("conditions.py")
METHODS = ("fork", "spawn", "forkserver")
FRESH = ("spawn", "forkserver")

# What a program ends with that has a function `main`; its word is the start method.
MAIN = """

if __name__ == "__main__":
    import multiprocessing, sys
    multiprocessing.set_start_method(sys.argv[1])
    main()
    print("end", flush=True)
"""
# Runs programs one after the other that are modules beside it; its words are the start method and
# their names.
ONE_BY_ONE = """
import importlib, multiprocessing, sys

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    for name in sys.argv[2:]:
        print("--", name, flush=True)
        importlib.import_module(name).main()
    print("--", flush=True)
"""


@dataclass(frozen=True)
class Seen:
    """One run under the sanitizer."""

    lines: list[str]  # of standard output
    errors: str  # standard error: the program's own, and the report
    status: int
    report: Report

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.report.findings

    @property
    def codes(self) -> list[str]:
        return sorted({finding.code for finding in self.findings})

    def only(self, code: str) -> Finding:
        """The one finding, which has this code."""
        assert [finding.code for finding in self.findings] == [code], self
        return self.findings[0]


def watched(folder, text, *arguments, options=(), status=None):
    """Run a program, given as text, under `holdfast run`; any status is good unless one is given.

    Args:
        folder: Where it and its report are written.
        text: Its source, which may be indented.
        arguments: Its arguments.
        options: More options of `holdfast run`.
        status: The exit status that it must have.
    """
    path = Path(folder) / "app.py"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    shutil.copy(CONDITIONS, folder)
    return watched_file(folder, path, *arguments, options=options, status=status)


def watched_together(folder, head, bodies, method):
    """Run several programs, one after the other, as parts of one; what came of each, by its name.

    Args:
        folder: Where it and its report are written.
        head: What each of them begins with.
        bodies: Name: the rest of its source, which may be indented; it has a function `main`.
        method: The start method.
    """
    modules = {f"part_{number}": name for number, name in enumerate(bodies)}
    for module, name in modules.items():
        (Path(folder) / f"{module}.py").write_text(head + textwrap.dedent(bodies[name]))
    seen = watched(folder, ONE_BY_ONE, method, *modules)
    printed: dict[str, list[str]] = {}
    for line in seen.lines:
        if line.startswith("--"):
            printed[line] = lines = []
        else:
            lines.append(line)
    assert "--" in printed, seen
    found = {}
    for module, name in modules.items():
        of_it = [each for each in seen.findings if _is_of(each, f"{module}.py")]
        report = dataclasses.replace(seen.report, findings=tuple(of_it))
        found[name] = Seen(printed[f"-- {module}"], seen.errors, seen.status, report)
    return found


def _is_of(finding, file):
    """Whether a finding speaks of this part; of every part, if it speaks of none."""
    stacks = [[finding.place], *(step.stack for step in finding.steps)]
    for stack in stacks:
        parts = [Path(place.file).name for place in stack if "part_" in place.file]
        if parts:
            return parts[0] == file
    return True


def watched_file(folder, path, *arguments, options=(), status=None):
    """The same for a program that lies in a file."""
    report = Path(folder) / "report.json"
    result = subprocess.run(
        [*RUN, "--json", str(report), *options, str(path), *arguments], cwd=folder, text=True,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}, stdin=subprocess.DEVNULL,
        capture_output=True, timeout=TIME_LIMIT, start_new_session=True, check=False,
    )  # fmt: skip
    said = f"{result.returncode}\n{result.stdout}\n{result.stderr}"
    assert report.exists(), said
    assert status is None or result.returncode == status, said
    found = report_of(json.loads(report.read_text()))
    return Seen(result.stdout.splitlines(), result.stderr, result.returncode, found)
