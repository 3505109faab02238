"""The rules say what the fixtures expect, no more and no less."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.findings import hazard_of
from holdfast.lint import Options, check_source
from holdfast.lint.rules import RULES

FIXTURES = sorted((Path(__file__).parent / "fixtures").rglob("*.py"))
EXPECT = re.compile(r"#\s*expect:\s*(?P<codes>HF\d+(?:\s+HF\d+)*)")
SETTING = re.compile(
    r"^#\s*(?P<name>start-method|min-confidence|python):\s*(?P<value>\S+)", re.MULTILINE
)
SECTIONS = [
    "What it does",
    "Why is this bad?",
    "Example",
    "Use instead",
    "When it is safe",
    "References",
]


def options_of(text):
    settings = {match["name"]: match["value"] for match in SETTING.finditer(text)}
    version = settings.get("python", "3.11").split(".")
    return Options(
        start_method=settings.get("start-method", "fork"),
        min_confidence=settings.get("min-confidence", "medium"),
        target=(int(version[0]), int(version[1])),
    )


def expected(text):
    return sorted(
        (number, code)
        for number, line in enumerate(text.splitlines(), 1)
        if (match := EXPECT.search(line))
        for code in match["codes"].split()
    )


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_findings_stand_where_the_fixture_expects_them(path):
    text = path.read_text(encoding="utf-8")
    found = check_source(text, str(path), options_of(text))
    assert sorted((each.place.line, each.code) for each in found) == expected(text), "\n".join(
        f"{each.place.line}: {each.code} {each.message}" for each in found
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_each_rule_is_documented_and_has_a_fixture(rule):
    hazard = hazard_of(rule.code)
    assert "source" in hazard.seen
    name = hazard.slug.replace("-", "_")
    assert rule.__module__.rpartition(".")[2] == name
    source = Path(sys.modules[rule.__module__].__file__).read_text(encoding="utf-8")
    doc = ast.get_docstring(ast.parse(source))
    assert doc.startswith(f"{rule.code} {hazard.slug}: ")
    assert re.findall(r"^## (.+)$", doc, re.MULTILINE) == SECTIONS
    fixture = Path(__file__).parent / "fixtures" / f"{name}.py"
    text = fixture.read_text(encoding="utf-8")
    assert rule.code in {code for _, code in expected(text)}
    assert "near misses" in text


def test_rules_are_listed_once_and_in_order():
    codes = [rule.code for rule in RULES]
    assert codes == sorted(set(codes))


def test_the_checker_needs_neither_multiprocessing_nor_the_native_core():
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "import holdfast.lint\n"
        "holdfast.lint.check_source('import multiprocessing as mp', 'x.py')\n"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], check=True, capture_output=True, text=True
    )
    assert not {"multiprocessing", "holdfast._native", "numpy", "ctypes"} & set(done.stdout.split())
