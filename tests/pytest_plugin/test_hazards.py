"""Tests that leave or provoke a hazard fail, with the finding; near misses pass."""

from __future__ import annotations

import pytest

from tests.pytest_plugin.projects import run

pytest_plugins = ["pytester"]

WRONG = """
    import multiprocessing as mp
    import os
    import signal
    from multiprocessing import shared_memory

    import pytest
    from shared import provoke, use

    def fill(go, table):
        go.wait()
        table["a"] = 1

    def attach(go, name):
        go.wait()
        shared_memory.SharedMemory(name).close()

    def start_with_manager(go):
        manager = mp.Manager()
        process = mp.Process(target=fill, args=(go, manager.dict()))
        process.start()
        return process

    def write(go, array):
        go.wait()
        array[0] = 7

    def start_raw(go):
        array = mp.RawArray("i", 10)
        mp.Process(target=write, args=(go, array)).start()

    def test_local():
        provoke()

    @pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
    def test_inline(method):
        context = mp.get_context(method)
        go = context.Event()
        process = context.Process(target=use, args=(go, context.Value("i", 0)))
        process.start()
        go.set()
        process.join()

    def test_manager():
        go = mp.Event()
        process = start_with_manager(go)
        go.set()
        process.join()

    def test_segment_unlinked_early():
        go = mp.Event()
        segment = shared_memory.SharedMemory(create=True, size=64)
        process = mp.Process(target=attach, args=(go, segment.name))
        process.start()
        segment.close()
        segment.unlink()
        go.set()
        process.join()

    def test_process_left_behind():
        go = mp.Event()
        start_raw(go)
        go.set()

    @pytest.fixture(scope="session")
    def other():
        segment = shared_memory.SharedMemory(create=True, size=64)
        yield segment
        segment.close()
        segment.unlink()

    def test_segment_never_unlinked(other):
        segment = shared_memory.SharedMemory(create=True, size=64)
        segment.close()

    @pytest.fixture
    def provoked_in_teardown():
        yield
        provoke()

    def test_teardown(provoked_in_teardown):
        pass

    @pytest.fixture
    def provoked_in_setup():
        provoke()

    def test_setup(provoked_in_setup):
        pass

    class TestClass:
        def test_method(self):
            provoke()

    def test_after_all():
        pass
"""


@pytest.mark.watchdog(300)
def test_each_test_with_a_hazard_fails_with_it_and_no_other(pytester):
    ran = run(pytester, {"test_wrong.py": WRONG}, "-W", "error")
    assert ran.status == 1
    assert ran.by_test == {
        "test_local": ["HF102"],
        "test_inline[fork]": ["HF101"],
        "test_inline[spawn]": ["HF101"],
        "test_inline[forkserver]": ["HF101"],
        "test_manager": ["HF401"],
        "test_segment_unlinked_early": ["HF306"],
        "test_process_left_behind": ["HF102"],
        "test_segment_never_unlinked": ["HF309"],
        "test_teardown": ["HF102"],
        "test_setup": ["HF102"],
        "test_method": ["HF102"],
    }, ran.output
    # What only the end of the teardown can tell is an error there; all else is the test's failure.
    assert ran.outcomes == {"failed": 9, "passed": 3, "errors": 2}, ran.output
    assert ran.summary == "holdfast: 11 findings in 11 tests"


def test_the_failure_has_the_finding_as_its_section(pytester):
    program = "from shared import provoke\ndef test_it():\n    provoke()\n"
    ran = run(pytester, {"test_it.py": program})
    section = ran.section("test_it")
    message, _, story = section.partition("- holdfast -")
    summary = "SUMMARY: holdfast: HF102 local-dropped shared.py:12 in start_wrong"
    assert "HF102 local-dropped: value dies when start_wrong returns" in message, section
    assert summary in message
    assert summary in story
    for text in ("value = mp.Value(", "created in MainProcess", "handed to Process-1", "fix: "):
        assert text in story, section
    assert "FAILED test_it.py::test_it - Failed: HF102" in ran.output
    # The program's own frames only: not those of who runs the tests.
    assert "_pytest" not in section
    assert "pluggy" not in section


@pytest.mark.parametrize("show", ["no", "stdout", "all"])
def test_the_finding_is_shown_whatever_captured_output_is(pytester, show):
    program = "from shared import provoke\ndef test_it():\n    provoke()\n"
    ran = run(pytester, {"test_it.py": program}, f"--show-capture={show}")
    assert ran.section("test_it").count("created in MainProcess") == 1


