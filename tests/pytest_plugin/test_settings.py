"""Every setting, by each way in which it can be given; and what it costs not to give any."""

from __future__ import annotations

import json
import stat

import pytest

from tests.pytest_plugin.projects import run

pytest_plugins = ["pytester"]

WRONG = "from shared import provoke\n\ndef test_it():\n    provoke()\n"
INI = {
    "pytest.ini": "[pytest]\n{}\n",
    "tox.ini": "[pytest]\n{}\n",
    "setup.cfg": "[tool:pytest]\n{}\n",
    "pyproject.toml": "[tool.pytest.ini_options]\n{}\n",
}


def ini(file, **settings):
    """An ini file with these settings, as its name and its text."""
    toml = file.endswith(".toml")
    shown = {True: "true", False: "false"}
    lines = []
    for name, value in settings.items():
        text = shown[value] if isinstance(value, bool) else str(value)
        lines.append(f"{name} = {text if isinstance(value, bool) or not toml else repr(value)}")
    return {file: INI[file].format("\n".join(lines))}


# ---- on and off ---------------------------------------------------------------------------------


@pytest.mark.parametrize("file", INI)
def test_each_ini_file_turns_it_on(pytester, file):
    ran = run(pytester, {"test_it.py": WRONG, **ini(file, holdfast=True)}, watch=False)
    assert ran.outcomes == {"failed": 1}, ran.output
    assert ran.summary == "holdfast: 1 finding in 1 test"


def test_the_command_line_turns_it_on_whatever_the_ini_file_says(pytester):
    files = {"test_it.py": WRONG, **ini("pytest.ini", holdfast=False)}
    assert run(pytester, files, watch=False).outcomes == {"passed": 1}
    assert run(pytester, files).outcomes == {"failed": 1}


def test_the_command_line_turns_it_off_whatever_the_ini_file_says(pytester):
    files = {"test_it.py": WRONG, **ini("pytest.ini", holdfast=True)}
    ran = run(pytester, files, "--holdfast-off", watch=False)
    assert ran.outcomes == {"passed": 1}, ran.output


def test_without_it_nothing_is_loaded(pytester):
    program = """
    import sys

    import pytest

    @pytest.mark.holdfast(ignore=["HF102"])
    def test_it():
        loaded = {name.partition(".")[0] for name in sys.modules}
        assert "pytest_holdfast" in loaded
        assert not loaded & {"holdfast", "multiprocessing"}
    """
    ran = run(pytester, {"test_it.py": program}, watch=False)
    assert ran.outcomes == {"passed": 1}, ran.output
    assert "holdfast: " not in ran.output


def test_the_plugin_can_be_left_out(pytester):
    ran = run(pytester, {"test_it.py": WRONG}, "-p", "no:holdfast", "-W", "error", watch=False)
    assert ran.outcomes == {"passed": 1}, ran.output


# ---- what is ignored ----------------------------------------------------------------------------


# What a suppression means is said in tests/sanitizer/test_suppressions.py.
@pytest.mark.parametrize("what", ["hf1", "HF701,local-dropped:shared.py:start_wrong"])
def test_a_hazard_is_ignored(pytester, what):
    ran = run(pytester, {"test_it.py": WRONG}, f"--holdfast-ignore={what}")
    assert ran.outcomes == {"passed": 1}, ran.output
    assert ran.summary == "holdfast: no findings in 1 test (1 ignored)"
    assert ran.report.suppressed == 1


def test_another_hazard_is_not_ignored(pytester):
    others = ["HF3", "inline-args", "HF102:other.py"]
    options = [f"--holdfast-ignore={what}" for what in others]
    ran = run(pytester, {"test_it.py": WRONG}, *options)
    assert ran.outcomes == {"failed": 1}, ran.output
    for what in others:
        note = f"holdfast: note: '{what}' (--holdfast-ignore) has suppressed nothing"
        assert note in ran.output


@pytest.mark.parametrize("file", ["pytest.ini", "pyproject.toml"])
def test_a_hazard_is_ignored_by_ini_and_the_command_line_wins(pytester, file):
    files = {"test_it.py": WRONG, **ini(file, holdfast=True, holdfast_ignore="HF701 HF102")}
    assert run(pytester, files).outcomes == {"passed": 1}
    assert run(pytester, files, "--holdfast-ignore=HF701").outcomes == {"failed": 1}


@pytest.mark.parametrize(
    "setting", ["suppress = ['HF102:shared.py']", "ignore = ['local-dropped']"]
)
def test_what_the_project_suppresses_holds_here_too(pytester, setting):
    files = {"test_it.py": WRONG, "pyproject.toml": f"[tool.holdfast]\n{setting}\n"}
    ran = run(pytester, files)
    assert ran.outcomes == {"passed": 1}, ran.output
    assert ran.summary == "holdfast: no findings in 1 test (1 ignored)"


def test_a_comment_that_allows_holds_here_too(pytester):
    program = """
    import multiprocessing as mp

    from shared import use

    def start(go):
        value = mp.Value("i", 0)
        process = mp.Process(target=use, args=(go, value))
        process.start()
        # holdfast: allow local-dropped because this test is about it
        return process

    def test_it():
        go = mp.Event()
        process = start(go)
        go.set()
        process.join()
    """
    ran = run(pytester, {"test_it.py": program})
    assert ran.outcomes == {"passed": 1}, ran.output


