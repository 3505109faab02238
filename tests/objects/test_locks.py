"""Lock and RLock: as multiprocessing's, and what happens when an owner dies."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import pickle
import signal
import threading

import pytest

import holdfast
from holdfast import Lock, RLock, Value
from holdfast.errors import LockTimeoutError, OwnerDiedError
from tests.objects import children

KINDS = (Lock, RLock)
FORK = multiprocessing.get_context("fork")


def in_a_thread(function):
    """Run it in another thread; return what it returns."""
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(function()), name="other")
    thread.start()
    thread.join()
    return answers[0]


@pytest.mark.parametrize("kind", KINDS)
class TestBoth:
    def test_it_is_held_by_one_at_a_time(self, kind):
        lock = kind()
        assert lock.acquire() is True
        assert in_a_thread(lambda: lock.acquire(block=False)) is False
        assert in_a_thread(lambda: lock.acquire(timeout=0.01)) is False
        lock.release()
        assert in_a_thread(lambda: lock.acquire(False)) is True

    def test_arguments_are_those_of_multiprocessing(self, kind):
        lock = kind()
        assert lock.acquire(True, None)
        lock.release()
        with lock as entered:
            assert entered is True
            for timeout in (0, -1, 0.001, -math.inf):
                assert in_a_thread(lambda t=timeout: lock.acquire(True, t)) is False
            assert in_a_thread(lambda: lock.acquire(False, 100)) is False
        for timeout in (1e300, math.inf, 3):
            assert lock.acquire(timeout=timeout)
            lock.release()

    def test_a_timeout_that_is_no_number(self, kind):
        lock = kind()
        for wrong, error in ((math.nan, ValueError), ("1", TypeError), (1j, TypeError)):
            with pytest.raises(error):
                lock.acquire(timeout=wrong)  # as multiprocessing's, free or not
            assert not lock.locked()
            with lock, pytest.raises(error):
                in_a_thread_raising(lambda w=wrong: lock.acquire(timeout=w))

    def test_within_gives_up_and_names_the_owner(self, kind):
        lock = kind()
        with lock.within(5):
            assert lock.locked()

        def give_up():
            with pytest.raises(LockTimeoutError) as caught, lock.within(0.01):
                pass
            return caught.value

        with lock:
            error = in_a_thread(give_up)
        assert isinstance(error, TimeoutError)
        assert (error.timeout, error.owner_pid) == (0.01, os.getpid())
        assert not lock.locked()

    def test_the_body_s_exception_releases_it(self, kind):
        lock = kind()
        with pytest.raises(ZeroDivisionError), lock:
            _ = 1 / 0
        assert not lock.locked()

    def test_with_may_be_spelled_out(self, kind):
        lock, other = kind(), kind()
        with contextlib.ExitStack() as stack:
            assert stack.enter_context(lock) is True
            assert lock.locked()
        assert not lock.locked()
        assert lock.__enter__() is True
        lock.__exit__()
        assert kind.__enter__(lock) is True
        kind.__exit__(lock, None, None, None)
        bound = [lock.__enter__, *[other.__exit__ for _ in range(20)]]
        assert bound[0]() is True
        with pytest.raises((ValueError, AssertionError)):
            bound[-1]()
        assert lock.locked()
        assert not other.locked()
        lock.release()
        condition = threading.Condition(lock)
        with condition:
            assert lock.locked()
        assert (kind.__enter__.__name__, kind.__exit__.__name__) == ("__enter__", "__exit__")
        assert "Acquire" in kind.__enter__.__doc__

    def test_with_takes_no_other_arguments(self, kind):
        lock = kind()
        for wrong in (
            lambda: lock.__enter__(1), lambda: lock.__exit__(1, 2, 3, 4), lambda: kind.__enter__(),
            lambda: kind.__enter__(5), lambda: kind.__exit__(Value("i")),
            lambda: lock.__exit__(kind=None), lambda: kind.__exit__(lock, traceback=None),
        ):  # fmt: skip
            with pytest.raises(TypeError):
                wrong()
        assert not lock.locked()

    def test_statistics_count(self, kind):
        lock = kind()
        for _ in range(3):
            with lock:
                figures = lock.statistics()
        assert figures.acquisitions == 3
        assert figures.owner_pid == os.getpid()
        assert lock.statistics().owner_pid is None
        assert (figures.owner_deaths, figures.recoveries, figures.orphaned) == (0, 0, False)

    def test_another_process_waits_and_gets_it(self, context, kind):
        lock, ready, stop = kind(), Value("i"), Value("i")
        process = children.start(context, children.acquire_and_wait, lock, ready, stop)
        children.wait_until(lambda: ready.load())
        assert lock.acquire(timeout=0.05) is False
        stop.value = 1
        assert lock.acquire() is True
        lock.release()
        children.end(process)

    def test_pickles_name_the_same_lock(self, kind):
        lock = kind()
        same = pickle.loads(pickle.dumps(lock))
        with lock:
            assert in_a_thread(lambda: same.acquire(block=False)) is False
            assert same.locked()
        assert not same.locked()


def in_a_thread_raising(function):
    """As in_a_thread; raises here what it raises there."""

    def attempt():
        try:
            return function()
        except Exception as error:
            return error

    answer = in_a_thread(attempt)
    if isinstance(answer, Exception):
        raise answer
    return answer


class TestLock:
    def test_releasing_a_free_one_is_an_error(self):
        lock = Lock()
        with pytest.raises(ValueError, match="released too many times"):
            lock.release()
        lock.acquire()
        lock.release()
        with pytest.raises(ValueError, match="released too many times"):
            lock.release()
        assert lock.acquire(block=False)

    def test_any_thread_or_process_may_release_it(self, context):
        lock = Lock()
        lock.acquire()
        in_a_thread(lock.release)
        assert lock.acquire(block=False)
        children.run(context, children.call, lock, "release")
        assert lock.acquire(block=False)

    def test_it_is_not_recursive(self):
        lock = Lock()
        lock.acquire()
        assert lock.acquire(timeout=0.01) is False

    def test_repr_is_that_of_multiprocessing(self, context):
        lock, ready, stop = Lock(), Value("i"), Value("i")
        assert repr(lock) == "<Lock(owner=None)>"
        lock.acquire()
        assert repr(lock) == "<Lock(owner=MainProcess)>"
        assert in_a_thread(lambda: repr(lock)) == "<Lock(owner=SomeOtherThread)>"
        lock.release()

        def acquired():
            lock.acquire()
            return repr(lock)

        assert in_a_thread(acquired) == "<Lock(owner=MainProcess|other)>"
        lock.release()
        process = children.start(context, children.acquire_and_wait, lock, ready, stop)
        children.wait_until(lambda: ready.load())
        assert repr(lock) == "<Lock(owner=SomeOtherProcess)>"
        stop.value = 1
        children.end(process)


class TestRLock:
    def test_its_owner_gets_in_again(self):
        lock = RLock()
        for depth in range(1, 4):
            assert lock.acquire()
            assert lock.statistics().depth == depth
        assert lock.acquire(block=False)
        for _ in range(4):
            assert in_a_thread(lambda: lock.acquire(block=False)) is False
            lock.release()
        assert in_a_thread(lambda: lock.acquire(block=False)) is True

    def test_only_its_owner_may_release_it(self):
        lock = RLock()
        with pytest.raises(AssertionError, match="not owned by thread"):
            lock.release()
        lock.acquire()
        with pytest.raises(AssertionError, match="not owned by thread"):
            in_a_thread_raising(lock.release)
        assert children.forked(lock.release) == 1
        assert lock.statistics().depth == 1

    def test_a_forked_child_does_not_own_it(self):
        lock = RLock()
        with lock:
            assert children.forked(lambda: _must(not lock.acquire(timeout=0.01))) == 0

    def test_repr_is_that_of_multiprocessing(self, context):
        lock, ready, stop = RLock(), Value("i"), Value("i")
        assert repr(lock) == "<RLock(None, 0)>"
        with lock, lock:
            assert repr(lock) == "<RLock(MainProcess, 2)>"
            assert in_a_thread(lambda: repr(lock)) == "<RLock(SomeOtherThread, nonzero)>"
        process = children.start(context, children.acquire_and_wait, lock, ready, stop)
        children.wait_until(lambda: ready.load())
        assert repr(lock) == "<RLock(SomeOtherProcess, nonzero)>"
        stop.value = 1
        children.end(process)


def _must(condition):
    assert condition


@pytest.mark.parametrize("kind", KINDS)
class TestDeadOwners:
    def test_the_next_one_learns_who_died_and_does_not_hold_it(self, context, kind):
        lock = kind()
        process = context.Process(target=children.acquire_and_die, args=(lock,), name="victim")
        process.start()
        pid = process.pid
        process.join(children.PATIENCE)
        for attempt in (lock.acquire, lock.__enter__, lambda: lock.acquire(block=False)):
            with pytest.raises(OwnerDiedError) as caught:
                attempt()
            assert (caught.value.owner_pid, caught.value.owner_name) == (pid, "victim")
            assert 0 <= caught.value.died_ago < children.PATIENCE
            assert f"process {pid} (victim) died" in str(caught.value)
        assert lock.statistics().orphaned
        assert lock.statistics().owner_deaths == 1
        assert "dead process" in repr(lock)
        with pytest.raises(OwnerDiedError):
            lock.release()

    def test_it_can_be_recovered_once(self, kind):
        lock = kind()
        assert lock.recover() is False
        children.end(children.start(FORK, children.acquire_and_die, lock), -signal.SIGKILL)
        with pytest.raises(OwnerDiedError), lock:
            pytest.fail("the body must not run")
        assert lock.recover() is True
        assert lock.recover() is False
        assert in_a_thread(lambda: lock.acquire(block=False)) is False
        lock.release()
        with lock:
            figures = lock.statistics()
        assert (figures.owner_deaths, figures.recoveries, figures.orphaned) == (1, 1, False)

    def test_who_waits_learns_it_too(self, context, kind):
        lock, ready = kind(), Value("i")
        results: list[object] = []

        def wait():
            try:
                results.append(lock.acquire())
            except OwnerDiedError as error:
                results.append(error.owner_pid)

        process = context.Process(target=children.acquire_and_wait, args=(lock, ready, Value("i")))
        process.start()
        children.wait_until(lambda: ready.load())
        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        pid = process.pid
        process.kill()
        process.join(children.PATIENCE)
        for thread in threads:
            thread.join()
        assert results == [pid] * 3

    def test_an_owner_that_leaves_without_release_is_dead_as_well(self, kind):
        lock = kind()
        assert children.forked(lock.acquire) == 0
        with pytest.raises(OwnerDiedError):
            lock.acquire()
        assert lock.recover()

    def test_a_process_that_only_waited_may_die(self, kind):
        lock, ready = kind(), Value("i")
        with lock:
            process = children.start(FORK, _say_and_wait, lock, ready)
            children.wait_until(lambda: ready.load())
            process.kill()
            children.end(process, -signal.SIGKILL)
        with lock:
            assert lock.statistics().owner_deaths == 0


def _say_and_wait(lock, ready):
    ready.value = 1
    lock.acquire()


class TestDeadOwnersOfValues:
    def test_value_raises_until_recovered_and_atomics_go_on(self, context):
        value = Value("i", 5)
        process = children.start(context, children.acquire_and_die, value)
        children.end(process, -signal.SIGKILL)
        with pytest.raises(OwnerDiedError):
            _ = value.value
        with pytest.raises(OwnerDiedError):
            value.value = 6
        assert value.add(1) == 5
        assert value.get_lock().recover()
        assert value.value == 6
        value.release()
        value.value = 7
        assert value.value == 7

    def test_elements_raise_until_recovered(self):
        shared = holdfast.Array("i", 3)
        process = children.start(FORK, children.acquire_and_die, shared)
        children.end(process, -signal.SIGKILL)
        for attempt in (
            lambda: shared[0], lambda: shared[:], lambda: shared.__setitem__(0, 1),
            lambda: shared.__setitem__(slice(1), [1]),
        ):  # fmt: skip
            with pytest.raises(OwnerDiedError):
                attempt()
        assert shared.get_lock().recover()
        assert shared[:] == [0, 0, 0]
        shared.release()


@pytest.mark.parametrize("kind", KINDS)
def test_ctrl_c_ends_a_wait_and_leaves_the_lock_alone(kind):
    lock = kind()
    ready = Value("i")
    stop = Value("i")
    process = children.start(FORK, children.acquire_and_wait, lock, ready, stop)
    children.wait_until(lambda: ready.load())
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        lock.acquire()
    timer.join()
    stop.value = 1
    children.end(process)
    with lock:
        pass
    assert lock.statistics().owner_pid is None


def test_a_signal_handler_that_does_not_raise_does_not_end_a_wait():
    lock, seen = Lock(), []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1) or lock.release())
    try:
        lock.acquire()
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        assert lock.acquire(timeout=children.PATIENCE)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert seen == [1]


def test_the_gil_is_free_while_a_thread_waits():
    lock, steps = Lock(), []
    lock.acquire()
    thread = threading.Thread(target=lambda: lock.acquire() and steps.append("in"))
    thread.start()
    steps.append("here")
    lock.release()
    thread.join()
    assert steps == ["here", "in"]


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_was_never_made_says_so(kind):
    never = kind.__new__(kind)
    for attempt in (never.acquire, never.release, never.__enter__, never.recover, never.statistics):
        with pytest.raises(ValueError, match="never made"):
            attempt()
    with pytest.raises(ValueError, match="never made"):
        pickle.dumps(never)
    assert "never made" in repr(never)
    lock = kind()
    with pytest.raises(TypeError, match="made once"):
        lock.__init__()
