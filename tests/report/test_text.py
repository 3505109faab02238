"""Findings as text: the story of the first program to the letter, and whatever may be odd."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.findings import Finding, Place, Report, Step, Subject
from holdfast.report import as_text
from holdfast.report.terminal import cells, clean, wrap
from tests.report import stories

FIRST_PROGRAM = """\
================================================================================
HF102 local-dropped: self.id1 died with worker at the return of start_work_process_wrong,
    while Process-1 still writes to it (and 1 more like it)

the object: Value('d'), 8 bytes; the program calls it self.id1 or worker.id1

created by mp.Value, in MainProcess (pid 4711), at 0.012 s:
    app.py:8 in TestWorker.__init__
        self.id1 = mp.Value("d", 0)
    app.py:23 in TestProcessor.start_work_process_wrong
        worker = TestWorker()
    app.py:19 in TestProcessor.__init__
        self.start_work_process_wrong()
    app.py:44 in <module>
        p1 = TestProcessor(1111)

handed to Process-1 as the target's worker.do_work, in MainProcess (pid 4711), at 0.013 s:
    app.py:28 in TestProcessor.start_work_process_wrong
        process.start()
    app.py:19 in TestProcessor.__init__
        self.start_work_process_wrong()
    app.py:44 in <module>
        p1 = TestProcessor(1111)

dropped when worker went out of scope, in MainProcess (pid 4711), at 0.015 s:
    app.py:29 in TestProcessor.start_work_process_wrong
        return process
    app.py:19 in TestProcessor.__init__
        self.start_work_process_wrong()
    app.py:44 in <module>
        p1 = TestProcessor(1111)

victim: flag, a Value('d') created later, got the same 8 bytes, in MainProcess (pid 4711),
    at 0.016 s:
    app.py:45 in <module>
        flag = mp.Value("d", -1)

used to write 1111.0, in Process-1 (pid 4712, fork), at 0.031 s:
    app.py:12 in TestWorker.do_work
        self.id1.value = index

fix: keep worker on self: self._worker = worker
more: holdfast explain HF102
SUMMARY: holdfast: HF102 local-dropped app.py:29 in start_work_process_wrong

