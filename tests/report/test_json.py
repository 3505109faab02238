"""Findings as JSON: valid by the schema that is shipped, and read back as they were."""

from __future__ import annotations

import dataclasses
import json
from typing import get_args

import jsonschema
import pytest

from holdfast import findings
from holdfast.findings import HAZARDS, Finding, Place, Process, Report, Step, Subject
from holdfast.report import as_json
from tests.report import stories

SCHEMA = json.loads(as_json.SCHEMA.read_text())

REPORTS = [
    stories.first_program(), stories.checked(), stories.clean_run(),
    Report("pytest", "0.1.0", ("tests",), notes=("把变量", "\udc80 \x1b"), python="3.13.0"),
]  # fmt: skip


def validator():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA)


@pytest.mark.parametrize("report", REPORTS, ids=["run", "check", "clean", "odd"])
def test_a_report_is_valid_and_comes_back_as_it_was(report):
    text = as_json.render(report)
    assert text.isascii()
    assert text.endswith("}\n")
    validator().validate(json.loads(text))
    assert as_json.read(text) == report


def test_findings_carry_slug_and_fingerprint_for_other_programs():
    (finding,) = json.loads(as_json.render(stories.first_program()))["findings"]
    assert finding["slug"] == "local-dropped"
    assert finding["fingerprint"] == stories.first_finding().fingerprint


def test_a_fingerprint_is_of_the_fault_and_not_of_its_line():
    finding = stories.first_finding()
    moved = dataclasses.replace(finding, place=dataclasses.replace(finding.place, line=99))
    other = dataclasses.replace(finding, message="something else")
    assert moved.fingerprint == finding.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("definition", "record", "more"),
    [
        (SCHEMA, Report, {"schema"}),
        (SCHEMA["$defs"]["finding"], Finding, {"slug", "fingerprint"}),
        (SCHEMA["$defs"]["place"], Place, set()),
        (SCHEMA["$defs"]["process"], Process, set()),
        (SCHEMA["$defs"]["subject"], Subject, set()),
        (SCHEMA["$defs"]["step"], Step, set()),
    ],
    ids=["report", "finding", "place", "process", "subject", "step"],
)
def test_the_schema_names_every_field_and_no_other(definition, record, more):
    fields = {field.name for field in dataclasses.fields(record)}
    assert set(definition["properties"]) == set(definition["required"]) == fields | more
    assert definition["additionalProperties"] is False
    assert all("description" in each for each in definition["properties"].values())


def test_the_schema_knows_the_same_words_as_the_records():
    step, finding = SCHEMA["$defs"]["step"], SCHEMA["$defs"]["finding"]
    assert step["properties"]["role"]["enum"] == list(get_args(findings.Role))
    assert finding["properties"]["confidence"]["enum"] == list(findings.CONFIDENCES)
    assert SCHEMA["properties"]["schema"]["const"] == findings.SCHEMA_VERSION
    for hazard in HAZARDS:
        jsonschema.validate(hazard.code, finding["properties"]["code"])
        jsonschema.validate(hazard.slug, finding["properties"]["slug"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "Expecting value"),
        ("[]", "no object"),
        ("{}", "its schema is None"),
        ('{"schema": 2}', "its schema is 2"),
        ('{"schema": 1}', "'tool'"),
        (json.dumps({**findings.as_data(stories.checked()), "findings": [1]}), "not a holdfast"),
        (json.dumps({**findings.as_data(stories.checked()), "processes": [{}]}), "not a holdfast"),
    ],
)
def test_what_is_no_report_is_refused_with_the_reason(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        as_json.read(text)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["suppressed"], "3"), (["program"], [1]), (["program"], "app.py"), (["notes"], [None]),
        (["findings", 0, "place", "line"], "23"), (["findings", 0, "count"], None),
        (["findings", 0, "count"], True), (["findings", 0, "confidence"], "certain"),
        (["findings", 0, "steps", 0, "role"], "stolen"), (["findings", 0, "subject"], 7),
        (["findings", 0, "steps", 0, "stack", 0, "file"], None), (["processes", 0, "pid"], 1.5),
        (["findings", 0, "subject", "names"], [[]]), (["findings", 0, "fix"], ["x"]),
        (["began_ns"], 10**400), (["findings", 0, "steps", 0, "at_ns"], -(10**400)),
        (["findings"], {}), (["findings"], None), (["findings", 0, "steps"], 3),
    ],
)  # fmt: skip
def test_a_field_that_holds_something_else_is_refused(path, value):
    data = json.loads(as_json.render(stories.first_program()))
    *way, last = path
    inner = data
    for key in way:
        inner = inner[key]
    inner[last] = value
    with pytest.raises(ValueError, match="not a holdfast report"):
        as_json.read(json.dumps(data))
    assert not validator().is_valid(data)


def test_a_hazard_of_a_later_version_is_named():
    data = findings.as_data(stories.checked())
    data["findings"][0]["code"] = "HF999"
    with pytest.raises(ValueError, match="knows no hazard 'HF999'"):
        as_json.read(json.dumps(data))
