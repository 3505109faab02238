"""Every program and transcript shown in the documentation is run, and prints what the page says."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Example, examples, matches, pages, transcript

TIME_LIMIT = 60.0

# Needs nothing but the standard library, and claims to be true of every supported Python.
ABOUT_THE_STANDARD_LIBRARY = ROOT / "docs" / "how-it-works.md"


def interpreters() -> list[str]:
    """This interpreter, and one of each other supported version that the machine has."""
    found = {sys.version_info[:2]: sys.executable}
    for minor in range(10, 15):
        candidates = [shutil.which(f"python3.{minor}")]
        candidates += map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3.{minor}"))
        for candidate in candidates:
            if candidate is not None and (3, minor) not in found and answers(candidate, minor):
                found[3, minor] = candidate
    return [found[version] for version in sorted(found)]


def answers(python: str, minor: int) -> bool:
    """Whether the command really is CPython 3.`minor` (a pyenv shim may be an empty promise)."""
    asked = subprocess.run(
        [python, "-c", "import sys; print(*sys.version_info[:2])"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return asked.stdout.split() == ["3", str(minor)]


def run(command: list[str], where: Path, may_find: bool) -> str:
    """Run in a session of its own; return what it printed, and fail unless it ended well.

    A command that `may_find` something has status 1 if it did.
    """
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        command, cwd=where, env=environment, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            printed, _ = process.communicate(timeout=TIME_LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            printed, _ = process.communicate()
            pytest.fail(f"{command} did not end within {TIME_LIMIT:g} s; it printed:\n{printed}")
    good = (0, 1) if may_find else (0,)
    assert process.returncode in good, f"exit status {process.returncode}:\n{printed}"
    return printed


def check(python: str, example: Example, where: Path) -> None:
    """Run one example under one interpreter and compare."""
    if example.block.language == "python":
        program = where / "program.py"
        program.write_text(example.block.text, encoding="utf-8")
        steps = [([python, str(program)], where, example.expected)]
    else:
        steps = [
            (command_line(python, command), ROOT, shown)
            for command, shown in transcript(example.block.text)
        ]
    for command, directory, expected in steps:
        printed = run(command, directory, "holdfast" in command and "HF" in str(expected))
        if expected is not None:
            assert matches(expected, printed), f"shown:\n{expected}\nprinted:\n{printed}"


def command_line(python: str, command: str) -> list[str]:
    """A transcript's command, with the interpreter under test in the place of the tool."""
    tool, *arguments = command.split()
    tools = {"python": [python], "holdfast": [python, "-m", "holdfast"]}
    assert tool in tools, f"the test does not know how to run {command!r}"
    return [*tools[tool], *arguments]


def names(value: object) -> str:
    """A readable name for one parameter."""
    if isinstance(value, Example):
        return re.sub(r"[^\w.:-]", "-", str(value))
    return Path(str(value)).name


@pytest.mark.parametrize("python", interpreters(), ids=names)
@pytest.mark.parametrize("example", examples(ABOUT_THE_STANDARD_LIBRARY), ids=names)
def test_claim_about_the_standard_library_holds_on_every_python(python, example, tmp_path):
    check(python, example, tmp_path)


@pytest.mark.parametrize(
    "example",
    [
        example
        for page in pages()
        if page != ABOUT_THE_STANDARD_LIBRARY
        for example in examples(page)
    ],
    ids=names,
)
def test_example_runs_and_prints_what_the_page_shows(example, tmp_path):
    check(sys.executable, example, tmp_path)
