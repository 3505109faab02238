"""The standard library's locks under the guard: same manners, another semaphore behind them."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import subprocess
import sys

import pytest

import holdfast
from tests.guard.programs import GUARD, run_program


@pytest.fixture(autouse=True)
def guarded():
    with holdfast.guard():
        yield


def test_pickling_outside_of_spawning_is_refused_as_ever():
    with pytest.raises(RuntimeError, match="Lock objects should only be shared between processes"):
        pickle.dumps(multiprocessing.Lock())


def nothing(_):
    pass


def test_lock_of_a_fork_context_is_refused_to_a_spawned_process_as_ever():
    process = multiprocessing.get_context("spawn").Process(
        target=nothing, args=(multiprocessing.get_context("fork").Lock(),)
    )
    if sys.version_info >= (3, 11):
        with pytest.raises(RuntimeError, match="A SemLock created in a fork context"):
            process.start()
    else:  # 3.10 does not refuse, and crashes in the child; under the guard the lock arrives
        process.start()
        process.join()
        assert process.exitcode == 0


def test_no_lock_has_a_name_in_the_file_system():
    before = set(os.listdir("/dev/shm"))
    context = multiprocessing.get_context("spawn")
    objects = [context.Lock(), context.Queue(), context.Barrier(2), context.Value("d")]
    assert set(os.listdir("/dev/shm")) <= before
    assert objects[0]._semlock.name is None


def test_repr_tells_the_owner():
    lock, rlock = multiprocessing.Lock(), multiprocessing.RLock()
    with lock, rlock, rlock:
        assert repr(lock) == "<Lock(owner=MainProcess)>"
        assert repr(rlock) == "<RLock(MainProcess, 2)>"
    assert repr(lock) == "<Lock(owner=None)>"
    assert repr(multiprocessing.BoundedSemaphore(3)) == "<BoundedSemaphore(value=3, maxvalue=3)>"


def test_debug_log_tells_of_new_locks(caplog):
    logger = multiprocessing.get_logger()
    logger.addHandler(caplog.handler)
    logger.setLevel(logging.DEBUG)
    try:
        multiprocessing.Lock()
    finally:
        logger.removeHandler(caplog.handler)
        logger.setLevel(logging.NOTSET)
    assert "created semlock with handle" in caplog.text


def test_forked_child_does_not_have_its_parents_lock():
    rlock = multiprocessing.get_context("fork").RLock()

    def child():
        sys.exit(int(rlock.acquire(timeout=0.01) or rlock._semlock._is_mine()))

    with rlock:
        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join()
    assert process.exitcode == 0


@pytest.mark.parametrize("value", [-1, 2**31])
def test_impossible_value_is_refused(value):
    with pytest.raises((ValueError, OverflowError)):
        multiprocessing.Semaphore(value)


def test_more_values_than_there_are_mappings(tmp_path):
    """The standard library ends at about 65,000: each of its semaphores is a mapping."""
    lines = run_program(
        tmp_path,
        """
        import multiprocessing as mp
        def mappings():
            with open("/proc/self/maps") as file:
                return len(file.readlines())
        mp.Value("d", 0)
        before = mappings()
        values = [mp.Value("d", number) for number in range(70_000)]
        print(sum(value.value for value in values) == sum(range(70_000)))
        print(mappings() - before < 100)
        """,
        *GUARD,
    )
    assert lines == ["True", "True"]


def test_program_that_is_executed_is_a_program_of_its_own():
    lock = multiprocessing.Lock()
    with lock:
        result = subprocess.run(
            [sys.executable, "-c", "import multiprocessing as m; print(m.Lock()._semlock)"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "_multiprocessing.SemLock" in result.stdout
        assert not lock.acquire(block=False)
