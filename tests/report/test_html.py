"""The page: in a real browser, with and without JavaScript, by mouse and by keyboard.

Without a browser these tests fail, and say what to install.
"""

from __future__ import annotations

import dataclasses
import html.parser
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.findings import Finding, Place, Process, Report, Step
from holdfast.report import as_html
from holdfast.report.prose import blocks, coded, inline
from holdfast.report.timeline import timeline
from tests.report import browser, stories
from tests.report.test_text import any_finding, any_text, one

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Reader(html.parser.HTMLParser):
    """Complains of tags that do not match, and collects ids, links and what would be loaded."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.links, self.loads = [], [], [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given["href"])
        elif {"src", "href", "srcset"} & set(given):
            self.loads.append(given)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def read(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open
    assert len(set(reader.ids)) == len(reader.ids)
    assert {link[1:] for link in reader.links if link[0] == "#"} <= set(reader.ids)
    assert not reader.loads
    return reader


def many(number):
    """A family in which everybody waits for a lock."""
    processes = [Process(1, "MainProcess", "main", 0, stories.ms(0))]
    steps = []
    for each in range(2, number + 2):
        processes.append(Process(each, f"Process-{each}", "spawn", 1, stories.ms(each)))
        frame = stories.at(each, "work", "with lock:")
        steps.append(Step("noted", "waits for lock", each, stories.ms(100), (frame,)))
    return Report(
        "run", "0.1.0", ("app.py",),
        (Finding("HF704", "everybody waits for lock", Place("app.py", 3), steps=tuple(steps)),),
        tuple(processes), stories.ms(0), stories.ms(200),
    )  # fmt: skip


REPORTS = {
    "run": stories.first_program(), "check": stories.checked(), "clean": stories.clean_run(),
    "many": many(40), "nothing": Report("check", "0.1.0", ()),
    "without times": dataclasses.replace(
        stories.first_program(), began_ns=0, ended_ns=0, processes=(
            Process(stories.MAIN, "MainProcess", "main", 0, 0),
            Process(stories.CHILD, "Process-1", "fork", stories.MAIN, 0),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_a_page_is_well_formed_and_loads_nothing(report):
    text = as_html.render(report)
    reader = read(text)
    assert all(link.startswith(("#", "https://")) for link in reader.links)
    assert "default-src 'none'" in text
    assert not re.search(r"@import|url\(|<(?:img|iframe|link|object|embed)\b", text)


@given(any_finding)
def test_nothing_in_a_record_becomes_markup(finding):
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
    odd = dataclasses.replace(
        finding, message=finding.message + evil, fix=f"{evil}\n{evil}",
        place=dataclasses.replace(finding.place, source=evil, function=evil, file=evil),
        steps=tuple(dataclasses.replace(step, text=step.text + evil) for step in finding.steps),
    )  # fmt: skip
    process = Process(1, evil, evil, 0, 0, 5, evil)
    text = as_html.render(one(odd, processes=(process,), notes=(evil,), python=evil, ended_ns=9))
    read(text)
    assert text.count("<script>") == 1
    assert "<img" not in text
    assert "onerror=alert(1)>" not in text


any_process = st.builds(
    Process, st.integers(0, 3), any_text, st.sampled_from(["main", "fork"]), st.integers(0, 3),
    st.integers(-5, 10**12), st.none() | st.integers(-5, 10**12), any_text,
)  # fmt: skip


@given(any_finding, st.lists(any_process, max_size=4), st.integers(0, 10**12), st.integers(0, 9))
def test_a_picture_of_anything_is_well_formed(finding, processes, began, length):
    report = one(
        finding, processes=tuple(processes), began_ns=began, ended_ns=began + length * 10**11
    )
    text = as_html.render(report)
    read(text)
    for number in re.findall(r' (?:x|y|x1|x2|y1|y2|width|height)="([^"]*)"', text):
        assert number == "100%" or float(number) >= 0


def test_everything_that_the_text_tells_stands_on_the_page():
    text = as_html.render(stories.first_program())
    for words in (
        "Process-1", "pid 4712, fork", "flag, a Value(&#x27;d&#x27;) created later", "app.py:29",
        "self._worker = worker", "self.id1.value = index", "1 record was torn", "exit status 0",
        "SUMMARY: holdfast: HF102 local-dropped app.py:29 in start_work_process_wrong", "SIGTERM",
        "3 suppressed", "context.py:135",
    ):  # fmt: skip
        assert words in text, words


def bars(picture):
    """Kind, lane and range of each bar in a picture."""
    found = re.findall(r'class="bar (\w+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"', picture)
    return [(kind, float(y), float(x), float(x) + float(width)) for kind, x, y, width in found]


def marks(picture):
    found = re.findall(r'class="mark (\w+)".*?translate\(([\d.]+) ([\d.]+)\)', picture, re.DOTALL)
    return [(role, float(x), float(y)) for role, x, y in found]


def test_the_bar_of_the_object_lies_over_those_that_hold_it():
    report = stories.first_program()
    picture = timeline(report.findings[0], report, "f1-")
    where = {role: x for role, x, _ in marks(picture)}
    main, child = sorted({y for _, y, _, _ in bars(picture)})
    ranges = {(kind, y): (begin, end) for kind, y, begin, end in bars(picture)}
    assert set(ranges) == {("held", main), ("held", child), ("stale", child), ("victim", main)}
    assert ranges["held", main] == pytest.approx((where["created"], where["dropped"]), abs=0.2)
    assert ranges["held", child] == pytest.approx((where["handed"], where["dropped"]), abs=0.2)
    assert ranges["stale", child][0] == pytest.approx(where["dropped"], abs=0.2)
    assert ranges["stale", child][1] > where["used"]
    assert ranges["victim", main][0] == pytest.approx(where["victim"], abs=0.2)
    assert 'class="wrong"' in picture


def test_marks_stand_in_order_and_apart():
    for report in REPORTS.values():
        for finding in report.findings:
            picture = timeline(finding, report, "f1-")
            places = [(x, y) for _, x, y in marks(picture)]
            assert places or not finding.steps
            for (x1, y1), (x2, y2) in pairwise(places):
                assert x2 - x1 > 40 or (x1 == x2 and y1 != y2)


def test_a_picture_shows_only_so_many_lanes_and_the_text_shows_all():
    report = many(40)
    text = as_html.render(report)
    assert text.count('class="who"') == 24
    assert text.count('class="step"') == 40


def test_a_story_without_known_processes_has_no_picture():
    finding = Finding("HF309", "x", Place("a.py", 1), steps=(Step("created", "x", 99),))
    assert timeline(finding, one(finding), "f1-") == ""
    assert "<svg" not in as_html.render(stories.checked())


def test_a_place_in_source_is_marked_while_the_file_is_there(tmp_path):
    file = tmp_path / "app.py"
    file.write_text("class A:\n" * 22 + "        worker = TestWorker()\n")
    text = as_html.render(stories.checked(file=str(file)))
    read(text)
    assert '<span class="number">23</span>        <mark>worker</mark> = TestWorker()' in text
    file.unlink()
    text = as_html.render(stories.checked(file=str(file)))
    assert "<pre><code>worker = TestWorker()</code></pre>" in text


def test_code_in_a_message_is_marked_and_an_asterisk_is_the_programs():
    assert coded("`f(*a)` and g(*b, *c)\n`") == "<code>f(*a)</code> and g(*b, *c)\\n`"


def test_the_pages_markdown_becomes_html():
    assert inline("`a < b` and [x `y`](https://e.org/?a&b) *so*") == (
        "<code>a &lt; b</code> and "
        '<a href="https://e.org/?a&amp;b" rel="noreferrer">x <code>y</code></a> <em>so</em>'
    )
    assert blocks("one\ntwo\n\n- a\n  b\n- c\n\n```python\nif 1 < 2:\n    pass\n```") == (
        "<p>one two</p>\n<ul><li>a b</li><li>c</li></ul>\n"
        "<pre><code>if 1 &lt; 2:\n    pass</code></pre>"
    )


# ---- in the browser -----------------------------------------------------------------------------


@pytest.fixture
def page(tmp_path):
    """Opens a report in a browser, and looks at the end that nothing was loaded or went wrong."""
    assert browser.find(), browser.NO_BROWSER
    file = tmp_path / "report.html"
    with browser.Page() as chromium:

        def show(report, **more):
            file.write_text(as_html.render(report), encoding="utf-8")
            chromium.size(more.pop("width", 1180), 1200)
            chromium.open(file, **more)
            return chromium

        yield show
        assert {url.partition("#")[0] for url in chromium.requests} == {file.as_uri()}
        assert not chromium.complaints


OPEN = "[...document.querySelectorAll('.step details')].map(each => each.open)"
FOCUS = "document.activeElement.getAttribute('aria-label')"


@pytest.mark.watchdog(300)
def test_a_click_on_a_mark_opens_its_stack_and_closes_the_others(page):
    here = page(stories.first_program())
    assert here.value(OPEN) == [False] * 5
    here.click("a.mark.dropped .hit")
    assert here.value(OPEN) == [False, False, True, False, False]
    shown = here.value("document.querySelector('.step.current .stack').innerText")
    assert "app.py:29 in TestProcessor.start_work_process_wrong" in shown
    assert "return process" in shown
    here.click("a.mark.used .hit")
    assert here.value(OPEN) == [False, False, False, False, True]
    here.click("a.mark.used .hit")
    assert here.value(OPEN) == [False] * 5


@pytest.mark.watchdog(300)
def test_everything_can_be_done_by_keyboard(page):
    here = page(stories.first_program())
    for _ in range(20):
        here.press("Tab")
        if (here.value(FOCUS) or "").startswith("created by"):
            break
    assert here.value(FOCUS).startswith("created by mp.Value, in MainProcess (pid 4711)")
    here.press("Enter")
    assert here.value(OPEN)[0] is True
    here.press("ArrowRight")
    assert here.value(FOCUS).startswith("handed to Process-1")
    here.press(" ")
    assert here.value(OPEN)[:2] == [False, True]
    here.press("Escape")
    assert here.value(OPEN) == [False] * 5
    here.press("ArrowLeft")
    here.press("ArrowLeft")
    assert here.value(FOCUS).startswith("used to write 1111.0")


@pytest.mark.watchdog(300)
def test_without_javascript_everything_is_open_and_marks_are_links(page):
    here = page(stories.first_program(), script=False)
    assert here.value(OPEN) == [True] * 5
    text = here.value("document.body.innerText")
    assert "app.py:19 in TestProcessor.__init__" in text
    assert "The function\nreturns" in text or "The function returns" in text
    assert here.value("document.querySelector('.tools')") is None
    here.click("a.mark.used .hit")
    assert here.value("location.hash") == "#f1-5"
    assert here.value("document.querySelector(':target').innerText").startswith("app.py:12")


@pytest.mark.watchdog(300)
def test_light_and_dark_follow_the_reader_and_the_button(page):
    colour = "getComputedStyle(document.body).backgroundColor"
    here = page(stories.first_program(), theme="dark")
    assert here.value(colour) == "rgb(20, 22, 26)"
    here.click(".tools button")
    assert here.value(colour) == "rgb(251, 251, 250)"
    here.click(".tools button")
    assert here.value(colour) == "rgb(20, 22, 26)"


LEAST_CONTRAST = """
(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (c) => {
    const [r, g, b] = c.map((v) => v / 255).map(
      (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] === 1) return c.slice(0, 3);
    }
  };
  let least = [99, ""];
  for (const e of document.querySelectorAll("main *")) {
    if (e.closest("svg, .library, .badge") || !e.innerText) continue;
    const a = light(parse(getComputedStyle(e).color).slice(0, 3)), b = light(paper(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < least[0]) least = [ratio, e.className + " " + e.innerText.slice(0, 40)];
  }
  return least;
})()
"""


@pytest.mark.watchdog(300)
def test_text_has_contrast(page):
    for theme in ("light", "dark"):
        ratio, text = page(stories.first_program(), theme=theme).value(LEAST_CONTRAST)
        assert ratio >= 4.5, (theme, text)


@pytest.mark.watchdog(300)
def test_a_narrow_window_scrolls_the_picture_and_not_the_page(page):
    here = page(stories.first_program(), width=400)
    assert here.value("document.documentElement.scrollWidth") <= 400
    assert here.value("document.querySelector('.scroll').scrollWidth") > 400


@pytest.mark.watchdog(300)
def test_the_list_can_be_filtered(page):
    first, second = stories.first_program().findings[0], stories.checked().findings[0]
    other = dataclasses.replace(second, code="HF304", message="a segment is attached")
    report = dataclasses.replace(stories.first_program(), findings=(first, other))
    here = page(report)
    shown = "[...document.querySelectorAll('article, .list li')].map(each => !each.hidden)"
    here.click("input")
    here.type("segment attached")
    assert here.value(shown) == [False, True, False, True]


@pytest.mark.watchdog(300)
def test_a_link_to_a_hazard_opens_what_it_says(page):
    here = page(stories.first_program())
    here.click(".kicker .code")
    assert here.value("document.querySelector('.hazard').open") is True


# No text of a picture leaves it.
TEXTS_INSIDE = """
[...document.querySelectorAll('svg')].every((s) => [...s.querySelectorAll('text')].every((t) => {
  const b = t.getBoundingClientRect(), v = s.getBoundingClientRect();
  return b.left >= v.left && b.right <= v.right && b.top >= v.top && b.bottom <= v.bottom;
}))
"""


@pytest.mark.watchdog(300)
def test_every_kind_of_report_opens_without_a_complaint(page):
    for name, report in REPORTS.items():
        here = page(report)
        assert here.value("document.querySelector('h1').innerText"), name
        assert here.value(TEXTS_INSIDE), name
