"""`holdfast explain` and `holdfast report`, as commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from holdfast.findings import GROUPS, HAZARDS
from holdfast.report import as_html, as_json, as_sarif, as_text
from tests.report import stories


def holdfast(*arguments, given="", closed=False, **environment):
    """Run the command; its exit status, output and complaints."""
    variables = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    command = [sys.executable, "-m", "holdfast", *map(str, arguments)]
    if closed:
        command = ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *command]
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, encoding="utf-8",
        env=variables | {"PYTHONIOENCODING": "utf-8"} | environment,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def saved(tmp_path):
    """A saved report of the first program."""
    file = tmp_path / "found.json"
    file.write_text(as_json.render(stories.first_program()))
    return file


# ---- explain ------------------------------------------------------------------------------------


def test_explain_lists_every_hazard_by_group():
    status, out, err = holdfast("explain")
    assert (status, err) == (0, "")
    for hazard in HAZARDS:
        assert f"  {hazard.code}  {hazard.slug} " in out
        assert hazard.title in out
    for group, title in GROUPS.items():
        assert f"{group}xx  {title}\n" in out
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize("name", ["HF102", "hf102", "local-dropped", "HF102:"])
def test_explain_prints_a_page_by_code_or_slug(name):
    status, out, err = holdfast("explain", name)
    assert (status, err) == (0, "")
    assert out.startswith("# HF102 local-dropped\n")
    assert "## Right way" in out


def test_explain_takes_several_and_groups():
    status, out, _ = holdfast("explain", "HF101", "HF4", "HF50")
    assert status == 0
    assert out.startswith("# HF101 inline-args")
    assert "HF4xx  managers and proxies\n  HF401  manager-dropped" in out
    assert "  HF501  pool-result-after-exit" in out
    assert "HF601" not in out


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("local-droped", "HF102  local-dropped"), ("HF1O2", "near it are:"),
        ("closure", "HF105  closure-target"), ("HF999", ""), ("zzzz", "lists them all"),
        ("", "lists them all"),
    ],
)  # fmt: skip
def test_explain_says_what_an_unknown_name_is_near_to(name, near):
    status, out, err = holdfast("explain", name)
    assert (status, out) == (2, "")
    assert err.startswith(f"holdfast explain: there is no hazard {name!r}")
    assert near in err


# ---- report -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "suffix", "form"),
    [("--text", "txt", None), ("--json", "json", as_json), ("--sarif", "sarif", as_sarif),
     ("--html", "html", as_html)],
)  # fmt: skip
def test_report_prints_each_form_asked_by_option_or_by_name(saved, option, suffix, form):
    if form is None:
        wanted = as_text.render(stories.first_program(), colour=False, width=100)
    else:
        wanted = form.render(stories.first_program())
    assert holdfast("report", saved, option) == (0, wanted, "")
    out = saved.with_name(f"out.{suffix}")
    assert holdfast("report", saved, "-o", out) == (0, "", "")
    assert out.read_text(encoding="utf-8") == wanted
    other = saved.with_name("no-suffix")
    assert holdfast("report", saved, option, "-o", other) == (0, "", "")
    assert other.read_text(encoding="utf-8") == wanted


def test_what_report_writes_is_private_as_the_saved_report_is(saved):
    out = saved.with_name("out.html")
    assert holdfast("report", saved, "-o", out)[0] == 0
    assert out.stat().st_mode & 0o777 == 0o600


def test_report_reads_a_pipe_and_respects_the_width(saved):
    status, out, err = holdfast("report", "-", given=saved.read_text(), COLUMNS="60")
    assert (status, err) == (0, "")
    assert out == as_text.render(stories.first_program(), colour=False, width=60)


def test_colour_is_chosen_by_option_and_environment(saved):
    assert "\x1b" not in holdfast("report", saved)[1]
    assert "\x1b[" in holdfast("report", saved, "--colour", "always")[1]
    assert "\x1b[" in holdfast("report", saved, FORCE_COLOR="1")[1]
    assert "\x1b" not in holdfast("report", saved, FORCE_COLOR="1", NO_COLOR="1")[1]
    assert "\x1b" not in holdfast("report", saved, "--color", "never", FORCE_COLOR="1")[1]


def test_all_frames_is_passed_on(saved):
    assert "context.py:135" not in holdfast("report", saved)[1]
    assert "context.py:135" in holdfast("report", saved, "--all-frames")[1]


def test_any_encoding_gets_the_whole_report(tmp_path):
    file = tmp_path / "found.json"
    data = json.loads(as_json.render(stories.checked(file="把变量.py")))
    file.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    status, out, err = holdfast("report", file, PYTHONIOENCODING="ascii")
    assert (status, err) == (0, "")
    assert "\\u628a\\u53d8\\u91cf.py:23:9: HF102" in out


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "Expecting value"), (b"\xff\xfe\x00", "codec"), (b"[1]", "no object"),
        (b'{"schema": 7}', "its schema is 7"), (b"[" * 100_000, "recursion"),
    ],
)  # fmt: skip
def test_what_is_no_report_is_named_with_the_reason(tmp_path, content, complaint):
    file = tmp_path / "found.json"
    file.write_bytes(content)
    status, out, err = holdfast("report", file)
    assert (status, out) == (2, "")
    assert err.startswith(f"holdfast report: {file}: ")
    assert complaint in err
    assert "Traceback" not in err


def test_missing_files_and_full_disks_are_told_apart(saved, tmp_path):
    status, _, err = holdfast("report", tmp_path / "missing.json")
    assert (status, "No such file" in err) == (2, True)
    status, _, err = holdfast("report", saved, "-o", tmp_path / "no" / "out.html")
    assert (status, "cannot write" in err) == (3, True)
    status, _, err = holdfast("report", saved, "-o", "/dev/full")
    assert (status, "No space left" in err) == (3, True)


def test_a_reader_that_leaves_or_was_never_there_is_no_error(saved):
    assert holdfast("report", saved, closed=True) == (0, "", "")
    command = [sys.executable, "-m", "holdfast", "report", str(saved), "--html"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


@pytest.mark.parametrize("command", ["explain", "report"])
def test_help_teaches_by_examples(command):
    status, out, _ = holdfast(command, "--help")
    assert status == 0
    assert "examples:" in out
    assert "exit status:" in out
    assert f"\n  {command} " in holdfast("--help")[1]


def test_wrong_usage_is_status_2(saved):
    for arguments in (["report"], ["report", saved, "--json", "--html"], ["explain", "--no"]):
        status, _, err = holdfast(*arguments)
        assert status == 2
        assert "usage: holdfast" in err


def test_neither_command_needs_the_native_part(saved):
    program = (
        "import sys; sys.modules['holdfast._native'] = None; from holdfast.cli import main; "
        "sys.exit(main(sys.argv[1:]))"
    )
    for arguments in (["explain", "HF101"], ["report", str(saved), "--html"]):
        done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")
