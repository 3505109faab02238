"""The front pages show the figures of the saved run, and no others."""

from __future__ import annotations

import pytest
from benchmarks.machine import ROOT

from benchmarks import readme

PAGES = {"en": "README.md", "zh": "README.zh.md"}


@pytest.mark.parametrize("language", PAGES)
def test_a_front_page_shows_the_saved_figures(language):
    page = (ROOT / PAGES[language]).read_text(encoding="utf-8")
    how = f"put in what `python -m benchmarks.readme {language}` prints"
    assert readme.speed(language) in page, how
    assert readme.promises(language) in page, how


def test_holdfast_keeps_every_promise_of_the_table():
    for promise, cells in readme.results(readme.VERSIONS[0])["gate"].items():
        assert cells["holdfast"]["kept"], promise
