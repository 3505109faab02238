"""Fixes make findings go, and leave the rest of the file alone."""

from __future__ import annotations

import io
import textwrap
import tokenize
from pathlib import Path

import pytest

from holdfast.lint import Options, check_source
from holdfast.lint.fixes import FixesUnavailableError, fix_source
from holdfast.lint.fixes.proposals import SAFE, UNSAFE
from tests.lint.test_rules import FIXTURES, options_of

HEADER = "import multiprocessing as mp\n\n\ndef work(*given):\n    print(given)\n\n\n"


def fixed(text, *, unsafe=False, options=None):
    options = options or Options(start_method="fork", target=(3, 13))
    result = fix_source(text.encode(), "x.py", options, unsafe=unsafe)
    return result.data.decode()


def comments(data):
    tokens = tokenize.tokenize(io.BytesIO(data).readline)
    return sorted(each.string for each in tokens if each.type == tokenize.COMMENT)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_a_fixed_file_compiles_is_better_keeps_its_comments_and_needs_no_second_round(path):
    unsafe = len(path.stem) % 2 == 0
    data = path.read_bytes()
    options = options_of(data.decode())
    before = check_source(data.decode(), str(path), options)
    result = fix_source(data, str(path), options, unsafe=unsafe)
    compile(result.data, str(path), "exec", dont_inherit=True)
    after = check_source(result.data.decode(), str(path), options)
    assert len(after) == len(before) - len(result.done)
    assert [each.code for each in after] == [each.code for each in result.left]
    if not any(each.code == "HF311" for each in result.done):  # the line goes, and what it says
        assert comments(result.data) == comments(data)
    again = fix_source(result.data, str(path), options, unsafe=unsafe)
    assert again.data == result.data
    assert not again.done


def test_each_proposal_has_a_hazard_that_the_checker_finds():
    found = {
        each.code
        for path in FIXTURES
        for each in check_source(
            path.read_text(encoding="utf-8"), str(path), options_of(path.read_text("utf-8"))
        )
    }
    assert {*SAFE, *UNSAFE} <= found


