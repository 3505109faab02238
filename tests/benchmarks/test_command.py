"""The command: every row runs, the results are whole, misses are shown. No times are judged."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest
from benchmarks.line import Line, plain_line
from benchmarks.runner import Result
from benchmarks.timing import QUICK, Comparison, Spread, compare, loop

from benchmarks import drawing, machine, rows, table

if TYPE_CHECKING:
    from pathlib import Path


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=machine.ROOT,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", rows.ROWS)
def test_row_runs(name: str, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    done = command(name, "--quick", "--json", str(file))
    assert done.returncode == 0, done.stderr
    results = json.loads(file.read_text())
    assert not results["errors"]
    assert results["lines"]
    for line in results["lines"]:
        assert line["row"] == name
        assert line["figure"] is not None or "not installed" in line["note"]
    assert {"load_before", "load_after", "python", "machine", "packages"} <= set(results)


def test_list_names_every_row_with_its_title() -> None:
    lines = command("--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(rows.ROWS)
    assert all(len(line.split()) > 2 for line in lines)


def test_an_unknown_row_is_a_usage_error() -> None:
    done = command("no-such-row")
    assert done.returncode == 2
    assert "no-such-row" in done.stderr


def ratio(figure: float | None, **goal: Any) -> Line:
    return Line("v.load()", "a peer", 10.0, 20.0, "ns", figure, 0.4, 0.6, "x the time", **goal)


def test_a_figure_is_judged_as_it_is_printed() -> None:
    assert ratio(1.004, at_most=1.0).verdict == "met"
    assert ratio(1.006, at_most=1.0).verdict == "missed"
    assert ratio(19.96, at_least=20).verdict == "met"
    assert ratio(19.94, at_least=20).verdict == "missed"
    assert ratio(None, at_least=20).verdict == "not measured"
    assert ratio(1.0).verdict == ""


def test_a_miss_and_a_failure_are_in_the_summary() -> None:
    results = [
        Result("load-store", [ratio(2.0, at_most=1.05)], 1.0),
        Result("fork", [], 1.0, error="Traceback\nOSError: no luck\n"),
    ]
    text = table.render(results)
    assert "0 of 1 goals met" in text
    assert "missed: v.load(), against a peer: 2.00 x the time, goal <= 1.05 x" in text
    assert "FAILED: fork: OSError: no luck" in text


def test_a_ratio_is_taken_within_each_round() -> None:
    # In the second round the machine was three times as slow, for both.
    seen = Comparison({"ours": [1.0, 3.0, 1.0], "theirs": [2.0, 6.0, 2.0]})
    assert seen.times_faster("ours", "theirs") == Spread(2.0, 2.0, 2.0)
    assert seen.times_the_peer("ours", "theirs").median == 0.5


def test_contestants_run_as_often_as_the_rounds_say() -> None:
    calls: list[int] = []
    comparison = compare(QUICK, {"one": loop("note(1)", note=calls.append)})
    assert len(comparison.rounds["one"]) == QUICK.rounds
    assert calls


def test_the_picture_is_svg_for_light_and_dark() -> None:
    lines = [ratio(2.0)] + [
        Line(operation, "mp.Value", 20.0, 400.0, "ns", 20.0) for operation in drawing.DRAWN
    ]
    about = machine.describe()
    text = drawing.draw([Result("value", lines, 1.0)], about)
    root = ET.fromstring(text)
    assert root.tag.endswith("svg")
    assert "prefers-color-scheme: dark" in text
    assert all(label in "".join(root.itertext()) for label in drawing.DRAWN.values())
    assert about["python"]["version"] in text


def test_a_plain_goal_has_no_peer() -> None:
    line = plain_line("import holdfast", Spread(2.0, 1.0, 3.0), "ms", at_most=15)
    assert (line.goal, line.verdict, line.peer) == ("<= 15 ms", "met", "")
