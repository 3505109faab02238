"""The stubs say what the objects do: asked of mypy and pyright, both strict."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.objects import children

PROGRAM = Path(__file__).parent / "typed" / "values.py"
ROOT = Path(__file__).resolve().parents[2]
_ANSWER = re.compile(r"^(?:reveal_type\(.*\)|[^#]*?)  # (?P<answer>.+)$")


def expected():
    """Line -> the type it reveals, or `error`."""
    answers = {}
    for number, line in enumerate(PROGRAM.read_text().splitlines(), 1):
        match = _ANSWER.match(line)
        if match:
            answers[number] = match["answer"]
    return answers


def bare(text):
    """A type without the modules that it and its parts come from, and without variances."""
    text = re.sub(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])", "", text)
    text = re.sub(r"Union\[(.+), None\]", r"\1 | None", text)
    return text.replace("builtins.", "").replace("?", "")


def ask_mypy():
    done = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--no-pretty",
            "--show-absolute-path", "--python-version", "3.11", "--cache-dir", "/dev/null",
            PROGRAM,
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=children.PATIENCE * 2, check=False,
    )  # fmt: skip
    answers = {}
    for line in done.stdout.splitlines():
        place, _, rest = line.partition(": ")
        number = int(place.rpartition(":")[2])
        revealed = re.match(r'note: Revealed type is "(.*)"', rest)
        if revealed:
            answers[number] = bare(revealed[1])
        elif rest.startswith("error: "):
            answers[number] = "error"
    assert answers, done.stdout + done.stderr
    return answers


def ask_pyright():
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, PROGRAM],
        cwd=ROOT, capture_output=True, text=True, timeout=children.PATIENCE * 2, check=False,
    )  # fmt: skip
    answers = {}
    for each in json.loads(done.stdout)["generalDiagnostics"]:
        number = each["range"]["start"]["line"] + 1
        revealed = re.match(r'Type of "(?:.*)" is "(.*)"', each["message"], re.DOTALL)
        if each["severity"] == "information" and revealed:
            answers[number] = bare(revealed[1])
        elif each["severity"] == "error":
            answers[number] = "error"
    return answers


@pytest.mark.watchdog(300)
@pytest.mark.parametrize("ask", [ask_mypy, ask_pyright])
def test_the_checkers_give_the_answers_that_stand_behind_the_lines(ask):
    wanted = expected()
    assert len(wanted) > 50
    answers = ask()
    different = {
        number: (answers.get(number), wanted.get(number))
        for number in sorted(answers | wanted)
        if answers.get(number) != wanted.get(number)
    }
    assert not different
