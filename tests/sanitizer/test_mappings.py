"""Files that are shortened while a process has them mapped; and files that are replaced."""

from __future__ import annotations

import textwrap

import pytest

from tests.sanitizer.programs import METHODS, watched

HEAD = """
import mmap, os, pickle, sys
import multiprocessing as mp
import numpy as np

def read_mapped(path, turn):
    with open(path, "rb") as file:
        table = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    turn.send("mapped")
    turn.recv()
    turn.send(table[-1])

def read_array(path, turn):
    array = np.memmap(path, dtype="u1", mode="r")
    turn.send("mapped")
    turn.recv()
    turn.send(int(array[-1]))

def cut(path):
    with open(path, "wb") as file:
        file.write(b"new")

def put_in_place(path):
    cut(path + ".new")
    os.replace(path + ".new", path)

def remove(path):
    os.remove(path)

def append(path):
    with open(path, "ab") as file:
        file.write(b"more")

def main(read, write):
    path = os.path.abspath("table.bin")
    with open(path, "wb") as file:
        file.write(b"x" * 100_000)
    ours, theirs = mp.Pipe()
    reader = mp.Process(target=read, args=(path, theirs), name="reader")
    reader.start()
    theirs.close()
    ours.recv()
    write(path)
    ours.send("go on")
    reader.join()
    print(reader.exitcode)

if __name__ == "__main__":
    mp.set_start_method(sys.argv[1])
    main(globals()[sys.argv[2]], globals()[sys.argv[3]])
"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("reader", ["read_mapped", "read_array"])
def test_file_that_is_cut_under_its_reader_is_told_of(reader, method, tmp_path):
    seen = watched(tmp_path, HEAD, method, reader, "cut", status=1)
    finding = seen.only("HF312")
    assert seen.lines == ["-7"], seen
    assert "table.bin" in finding.message, finding
    assert "reader" in finding.message, finding
    assert finding.place.file == str(tmp_path / "app.py"), finding
    assert finding.subject.names == ({"read_mapped": "table", "read_array": "array"}[reader],)


@pytest.mark.parametrize("writer", ["put_in_place", "remove", "append"])
@pytest.mark.parametrize("reader", ["read_mapped", "read_array"])
def test_file_that_keeps_its_length_or_its_old_self_is_silent(reader, writer, tmp_path):
    seen = watched(tmp_path, HEAD, "fork", reader, writer, status=0)
    assert seen.findings == (), seen
    assert seen.lines == ["0"], seen


def test_mapping_is_of_the_class_that_it_always_was(tmp_path):
    seen = watched(
        tmp_path,
        textwrap.dedent("""
        import mmap, pickle, sys, weakref
        memory = mmap.mmap(-1, 4096)
        print(type(memory) is mmap.mmap, repr(mmap.mmap), repr(memory), hasattr(memory, "__dict__"))
        with memory as entered:
            entered[:3] = b"abc"
            print(entered is memory, bytes(memoryview(memory)[:3]), len(memory))
        print(memory.closed, weakref.ref(memory)() is memory)
        try:
            pickle.dumps(memory)
        except TypeError as error:
            print(error)
        try:
            mmap.mmap("no number", 5)
        except TypeError as error:
            print(error)
        """),
        status=0,
    )
    assert seen.lines[0].startswith("True <class 'mmap.mmap'> <mmap.mmap closed=False"), seen
    assert seen.lines[0].endswith("False"), seen
    assert seen.lines[1:4] == [
        "True b'abc' 4096",
        "True True",
        "cannot pickle 'mmap.mmap' object",
    ], seen
    assert "'str' object cannot be interpreted as an integer" in seen.lines[4], seen
