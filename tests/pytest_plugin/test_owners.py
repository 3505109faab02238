"""A finding is told of the test that made what it is about, however late it comes to light."""

from __future__ import annotations

import pytest

from tests.pytest_plugin.projects import run

pytest_plugins = ["pytester"]

# A child that waits until another test lets it go on; its own test may be over by then.
LATER = """
    import gc
    import multiprocessing as mp
    import os

    import pytest

    GO, DONE = mp.Event(), mp.Event()

    def use(value):
        GO.wait(float(os.environ.get("PATIENCE", "60")))
        value.value = 1
        DONE.set()

    def start(value):
        process = mp.Process(target=use, args=(value,))
        process.start()
        return process
"""
LET_GO = """
    def test_innocent():
        GO.set()
        DONE.wait()
"""


def test_what_a_process_does_after_its_test_is_told_of_its_test(pytester):
    program = LATER + "\n    def test_guilty():\n        start(mp.Value('i', 0))\n" + LET_GO
    program = program.replace("start(mp.Value('i', 0))", "value = mp.Value('i', 0); start(value)")
    ran = run(pytester, {"test_it.py": program}, "--holdfast-wait=0")
    assert ran.outcomes == {"passed": 2}, ran.output
    assert ran.by_test == {"test_guilty": ["HF102"]}
    assert ran.status == 1
    assert "came to light when the test was over" in ran.output
    assert "_ test_it.py::test_guilty _" in ran.output
    assert ran.summary == "holdfast: 1 finding in 1 test"


def test_the_locals_of_a_failed_test_die_in_the_next_which_is_innocent(pytester):
    guilty = """
    def test_guilty():
        value = mp.Value("i", 0)
        start(value)
        assert value is None

    def test_innocent():
        gc.collect()
        GO.set()
        DONE.wait()
    """
    ran = run(pytester, {"test_it.py": LATER + guilty}, "--holdfast-wait=0")
    assert ran.outcomes == {"passed": 1, "failed": 1}, ran.output
    assert ran.by_test == {"test_guilty": ["HF102"]}


def test_what_a_test_leaves_in_a_cycle_is_its_own(pytester):
    guilty = """
    class Box:
        pass

    @pytest.fixture(autouse=True, scope="module")
    def no_collector():
        gc.disable()
        yield
        gc.enable()

    def test_guilty():
        box = Box()
        box.self, box.value = box, mp.Value("i", 0)
        start(box.value)

    def test_innocent():
        gc.collect()
        GO.set()
        DONE.wait()
    """
    ran = run(pytester, {"test_it.py": LATER + guilty}, "--holdfast-wait=0")
    assert ran.outcomes == {"passed": 2}, ran.output
    assert ran.by_test == {"test_guilty": ["HF102"]}


def test_a_value_of_a_fixture_that_its_process_outlives_is_told_of_the_test(pytester):
    program = """
    @pytest.fixture
    def value():
        return mp.Value("i", 0)

    def test_guilty(value):
        start(value)
    """
    ran = run(pytester, {"test_it.py": LATER + program + LET_GO}, "--holdfast-wait=0")
    assert ran.by_test == {"test_guilty": ["HF102"]}, ran.output


def test_a_fixture_of_wider_scope_is_told_of_the_test_in_which_it_goes_wrong(pytester):
    program = """
    @pytest.fixture(scope="module")
    def started():
        value = mp.Value("i", 0)
        start(value)
        yield
        del value
        GO.set()
        DONE.wait()

    def test_first(started):
        pass

    def test_second(started):
        pass

    def test_last(started):
        pass
    """
    ran = run(pytester, {"test_it.py": LATER + program})
    assert ran.by_test == {"test_last": ["HF102"]}, ran.output
    assert ran.outcomes == {"passed": 3, "errors": 1}, ran.output


def test_a_process_of_wider_scope_may_live_over_many_tests(pytester):
    program = """
    import multiprocessing as mp

    import pytest

    TOTAL = mp.Value("i", 0)

    def serve(connection):
        while (word := connection.recv()) != "end":
            with TOTAL.get_lock():
                TOTAL.value += word
            connection.send(TOTAL.value)

    @pytest.fixture(scope="session")
    def server():
        ours, theirs = mp.Pipe()
        process = mp.Process(target=serve, args=(theirs,))
        process.start()
        yield ours
        ours.send("end")
        process.join()

    @pytest.mark.parametrize("number", range(5))
    def test_it(server, number):
        server.send(1)
        assert server.recv() == number + 1
    """
    ran = run(pytester, {"test_it.py": program})
    assert ran.status == 0, ran.output
    assert ran.report.findings == ()