note: 1 record was torn and is not counted
holdfast run: 2 findings (HF102 local-dropped: 2), 3 processes watched, 3 suppressed
"""

COLOUR = re.compile("\x1b\\[[0-9;]*m")


def plain(report, width=90, **more):
    return as_text.render(report, colour=False, width=width, **more)


def one(finding, tool="run", **more):
    return Report(tool=tool, version="0.1.0", program=("app.py",), findings=(finding,), **more)


def excerpt_of(text):
    """The excerpt in a text, without numbers and margin."""
    return [line.partition("|")[2][1:] for line in text.splitlines() if " | " in line]


def test_the_first_programs_story_reads_to_the_letter():
    assert plain(stories.first_program()) == FIRST_PROGRAM


def test_colours_are_there_only_when_asked_and_change_no_word():
    coloured = as_text.render(stories.first_program(), colour=True, width=90)
    assert "\x1b[1;31mHF102 local-dropped" in coloured
    assert COLOUR.sub("", coloured) == FIRST_PROGRAM
    assert "\x1b" not in FIRST_PROGRAM


def test_a_sentence_that_names_its_process_gets_the_pid_there():
    story = stories.first_program()
    frame = stories.at(1, "f", "pass")
    texts = {
        "by Process-1 after the drop": "used by Process-1 (pid 4712, fork) after the drop:",
        "by Process-10": "used by Process-10, in Process-1 (pid 4712, fork):",
        "by Process-1 (fork)": "used by Process-1 (fork), in Process-1 (pid 4712, fork):",
    }
    for text, line in texts.items():
        steps = (Step("used", text, stories.CHILD, None, (frame,)),)
        finding = Finding("HF102", "x", frame, steps=steps)
        report = dataclasses.replace(story, findings=(finding,))
        assert line in plain(report).splitlines()


def test_all_frames_shows_the_libraries_too():
    assert "context.py:135 in BaseContext.Value" not in FIRST_PROGRAM
    assert "context.py:135 in BaseContext.Value" in plain(stories.first_program(), all_frames=True)


def test_a_stack_without_own_frames_shows_its_innermost_one_and_says_so():
    frames = tuple(stories.library(number, f"f{number}", "pass") for number in (1, 2, 3))
    text = plain(one(Finding("HF701", "x", frames[0], steps=(Step("noted", "x", 1, 1, frames),))))
    assert "f1" in text
    assert "f2" not in text
    assert "(2 frames of libraries not shown)" in text


def test_one_line_to_search_for_is_the_same_with_and_without_qualified_names():
    found = [line for line in FIRST_PROGRAM.splitlines() if line.startswith("SUMMARY: holdfast: ")]
    assert found == ["SUMMARY: holdfast: HF102 local-dropped app.py:29 in start_work_process_wrong"]
    bare = dataclasses.replace(stories.first_finding().place, function="start_work_process_wrong")
    assert found[0] in plain(one(dataclasses.replace(stories.first_finding(), place=bare)))


@pytest.mark.parametrize("width", [40, 60, 79, 120, 200])
def test_lines_fit_the_width_but_for_paths_and_the_summary(width):
    for line in plain(stories.first_program(), width=width).splitlines():
        kept_whole = line.startswith("SUMMARY") or line.lstrip().startswith("app.py:")
        assert kept_whole or cells(line) <= width, line


def test_a_clean_run_says_so():
    assert plain(stories.clean_run()) == "holdfast run: no findings, 1 process watched\n"


def test_a_finding_of_a_run_without_steps_still_has_its_place_and_summary():
    place = stories.at(3, "main", "shm = SharedMemory(create=True, size=8)")
    text = plain(one(Finding("HF309", "nobody unlinks psm_1", place)))
    assert "  app.py:3 in main\n" in text
    assert "shm = SharedMemory(create=True, size=8)" in text
    assert "SUMMARY: holdfast: HF309 shm-never-unlinked app.py:3 in main" in text


# ---- from source --------------------------------------------------------------------------------


def checked(folder, source, place, **more):
    file = folder / "app.py"
    file.write_bytes(source if isinstance(source, bytes) else source.encode())
    finding = Finding("HF102", "it dies", dataclasses.replace(place, file=str(file)), **more)
    return plain(one(finding, tool="check")).replace(str(folder) + "/", "")


def test_a_finding_in_source_is_a_line_an_excerpt_with_carets_and_the_fix(tmp_path):
    text = checked(
        tmp_path,
        "def f():\n    worker = Worker()\n",
        Place("", 2, 5, 2, 11, source="worker = Worker()"),
        fix="keep it on self:\nself._worker = worker",
    )
    assert text == (
        "app.py:2:5: HF102 local-dropped: it dies [high]\n"
        " 2 |     worker = Worker()\n"
        "   |     ^^^^^^\n"
        "  fix: keep it on self:\n"
        "       self._worker = worker\n"
        "\n"
        "holdfast check: 1 finding (HF102 local-dropped: 1)\n"
    )


def test_carets_stand_under_wide_characters_and_tabs(tmp_path):
    line = '\tx = f("把变量", Value("d", 0))'
    begin = line.index("Value") + 1
    text = checked(tmp_path, line + "\n", Place("", 1, begin, 1, len(line)))
    shown, carets = excerpt_of(text)
    assert shown == line.replace("\t", "    ")
    before = shown[: shown.index("Value")]
    assert carets.index("^") == cells(before)
    assert carets.count("^") == len('Value("d", 0)')


def test_a_range_of_several_lines_is_marked_on_each(tmp_path):
    source = "p = Process(\n    target=f,\n    args=(Value(),),\n)\n"
    text = checked(tmp_path, source, Place("", 1, 5, 4, 2))
    assert excerpt_of(text) == [
        "p = Process(", "    ^^^^^^^^",
        "    target=f,", "    ^^^^^^^^^",
        "    args=(Value(),),", "    ^^^^^^^^^^^^^^^^",
        ")", "^",
    ]  # fmt: skip


def test_of_a_long_range_only_the_ends_are_shown(tmp_path):
    source = "p = Process(\n" + "".join(f"    a{number},\n" for number in range(50)) + ")\n"
    text = checked(tmp_path, source, Place("", 1, 1, 52, 2))
    shown = [line for line in text.splitlines() if " | " in line or line.endswith("|")]
    assert shown[0] == "  1 | p = Process("
    assert shown[-2] == " 52 | )"
    assert "  … |" in shown
    assert len(shown) < 12


def test_a_long_line_is_cut_so_that_the_marked_part_is_seen(tmp_path):
    line = "x = [" + "1, " * 200 + "Value(), " + "2, " * 200 + "]"
    begin = line.index("Value()") + 1
    text = checked(tmp_path, line + "\n", Place("", 1, begin, 1, begin + 7))
    shown, carets = excerpt_of(text)
    assert cells(shown) <= 90 - 4
    assert shown.startswith("…")
    assert shown.endswith("…")
    at = carets.index("^")
    assert shown[at : at + 7] == "Value()"
    assert carets.count("^") == 7


@pytest.mark.parametrize(
    ("source", "place"),
    [
        (b"\xff\xfe\x00 no text\n", Place("", 1, 1, 1, 5)),
        (b"# coding: no-such-codec\nx\n", Place("", 2, 1, 2, 2)),
        (b"# coding: latin-1\nx = '\xe9'\n", Place("", 2, 5, 2, 8)),
        (b"x\0y\n", Place("", 1, 1, 1, 4)),
        (b"\x1b[31mred\x1b[0m\n", Place("", 1, 1, 1, 9)),
        (b"a\x0cb\rc\n", Place("", 1, 1, 1, 4)),
        (b"", Place("", 1, 1, 1, 4)),
        (b"x\n", Place("", 99, 1, 99, 4)),
        (b"x\n", Place("", 1, 50, 1, 60)),
        (b"x\n", Place("", 0, 0)),
        (b"x\n", Place("", 1, 1, 0, 0)),
        (b"x\ny\n", Place("", 2, 1, 1, 0)),
        ("e\u0301 = '\u202e abc'\n", Place("", 1, 1, 1, 3)),
    ],
)
def test_odd_source_is_shown_without_harm(tmp_path, source, place):
    text = checked(tmp_path, source, place)
    assert "HF102 local-dropped: it dies" in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", text)
    text.encode()


def test_a_file_that_is_no_file_is_not_read(tmp_path):
    for name in (str(tmp_path), str(tmp_path / "missing.py"), "<string>", "/dev/zero", "a\0b", ""):
        text = plain(one(Finding("HF102", "it dies", Place(name, 1, 1)), tool="check"))
        assert " | " not in text


def test_a_line_that_has_changed_since_is_not_passed_off_as_the_one_meant(tmp_path):
    text = checked(tmp_path, "other = 1\n", Place("", 1, 1, 1, 6, source="worker = Worker()"))
    assert excerpt_of(text) == ["worker = Worker()"]
    assert "^" not in text


def test_unknown_processes_times_and_places_are_left_out(tmp_path):
    del tmp_path
    finding = Finding(
        "HF704", "nobody moves", Place("", 0),
        steps=(Step("noted", ""), Step("used", "", 77), Step("created", "", None, 9)),
        subject=Subject("Lock", ""),
        fix="", confidence="low",
    )  # fmt: skip
    text = plain(one(finding))
    assert "confidence: low" in text
    assert "the object: Lock" in text
    assert "used in pid 77" in text


any_text = st.text(max_size=30) | st.text(alphabet="\x1b\n\t\r \u4e00\u0301a\udc80", max_size=30)
any_place = st.builds(
    Place, any_text, st.integers(-1, 60), st.integers(-1, 200), st.integers(-1, 60),
    st.integers(-1, 200), any_text, any_text, st.booleans(),
)  # fmt: skip
any_step = st.builds(
    Step,
    st.sampled_from(["created", "handed", "dropped", "used", "victim", "noted"]),
    any_text,
    st.none() | st.integers(0, 3),
    st.none() | st.integers(0, 10**12),
    st.lists(any_place, max_size=3).map(tuple),
)
any_finding = st.builds(
    Finding, st.sampled_from(["HF101", "HF704"]), any_text, any_place, any_text,
    st.none() | st.builds(Subject, any_text, any_text, st.lists(any_text).map(tuple)),
    st.lists(any_step, max_size=3).map(tuple),
    st.sampled_from(["low", "medium", "high"]), st.integers(1, 10**6),
)  # fmt: skip


@given(any_finding, st.sampled_from(["run", "check"]), st.integers(-5, 200), st.booleans())
def test_no_record_is_too_odd(finding, tool, width, all_frames):
    text = as_text.render(one(finding, tool), colour=False, width=width, all_frames=all_frames)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    text.encode()


@given(any_text, st.integers(1, 60))
def test_wrapping_loses_nothing_but_blanks(text, width):
    lines = wrap(text, width)
    assert "".join("".join(lines).split()) == "".join("".join(map(clean, text.split("\n"))).split())
    for line in lines:
        assert cells(line) <= width or " " not in line.strip()


def test_a_pid_and_a_time_stay_together():
    assert wrap("made in Main (pid 4711, fork), at 0.015 s: x", 20) == [
        "made in Main",
        "(pid 4711, fork),",
        "at 0.015 s: x",
    ]


def test_chinese_is_broken_between_characters():
    assert wrap("把变量绑定到实例对象中", 10) == ["把变量绑定", "到实例对象", "中"]
