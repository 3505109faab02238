"""`holdfast check`: every option, each way it can be given."""

from __future__ import annotations

import io
import json
import os
import signal
import sys

import pytest

from holdfast.cli import FAILED, USAGE, check
from holdfast.lint.files import crew
from holdfast.lint.files.checked import check_path

WRONG = """\
import multiprocessing as mp

process = mp.Process(target=print, args=(mp.Value("i"),))
process.start()
process.join()
"""
LOCK = WRONG.replace('Value("i")', "Lock()")
RIGHT = "import multiprocessing as mp\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "app.py").write_text(WRONG)
    (tmp_path / "clean.py").write_text(RIGHT)
    return tmp_path


def codes(capsys, *arguments):
    status = check.main([*arguments, "--format", "json", "--no-cache"])
    report = json.loads(capsys.readouterr().out)
    found = [(each["place"]["file"], each["code"]) for each in report["findings"]]
    assert status == (1 if found else 0)
    return found


def test_the_current_folder_is_checked_if_none_is_named(folder, capsys):
    assert codes(capsys) == [("app.py", "HF101")]


def test_text_shows_the_line_and_what_to_write_instead(folder, capsys):
    assert check.main(["app.py", "--no-cache"]) == 1
    text = capsys.readouterr().out
    assert "app.py:3:42: HF101 inline-args" in text
    assert 'process = mp.Process(target=print, args=(mp.Value("i"),))' in text
    assert "^^^^^^^^^^^^^" in text


def test_nothing_found_is_status_0(folder, capsys):
    assert check.main(["clean.py", "--no-cache"]) == 0
    assert "no findings" in capsys.readouterr().out.lower()


def test_a_path_that_is_not_there_is_wrong_usage(folder, capsys):
    with pytest.raises(SystemExit) as end:
        check.main(["nowhere.py"])
    assert end.value.code == USAGE
    assert "nowhere.py" in capsys.readouterr().err


def test_standard_input_has_a_name_if_it_is_given_one(folder, capsys, monkeypatch):
    for name, shown in ((["--stdin-filename", "x/y.py"], "x/y.py"), ([], "<stdin>")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(WRONG.encode())))
        assert codes(capsys, "-", *name) == [(shown, "HF101")]


def test_select_and_ignore_by_code_beginning_and_name(folder, capsys):
    for wanted in ("HF101", "hf1", "inline-args", "HF2,HF101"):
        assert codes(capsys, "--select", wanted) == [("app.py", "HF101")]
    for unwanted in ("HF2", "local-dropped"):
        assert codes(capsys, "--select", unwanted) == []
        assert codes(capsys, "--ignore", unwanted) == [("app.py", "HF101")]
    assert codes(capsys, "--ignore", "HF101") == []


@pytest.mark.parametrize("option", ["--select", "--ignore"])
def test_a_code_that_does_not_exist_is_wrong_usage(folder, capsys, option):
    assert check.main([option, "HF999"]) == USAGE
    assert "HF999" in capsys.readouterr().err


def test_the_start_method_by_option_by_target_and_by_the_program(folder, capsys):
    (folder / "app.py").write_text(LOCK)
    assert codes(capsys, "--target-python", "3.11") == []
    assert codes(capsys, "--start-method", "spawn") == [("app.py", "HF201")]
    if sys.platform == "linux":
        assert codes(capsys, "--target-python", "3.14") == [("app.py", "HF201")]
    (folder / "main.py").write_text(RIGHT + "mp.set_start_method('forkserver')\n")
    assert codes(capsys, "--target-python", "3.11") == [("app.py", "HF201")]
    assert codes(capsys, "--start-method", "fork") == []


def test_exclude_by_option_and_gitignore(folder, capsys):
    (folder / "old").mkdir()
    (folder / "old" / "gone.py").write_text(WRONG)
    both = [("app.py", "HF101"), ("old/gone.py", "HF101")]
    assert codes(capsys) == both
    assert codes(capsys, "--exclude", "old/") == both[:1]
    assert codes(capsys, "--exclude", "app.py") == both[1:]
    (folder / ".gitignore").write_text("*.py\n!app.py\n")
    assert codes(capsys) == both[:1]
    assert codes(capsys, "--no-gitignore") == both
    assert codes(capsys, "old/gone.py") == both[1:]  # named, so wanted


