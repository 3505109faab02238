"""Every hazard has a page, all pages have one form, and their programs are programs."""

from __future__ import annotations

import ast
import re

import pytest

from holdfast.findings import GROUPS, HAZARDS, Hazard, hazard_of
from holdfast.report.hazard_page import SECTIONS, Page
from tests.house import tree

PAGES = tree.PACKAGE / "hazards"
MOST_LINES = 100

every_hazard = pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.code)


def test_each_hazard_has_a_page_and_each_page_a_hazard():
    assert sorted(path.name for path in PAGES.iterdir()) == sorted(
        f"{hazard.code}.md" for hazard in HAZARDS
    )


def test_codes_and_slugs_name_one_hazard_each_and_have_their_group():
    assert len({hazard.code for hazard in HAZARDS}) == len(HAZARDS)
    assert len({hazard.slug for hazard in HAZARDS}) == len(HAZARDS)
    assert [hazard.code for hazard in HAZARDS] == sorted(hazard.code for hazard in HAZARDS)
    for hazard in HAZARDS:
        assert re.fullmatch(r"HF\d{3}", hazard.code)
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", hazard.slug)
        assert hazard.code[:3] in GROUPS
        assert hazard_of(hazard.code.lower()) is hazard_of(hazard.slug) is hazard


@every_hazard
def test_a_page_has_its_title_and_its_sections_in_order(hazard: Hazard):
    page = Page.of(hazard)
    title, _, sentence = page.title.partition("\n\n")
    assert title == f"{hazard.code} {hazard.slug}"
    assert sentence == f"{hazard.title[0].upper()}{hazard.title[1:]}."
    assert tuple(page.sections) == SECTIONS
    assert all(page.sections.values())
    assert page.text.count("\n") <= MOST_LINES


@every_hazard
def test_its_example_and_its_right_way_are_one_program_each(hazard: Hazard):
    page = Page.of(hazard)
    for section in ("Example", "Right way"):
        (program,) = page.programs(section)
        ast.parse(program)
        assert "print(" in program, "a program that shows something"
        assert all(len(line) <= 100 for line in program.splitlines())
    assert page.text.count("```") == 4


@every_hazard
def test_references_are_a_list_of_links(hazard: Hazard):
    for line in Page.of(hazard).sections["References"].splitlines():
        assert re.match(r"- \[[^\]]+\]\(https://[^)\s]+\)", line), line


@every_hazard
def test_prose_fits_the_width(hazard: Hazard):
    prose = re.sub(r"^```.*?^```$", "", hazard.page(), flags=re.MULTILINE | re.DOTALL)
    for line in prose.splitlines():
        assert len(line) <= 100 or "](http" in line, line
