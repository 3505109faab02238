"""Files with full buffers are found at every fork, without a look at all objects each time."""

from __future__ import annotations

import pytest

from holdfast.sanitizer import _notes
from tests.sanitizer.programs import watched

FORKS = """
    import os

    def fork(child):
        pid = os.fork()
        if not pid:
            child()
            os._exit(0)
        os.waitpid(pid, 0)

    def main():
        other = os.open("other", os.O_WRONLY | os.O_CREAT)
        {before}
        fork(lambda: None)
        {between}
        fork(lambda: None)
        file.write("once")
        fork(file.flush)
        file.flush()

    main()
"""


@pytest.mark.parametrize(
    ("before", "between"),
    [
        ("file = open('out', 'w')", ""),
        ("pass", "file = open('out', 'w')"),
        ("file = open('first', 'w')", "file.close(); file = open('out', 'w')"),
        ("file = os.fdopen(os.open('out', os.O_WRONLY | os.O_CREAT), 'w')", ""),
    ],
)
def test_buffer_is_found_whenever_its_file_was_opened(before, between, tmp_path):
    seen = watched(tmp_path, FORKS.format(before=before, between=between))
    assert (tmp_path / "out").read_text() == "onceonce"
    assert "writes 4 bytes of its parent's buffer" in seen.only("HF806").message


def test_things_are_chosen_by_their_very_type():
    class Number(int):
        pass

    things = [1, True, "a", Number(2), 3.0, None]
    assert _notes.those_of(things, (int, float)) == [1, 3.0]
    assert _notes.those_of([], (int,)) == []
    assert _notes.those_of(things, ()) == []
