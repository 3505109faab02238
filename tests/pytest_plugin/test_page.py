"""docs/pytest.md shows what happens."""

from __future__ import annotations

from tests.docs.pages import ROOT, blocks, matches
from tests.pytest_plugin.projects import run

pytest_plugins = ["pytester"]


def test_the_pages_test_fails_as_the_page_shows(pytester, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("CI", raising=False)
    program, shown = blocks(ROOT / "docs" / "pytest.md")[:2]
    ran = run(pytester, {"test_start.py": program.text})
    start, end = ran.output.index("_ test_start _"), ran.output.rindex("\n=")
    printed = ran.output[ran.output.rindex("\n", 0, start) + 1 : end]
    assert matches(shown.text, printed), printed


def test_the_table_has_all_settings(pytester):
    page = (ROOT / "docs" / "pytest.md").read_text(encoding="utf-8")
    offered = pytester.runpytest_subprocess("--help").stdout.str()
    options = {word.strip("=,") for word in offered.split() if word.startswith("--holdfast")}
    options = {word.partition("=")[0] for word in options}
    assert options
    assert not [word for word in options if f"`{word}" not in page]
