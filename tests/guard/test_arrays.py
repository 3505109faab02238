"""Row A18 and its neighbours: when an array travels as a copy, and when nobody needs to be told."""

from __future__ import annotations

import multiprocessing
import pickle
import warnings
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest

import holdfast
from holdfast import SharedCopyWarning
from tests.guard.programs import GUARD, run_program


@pytest.fixture(autouse=True)
def guarded():
    with holdfast.guard():
        yield


def shared(count=4):
    return np.frombuffer(multiprocessing.RawArray("d", count))


VIEWS = {
    "frombuffer": lambda: shared(),
    "slice": lambda: shared()[1:3],
    "transposed": lambda: shared().reshape(2, 2).T,
    "other dtype": lambda: shared().view("u1"),
    "of an Array": lambda: np.ctypeslib.as_array(multiprocessing.Array("i", 3).get_obj()),
    "of a memoryview": lambda: np.asarray(memoryview(multiprocessing.RawArray("h", 9))),
    "read only": lambda: np.broadcast_to(shared(1), (3, 1)),
}
COPIES = {
    "copy": lambda: shared().copy(),
    "result": lambda: shared() + 1,
    "private": lambda: np.zeros(4),
    "nothing in it": lambda: shared()[:0],
    "objects": lambda: np.array([None, {}], dtype=object),
}


@pytest.mark.parametrize("make", VIEWS.values(), ids=VIEWS)
def test_view_that_is_pickled_is_told_of(make):
    array = make()
    with pytest.warns(SharedCopyWarning) as caught:
        data = ForkingPickler.dumps(array)
    assert (pickle.loads(data) == array).all()
    (warning,) = [record.message for record in caught]
    assert warning.shape == array.shape
    assert warning.size_bytes == array.nbytes
    assert caught[0].filename == __file__


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_private_array_is_not(make):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (pickle.loads(ForkingPickler.dumps(make())) == make()).all()


def test_billiards_pickler_tells_of_it_too():
    from billiard.reduction import ForkingPickler as BilliardsPickler

    with pytest.warns(SharedCopyWarning):
        data = BilliardsPickler.dumps(shared())
    assert BilliardsPickler.loads(data).tolist() == [0.0] * 4


def test_plain_pickle_is_no_business_of_the_guard():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.dumps(shared())


def test_queue_tells_of_it_too():
    queue = multiprocessing.SimpleQueue()
    with pytest.warns(SharedCopyWarning, match=r"shape \(4,\), float64, 32 bytes"):
        queue.put(shared())
    assert queue.get().tolist() == [0.0] * 4
    queue.close()


def test_warning_as_an_error_stops_the_copy_and_can_travel_itself():
    with warnings.catch_warnings():
        warnings.simplefilter("error", SharedCopyWarning)
        with pytest.raises(SharedCopyWarning) as caught:
            ForkingPickler.dumps(shared())
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.shape == (4,)


def test_reducer_of_the_program_is_left_alone(tmp_path):
    lines = run_program(
        tmp_path,
        """
        import numpy as np
        from multiprocessing.reduction import ForkingPickler
        ForkingPickler.register(np.ndarray, lambda array: (list, ()))
        import holdfast, multiprocessing as mp
        guard = holdfast.guard()
        print(ForkingPickler.loads(ForkingPickler.dumps(np.frombuffer(mp.RawArray("d", 4)))))
        guard.stop()
        print(ForkingPickler.loads(ForkingPickler.dumps(np.frombuffer(mp.RawArray("d", 4)))))
        """,
    )
    assert lines == ["[]", "[]"]


@pytest.mark.parametrize("first", ["numpy", "multiprocessing.reduction"])
def test_either_may_be_imported_first(tmp_path, first):
    second = {"numpy": "multiprocessing.reduction", "multiprocessing.reduction": "numpy"}[first]
    lines = run_program(
        tmp_path,
        f"""
        import {first}, {second}, multiprocessing.sharedctypes, warnings
        warnings.simplefilter("error")
        array = numpy.frombuffer(multiprocessing.RawArray("d", 4))
        try:
            multiprocessing.reduction.ForkingPickler.dumps(array)
        except Warning as warning:
            print(type(warning).__name__)
        """,
        *GUARD,
    )
    assert lines == ["SharedCopyWarning"]


def test_array_over_a_view_keeps_the_block_when_all_else_is_gone():
    """I1: what can reach the bytes holds them."""
    arrays = [np.frombuffer(multiprocessing.RawArray("d", 4)) for _ in range(50)]
    for number, array in enumerate(arrays):
        array[:] = number
    others = [np.frombuffer(multiprocessing.RawArray("d", 4)) for _ in range(50)]
    for other in others:
        other[:] = -1
    assert [array[0] for array in arrays] == list(range(50))