MARKED = """
    import pytest
    from shared import provoke

    @pytest.mark.holdfast(ignore=["HF701", "local-dropped"])
    def test_ignored():
        provoke()

    @pytest.mark.holdfast(ignore="HF102")
    def test_ignored_by_a_word():
        provoke()

    @pytest.mark.holdfast(ignore=["HF701"])
    def test_other():
        provoke()

    @pytest.mark.holdfast(enabled=False)
    class TestAll:
        def test_disabled(self):
            provoke()

        @pytest.mark.holdfast(enabled=True)
        def test_enabled(self):
            provoke()

        @pytest.mark.holdfast(enabled=True, ignore=["HF102"])
        def test_enabled_and_ignored(self):
            provoke()
"""


def test_markers_say_what_holds_for_one_test_and_the_nearest_wins(pytester):
    ran = run(pytester, {"test_it.py": MARKED}, "--strict-markers", "-W", "error")
    assert ran.outcomes == {"passed": 4, "failed": 2}, ran.output
    assert sorted(ran.by_test) == ["test_enabled", "test_other"]
    assert ran.summary == "holdfast: 2 findings in 2 tests (3 ignored)"


# ---- the rest -----------------------------------------------------------------------------------


def test_the_json_file_is_private_and_says_which_test(pytester):
    ran = run(pytester, {"test_it.py": WRONG})
    file = pytester.path / "found.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ran.report.tool == "pytest"
    assert ran.report.program[0] == "pytest"
    assert [step.role for step in ran.report.findings[0].steps][:2] == ["noted", "created"]
    assert ran.report.findings[0].steps[0].text == "in the test test_it.py::test_it"
    pids = {step.pid for step in ran.report.findings[0].steps if step.pid is not None}
    assert pids <= {process.pid for process in ran.report.processes}


@pytest.mark.parametrize("file", ["pytest.ini", "pyproject.toml"])
def test_the_json_file_of_an_ini_file_lies_beside_it(pytester, file):
    (pytester.path / "below").mkdir()
    files = {"test_it.py": WRONG, **ini(file, holdfast=True, holdfast_json="below/all.json")}
    run(pytester, files, watch=False)
    report = json.loads((pytester.path / "below/all.json").read_text())
    assert [finding["code"] for finding in report["findings"]] == ["HF102"]


def test_a_json_file_that_cannot_be_written_fails_the_run(pytester):
    ran = run(
        pytester, {"test_it.py": "def test_it(): pass"}, "--holdfast",
        "--holdfast-json=/nowhere/all.json", watch=False,
    )  # fmt: skip
    assert ran.outcomes == {"passed": 1}
    assert ran.status == 3
    assert "/nowhere/all.json" in ran.output


REUSED = """
    import multiprocessing as mp

    from shared import start_wrong

    def test_it():
        go = mp.Event()
        process = start_wrong(go)
        victim = mp.Value("i", 0)
        go.set()
        process.join()
        assert victim.value in {0, 1}
"""


@pytest.mark.parametrize(
    ("options", "verb"),
    [
        ([], "would get"),
        (["--holdfast-as-is"], "got"),
        (["-o", "holdfast_as_is=true"], "got"),
    ],
)
def test_memory_is_the_standard_librarys_own_as_it_is(pytester, options, verb):
    ran = run(pytester, {"test_it.py": REUSED}, *options)
    victims = [step for step in ran.report.findings[0].steps if step.role == "victim"]
    assert f"{verb} these very bytes" in victims[0].text
    assert "victim" in victims[0].text


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ([], False),
        (["--holdfast-all-frames"], True),
        (["-o", "holdfast_all_frames=true"], True),
    ],
)
def test_frames_of_libraries_are_shown_if_wanted(pytester, options, shown):
    ran = run(pytester, {"test_it.py": WRONG}, *options)
    assert ("multiprocessing/context.py" in ran.section("test_it")) is shown


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--holdfast-ignore=HF9", "'HF9' names no hazard"),
        ("--holdfast-ignore=a:b:c:d", "has more than three parts"),
        ("--holdfast-wait=-1", "expected a number of seconds"),
        ("--override-ini=holdfast_wait=soon", "expected a number of seconds"),
        ("--override-ini=holdfast_ignore=nothing", "'nothing' names no hazard"),
    ],
)
def test_a_wrong_setting_is_told_of_before_anything_runs(pytester, option, text):
    ran = run(pytester, {"test_it.py": WRONG}, option)
    assert ran.status == pytest.ExitCode.USAGE_ERROR
    assert text in ran.errors
    assert "1 passed" not in ran.output


@pytest.mark.parametrize(
    ("marker", "text"),
    [
        ("'HF102'", "takes ignore=, enabled= and wait=, not 'HF102'"),
        ("ignored=['HF102']", "takes ignore=, enabled= and wait=, not ignored"),
        ("ignore=['HF999']", "'HF999' names no hazard"),
        ("wait='long'", "expected a number of seconds"),
    ],
)
def test_a_wrong_marker_is_told_of_before_anything_runs(pytester, marker, text):
    program = f"""
    import pytest

    def test_first():
        pass

    @pytest.mark.holdfast({marker})
    def test_it():
        pass
    """
    ran = run(pytester, {"test_it.py": program})
    assert ran.status == pytest.ExitCode.USAGE_ERROR
    assert text in ran.output + ran.errors
    assert "1 passed" not in ran.output


def test_a_wrong_suppression_of_the_project_is_told_of(pytester):
    files = {"test_it.py": WRONG, "pyproject.toml": "[tool.holdfast]\nsuppress = ['HF999']\n"}
    ran = run(pytester, files)
    assert ran.status == pytest.ExitCode.USAGE_ERROR
    assert "'HF999' names no hazard" in ran.errors
