"""Which statement a comment that allows a finding speaks for."""

from __future__ import annotations

import textwrap

import pytest

from holdfast.lint import Options, check_source

COMMENT = "# holdfast: allow inline-args because the child looks at it once"
PROCESS = "process = mp.Process(target=work, args=(mp.Value('i', 0),))"


def found(body):
    text = "import multiprocessing as mp\n" + textwrap.dedent(body)
    return [each.code for each in check_source(text, "x.py", Options(start_method="fork"))]


@pytest.mark.parametrize(
    "body",
    [
        f"def f(work):\n    {COMMENT}\n    {PROCESS}\n    process.start()\n    process.join()\n",
        f"def f(work):\n    {PROCESS}  {COMMENT}\n    process.start()\n    process.join()\n",
        f"def f(work):\n    x = 1\n\n    {COMMENT}\n\n    {PROCESS}\n    process.start()\n"
        "    process.join()\n",
        "def f(work):\n    process = mp.Process(\n        target=work,\n"
        f"        {COMMENT}\n        args=(mp.Value('i', 0),),\n    )\n    process.start()\n"
        "    process.join()\n",
    ],
)
def test_a_comment_above_the_statement_or_in_it_speaks_for_it(body):
    assert found(body) == []


def test_a_comment_above_the_function_does_not_speak_for_what_is_in_it():
    body = f"{COMMENT}\ndef f(work):\n    {PROCESS}\n    process.start()\n    process.join()\n"
    assert "HF101" in found(body)
