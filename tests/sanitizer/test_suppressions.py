"""What the user does not want to see, and suppressions that are of no use."""

from __future__ import annotations

import pytest

from holdfast.cli import suppressions
from holdfast.cli.suppressions import Suppression, SuppressionError
from tests.sanitizer.programs import watched, watched_together

WRONG = """
    import multiprocessing as mp

    def work(raw):
        raw[0] = 1

    def start():
        process = mp.Process(target=work, args=(mp.RawArray("i", 2),))
        process.start()
        return process

    if __name__ == "__main__":
        start().join()
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The finding of that program."""
    return watched(tmp_path_factory.mktemp("found"), WRONG, status=1).only("HF101")


@pytest.mark.parametrize(
    "text",
    ["HF101", "inline-args", "HF1", "*", "HF101:app.py", "HF101:*.py:start", "inline-args::start",
     "*:app.py:*", "hf101"],
)  # fmt: skip
def test_suppression_hides_the_finding(found, text):
    assert suppressions.apply([found], [Suppression.of(text, "x")]) == ((), 1, ())


@pytest.mark.parametrize(
    "text", ["HF102", "HF101:other.py", "HF101:app.py:work_", "shm-inline-buf"]
)
def test_suppression_that_means_another_hides_nothing(found, text):
    kept, suppressed, unused = suppressions.apply([found], [Suppression.of(text, "x")])
    assert kept == (found,)
    assert suppressed == 0
    assert unused == (f"the suppression {text!r} (x) has suppressed nothing",)


def test_run_without_findings_prints_nothing(tmp_path):
    seen = watched(tmp_path, WRONG, options=["--ignore", "HF101:app.py"])
    assert seen.findings == ()
    assert seen.status == 0
    assert seen.report.suppressed == 1
    assert seen.errors == ""


def test_option_that_is_of_no_use_is_told_of(tmp_path):
    seen = watched(tmp_path, WRONG, options=["--ignore=HF102"])
    assert seen.codes == ["HF101"]
    assert seen.status == 1
    assert seen.report.notes == ("the suppression 'HF102' (--ignore) has suppressed nothing",)
    assert "has suppressed nothing" in seen.errors


def test_several_may_be_given(tmp_path):
    seen = watched(tmp_path, WRONG, options=["--ignore", "HF101, HF2", "--ignore", "HF301"])
    assert seen.findings == ()
    assert len(seen.report.notes) == 2


@pytest.mark.parametrize("text", ["HF999", "no-such-thing", "HF101:a:b:c", "HF101;x"])
def test_suppression_that_nobody_understands_is_wrong_usage(tmp_path, text):
    from tests.guard.test_run import run

    (tmp_path / "app.py").write_text("print('ran')")
    outcome = run(["-m", "holdfast", "run", "--ignore", text, "app.py"], tmp_path)
    assert outcome.returncode == 2
    assert "expected CODE" in outcome.stderr
    assert outcome.stdout == ""


def test_project_says_what_to_suppress(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[tool.holdfast]\nsuppress = ["inline-args:app.py:start", "HF309"]\nignore = ["HF7"]\n'
    )
    seen = watched(tmp_path, WRONG)
    assert seen.findings == ()
    assert seen.report.suppressed == 1
    (note,) = seen.report.notes
    assert note.startswith("the suppression 'HF309' (")
    assert "pyproject.toml, suppress)" in note


def test_what_the_project_ignores_is_ignored_by_the_run_too(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.holdfast]\nignore = ["inline-args"]\n')
    seen = watched(tmp_path, WRONG)
    assert seen.findings == ()
    assert seen.report.notes == ()


@pytest.mark.parametrize("entry", ["suppress = [3]", 'suppress = ["no-such"]', "suppress = ["])
def test_project_that_says_something_else_is_wrong_usage(tmp_path, entry):
    from tests.guard.test_run import run

    (tmp_path / "app.py").write_text("print('ran')")
    (tmp_path / "pyproject.toml").write_text(f"[tool.holdfast]\n{entry}\n")
    outcome = run(["-m", "holdfast", "run", "app.py"], tmp_path)
    assert outcome.returncode == 2
    assert "pyproject.toml" in outcome.stderr
    assert outcome.stdout == ""


COMMENTS = {
    "# holdfast: allow inline-args because it is read at once": True,
    "# holdfast: allow HF101 because it is read at once": True,
    "# holdfast: allow local-dropped because it is another one": False,
    "# holdfast: allow inline-args": False,
}


def test_comment_at_the_place_allows_it(tmp_path):
    text = WRONG.partition("    if __name__")[0] + "    def main():\n        start().join()\n"
    bodies = {}
    for comment in COMMENTS:
        bodies[f"{comment} there"] = text.replace('("i", 2),))', f'("i", 2),))  {comment}')
        bodies[f"{comment} above"] = text.replace(
            "        process = ", f"        {comment}\n        process = "
        )
    seen = watched_together(tmp_path, "", bodies, "fork")
    for comment, hidden in COMMENTS.items():
        for where in ("there", "above"):
            assert (seen[f"{comment} {where}"].findings == ()) == hidden, (comment, where)


def test_halt_passes_over_what_is_suppressed(tmp_path):
    seen = watched(tmp_path, WRONG, options=["--halt", "--ignore", "HF101"], status=0)
    assert seen.findings == ()


def test_parts_are_read_as_they_are_written():
    assert Suppression.of("HF101", "x").what == "HF101"
    three = Suppression.of("closure-target: src/app.py :Worker.start", "x")
    assert (three.what, three.file, three.function) == (
        "closure-target", "src/app.py", "Worker.start",
    )  # fmt: skip
    with pytest.raises(SuppressionError, match="names no hazard") as caught:
        Suppression.of("HF9", "x")
    assert (caught.value.text, caught.value.origin) == ("HF9", "x")
    assert suppressions.apply([], []) == ((), 0, ())
