"""Runs small programs under `holdfast run`, and gives what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from holdfast.findings import Finding, Report, report_of

TIME_LIMIT = 90.0
RUN = (sys.executable, "-m", "holdfast", "run")


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
    return watched_file(folder, path, *arguments, options=options, status=status)


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
