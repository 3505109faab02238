"""Whatever a file holds: one clear line for it, never an exception, and no hang."""

from __future__ import annotations

import codecs

import pytest

from holdfast.lint import Options, check_source
from holdfast.lint.files.checked import check_file
from holdfast.lint.program.modules import Module, Project, UnreadableError

WRONG = """\
import multiprocessing as mp
mp.Process(target=print, args=(mp.Value("i"),)).start()
"""


def checked(data):
    return check_file("x.py", data, Options(start_method="fork"), Project())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"import multiprocessing\n\0", "x.py:2: not checked: it holds a NUL byte"),
        (b"# coding: nonsense\n", "x.py:1: not checked: its encoding: unknown encoding: nonsense"),
        (b"x = '\xff'\n", "x.py:1: not checked: its encoding: "),
        (b"def f(:\n", "x.py:1: not checked: "),
        (b"print 'two'\n", "x.py:1: not checked: Missing parentheses"),
        (b"(" * 5000, "x.py"),
        (b"-" * 200_000 + b"1", "x.py"),
        (b"x = " + b"[" * 3000 + b"]" * 3000, "x.py"),
    ],
)
def test_what_cannot_be_read_is_one_line(data, why):
    result = checked(data)
    assert result.note.startswith(why)
    assert "\n" not in result.note
    assert not result.findings


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "cp1252", "utf-7", "koi8-r"])
def test_every_encoding_that_python_knows(encoding):
    text = f"# coding: {encoding.removesuffix('-sig')}\n# h\u00e4ufig\n{WRONG}"
    if encoding == "koi8-r":
        text = text.replace("\u00e4", "\u0436")
    (found,) = checked(codecs.encode(text, encoding)).findings
    assert (found.code, found.place.line, found.place.column) == ("HF101", 4, 32)


def test_columns_are_characters():
    text = WRONG.replace("target=print", "target=pr\u00fcnt, name='\U0001f600'")
    (found,) = check_source(text, "x.py", Options(start_method="fork"))
    line = text.splitlines()[1]
    assert line[found.place.column - 1 : found.place.end_column - 1] == 'mp.Value("i")'


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_every_line_end(end):
    (found,) = checked(WRONG.replace("\n", end).encode()).findings
    assert found.place.line == 2


def test_a_form_feed_ends_no_line():
    (found,) = checked(("\f\n" + WRONG).encode()).findings
    assert found.place.line == 3
    assert found.place.source.startswith("mp.Process")


def long_chain(count):
    return "import multiprocessing\nif x == 0:\n    pass\n" + "".join(
        f"elif x == {number}:\n    y = {number}\n" for number in range(count)
    )


@pytest.mark.parametrize(
    "text",
    [
        long_chain(2000),
        "import multiprocessing\nx = " + " + ".join(["1"] * 800),
        "import multiprocessing\nx = a" + ".b" * 800,
        "import multiprocessing\nx = a" + "()" * 500,
        "import multiprocessing\n"
        + "".join(f"{' ' * n}if x:\n" for n in range(90))
        + " " * 90
        + "y",
        "import multiprocessing\n" + "x = [1, 2]\n" * 20_000,
        "import multiprocessing\ndef f():\n    return f()\nf()\n",
        "import multiprocessing\nclass A(A): pass\nA().x.y.z()\n",
        "import multiprocessing\nclass A(B): pass\nclass B(A): pass\nA().run()\n",
        "from x import *\nimport multiprocessing as mp\nfrom . import y\nfrom ... import z\n",
    ],
    ids=range(10),
)
def test_long_and_deep_programs(text):
    result = checked((text + "\n" + WRONG).encode())
    assert not result.failed
    assert not result.note
    assert [each.code for each in result.findings] == ["HF101"]


def test_fifty_thousand_lines():
    body = "".join(
        f"def f{n}(a, b):\n    if a:\n        return b + {n}\n    return a\n" for n in range(12_500)
    )
    result = checked((body + WRONG).encode())
    assert [each.place.line for each in result.findings] == [50_002]


def test_unreadable_says_where_and_why():
    with pytest.raises(UnreadableError) as caught:
        Module("x.py", b"a b\n")
    assert (caught.value.file, caught.value.line) == ("x.py", 1)
    assert caught.value.why