PAIRS = {
    "hoisted": (
        """
        def launch():
            # It counts.
            process = mp.Process(target=work, args=(mp.Value("i", 0),))  # one
            process.start()
            process.join()
        """,
        """
        def launch():
            # It counts.
            value = mp.Value("i", 0)
            process = mp.Process(target=work, args=(value,))  # one
            process.start()
            process.join()
        """,
    ),
    "hoisted and kept beside the process": (
        """
        def launch():
            process = mp.Process(
                target=work,
                args=(1, mp.Value( "i",0 ), ),   # odd  blanks
            )
            process.start()
            return process
        """,
        """
        def launch():
            value = mp.Value( "i",0 )
            process = mp.Process(
                target=work,
                args=(1, value, ),   # odd  blanks
            )
            process.start()
            process.value = value
            return process
        """,
    ),
    "a started temporary gets a name": (
        """
        def launch():
            mp.Process(target=work, args=(mp.RawValue("i"),)).start()
        """,
        """
        def launch():
            raw_value = mp.RawValue("i")
            process = mp.Process(target=work, args=(raw_value,))
            process.start()
            process.raw_value = raw_value
        """,
    ),
    "bound to the instance in a constructor": (
        """
        class Service:
            def __init__(self):
                total = mp.Value("d", 0)
                mp.Process(target=work, args=(total,)).start()
        """,
        """
        class Service:
            def __init__(self):
                total = mp.Value("d", 0)
                self._total = total
                mp.Process(target=work, args=(total,)).start()
        """,
    ),
    "an attribute of that name stands for something else": (
        """
        class Service:
            def __init__(self):
                self._total = 1
                total = mp.Value("d", 0)
                mp.Process(target=work, args=(total,)).start()
        """,
        """
        class Service:
            def __init__(self):
                self._total = 1
                total = mp.Value("d", 0)
                self.total = total
                mp.Process(target=work, args=(total,)).start()
        """,
    ),
    "a method that may be called again keeps it beside the process": (
        """
        class Service:
            def start(self):
                total = mp.Value("d", 0)
                process = mp.Process(target=work, args=(total,))
                process.start()
                return process
        """,
        """
        class Service:
            def start(self):
                total = mp.Value("d", 0)
                process = mp.Process(target=work, args=(total,))
                process.start()
                process.total = total
                return process
        """,
    ),
    "a statement that makes an owner": (
        """
        class Service:
            def __init__(self):
                self.total = mp.Value("d", 0)
                mp.Process(target=work, args=(self.total,)).start()


        Service()
        other = mp.Value("d", 0)
        work(other)
        """,
        """
        class Service:
            def __init__(self):
                self.total = mp.Value("d", 0)
                mp.Process(target=work, args=(self.total,)).start()


        service = Service()
        other = mp.Value("d", 0)
        work(other)
        """,
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_fix_is_what_a_maintainer_would_write(name):
    before, after = (HEADER + textwrap.dedent(each).lstrip("\n") for each in PAIRS[name])
    assert fixed(before) == after


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize("indent", ["\t", "  "])
def test_line_ends_and_indentation_stay_as_they_are(newline, indent):
    text = (
        "import multiprocessing as mp\n\n\ndef launch(work):\n"
        "\tprocess = mp.Process(target=work, args=(mp.Value('i', 0),))\n"
        "\tprocess.start()\n\treturn process"
    )
    text = text.replace("\t", indent).replace("\n", newline)
    result = fixed(text)
    assert f"{indent}process.value = value{newline}" in result
    assert result.replace("\r\n", "").count("\r") == 0
    assert result.count("\r\n") == (result.count("\n") if newline == "\r\n" else 0)
    assert not result.endswith("\n")


def test_the_encoding_of_the_file_stays():
    text = (
        "# -*- coding: latin-1 -*-\nimport multiprocessing as mp\n\n\ndef launch(work):\n"
        "    process = mp.Process(target=work, args=('Zürich', mp.Value('i', 0)))  # größe\n"
        "    process.start()\n    process.join()\n"
    )
    result = fix_source(text.encode("latin-1"), "x.py", Options(start_method="fork"))
    assert len(result.done) == 1
    assert "args=('Zürich', value))  # größe" in result.data.decode("latin-1")


@pytest.mark.parametrize(
    "line",
    [
        "processes = [mp.Process(target=work, args=(mp.Value('i', 0),)) for _ in range(3)]",
        "process = flag and mp.Process(target=work, args=(mp.Value('i', 0),))",
        "make = lambda: mp.Process(target=work, args=(mp.Value('i', 0),))",
    ],
)
def test_what_is_not_evaluated_once_is_not_moved(line):
    text = f"{HEADER}def launch(flag):\n    {line}\n    return flag\n"
    assert fixed(text, unsafe=True) == text


def test_a_comment_that_allows_a_finding_keeps_it_from_being_fixed():
    text = (
        f"{HEADER}def launch():\n"
        "    # holdfast: allow inline-args because the child looks at it once\n"
        "    process = mp.Process(target=work, args=(mp.Value('i', 0),))\n"
        "    process.start()\n    process.join()\n"
    )
    assert fixed(text) == text


def test_only_what_is_selected_is_fixed():
    text = (
        f"{HEADER}def launch():\n"
        "    process = mp.Process(target=work, args=(mp.Value('i', 0),))\n"
        "    process.start()\n    process.join()\n"
    )
    assert fixed(text, options=Options(select=("HF301",), start_method="fork")) == text


def test_unsafe_fixes_are_not_made_by_themselves():
    path = next(each for each in FIXTURES if each.stem == "pool_result_after_exit")
    data = Path(path).read_bytes()
    assert fix_source(data, str(path), options_of(data.decode())).data == data


def test_without_libcst_there_is_a_message_that_says_what_to_install(monkeypatch):
    monkeypatch.setattr("holdfast.lint.fixes.available", lambda: False)
    with pytest.raises(FixesUnavailableError, match=r"pip install .holdfast\[check\]"):
        fix_source(b"", "x.py", Options())