RIGHT = """
    import multiprocessing as mp
    import os
    import sys
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import shared_memory

    import pytest
    from shared import use

    MODULE = mp.Value("i", 0)

    def square(number):
        return number * number

    def first_byte(name):
        segment = shared_memory.SharedMemory(name)
        found = segment.buf[0]
        segment.close()
        return found

    def run(method, target, *arguments):
        process = mp.get_context(method).Process(target=target, args=arguments)
        process.start()
        process.join()
        assert process.exitcode == 0

    @pytest.fixture(scope="session")
    def pool():
        with mp.Pool(2) as pool:
            yield pool

    @pytest.fixture(scope="module")
    def value():
        return mp.Value("i", 3)

    @pytest.fixture(scope="session")
    def segment():
        segment = shared_memory.SharedMemory(create=True, size=64)
        yield segment
        segment.close()
        segment.unlink()

    @pytest.fixture
    def worker():
        value, stop = mp.Value("i", 0), mp.Event()
        process = mp.Process(target=use, args=(stop, value))
        process.start()
        yield value
        stop.set()
        process.join()

    @pytest.fixture
    def terminated():
        go = mp.Event()
        process = mp.Process(target=use, args=(go, MODULE), daemon=True)
        process.start()
        yield
        process.terminate()
        process.join()

    @pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
    def test_joined(method):
        context = mp.get_context(method)
        go, value = context.Event(), context.Value("i", 0)
        go.set()
        run(method, use, go, value)
        assert value.value == 1

    @pytest.mark.parametrize("number", [2, 3])
    def test_pool_of_the_session(pool, number):
        assert pool.apply(square, (number,)) == number**2

    @pytest.mark.parametrize("number", [1, 2])
    def test_value_of_the_module(value, number):
        go = mp.Event()
        go.set()
        run("fork", use, go, value)
        run("fork", use, go, MODULE)

    @pytest.mark.parametrize("number", [1, 2])
    def test_segment_of_the_session(segment, number):
        run("fork", first_byte, segment.name)

    @pytest.mark.parametrize("number", [1, 2])
    def test_fixtures_end_their_processes(worker, terminated, number):
        assert worker.value == 0

    def test_inherited_and_never_touched():
        value, go = mp.Value("i", 0), mp.Event()
        process = mp.Process(target=go.wait)
        process.start()
        del value
        go.set()
        process.join()

    def test_executor_manager_queue_and_pipe():
        with ProcessPoolExecutor(2) as executor:
            assert list(executor.map(square, [1, 2])) == [1, 4]
        with mp.Manager() as manager:
            table = manager.dict(a=1)
            assert table["a"] == 1
        queue = mp.Queue()
        process = mp.Process(target=queue.put, args=(1,))
        process.start()
        assert queue.get() == 1
        process.join()
        reader, writer = mp.Pipe()
        process = mp.Process(target=writer.send, args=(1,))
        process.start()
        assert reader.recv() == 1
        process.join()

    def test_os_fork(capfd):
        print("parent", flush=True)
        pid = os.fork()
        if pid == 0:
            os.write(1, b"child")
            os._exit(0)
        os.waitpid(pid, 0)
        assert capfd.readouterr().out == "parent\\nchild"

    def test_output_is_the_tests_own(capsys):
        print("parent")
        run("fork", print, "child")
        assert capsys.readouterr().out == "parent\\n"

    def test_unflushed_output():
        print("parent", end="")
        run("fork", print, "child")

    def test_file_open_for_writing(tmp_path):
        with open(tmp_path / "file", "w") as file:
            file.write("text")
            run("fork", square, 2)
        assert (tmp_path / "file").read_text() == "text"

    def test_warnings(recwarn):
        run("fork", square, 2)
        assert not [each for each in recwarn if each.category is not DeprecationWarning]

    def test_without_processes(monkeypatch, caplog):
        assert len(mp.Array("i", 3)) == 3
"""


@pytest.mark.watchdog(300)
def test_near_misses_pass(pytester):
    # Python 3.12 and later warn of forks beside a pool's threads, with and without us.
    ran = run(
        pytester, {"test_right.py": RIGHT}, "-W", "error", "--strict-markers", "--strict-config",
        "-W", "ignore:This process .* is multi-threaded:DeprecationWarning",
    )  # fmt: skip
    assert ran.status == 0, ran.output
    assert ran.outcomes == {"passed": 19}, ran.output
    assert ran.summary == "holdfast: no findings in 19 tests"
    assert ran.report.findings == ()


OUTCOMES = """
    import unittest

    import pytest
    from pytest import skip as leave
    from shared import provoke

    MARK = pytest.mark

    def test_fails():
        provoke()
        assert 1 == 2

    def test_skips_in_the_middle():
        provoke()
        leave("half way")

    @MARK.skip
    def test_is_skipped():
        provoke()

    @MARK.xfail
    def test_expected():
        provoke()

    @MARK.xfail(strict=True)
    def test_strictly_expected():
        provoke()

    @MARK.xfail(raises=ZeroDivisionError)
    def test_of_another_failure():
        provoke()

    @pytest.fixture
    def broken():
        provoke()
        raise ValueError("broken fixture")

    def test_error_in_setup(broken):
        pass

    class TestOld(unittest.TestCase):
        def test_old(self):
            provoke()

        def test_old_that_fails(self):
            provoke()
            self.fail("by itself")

        def test_old_that_skips(self):
            provoke()
            self.skipTest("half way")
"""


@pytest.mark.watchdog(300)
def test_a_test_that_fails_or_skips_by_itself_says_so_and_has_the_finding_as_well(pytester):
    ran = run(pytester, {"test_outcomes.py": OUTCOMES})
    assert ran.outcomes == {"failed": 6, "skipped": 1, "xfailed": 2, "errors": 2}, ran.output
    assert ran.by_test == {
        name: ["HF102"]
        for name in (
            "test_fails", "test_skips_in_the_middle", "test_of_another_failure",
            "test_error_in_setup", "test_old", "test_old_that_fails", "test_old_that_skips",
        )
    }  # fmt: skip
    section = ran.section("test_fails")
    assert "assert 1 == 2" in section
    assert "SUMMARY: holdfast: HF102" in section.partition("- holdfast -")[2]
    old = ran.section("TestOld.test_old_that_fails")
    assert "AssertionError: by itself" in old
    assert "SUMMARY: holdfast: HF102" in old
    assert ran.summary == "holdfast: 7 findings in 7 tests (2 expected)"
