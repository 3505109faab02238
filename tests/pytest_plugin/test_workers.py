"""Under xdist each worker watches its own tests, and the controller tells of all."""

from __future__ import annotations

import pytest

from tests.pytest_plugin.projects import run
from tests.pytest_plugin.test_hazards import RIGHT
from tests.pytest_plugin.test_settings import MARKED

pytest_plugins = ["pytester"]

WRONG = """
    import multiprocessing as mp

    import pytest
    from shared import provoke, use

    @pytest.mark.parametrize("number", range(4))
    def test_wrong(number):
        provoke()

    @pytest.mark.parametrize("number", range(4))
    def test_right(number):
        value, go = mp.Value("i", 0), mp.Event()
        process = mp.Process(target=use, args=(go, value))
        process.start()
        go.set()
        process.join()
"""


@pytest.mark.watchdog(300)
def test_workers_report_to_the_controller(pytester):
    ran = run(pytester, {"test_it.py": WRONG}, "-n2", "-W", "error")
    assert ran.outcomes == {"failed": 4, "passed": 4}, ran.output
    assert ran.by_test == {f"test_wrong[{number}]": ["HF102"] for number in range(4)}
    assert "SUMMARY: holdfast: HF102" in ran.section("test_wrong[2]")
    assert ran.summary == "holdfast: 4 findings in 4 tests"


def test_workers_know_ini_and_markers(pytester):
    files = {"test_it.py": MARKED, "pytest.ini": "[pytest]\nholdfast = true\n"}
    ran = run(pytester, files, "-n2", "--strict-markers", watch=False)
    assert ran.outcomes == {"passed": 4, "failed": 2}, ran.output
    assert ran.summary == "holdfast: 2 findings in 2 tests (3 ignored)"


@pytest.mark.watchdog(300)
def test_near_misses_pass_in_workers(pytester):
    ran = run(pytester, {"test_right.py": RIGHT}, "-n2")
    assert ran.status == 0, ran.output
    assert ran.report.findings == ()


def test_a_worker_tells_at_its_end_what_came_late(pytester):
    files = {
        "conftest.py": """
            from shared import provoke

            def pytest_sessionfinish(session):
                if hasattr(session.config, "workerinput"):
                    provoke()
            """,
        "test_it.py": "def test_it():\n    pass\n",
    }
    ran = run(pytester, files, "-n1")
    assert ran.outcomes == {"passed": 1}, ran.output
    assert ran.status == 1
    assert "_ after the tests _" in ran.output
    assert ran.summary == "holdfast: 1 finding in 1 test"


def test_a_suppression_that_one_worker_used_is_used(pytester):
    ran = run(
        pytester, {"test_it.py": WRONG}, "-n2", "--holdfast-ignore=HF102", "--holdfast-ignore=HF7"
    )
    assert ran.outcomes == {"passed": 8}, ran.output
    assert "'HF102' (--holdfast-ignore) has suppressed nothing" not in ran.output
    assert "'HF7' (--holdfast-ignore) has suppressed nothing" in ran.output
