"""statistics(), trim() and set_ticket_grace(): figures that are right."""

from __future__ import annotations

import dataclasses
import multiprocessing
import pickle
import signal

import pytest

import holdfast
from holdfast import Array, Value, _native
from holdfast.errors import LifetimeError
from tests.objects import children

FORK = multiprocessing.get_context("fork")


def test_they_are_a_frozen_record_with_a_docstring_for_each_field():
    figures = holdfast.statistics()
    with pytest.raises(dataclasses.FrozenInstanceError):
        figures.blocks = 0
    source = inspect_source(type(figures)) + inspect_source(holdfast.LockStatistics)
    for kind in (type(figures), holdfast.LockStatistics):
        for field in dataclasses.fields(kind):
            assert f'{field.name}: {field.type}\n    """' in source, field.name


def inspect_source(kind):
    import inspect

    return inspect.getsource(kind)


def test_blocks_are_counted():
    _native.reap()
    before = holdfast.statistics()
    values, array = [Value("i") for _ in range(10)], Array("d", 1000)
    after = holdfast.statistics()
    assert after.blocks - before.blocks == 11
    assert after.own_blocks - before.own_blocks == 11
    assert after.block_bytes - before.block_bytes >= 10 * 64 + 8000
    assert after.used_bytes >= after.block_bytes
    assert after.heap_bytes >= after.used_bytes
    del values, array
    assert holdfast.statistics().blocks == before.blocks


def test_processes_are_counted(context):
    before = holdfast.statistics().live_slots
    ready, stop = Value("i"), Value("i")
    process = children.start(context, children.acquire_and_wait, ready.get_lock(), ready, stop)
    children.wait_until(lambda: ready.load())
    assert holdfast.statistics().live_slots == before + 1
    stop.value = 1
    children.end(process)
    assert holdfast.statistics().live_slots == before


def test_forks_move_the_epoch():
    before = holdfast.statistics()
    children.forked(int)
    after = holdfast.statistics()
    assert (after.forks - before.forks, after.forks_pinned) == (1, before.forks_pinned)
    assert after.epoch > before.epoch


def test_tickets_are_counted():
    before = holdfast.statistics()
    data = pickle.dumps(Value("i"))
    during = holdfast.statistics()
    assert during.outstanding_tickets - before.outstanding_tickets == 1
    pickle.loads(data)
    after = holdfast.statistics()
    assert after.outstanding_tickets == before.outstanding_tickets
    assert after.used_tickets - before.used_tickets == 1


def test_the_estate_of_a_dead_sender_ends_with_its_grace_period():
    queue = FORK.SimpleQueue()
    holdfast.set_ticket_grace(0.2)
    try:
        process = children.start(FORK, send_and_die, queue)
        children.end(process, -signal.SIGKILL)
        data = queue.get()
        _native.reap()
        assert holdfast.statistics().estate_slots == 1
        assert pickle.loads(data).value == 41
        process = children.start(FORK, send_and_die, queue)
        children.end(process, -signal.SIGKILL)
        late = queue.get()
        children.wait_until(no_estate_is_left)
        others = [Value("i", 9) for _ in range(3000)]
        with pytest.raises(LifetimeError):
            pickle.loads(late)
        del others
    finally:
        holdfast.set_ticket_grace(60)
        queue.close()


def no_estate_is_left():
    _native.reap()
    return holdfast.statistics().estate_slots == 0


def send_and_die(queue):
    queue.put(pickle.dumps(Value("i", 41)))
    signal.raise_signal(signal.SIGKILL)


def test_a_grace_period_that_makes_no_sense():
    for wrong in (-1, float("nan"), float("inf"), 1e10):
        with pytest.raises(ValueError, match="grace period"):
            holdfast.set_ticket_grace(wrong)
    with pytest.raises(TypeError):
        holdfast.set_ticket_grace("60")


def test_trim_gives_back_what_is_kept():
    del [Array("B", 8 << 20) for _ in range(3)][:]
    kept = holdfast.statistics().cached_bytes
    assert kept >= 8 << 20
    assert holdfast.trim() >= kept
    assert holdfast.statistics().cached_bytes == 0
    assert holdfast.trim() == 0


def test_crash_points_are_named():
    assert len(set(_native.points())) == len(_native.points()) > 20
    with pytest.raises(ValueError, match="there is no crash point 'nowhere'"):
        _native.arm_point("nowhere")
    assert children.forked(_die_at, "alloc_after_live") == -signal.SIGKILL
    _native.arm_point(None)
    assert _native.check() == []


def _die_at(point):
    _native.arm_point(point, 3)
    for _ in range(3):
        Value("i")
