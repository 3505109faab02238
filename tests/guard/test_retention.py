"""What the guard retains is what living children can reach, and no more."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal

import pytest

import holdfast
from holdfast import _native

METHODS = ["fork", "spawn", "forkserver"]
ROUNDS = 100_000
SAMPLES = 10


def long_lived(value, turn):
    value.value = 7
    turn.send("started")
    turn.recv()
    turn.send(value.value)


@pytest.mark.parametrize("method", METHODS)
def test_100_000_rounds_beside_a_long_lived_worker_show_a_flat_line(method):
    context = multiprocessing.get_context(method)
    with holdfast.guard():
        turn, theirs = context.Pipe()
        worker = context.Process(target=long_lived, args=(context.Value("i"), theirs))
        worker.start()
        assert turn.recv() == "started"
        figures = []
        for _ in range(SAMPLES):
            for number in range(ROUNDS // SAMPLES):
                value = context.Value("i", number)
                array = context.RawArray("d", 10)
            del value, array
            statistics = holdfast.statistics()
            figures.append((statistics.blocks, statistics.used_bytes))
        turn.send("go on")
        assert turn.recv() == 7
        worker.join()
    assert len(set(figures[1:])) == 1, figures


@pytest.mark.parametrize("method", METHODS)
def test_dropped_blocks_are_kept_for_a_worker_and_given_back_after_it(method):
    """I2, and I5 as well, since the worker is killed."""
    context = multiprocessing.get_context(method)
    with holdfast.guard():
        before = at_rest().blocks
        turn, theirs = context.Pipe()
        arrays = [context.RawArray("d", 100) for _ in range(50)]
        worker = context.Process(target=hold, args=(arrays, theirs))
        worker.start()
        theirs.close()
        assert turn.recv() == "started"
        del arrays
        held = at_rest()
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        after = at_rest()
        turn.close()
    assert held.blocks == before + 50
    assert after.blocks == before
    assert after.reclaimed_holds - held.reclaimed_holds >= 50


def hold(arrays, turn):
    turn.send("started")
    turn.recv()
    del arrays


def at_rest():
    """The figures when everything that can be given back has been."""
    _native.reap()
    holdfast.trim()
    return holdfast.statistics()


class Deadly:
    """Kills the process that unpickles it."""

    def __reduce__(self):
        return os._exit, (9,)


class Unpicklable:
    def __reduce__(self):
        raise KeyError("not to be pickled")


def nothing(*_):
    pass


@pytest.mark.parametrize("obstacle", [Deadly(), Unpicklable()], ids=["dies", "never starts"])
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_nothing_is_kept_for_a_child_that_never_took_it(method, obstacle):
    context = multiprocessing.get_context(method)
    with holdfast.guard():
        before = at_rest()
        for _ in range(3):
            given = [context.Value("i"), context.RawArray("d", 100), context.Condition()]
            # It stumbles after the first of them, so nobody takes the others.
            process = context.Process(target=nothing, args=(given[0], obstacle, *given))
            if isinstance(obstacle, Deadly):
                process.start()
                process.join()
                assert process.exitcode == 9
            else:
                with pytest.raises(KeyError):
                    process.start()
            del process, given
        gc.collect()
        after = at_rest()
    assert after.issued_tickets > before.issued_tickets
    assert after.outstanding_tickets == before.outstanding_tickets
    assert after.blocks <= before.blocks
