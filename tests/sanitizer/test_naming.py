"""Names are found in source: what a value that is made at a place is called."""

from __future__ import annotations

import dataclasses
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


def test_a_part_of_what_is_assigned_is_named_by_its_way():
    for text, names in {
        "a = [1, make()]": ("a[1]",),
        "box = {'v': make()}": ("box['v']",),
        "all = [make() for _ in range(3)]": ("all[...]",),
        "a, b = 1, make()": ("b",),
        "a = b = make()": ("a", "b"),
        "a = {1: [0, make()]}": ("a[1][1]",),
        "a = make() if x else None": ("a",),
        "self.v: int = make()": ("self.v",),
        "print(v := make())": ("v",),
        "print(make())": (),
        "a = print(make())": (),
    }.items():
        assert naming.assigned_at(place_of(text, "make()")) == names, text


def test_without_columns_the_name_of_what_was_called_helps():
    """Python 3.10 knows the line of a frame only."""
    for text, names in {
        "v = Value('d')": ("v",),
        "p = Process(args=(Value('d'), go))": (),
        "a, b = Value('d'), Lock()": ("a",),
        "x = wrap(make(3))": ("x",),
    }.items():
        place = dataclasses.replace(place_of(text, text), column=0, end_line=0, end_column=0)
        assert naming.assigned_at(place, "Value") == names, text
