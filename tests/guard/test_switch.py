"""On, off, twice, nested, late: what `guard()` means for what is made when."""

from __future__ import annotations

import multiprocessing
import multiprocessing.heap
import multiprocessing.synchronize
import os
import threading

import pytest

import holdfast
from holdfast import _native
from holdfast.errors import PlatformError
from tests.guard.programs import run_program

METHODS = ["fork", "spawn", "forkserver"]


def is_guarded(lock_or_value):
    """Whether an object lives in Holdfast's heap."""
    if hasattr(lock_or_value, "get_lock"):
        arena = lock_or_value.get_obj()._wrapper._state[0][0]
        return isinstance(arena.buffer, _native.Block)
    return isinstance(lock_or_value._semlock, _native.SemLock)


def guard_is_on():
    return is_guarded(multiprocessing.Value("i")) and is_guarded(multiprocessing.Lock())


def test_with_block_switches_on_and_off():
    with holdfast.guard() as guard:
        assert guard.active
        assert guard_is_on()
    assert not guard.active
    assert not guard_is_on()


def test_off_puts_back_the_very_constructors():
    before = (
        multiprocessing.heap.BufferWrapper.__init__,
        multiprocessing.synchronize.SemLock.__init__,
    )
    with holdfast.guard():
        pass
    assert before == (
        multiprocessing.heap.BufferWrapper.__init__,
        multiprocessing.synchronize.SemLock.__init__,
    )


def test_second_call_keeps_it_on_until_both_are_off():
    first, second = holdfast.guard(), holdfast.guard()
    first.stop()
    assert guard_is_on()
    second.stop()
    assert not guard_is_on()


def test_with_block_inside_leaves_it_on_as_it_was():
    with holdfast.guard():
        with holdfast.guard():
            pass
        assert guard_is_on()


def test_blocks_over_the_same_guard_nest():
    guard = holdfast.guard()
    with guard, guard:
        pass
    assert not guard.active
    with guard:
        with guard:
            pass
        assert guard_is_on()


def test_forgotten_guard_stays_on_and_stopping_twice_is_stopping_once():
    holdfast.guard()
    assert guard_is_on()
    (forgotten,) = holdfast.guard.__globals__["_on"]
    forgotten.stop()
    forgotten.stop()
    assert not guard_is_on()
    assert repr(forgotten) == "<Guard off>"


def test_exception_in_the_block_switches_off():
    with pytest.raises(KeyError), holdfast.guard():
        raise KeyError
    assert not guard_is_on()


def test_failure_to_have_a_heap_changes_nothing(monkeypatch):
    def refuse():
        raise PlatformError(missing="memfd_create", needed="the shared heap")

    from holdfast import _family

    monkeypatch.setattr(_family, "open", refuse)
    constructor = multiprocessing.heap.BufferWrapper.__init__
    with pytest.raises(PlatformError):
        holdfast.guard()
    assert multiprocessing.heap.BufferWrapper.__init__ is constructor
    assert not guard_is_on()


def bump(value, lock, answers):
    with lock:
        value.value += 1
    answers.send((value.value, guard_is_on()))


@pytest.mark.parametrize("method", METHODS)
def test_objects_from_before_go_on_working_under_the_guard(method):
    context = multiprocessing.get_context(method)
    value, lock = context.Value("i", 1), context.Lock()
    with holdfast.guard():
        answers, theirs = context.Pipe()
        process = context.Process(target=bump, args=(value, lock, theirs))
        process.start()
        assert answers.recv() == (2, True)
        process.join()
    assert (value.value, is_guarded(value), is_guarded(lock)) == (2, False, False)


@pytest.mark.parametrize("method", METHODS)
def test_objects_from_under_the_guard_can_be_sent_when_it_is_off(method):
    context = multiprocessing.get_context(method)
    with holdfast.guard():
        value, lock = context.Value("i", 1), context.Lock()
    answers, theirs = context.Pipe()
    process = context.Process(target=bump, args=(value, lock, theirs))
    process.start()
    assert answers.recv() == (2, False)
    process.join()
    assert (value.value, is_guarded(value), is_guarded(lock)) == (2, True, True)


def test_forked_child_switches_for_itself():
    with holdfast.guard() as guard:
        pid = os.fork()
        if pid == 0:
            guard.stop()
            os._exit(int(guard_is_on()))
        assert os.waitpid(pid, 0)[1] == 0
        assert guard_is_on()


def test_child_forked_while_another_thread_switches_can_switch():
    inside, leave = threading.Event(), threading.Event()

    def hold_the_lock():
        with holdfast.guard.__globals__["_lock"]:
            inside.set()
            leave.wait()

    thread = threading.Thread(target=hold_the_lock)
    thread.start()
    inside.wait()
    pid = os.fork()
    if pid == 0:
        holdfast.guard()
        os._exit(int(not guard_is_on()))
    leave.set()
    thread.join()
    assert os.waitpid(pid, 0)[1] == 0


def test_guard_alone_loads_no_multiprocessing(tmp_path):
    lines = run_program(
        tmp_path,
        """
        import sys, holdfast
        holdfast.guard()
        print([name for name in sys.modules if name.startswith(("multiprocessing", "numpy"))])
        """,
    )
    assert lines == ["[]"]


@pytest.mark.parametrize("order", ["before", "after"])
def test_import_order_does_not_matter_and_leaves_no_trace(tmp_path, order):
    program = """
        import holdfast, importlib.util, sys
        if "ORDER" == "before":
            holdfast.guard()
        spec = importlib.util.find_spec("multiprocessing.heap")
        print(spec.loader.get_filename(spec.name) == spec.origin)
        import multiprocessing.heap, multiprocessing.synchronize
        if "ORDER" == "after":
            holdfast.guard()
        for module in (multiprocessing.heap, multiprocessing.synchronize):
            print(type(module.__loader__).__name__, module.__spec__.loader is module.__loader__)
        print(multiprocessing.heap.BufferWrapper.__init__.__module__)
        importlib.reload(multiprocessing.heap)
        print(multiprocessing.heap.BufferWrapper.__init__.__module__)
    """.replace("ORDER", order)
    assert run_program(tmp_path, program) == [
        "True", "SourceFileLoader True", "SourceFileLoader True",
        "holdfast.guard.heap", "holdfast.guard.heap",
    ]  # fmt: skip
