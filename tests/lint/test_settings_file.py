"""The table [tool.holdfast] reads the same on every Python, with a library for TOML or without."""

from __future__ import annotations

import sys

import pytest

from holdfast import _toml

READ = [
    "",
    "[project]\nname = 'x'\n",
    "[tool.holdfast]",
    "[tool.holdfast]\n",
    '[tool.holdfast]  # ours\nselect = ["HF1", \'HF2\', ]  # why\n\nignore = "torn-pack" # "x"\n',
    '[ tool . holdfast ]\nexclude = [\n    # it\'s "gone"\n    "a[b]/",\n    "vendored/**"\n]\n',
    'x = "[tool.holdfast]"\n[tool.other]\ny = 1\n[tool.holdfast]\nz = 2\n[tool.last]\nz = 3\n',
    "[tool.holdfast]\na = true\nb = false\nc = -12\nd = 3.14\ne = []\nf = [1, 2.5, [true], []]\n",
    '[tool.holdfast]\na = "q\\"q\\\\ \\u00e9\\t"\nb = \'\\d"\'\nc = ""\nd = \'\'\n',
    '  [tool.holdfast]\n  suppress = ["local-dropped:worker.py:Worker.start"]\n[[tool.x]]\n',
    "# tool.holdfast is not here\n[tool]\n",
]
NO_TOML = [
    "suppress = [", "suppress = [3", "suppress = [3 4]", "suppress =", "= 3", "a b = 3",
    "a = 3 b = 4", "a = 1\na = 2", 'a = "x', "a = 'x\n'", 'a = "\\q"', "a = x", "a = 007",
    "a = [,]", "a", "a = truest",
]  # fmt: skip
TOO_MUCH = ['a = """x"""', "a = '''x'''", "a = {b = 1}", "a.b = 1", "a = 1979-05-27", "a = 0x1f"]


@pytest.fixture
def alone(monkeypatch):
    """No library reads TOML."""
    monkeypatch.setitem(sys.modules, "tomllib", None)
    monkeypatch.setitem(sys.modules, "tomli", None)


@pytest.mark.parametrize("text", READ)
def test_what_is_read_here_is_what_a_library_reads(text, monkeypatch):
    expected = _toml.table(text)
    monkeypatch.setitem(sys.modules, "tomllib", None)
    monkeypatch.setitem(sys.modules, "tomli", None)
    assert _toml.table(text) == expected


@pytest.mark.parametrize("lines", NO_TOML)
def test_what_is_no_toml_is_an_error(lines):
    with pytest.raises(ValueError):
        _toml.table(f"[tool.holdfast]\n{lines}\n")


@pytest.mark.parametrize("lines", NO_TOML + TOO_MUCH)
def test_what_is_not_read_here_is_refused_and_not_passed_over(alone, lines):
    with pytest.raises(ValueError, match=r"line \d cannot be read: without the package tomli"):
        _toml.table(f"[tool.holdfast]\n{lines}\n")


@pytest.mark.parametrize("text", ["tool = 3\n", "[tool]\nholdfast = 3\n"])
def test_what_is_no_table_is_refused(text):
    with pytest.raises(ValueError, match="is no table"):
        _toml.table(text)
