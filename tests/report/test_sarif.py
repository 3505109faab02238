"""Findings as SARIF: valid by the standard's own schema, and useful on a code-scanning page."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given

from holdfast.findings import HAZARDS, Finding, Place, Report
from holdfast.report import as_sarif
from tests.report import stories
from tests.report.test_text import any_finding, one

SCHEMA = Path(__file__).parent / "schemas" / "sarif-schema-2.1.0.json"
VALIDATOR = jsonschema.Draft4Validator(json.loads(SCHEMA.read_text()))


def log_of(report):
    """The log as data, after the standard's schema has been asked."""
    log = json.loads(as_sarif.render(report))
    VALIDATOR.validate(log)
    return log


def run_of(report):
    (run,) = log_of(report)["runs"]
    return run


@pytest.mark.parametrize(
    "report",
    [
        stories.first_program(), stories.checked(), stories.clean_run(),
        stories.checked(file="a b/把.py"),
        Report("check", "0.1.0", (), tuple(
            Finding(hazard.code, hazard.title, Place("x.py", 3)) for hazard in HAZARDS
        )),
    ],
    ids=["run", "check", "clean", "odd", "all"],
)  # fmt: skip
def test_a_log_is_valid(report):
    assert log_of(report)["version"] == "2.1.0"


@given(any_finding)
def test_a_log_is_valid_however_odd_the_records_are(finding):
    log_of(one(finding, "check"))


def test_rules_are_those_that_were_found_with_their_pages():
    run = run_of(stories.first_program())
    (rule,) = run["tool"]["driver"]["rules"]
    (result,) = run["results"]
    assert (rule["id"], rule["name"]) == ("HF102", "local-dropped")
    assert rule["help"]["markdown"].startswith("# HF102 local-dropped\n")
    assert "A local variable" in rule["fullDescription"]["text"]
    assert result["ruleId"] == "HF102"
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]] == rule


def test_a_story_is_one_flow_whose_steps_have_process_place_and_stack():
    (result,) = run_of(stories.first_program())["results"]
    ((flow,),) = [each["threadFlows"] for each in result["codeFlows"]]
    texts = [each["location"]["message"]["text"] for each in flow["locations"]]
    assert [text.split()[0] for text in texts] == [
        "created",
        "handed",
        "dropped",
        "victim:",
        "used",
    ]
    assert texts[-1] == "used to write 1111.0, in Process-1 (pid 4712, fork), at 0.031 s"
    created = flow["locations"][0]
    # The first frame of the program's own, although the library's is further in.
    physical = created["location"]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "app.py"
    assert physical["region"]["startLine"] == 8
    assert len(created["stack"]["frames"]) == 5
    assert [each["executionOrder"] for each in flow["locations"]] == [1, 2, 3, 4, 5]


def test_a_place_in_source_has_its_range_in_characters():
    run = run_of(stories.checked())
    assert run["columnKind"] == "unicodeCodePoints"
    region = run["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 23, "startColumn": 9, "endLine": 23, "endColumn": 15}
    assert "codeFlows" not in run["results"][0]


def test_paths_below_the_working_directory_are_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert as_sarif.uri(str(tmp_path / "src" / "a b.py")) == "src/a%20b.py"
    assert as_sarif.uri("src/app.py") == "src/app.py"
    assert as_sarif.uri("/usr/lib/x.py") == "file:///usr/lib/x.py"
    assert as_sarif.uri("<string>") == "%3Cstring%3E"
    assert as_sarif.uri("x:y.py") == "x%3Ay.py"


def test_the_fix_and_the_object_are_in_the_message_and_the_properties():
    (result,) = run_of(stories.first_program())["results"]
    assert result["message"]["text"].endswith("\n\nFix: keep worker on self: self._worker = worker")
    assert result["properties"]["fix"] == "keep worker on self: self._worker = worker"
    assert result["properties"]["object"].startswith("Value('d'), 8 bytes")
    assert result["occurrenceCount"] == 2


def test_fingerprints_are_stable_and_differ_within_a_run():
    finding = stories.checked().findings[0]
    twice = dataclasses.replace(stories.checked(), findings=(finding, finding))
    prints = [each["partialFingerprints"]["holdfast/v1"] for each in run_of(twice)["results"]]
    assert prints == [f"{finding.fingerprint}:1", f"{finding.fingerprint}:2"]


def test_confidence_becomes_the_level():
    levels = {}
    for confidence in ("low", "medium", "high"):
        finding = dataclasses.replace(stories.checked().findings[0], confidence=confidence)
        run = run_of(one(finding, "check"))
        levels[confidence] = run["results"][0]["level"]
        assert (
            run["tool"]["driver"]["rules"][0]["defaultConfiguration"]["level"] == levels[confidence]
        )
    assert levels == {"low": "note", "medium": "warning", "high": "error"}


def test_notes_and_suppressed_findings_are_told():
    run = run_of(stories.first_program())
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"] == "1 record was torn and is not counted"
    assert run["properties"]["suppressed"] == 3
