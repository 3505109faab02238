"""Names are found in source: what a value that is made at a place is called."""

from __future__ import annotations

import linecache

from holdfast.findings import Place
from holdfast.sanitizer import naming


def place_of(text, part):
    """The place of a part of a one-line program."""
    linecache.cache["made-up.py"] = (len(text), None, [text + "\n"], "made-up.py")
    naming.tree_of.cache_clear()
    column = text.index(part) + 1
    return Place("made-up.py", 1, column, 1, column + len(part))


def test_the_statement_is_the_one_among_several_in_a_line():
    text = "p = Process(target=work); p.start(); q = Process()"
    assert naming.assigned_at(place_of(text, "Process(target=work)")) == ("p",)
    assert naming.assigned_at(place_of(text, "Process()")) == ("q",)
    assert naming.assigned_at(place_of(text, "p.start()")) == ()
