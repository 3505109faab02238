"""Rules for files: how long they are, what they are called, how they are laid out."""

from __future__ import annotations

import statistics
import sys

from tests.house import tree

MOST_LINES = 800
MEDIAN_LINES = 200
# A drawer with such a label gets whatever nobody knew where to put.
NO_NAMES = {"utils", "util", "common", "helpers", "helper", "misc", "stuff", "tools"}

# A user's programs, kept to the letter.
VERBATIM = {"examples/flag_changes_by_itself.py", "examples/four_flags.py"}


def test_no_file_is_longer_than_800_lines():
    long = [
        f"{tree.name(path)}: {tree.lines(path)}"
        for path in tree.text_files()
        if tree.lines(path) > MOST_LINES
    ]
    assert not long, "\n".join(long)


def test_the_median_file_of_the_package_is_under_200_lines():
    sizes = [tree.lines(path) for path in tree.source_files() if tree.PACKAGE in path.parents]
    assert statistics.median(sizes) < MEDIAN_LINES


def test_no_file_or_folder_is_a_drawer_for_anything():
    wrong = {
        tree.name(path)
        for path in tree.files()
        for part in path.relative_to(tree.ROOT).parts
        if part.split(".")[0].strip("_").lower() in NO_NAMES
    }
    assert not wrong, sorted(wrong)


def test_no_importable_module_shadows_the_standard_library():
    # Inside the package every import is absolute, so holdfast.statistics shadows nothing.
    top = {path.stem for path in (tree.ROOT / "src").glob("*")} | {
        path.stem for path in tree.ROOT.glob("*") if path.suffix == ".py" or path.is_dir()
    }
    assert not (top & sys.stdlib_module_names) - {"build"}


# The user's programs, which are shown and run as they came: to the byte.
AS_THEY_CAME = {"examples/flag_changes_by_itself.py", "examples/four_flags.py"}


def test_text_ends_in_one_newline_and_has_no_stray_blanks():
    wrong = []
    for path in tree.text_files():
        if tree.name(path) in AS_THEY_CAME:
            continue
        data = path.read_bytes()
        if not data or tree.name(path) in VERBATIM:
            continue
        if b"\r" in data or not data.endswith(b"\n") or data.endswith(b"\n\n"):
            wrong.append(f"{tree.name(path)}: its end, or carriage returns")
        if path.suffix != ".md" and any(line.endswith((b" ", b"\t")) for line in data.split(b"\n")):
            wrong.append(f"{tree.name(path)}: blanks at the end of a line")
        data.decode("utf-8")
    assert not wrong, "\n".join(wrong)


def test_git_and_editors_agree_on_line_ends():
    assert "eol=lf" in (tree.ROOT / ".gitattributes").read_text()
    editor = (tree.ROOT / ".editorconfig").read_text()
    assert "end_of_line = lf" in editor
    assert "max_line_length = 100" in editor


def test_every_script_with_an_interpreter_line_is_executable():
    wrong = [
        tree.name(path)
        for path in tree.files()
        if path.read_bytes()[:2] == b"#!" and not path.stat().st_mode & 0o111
    ]
    assert not wrong, wrong
