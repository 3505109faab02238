"""Rows of the catalogue that have no program under tests/hazards: copies, addresses, contexts."""

from __future__ import annotations

import multiprocessing
import textwrap

import pytest

from tests.sanitizer.programs import FRESH, METHODS, watched, watched_together

AGAIN = """
    import multiprocessing as mp, sys
    mp.set_start_method(sys.argv[1], force=True)
    COUNTER = mp.Value("i", 0)
    NUMBERS = mp.Array("i", 3)

    def child(counter=None, numbers=None):
        (counter or COUNTER).value += 1
        if {array}:
            (numbers or NUMBERS)[1] = 5

    if __name__ == "__main__":
        process = mp.Process(target=child, args={arguments})
        process.start(); process.join()
        print(COUNTER.value, NUMBERS[1])
"""


@pytest.mark.parametrize("method", FRESH)
def test_object_of_a_module_is_another_one_in_the_child(tmp_path, method):
    seen = watched(tmp_path, AGAIN.format(arguments="()", array=False), method)
    finding = seen.only("HF111")
    assert finding.subject.names == ("COUNTER",)
    assert "args=(COUNTER,)" in finding.fix
    assert seen.lines == ["0 0"]
    assert {step.role for step in finding.steps} == {"created", "used"}


@pytest.mark.parametrize("method", FRESH)
def test_two_of_them_are_two_findings(tmp_path, method):
    seen = watched(tmp_path, AGAIN.format(arguments="()", array=True), method)
    assert [finding.code for finding in seen.findings] == ["HF111"] * 2


@pytest.mark.parametrize("method", METHODS)
def test_object_that_is_passed_is_the_same_one(tmp_path, method):
    text = AGAIN.format(arguments="(COUNTER, NUMBERS)", array=True)
    seen = watched(tmp_path, text, method, status=0)
    assert seen.findings == ()
    assert seen.lines == ["1 5"]


def test_forked_child_has_the_same_one(tmp_path):
    seen = watched(tmp_path, AGAIN.format(arguments="()", array=True), "fork", status=0)
    assert seen.lines == ["1 5"]


ARRAYS = """
    import multiprocessing as mp, numpy as np

    def child(array, turn):
        turn.send(float(array[0]))

    def main():
        ours, theirs = mp.Pipe()
        raw = mp.RawArray("d", 4)
        whole = np.frombuffer(raw)
        process = mp.Process(target=child, args=({what}, theirs))
        process.start()
        print(ours.recv())
        process.join()
"""


def arrays(folder, method, *parts):
    bodies = {what: ARRAYS.format(what=what) for what in parts}
    return watched_together(folder, "", bodies, method).items()


@pytest.mark.parametrize("method", FRESH)
def test_array_that_travels_as_a_copy_is_told_of(tmp_path, method):
    for what, seen in arrays(tmp_path, method, "whole", "whole[1:]", "whole.reshape(2, 2)[0]"):
        finding = seen.only("HF110")
        assert "raw" in finding.message, what
        assert finding.subject.kind == "ndarray", what


@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_copy_of_shared_memory_is_not(tmp_path, method):
    parts = ["raw", "whole.copy()", "whole + 1", "np.zeros(4)"]
    for what, seen in arrays(tmp_path, method, *parts, *["whole"] * (method == "fork")):
        assert seen.findings == (), (what, seen)
        assert seen.status == 0, seen


MIXED = """
    import multiprocessing as mp, sys

    def child(lock):
        {use}
        print("child", flush=True)

    def main():
        lock = mp.get_context("{other}").{make}
        process = mp.get_context(sys.argv[1]).Process(target=child, args=(lock,))
        try:
            process.start()
            process.join()
        except RuntimeError as error:
            print(type(error).__name__)
"""


# Python 3.10 refuses nothing: it sends the lock's address, which means nothing where it arrives.
# Who uses it there dies or waits for ever, as it happens; so these children do not.
REFUSED = hasattr(multiprocessing.get_context("fork").Lock(), "_is_fork_ctx")


@pytest.mark.parametrize("method", FRESH)
def test_lock_of_another_start_method_is_told_of(tmp_path, method):
    makes = ("Lock()", "RLock()", "Value('i', 0)", "Semaphore(2)")
    bodies = {make: MIXED.format(make=make, other="fork", use="") for make in makes}
    for make, seen in watched_together(tmp_path, "", bodies, method).items():
        finding = seen.only("HF203")
        assert seen.lines == ["RuntimeError" if REFUSED else "child"]
        assert ("refused" in finding.steps[1].text) == REFUSED
        assert finding.subject.names == ("lock",)
        assert finding.subject.kind == make.partition("(")[0]


@pytest.mark.parametrize(
    ("method", "others"),
    [("fork", ("fork", "spawn")), ("spawn", ("spawn", "forkserver"))],
)
def test_contexts_that_go_together_are_not(tmp_path, method, others):
    use = "lock.acquire(); lock.release()"
    bodies = {other: MIXED.format(make="Lock()", other=other, use=use) for other in others}
    for other, seen in watched_together(tmp_path, "", bodies, method).items():
        assert seen.findings == (), (other, seen)
        assert seen.lines == ["child"]


ADDRESSES = {
    "a number by addressof": """
        view = (ctypes.c_int * 4).from_address(ctypes.addressof(raw))
        view[0] = 1
    """,
    "imported by name": """
        from ctypes import addressof
        view = ctypes.c_int.from_address(addressof(raw) + 4)
    """,
    "a bare view": """
        view = raw._wrapper.create_memoryview()
    """,
    "a bare view, cast": """
        view = raw._wrapper.create_memoryview().cast("i")
    """,
}


def test_address_that_outlives_the_object_is_told_of(tmp_path):
    bodies = {}
    for name, text in ADDRESSES.items():
        made = "raw = mp.RawArray('i', 4)\n" + textwrap.dedent(text)
        gone = "del raw\nother = mp.RawArray('i', 4)\n"
        for part, lines in {name: made + gone, f"right: {name}": f"{made}del view\n{gone}"}.items():
            bodies[part] = "def main():\n" + textwrap.indent(lines, "    ")
    head = "import ctypes, multiprocessing as mp\n"
    for name, seen in watched_together(tmp_path, head, bodies, "fork").items():
        if name.startswith("right"):
            assert seen.findings == (), (name, seen)
        else:
            assert seen.only("HF109").subject.names == ("raw",), name


def test_object_that_keeps_its_view_and_its_memory_is_not(tmp_path):
    """They die together; one that was inherited by a child is looked at until its end."""
    seen = watched(
        tmp_path,
        """
        import multiprocessing as mp, multiprocessing.heap, os

        class Both:
            def __init__(self):
                self.memory = mp.heap.BufferWrapper(4)
                self.view = self.memory.create_memoryview().cast("i")

        def child(both):
            both.view[0] = 1

        for _ in range(3):
            both = Both()
            process = mp.get_context("fork").Process(target=child, args=(both,))
            process.start(); process.join()
            print(both.view[0])
            del both, process
        other = Both()
        """,
        status=0,
    )
    assert seen.findings == ()
    assert seen.lines == ["1"] * 3
