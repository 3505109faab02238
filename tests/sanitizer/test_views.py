"""Views of segments of shared memory that outlive them; and those that do no harm."""

from __future__ import annotations

import textwrap

import pytest

from tests.sanitizer.programs import watched, watched_together

HEAD = """
import gc, os, sys, threading
import numpy as np
from multiprocessing.shared_memory import SharedMemory, ShareableList

def new(size=8192):
    memory = SharedMemory(create=True, size=size)
    memory.unlink()
    return memory
"""
TAIL = """
main()
print("end", flush=True)
"""

# Program: its code, and what its message must speak of.
WRONG = {
    "an array leaves the function that attached it": ("HF301", "table", """
        def load():
            memory = new()
            table = np.ndarray((16,), buffer=memory.buf)
            return table

        def main():
            table = load()
            print(table.sum())
    """),
    "an attribute is an array over a local segment": ("HF301", "self.pixels", """
        class Picture:
            def __init__(self):
                block = new()
                self.pixels = np.ndarray((4, 4), dtype="u1", buffer=block.buf)

        def main():
            picture = Picture()
            picture.pixels[:] = 7
    """),
    "a memoryview leaves": ("HF301", "memory", """
        def bytes_of():
            memory = new()
            return memory.buf

        def main():
            view = bytes_of()
            view[3] = 1
    """),
    "the name is bound anew": ("HF301", "memory", """
        def main():
            memory = new()
            first = np.ndarray((16,), buffer=memory.buf)
            memory = None
            first[0] = 1
    """),
    "closed too early": ("HF302", "table", """
        def main():
            memory = new()
            table = np.ndarray((16,), buffer=memory.buf)
            memory.close()
            print(table[0])
    """),
    "closed by another thread": ("HF302", "table", """
        def main():
            memory = new()
            table = np.ndarray((16,), buffer=memory.buf)
            thread = threading.Thread(target=memory.close)
            thread.start(); thread.join()
            table[5] = 1
            print(table[5])
    """),
    "used by a forked child": ("HF302", "table", """
        def main():
            memory = new()
            table = np.ndarray((16,), buffer=memory.buf)
            if os.fork() == 0:
                memory.close()
                table[5] = 1
                os._exit(0)
            os.wait()
            memory.close()
    """),
    "a slice stands in the way": ("HF302", "head", """
        def main():
            memory = new()
            head = memory.buf[:16]
            try:
                memory.close()
            except BufferError:
                print("refused")
            head.release()
            memory.close()
    """),
    "frombuffer stands in the way of a deletion": ("HF301", "row", """
        def main():
            memory = new()
            row = np.frombuffer(memory.buf)
            del memory
            print(row[0])
    """),
    "a list's memory": ("HF302", "numbers", """
        def main():
            numbers = ShareableList([1, 2, 3])
            view = np.ndarray((3,), dtype="i8", buffer=numbers.shm.buf)
            numbers.shm.close()
            numbers.shm.unlink()
            print(view.sum())
    """),
}  # fmt: skip

RIGHT = {
    "the array is dropped first": """
        def main():
            memory = new()
            table = np.ndarray((16,), buffer=memory.buf)
            table[:] = 1
            del table
            memory.close()
    """,
    "the array is not used after the close": """
        def main():
            memory = new()
            table = np.ndarray((16,), buffer=memory.buf)
            table[:] = 1
            print(table.sum())
            memory.close()
    """,
    "both are locals of one function": """
        def work():
            memory = new()
            table = np.ndarray((16,), buffer=memory.buf)
            return float(table.sum())

        def main():
            print(work())
    """,
    "the manual's own example": """
        def main():
            first = SharedMemory(create=True, size=10)
            buffer = first.buf
            buffer[:4] = bytearray([22, 33, 44, 55])
            buffer[4] = 100
            second = SharedMemory(first.name)
            second.buf[:5] = b"howdy"
            print(bytes(first.buf[:5]))
            second.close()
            first.close()
            first.unlink()
    """,
    "a copy leaves": """
        def load():
            memory = new()
            table = np.ndarray((16,), buffer=memory.buf).copy()
            memory.close()
            return table

        def main():
            print(load().sum())
    """,
    "the array keeps its segment": """
        class Table(np.ndarray):
            pass

        def load():
            memory = new()
            table = np.ndarray((16,), buffer=memory.buf).view(Table)
            table.memory = memory
            return table

        def main():
            table = load()
            print(table.sum())
    """,
    "a module's segment and array live to the end": """
        MEMORY = new()
        TABLE = np.ndarray((16,), buffer=MEMORY.buf)

        def main():
            print(TABLE.sum())
    """,
    "the parent goes on when a child has closed its own": """
        def main():
            memory = new()
            table = np.ndarray((16,), buffer=memory.buf)
            if os.fork() == 0:
                memory.close()
                os._exit(0)
            os.wait()
            table[5] = 1
            print(table[5])
            del table
            memory.close()
    """,
}


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    bodies = {name: text for name, (_, _, text) in WRONG.items()}
    return watched_together(tmp_path_factory.mktemp("wrong"), HEAD, bodies, "fork")


@pytest.mark.parametrize("name", WRONG)
def test_view_that_is_used_after_its_segment_is_told_of(wrong, name):
    code, word, _ = WRONG[name]
    seen = wrong[name]
    finding = seen.only(code)
    assert word in finding.message, finding
    assert seen.status == 1, seen
    assert any(step.role == "created" and step.stack for step in finding.steps), finding
    assert any(step.role == "dropped" and step.stack for step in finding.steps), finding
    assert any(step.text.endswith("is taken of it") for step in finding.steps), finding


def test_view_that_does_no_harm_is_silent(tmp_path):
    for name, seen in watched_together(tmp_path, HEAD, RIGHT, "fork").items():
        assert seen.findings == (), (name, seen)
        assert seen.status == 0, seen


def test_both_stacks_are_there_before_the_crash_of_as_is(tmp_path):
    code, _, text = WRONG["closed too early"]
    seen = watched(tmp_path, HEAD + textwrap.dedent(text) + TAIL, options=("--as-is",))
    assert seen.status == -11, seen
    finding = seen.only(code)
    assert "SIGSEGV" in finding.steps[-1].text


def test_as_is_leaves_a_memoryview_its_real_fate(tmp_path):
    text = WRONG["a memoryview leaves"][2].replace("view[3] = 1", """
            try:
                view[3] = 1
            except ValueError as error:
                print(error)""")  # fmt: skip
    seen = watched(tmp_path, HEAD + textwrap.dedent(text) + TAIL, options=("--as-is",), status=0)
    assert "released" in seen.lines[0]


def test_memory_is_given_back_when_the_last_view_is_gone(tmp_path):
    seen = watched(
        tmp_path,
        HEAD
        + """
def mapped():
    with open("/proc/self/maps") as maps:
        return sum("/dev/shm/psm_" in line for line in maps)

def main():
    for _ in range(5):
        memory = new(1 << 20)
        table = np.ndarray((16,), buffer=memory.buf)
        memory.close()
        del table
    new().close()
    print(mapped(), len(os.listdir("/proc/self/fd")) < 20)
"""
        + TAIL,
        status=0,
    )
    assert seen.lines[0] == "0 True", seen
