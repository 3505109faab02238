"""Docstrings of the public names: the form that they have, and examples that run."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re

import pytest

import holdfast
from holdfast import arrays, cells

# Classes that a user meets without importing them.
MET = [cells.Cell, cells.RawCell, arrays.Vector, arrays.RawVector]
NAMED = {
    name: getattr(holdfast, name)
    for name, home in holdfast._HOME.items()
    if not home.startswith("holdfast.guard")
}
PUBLIC = NAMED | {kind.__name__: kind for kind in MET}
RECORDS = {"Statistics", "LockStatistics"}
SECTIONS = ("Concurrency:", "Crash:", "Fork:", "Example:", "Source:", "New in version ")


@pytest.mark.parametrize("name", PUBLIC)
def test_it_has_the_sections_of_the_house(name):
    text = inspect.getdoc(PUBLIC[name])
    assert text
    assert re.match(r"[^\n]+[.]\n", text) or name in RECORDS, "the first line is one sentence"
    if name not in RECORDS:
        assert not [section for section in SECTIONS if f"\n{section}" not in text]
    if not inspect.isclass(PUBLIC[name]):
        parameters = inspect.signature(PUBLIC[name]).parameters
        assert not [each for each in parameters if not re.search(rf"\n    \*?{each}: ", text)]
        assert "\nRaises:\n" in text or not parameters


@pytest.mark.parametrize("name", PUBLIC)
def test_every_method_says_what_it_does(name):
    if inspect.isclass(PUBLIC[name]) and name not in RECORDS:
        silent = [
            attribute
            for attribute, member in vars(PUBLIC[name]).items()
            if not attribute.startswith("_") and not inspect.getdoc(member)
        ]
        assert not silent


@pytest.mark.parametrize("name", PUBLIC)
def test_its_example_runs(name):
    text = inspect.getdoc(PUBLIC[name])
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    assert test.examples or name in RECORDS
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    report: list[str] = []
    runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


def test_within_has_an_example_that_runs():
    locks = importlib.import_module("holdfast.locks")
    failed, tried = doctest.testmod(locks, optionflags=doctest.ELLIPSIS)
    assert tried > 0
    assert failed == 0


def test_signatures_can_be_asked_for():
    shown = {name: str(inspect.signature(NAMED[name])) for name in ("Value", "RawValue", "Array")}
    assert shown == {
        "Value": "(typecode_or_type, /, *args, lock=True)",
        "RawValue": "(typecode_or_type, /, *args)",
        "Array": "(typecode_or_type, size_or_initializer, *, lock=True)",
    }
    assert str(inspect.signature(cells.Cell.add)) == "(self, /, value)"
    assert str(inspect.signature(holdfast.Lock.acquire)) == "(self, /, block=True, timeout=None)"
