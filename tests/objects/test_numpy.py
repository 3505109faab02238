"""ndarray, asarray and copy: NumPy arrays that hold their blocks and travel by reference."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import pickle

import cloudpickle
import numpy as np
import pytest

import holdfast
from holdfast._ndarray import SharedArray
from tests.objects import children


def again(thing):
    return pickle.loads(pickle.dumps(thing))


def shares(a, b):
    """Whether writing one is writing the other; both are views of the same block here."""
    return np.shares_memory(a, b)


def fill(array, value):
    array[...] = value
    return array.sum()


def describe(array):
    return type(array).__name__, array.shape, array.strides, array.dtype.str, array.tolist()


@pytest.mark.parametrize(
    ("shape", "dtype", "order"),
    [
        (5, float, "C"), ((3, 4), "i4", "C"), ((3, 4), "f4", "F"), ((2, 3, 4), "u1", "C"),
        ((), "d", "C"), ((0, 3), "d", "C"), ((2,), "c16", "C"), ((2,), "?", "C"),
        ((2,), "M8[ns]", "C"), ((2,), "S5", "C"), ((2,), "U5", "C"), ((3,), ">i2", "C"),
        ((2,), [("x", "i4"), ("y", "f8", (2,))], "C"), (np.int64(3), np.dtype("i8"), "C"),
    ],
)  # fmt: skip
def test_it_is_made_as_numpy_would(shape, dtype, order):
    shared, private = holdfast.ndarray(shape, dtype, order), np.empty(shape, dtype, order)
    assert isinstance(shared, np.ndarray)
    described = (shared.shape, shared.dtype, shared.flags.c_contiguous)
    assert described == (private.shape, private.dtype, private.flags.c_contiguous)
    assert shared.strides == private.strides or not shared.size
    assert shared.flags.writeable
    shared[...] = np.zeros(shape, dtype)
    assert (shared == np.zeros(shape, dtype)).all()
    same = again(shared)
    assert shares(same, shared) or shared.size == 0
    assert repr(describe(same)) == repr(describe(shared))


def test_what_makes_no_sense_is_refused():
    with pytest.raises(TypeError, match="Python objects"):
        holdfast.ndarray(3, object)
    with pytest.raises(ValueError, match="must be 0 or more, not -1"):
        holdfast.ndarray((3, -1))
    with pytest.raises(ValueError, match="order must be"):
        holdfast.ndarray(3, order="A")
    with pytest.raises(TypeError):
        holdfast.ndarray((1.5,))
    with pytest.raises(TypeError):
        holdfast.ndarray(3, "no such type")
    for shape in ((2**40,), (2**40, 2**40)):
        with pytest.raises(holdfast.errors.HeapFullError):
            holdfast.ndarray(shape)


VIEWS = {
    "slice": lambda a: a[1:3],
    "stride": lambda a: a[::2, ::-1],
    "column": lambda a: a[:, 1],
    "row": lambda a: a[-1],
    "transposed": lambda a: a.T,
    "reshaped": lambda a: a.reshape(-1),
    "element": lambda a: a[1, 2, ...],
    "other type": lambda a: a.view("u1"),
    "swapped": lambda a: a.view(">i4"),
    "new axis": lambda a: a[:, None],
    "broadcast": lambda a: np.broadcast_to(a[0], (3, 4), subok=True),
    "field of a view of a view": lambda a: a[1:][1:].T[::2],
    "empty": lambda a: a[2:2],
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_travel_by_reference(name):
    array = holdfast.ndarray((4, 4), "i4")
    array[...] = np.arange(16).reshape(4, 4)
    view = VIEWS[name](array)
    same = again(view)
    assert describe(same) == describe(view)
    assert not view.size or shares(same, array)
    if same.size and same.flags.writeable:
        same[...] = 7
        assert (view == 7).all()


def test_it_travels_by_every_pickler():
    array = holdfast.ndarray(3)
    array[:] = 1
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert shares(pickle.loads(pickle.dumps(array, protocol)), array)
    assert shares(pickle.loads(cloudpickle.dumps(array)), array)


def test_another_process_writes_into_it(context):
    array = holdfast.ndarray((3, 4))
    array[...] = 0
    assert children.run(context, fill, array[1:, ::2], 5.0) == 20.0
    assert array.tolist() == [[0] * 4, [5, 0, 5, 0], [5, 0, 5, 0]]


def test_an_array_made_by_another_process_comes_back(context):
    array = children.run(context, make_filled, (2, 3), 4.0)
    assert isinstance(array, SharedArray)
    assert array.tolist() == [[4.0] * 3] * 2


def make_filled(shape, value):
    array = holdfast.ndarray(shape)
    array[...] = value
    return array


def test_a_view_keeps_the_block():
    gc.collect()
    before = holdfast.statistics().own_blocks
    row = holdfast.ndarray((3, 4))[1]
    row[:] = 3
    del [make_filled((3, 4), 9) for _ in range(200)][:]
    assert row.tolist() == [3.0] * 4
    assert holdfast.statistics().own_blocks == before + 1
    del row
    gc.collect()
    assert holdfast.statistics().own_blocks == before


def test_results_of_computations_are_private_and_plain():
    array = make_filled((3, 4), 2)
    results = [
        array + 1, np.sqrt(array), array.copy(), copy.copy(array), copy.deepcopy(array),
        array @ array.T, array > 1, array.sum(axis=0), -array, np.array(array),
    ]  # fmt: skip
    for result in results:
        assert type(result) is np.ndarray
        assert not shares(result, array)
        assert not shares(again(result), result)
    assert type(array.sum()) is np.float64
    assert type(array[0, 0]) is np.float64


def test_working_in_place_stays_in_place():
    array = make_filled((3, 4), 2)
    same = array
    array += 1
    np.multiply(array, 2, out=array)
    assert array is same
    assert type(array) is SharedArray
    assert (again(array) == 6).all()


def test_a_private_array_of_the_class_travels_by_value():
    array = np.zeros(3).view(SharedArray)
    other = again(array)
    assert not shares(other, array)
    other[0] = 1
    assert array[0] == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: holdfast.Array("i", [1, 2, 3]),
        lambda: holdfast.RawArray("i", [1, 2, 3]),
        lambda: holdfast.Array("i", [1, 2, 3], lock=multiprocessing.Lock()),
        lambda: holdfast.RawArray("i", [1, 2, 3]).as_ctypes(),
        lambda: np.frombuffer(holdfast.RawArray("i", [1, 2, 3]), "i"),
        lambda: memoryview(holdfast.RawArray("i", [1, 2, 3])),
        lambda: np.asarray(holdfast.Array("i", [0, 1, 2, 3]))[1:],
        lambda: holdfast.asarray(holdfast.Array("i", [1, 2, 3])),
    ],
)
def test_asarray_is_a_view_that_travels(make):
    source = make()
    view = holdfast.asarray(source)
    assert type(view) is SharedArray
    assert view.tolist() == [1, 2, 3]
    del source
    del [make() for _ in range(50)][:]
    same = again(view[::2])
    same[1] = 30
    assert view.tolist() == [1, 2, 30]
    assert shares(same, view)


def test_asarray_of_a_value_has_no_axes():
    for value in (holdfast.Value("d", 1.5), holdfast.RawValue("d", 1.5)):
        view = holdfast.asarray(value)
        assert view.shape == ()
        again(view)[...] = 2.5
        assert value.value == 2.5


def test_asarray_of_a_structure_has_its_fields():
    import ctypes

    class Point(ctypes.Structure):
        _fields_ = (("x", ctypes.c_int), ("y", ctypes.c_double))

    view = holdfast.asarray(holdfast.RawArray(Point, [(1, 2.0), (3, 4.0)]))
    assert view["y"].tolist() == [2.0, 4.0]
    again(view["y"])[0] = 9
    assert view["y"].tolist() == [9.0, 4.0]


def test_asarray_of_private_memory_is_refused():
    for private in (np.zeros(3), [1, 2, 3], b"abc", np.zeros(3).view(SharedArray), 5):
        with pytest.raises(TypeError, match=r"holdfast\.copy makes a shared copy"):
            holdfast.asarray(private)


def test_copy_puts_anything_into_shared_memory():
    for source in ([[1, 2], [3, 4]], np.arange(6).reshape(2, 3).T, 5.0, make_filled((2, 2), 1)):
        made = holdfast.copy(source)
        assert type(made) is SharedArray
        assert made.tolist() == np.asarray(source).tolist()
        assert made.flags.c_contiguous == np.asarray(source).flags.c_contiguous
        assert shares(again(made), made)
        assert not shares(made, np.asarray(source))
    with pytest.raises(TypeError, match="Python objects"):
        holdfast.copy([object()])


def test_copy_of_values_and_arrays_is_of_the_same_kind():
    value, raw = holdfast.Value("h", 5), holdfast.RawValue("d", 1.5)
    shared, plain = holdfast.Array("i", [1, 2]), holdfast.RawArray("c", b"abc")
    for source in (value, raw, shared, plain):
        made = holdfast.copy(source)
        assert type(made) is type(source)
        assert made.typecode == source.typecode
        assert bytes(made) == bytes(source)
        memoryview(made).cast("B")[0] = 99
        assert bytes(made) != bytes(source)
        assert copy.copy(source) is source
        assert copy.deepcopy(source) is source
