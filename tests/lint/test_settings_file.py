"""The table [tool.holdfast] reads the same on every Python."""

from __future__ import annotations

import pytest

from holdfast import _toml


def test_only_our_table_is_read():
    text = 'x = 1\n[tool.other]\ny = 1\n[tool.holdfast]\nselect = ["HF1"]\n[tool.last]\nz = 3\n'
    assert _toml.table(text) == {"select": ["HF1"]}


@pytest.mark.parametrize("text", ["", "[project]\nname = 'x'\n", "[tool]\n", "[tool.holdfast]\n"])
def test_no_table_is_an_empty_one(text):
    assert _toml.table(text) == {}


@pytest.mark.parametrize("line", ["suppress = [", "= 3", "a b = 3", "a = 1\na = 2", "a"])
def test_what_is_no_toml_is_an_error(line):
    with pytest.raises(ValueError, match=r"line \d|end of document"):
        _toml.table(f"[tool.holdfast]\n{line}\n")


@pytest.mark.parametrize("text", ["tool = 3\n", "[tool]\nholdfast = 3\n"])
def test_what_is_no_table_is_refused(text):
    with pytest.raises(ValueError, match="is no table"):
        _toml.table(text)