def test_settings_of_the_project_and_the_command_line_wins(folder, capsys):
    settings = folder / "pyproject.toml"
    settings.write_text('[tool.holdfast]\nignore = ["inline-args"]\n')
    assert codes(capsys) == []
    assert codes(capsys, "--ignore", "HF2") == [("app.py", "HF101")]
    settings.write_text('[tool.holdfast]\nexclude = ["app.py"]\n')
    assert codes(capsys) == []
    (folder / "app.py").write_text(LOCK)
    settings.write_text('[tool.holdfast]\nstart-method = "spawn"\n')
    assert codes(capsys) == [("app.py", "HF201")]
    assert codes(capsys, "--start-method", "fork") == []
    settings.write_text('[tool.holdfast]\ntarget-python = "3.14"\n')
    assert bool(codes(capsys)) == (sys.platform == "linux")
    settings.unlink()
    (folder / "other.toml").write_text('[tool.holdfast]\nselect = ["HF3"]\n')
    assert codes(capsys, "--config", "other.toml", "--start-method", "spawn") == []


@pytest.mark.parametrize(
    "wrong",
    ["select = 3", 'min-confidence = "some"', 'start-method = "thread"', 'target-python = "new"'],
)
def test_a_wrong_setting_is_wrong_usage_and_says_where(folder, capsys, wrong):
    (folder / "pyproject.toml").write_text(f"[tool.holdfast]\n{wrong}\n")
    assert check.main([]) == USAGE
    error = capsys.readouterr().err
    assert "pyproject.toml: [tool.holdfast] " + wrong.split()[0] in error


def test_the_least_confidence(folder, capsys):
    (folder / "app.py").write_text(
        "import multiprocessing as mp\n\n\ndef run():\n    value = mp.Value('i')\n"
        "    process = mp.Process(target=print, args=(value,))\n    process.start()\n"
        "    process.terminate()\n"
    )
    assert codes(capsys) == []
    assert codes(capsys, "--min-confidence", "low") == [("app.py", "HF102")]
    (folder / "pyproject.toml").write_text('[tool.holdfast]\nmin-confidence = "low"\n')
    assert codes(capsys) == [("app.py", "HF102")]


def test_the_formats(folder, capsys):
    def text(name):
        assert check.main(["app.py", "--format", name, "--no-cache"]) == 1
        return capsys.readouterr().out

    assert json.loads(text("sarif"))["version"] == "2.1.0"
    (line,) = text("github").splitlines()
    assert line.startswith("::error file=app.py,line=3,endLine=3,col=42,endColumn=55,title=HF101")
    (entry,) = json.loads(text("gitlab"))
    assert entry["location"] == {"path": "app.py", "lines": {"begin": 3, "end": 3}}
    assert entry["check_name"] == "HF101 inline-args"
    assert entry["severity"] == "major"
    assert len(entry["fingerprint"]) == 16


def test_output_goes_to_a_file(folder, capsys):
    assert check.main(["--no-cache", "-o", "found.json", "--format", "json"]) == 1
    assert capsys.readouterr().out == ""
    assert json.loads((folder / "found.json").read_text())["findings"]
    assert check.main(["--no-cache", "-o", "no/such/folder"]) == FAILED


def test_statistics_count_by_code(folder, capsys):
    assert check.main(["--no-cache", "--statistics"]) == 1
    text = capsys.readouterr().out
    assert "1  HF101 inline-args" in text
    assert "2 files looked at" in text


def test_what_cannot_be_parsed_is_noted_and_the_rest_goes_on(folder, capsys):
    (folder / "broken.py").write_text("from multiprocessing import Process\ndef (:\n")
    assert codes(capsys) == [("app.py", "HF101")]
    assert check.main(["--no-cache", "--format", "json"]) == 1
    out, err = capsys.readouterr()
    assert err.startswith("broken.py:2: not checked: ")
    assert json.loads(out)["notes"] == [err.strip()]