def test_the_same_fault_in_two_tests_is_told_of_both(pytester):
    program = """
    from shared import provoke

    def test_one():
        provoke()
        provoke()

    def test_two():
        provoke()
    """
    ran = run(pytester, {"test_it.py": program})
    assert ran.by_test == {"test_one": ["HF102"], "test_two": ["HF102"]}
    assert ran.summary == "holdfast: 3 findings in 2 tests"


def test_what_happens_before_and_after_the_tests_is_nobodys(pytester):
    files = {
        "conftest.py": """
            from shared import provoke

            def pytest_sessionfinish():
                provoke()
            """,
        "test_it.py": "def test_it():\n    pass\n",
    }
    ran = run(pytester, files)
    assert ran.outcomes == {"passed": 1}
    assert ran.status == 1
    assert "_ after the tests _" in ran.output


FORKING = """
    import json
    import os

    import pytest
    from _pytest.runner import runtestprotocol

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(item, nextitem):
        # As pytest-forked does it.
        hook = item.config.hook
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            reports = runtestprotocol(item, log=False, nextitem=nextitem)
            to_data = hook.pytest_report_to_serializable
            data = json.dumps([to_data(config=item.config, report=each) for each in reports])
            with open(writer, "w") as file:
                file.write(data)
            os._exit(0)
        os.close(writer)
        with open(reader) as file:
            data = json.load(file)
        os.waitpid(pid, 0)
        for each in data:
            report = hook.pytest_report_from_serializable(config=item.config, data=each)
            item.ihook.pytest_runtest_logreport(report=report)
        return True
"""


def test_a_test_in_a_forked_child_is_judged_there_and_only_there(pytester):
    program = """
    from shared import provoke

    def test_wrong():
        provoke()

    def test_right():
        pass

    def test_also_wrong():
        provoke()
    """
    ran = run(pytester, {"conftest.py": FORKING, "test_it.py": program})
    assert ran.by_test == {"test_wrong": ["HF102"], "test_also_wrong": ["HF102"]}, ran.output
    assert ran.outcomes == {"failed": 2, "passed": 1}, ran.output


def test_a_run_within_a_watched_run_is_left_alone(pytester):
    program = """
    pytest_plugins = ["pytester"]

    def test_outer(pytester):
        pytester.makepyfile("def test_inner(): pass")
        result = pytester.runpytest_inprocess("--holdfast")
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(["*being watched already*"])
    """
    ran = run(pytester, {"conftest.py": "", "test_it.py": program})
    assert ran.status == 0, ran.output


def test_a_second_run_in_one_process_is_watched_as_well(pytester):
    pytester.makepyfile(
        main="""
        import sys

        import pytest

        statuses = [pytest.main(["--holdfast", "-p", "no:cacheprovider", name])
                    for name in ("test_one.py", "test_two.py")]
        sys.exit(0 if statuses == [1, 1] else 1)
        """,
        test_one="from shared import provoke\ndef test_one(): provoke()",
        test_two="from shared import provoke\ndef test_two(): provoke()",
    )
    run(pytester, {}, watch=False)
    result = pytester.runpython("main.py")
    assert result.ret == 0, result.stdout.str()


@pytest.mark.parametrize("patience", ["--holdfast-wait=60", "marker", "ini"])
def test_processes_that_a_test_leaves_behind_are_waited_for(pytester, patience, monkeypatch):
    # The child goes on by itself after a moment; its parent has nothing to wait for.
    monkeypatch.setenv("PATIENCE", "0.3")
    guilty = """
    {mark}
    def test_guilty():
        value = mp.Value("i", 0)
        start(value)
    """
    mark = "@pytest.mark.holdfast(wait=60)" if patience == "marker" else ""
    options = {"marker": ["--holdfast-wait=0"], "ini": ["-o", "holdfast_wait=60"]}
    files = {"test_it.py": LATER + guilty.format(mark=mark)}
    ran = run(pytester, files, *options.get(patience, [patience]))
    assert ran.outcomes == {"failed": 1}, ran.output
    assert ran.by_test == {"test_guilty": ["HF102"]}
