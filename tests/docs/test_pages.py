"""The pages hang together: links lead somewhere, listings are the files, front pages keep step."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import HEADING, LANGUAGES, LINK, ROOT, blocks, pages, prose

README = ROOT / "README.md"
CHINESE = ROOT / "README.zh.md"


def page_name(page) -> str:
    return str(page.relative_to(ROOT))


def anchors(page) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")
        for _, title in HEADING.findall(prose(page))
    }


@pytest.mark.parametrize("page", pages(), ids=page_name)
def test_every_fence_is_of_a_kind_that_the_runner_knows(page):
    assert {block.language for block in blocks(page)} <= LANGUAGES
    assert page.read_text(encoding="utf-8").count("\n```") == 2 * len(blocks(page))


@pytest.mark.parametrize("page", pages(), ids=page_name)
def test_every_link_inside_the_repository_leads_somewhere(page):
    for target in LINK.findall(prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        assert other.exists(), f"{page_name(page)} links to {target}"
        if anchor:
            assert anchor in anchors(other), f"{page_name(page)} links to {target}"


@pytest.mark.parametrize("page", pages(), ids=page_name)
def test_a_listing_that_names_a_file_is_that_file(page):
    for block in blocks(page):
        first, _, rest = block.text.partition("\n")
        if block.language == "python" and first.startswith("# examples/"):
            listed = (ROOT / first.removeprefix("# ")).read_text(encoding="utf-8")
            assert without_comments(rest) == without_comments(listed), f"{block} is not {first}"


@pytest.mark.parametrize("page", pages(), ids=page_name)
def test_every_file_that_a_page_names_exists(page):
    named = re.findall(r"`((?:src|tests|docs|examples|models)/[\w./-]*)`", prose(page))
    for name in named:
        assert (ROOT / name).exists(), f"{page_name(page)} names {name}"


def test_the_map_of_the_house_names_every_file_of_the_package():
    house = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    package = ROOT / "src" / "holdfast"
    rooms = [*package.glob("*.py"), *(package / "_core").glob("*.c")]
    missing = {room.name for room in rooms if room.name not in house} - {"__main__.py"}
    assert not missing, missing


@pytest.mark.parametrize("page", [README, CHINESE], ids=page_name)
def test_front_page_shows_code_before_line_30_and_a_result_before_line_60(page):
    code = next(block for block in blocks(page) if block.language == "python")
    result = next(block for block in blocks(page) if block.language == "console")
    assert code.line < 30
    assert result.line + result.text.count("\n") < 60


def test_every_page_of_docs_can_be_reached_from_the_front_page():
    linked = {target.partition("#")[0] for target in LINK.findall(prose(README))}
    assert {page_name(page) for page in (ROOT / "docs").rglob("*.md")} <= linked


def test_the_chinese_front_page_keeps_step_with_the_english_one():
    levels = [
        [len(marks) for marks, _ in HEADING.findall(prose(page))] for page in (README, CHINESE)
    ]
    assert levels[0] == levels[1]
    for ours, theirs in zip(blocks(README), blocks(CHINESE), strict=True):
        assert ours.language == theirs.language, f"{ours} and {theirs}"
        assert without_comments(ours.text) == without_comments(theirs.text), f"{ours} and {theirs}"


def without_comments(code: str) -> list[str]:
    """The code alone: comments may be in the language of the page."""
    return [line.partition("  #")[0].partition("    #")[0].rstrip() for line in code.splitlines()]


def test_the_chinese_front_page_links_to_the_same_pages():
    targets = [set(LINK.findall(prose(page))) for page in (README, CHINESE)]
    assert targets[0] - {"README.zh.md"} == targets[1] - {"README.md"}