def test_the_cache_gives_the_same_and_knows_what_has_changed(folder, capsys):
    def run():
        status = check.main(["--format", "json"])
        return status, json.loads(capsys.readouterr().out)["findings"]

    first = run()
    assert (folder / ".holdfast_cache" / "CACHEDIR.TAG").exists()
    assert run() == first
    assert first[0] == 1
    (folder / "app.py").write_text(RIGHT)
    assert run() == (0, [])
    (folder / "app.py").write_text("\n" + WRONG)
    assert run()[1][0]["place"]["line"] == 4


def test_the_cache_knows_what_a_file_imports(folder, capsys):
    (folder / "app.py").write_text(
        "from maker import make\nimport multiprocessing as mp\n"
        "mp.Process(target=print, args=(make(),)).start()\n"
    )
    (folder / "maker.py").write_text(RIGHT + "def make():\n    return mp.Value('i')\n")
    assert check.main(["app.py"]) == 1
    (folder / "maker.py").write_text(RIGHT + "def make():\n    return 3 + 4 + 5\n")
    assert check.main(["app.py"]) == 0
    capsys.readouterr()


def test_a_damaged_cache_is_as_good_as_none(folder, capsys):
    assert check.main([]) == 1
    (cache,) = (folder / ".holdfast_cache").glob("*.json")
    for damage in ("", "{", '{"app.py": {}}', '{"app.py": {"marks": [], "report": {}}}', "[]"):
        cache.write_text(damage)
        assert check.main([]) == 1
    capsys.readouterr()


def test_the_result_does_not_depend_on_the_number_of_processes(folder, capsys):
    for number in range(30):
        (folder / f"copy{number}.py").write_text(WRONG)
    one = codes(capsys, "--jobs", "1")
    assert len(one) == 31
    assert codes(capsys, "--jobs", "2") == one


def test_a_function_that_is_too_much_to_follow_is_noted(folder, capsys):
    body = "".join(f"    x{number} = {number}\n" for number in range(4000))
    text = f"import multiprocessing as mp\n\n\ndef long():\n    value = mp.Value('i')\n{body}"
    (folder / "app.py").write_text(text)
    assert check.main(["--no-cache", "--format", "json"]) == 0
    note = "app.py: checked only in part: there are too many ways through long"
    out, err = capsys.readouterr()
    assert json.loads(out)["notes"] == [note]
    assert err == f"{note}\n"
    assert check.main(["--no-cache", "--quiet", "--format", "json"]) == 0
    assert capsys.readouterr().err == ""
    assert check.main(["--no-cache"]) == 0
    assert note in capsys.readouterr().out
    assert check.main(["--no-cache", "--quiet"]) == 0
    assert note not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["--colour", "--color"])
def test_colours_by_option_by_environment_and_never_in_a_file(folder, capsys, monkeypatch, name):
    def coloured(*arguments):
        check.main(["app.py", "--no-cache", *arguments])
        return "\033[" in capsys.readouterr().out

    for variable in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    assert coloured(name, "always")
    assert not coloured(name, "never")
    assert not coloured(name, "auto")
    assert not coloured()
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert coloured()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured(name, "auto")
    check.main(["app.py", "--no-cache", name, "auto", "-o", "found.txt"])
    assert "\033[" not in (folder / "found.txt").read_text()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_shown_on_a_terminal_and_wiped_and_not_if_quiet(folder, capsys, monkeypatch):
    for arguments, shown in (([], True), (["--quiet"], False), (["-q"], False)):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        assert check.main(["--no-cache", *arguments]) == 1
        text = terminal.getvalue()
        assert ("holdfast check: 1 of" in text) == shown
        assert not shown or text.endswith("\r\033[K")
    capsys.readouterr()
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert check.main(["--no-cache"]) == 1
    assert terminal.getvalue() == ""


def test_a_process_that_dies_takes_no_other_file_with_it(folder, capsys, monkeypatch):
    for number in range(30):
        (folder / f"copy{number}.py").write_text(WRONG)

    def deadly(file, *rest):
        if file == "copy7.py":
            os.kill(os.getpid(), signal.SIGKILL)
        return check_path(file, *rest)

    monkeypatch.setattr(crew, "check_path", deadly)
    assert check.main(["--no-cache", "--jobs", "2", "--format", "json"]) == FAILED
    report = json.loads(capsys.readouterr().out)
    assert len(report["findings"]) == 30
    assert report["notes"] == ["copy7.py: not checked: holdfast failed: its process died"]
