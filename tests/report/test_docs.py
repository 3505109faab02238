"""What the documentation says of hazards, reports and symptoms is what there is."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys

import pytest

from holdfast.findings import HAZARDS, Finding, Place, Process, Report, Step, Subject
from tests.docs.pages import HEADING, ROOT, pages, prose
from tests.report.hazard_index import table

HAZARDS_PAGE = ROOT / "docs" / "hazards.md"
SCHEMA_PAGE = ROOT / "docs" / "report-schema.md"
SYMPTOMS = ROOT / "docs" / "symptoms.md"

ANSWERS = ("**Cause.**", "**Confirm.**", "**Fix.**")
# Questions about Holdfast itself: they have an answer, and nothing to confirm.
OURS = re.compile(r"OwnerDiedError|LifetimeError|HeapFullError|ResourceWarning|Memory does not")


def sections(page):
    """Heading and text of each section of the second level."""
    parts = re.split(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_index_lists_every_hazard():
    assert table() in HAZARDS_PAGE.read_text(encoding="utf-8"), table()


@pytest.mark.parametrize(
    ("heading", "record", "more"),
    [
        ("The report", Report, {"schema"}), ("A finding", Finding, {"slug", "fingerprint"}),
        ("A place", Place, set()), ("A subject", Subject, set()), ("A step", Step, set()),
        ("A process", Process, set()),
    ],
)  # fmt: skip
def test_the_schema_page_names_every_field(heading, record, more):
    rows = [line for line in sections(SCHEMA_PAGE)[heading].splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == {field.name for field in dataclasses.fields(record)} | more


def test_each_symptom_has_a_cause_one_command_and_a_fix():
    answered = {title: text for title, text in sections(SYMPTOMS).items() if not OURS.search(title)}
    assert len(answered) >= 15
    for title, text in answered.items():
        assert all(text.count(answer) == 1 for answer in ANSWERS), title
        assert [text.index(answer) for answer in ANSWERS] == sorted(map(text.index, ANSWERS)), title
        confirm = text[text.index("**Confirm.**") : text.index("**Fix.**")]
        assert re.search(r"`(holdfast (run|check)|df|ls|python) ", confirm), title
        assert re.search(r"HF\d{3}", text), title


def test_every_code_that_a_page_names_exists():
    codes = {hazard.code for hazard in HAZARDS}
    for page in pages():
        named = set(re.findall(r"\bHF\d{3}\b", page.read_text(encoding="utf-8")))
        assert named <= codes, page


@pytest.mark.parametrize(
    "seen",
    [
        "Value` or an array element changes", "SemLock._rebuild", "SIGSEGV with NumPy",
        "BufferError", "leaked shared_memory objects", "`Value.value`", "`Event.set()`",
        "at exit", "BrokenPipeError", "SIGBUS",
    ],
)  # fmt: skip
def test_what_people_see_is_a_heading(seen):
    assert any(seen in title for _, title in HEADING.findall(prose(SYMPTOMS)))


def test_every_option_that_the_pages_show_exists():
    given = {}
    for page in (HAZARDS_PAGE, SCHEMA_PAGE, SYMPTOMS):
        for command, rest in re.findall(r"holdfast (\w+)((?: [^`\n#]+)?)", page.read_text()):
            given.setdefault(command, set()).update(re.findall(r"(?<= )--?[a-z][a-z-]*", rest))
    for command in given.keys() & {"run", "report", "explain", "check"}:
        shown = subprocess.run(
            [sys.executable, "-m", "holdfast", command, "--help"], capture_output=True, text=True,
        ).stdout  # fmt: skip
        assert given[command] <= set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", shown)), command
