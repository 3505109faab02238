"""Structures, unions, arrays of them and other ctypes types; wrappers with any lock."""

from __future__ import annotations

import copy
import ctypes
import gc
import multiprocessing
import multiprocessing.sharedctypes
import pickle
import threading

import pytest

import holdfast
from holdfast import Array, RawArray, RawValue, Value
from holdfast.structs import synchronized
from tests.objects import children

FORK = multiprocessing.get_context("fork")


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_double)]


class Named(Point):
    _fields_ = [("name", ctypes.c_char * 8)]


class Either(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("parts", ctypes.c_ubyte * 4)]


class Line(ctypes.Structure):
    _fields_ = [("ends", Point * 2)]


class MyInt(ctypes.c_int):
    """A simple type of one's own."""


def add_to_x(point, number):
    point.x += number
    return point.x


def test_a_structure_is_made_and_read():
    point = Value(Point, 1, 2.5)
    assert (point.x, point.y) == (1, 2.5)
    point.x, point.y = 7, 8.5
    assert (point.get_obj().x, point.get_obj().y) == (7, 8.5)
    assert isinstance(point.get_obj(), Point)
    assert type(point).__name__ == "SynchronizedPoint"
    with point.get_lock(), point:
        point.x += 1
    assert point.x == 8


def test_a_structure_begins_at_zero():
    del [Value(Point, 9, 9.0) for _ in range(100)][:]
    points = [RawValue(Point) for _ in range(100)]
    assert all((point.x, point.y) == (0, 0.0) for point in points)


def test_fields_of_the_base_are_there():
    named = Value(Named, 1, 2.0, b"abc")
    assert (named.x, named.y, named.name) == (1, 2.0, b"abc")


def test_unions_and_nested_structures():
    either = Value(Either, 0x01020304)
    assert list(either.parts) == [4, 3, 2, 1]
    line = Value(Line, ((1, 2), (3, 4)))
    assert line.ends[1].x == 3


def test_arrays_of_structures():
    for make in (Array, RawArray):
        points = make(Point, [(1, 2.0), (3, 4.0)])
        assert len(points) == 2
        assert [point.x for point in points] == [1, 3]
        points[0].x = 9
        points[1] = Point(5, 6.0)
        assert (points[0].x, points[1].y) == (9, 6.0)
        assert [point.y for point in make(Point, 3)] == [0.0] * 3


def test_other_simple_types():
    assert Value(ctypes.c_longdouble, 1.5).value == 1.5
    assert RawValue(ctypes.c_void_p).value is None
    mine = RawValue(MyInt, 5)
    assert isinstance(mine, MyInt)
    assert Value(MyInt, 5).value == 5
    assert Array(ctypes.c_longdouble, [1.5, 2.5])[1] == 2.5
    assert Array(ctypes.c_char * 4, 2)[0].raw == b"\0" * 4
    grid = Value(ctypes.c_int * 3 * 2)
    grid[1][2] = 7
    assert [list(row) for row in grid.get_obj()] == [[0, 0, 0], [0, 0, 7]]


@pytest.mark.parametrize(
    "make", [Value, RawValue, lambda kind: Array(kind, 3), lambda kind: RawArray(kind, 3)]
)
def test_what_is_no_type_is_refused(make):
    for wrong in (5, None, int, object(), "int", "", "\xe9", ctypes.c_int(5), ctypes.py_object):
        with pytest.raises(TypeError):
            make(wrong)


def test_wrong_fields_are_refused_and_nothing_is_left():
    gc.collect()
    before = holdfast.statistics().own_blocks
    for wrong in (("1",), (1, "2"), (1, 2.0, 3)):
        for make in (Value, RawValue):
            with pytest.raises(TypeError):
                make(Point, *wrong)
    with pytest.raises(TypeError):
        RawArray(Point, [1, 2])
    with pytest.raises(ValueError, match="must be 0 or more"):
        RawArray(Point, -1)
    with pytest.raises(holdfast.errors.HeapFullError):
        RawArray(Point, 2**61)
    gc.collect()
    assert holdfast.statistics().own_blocks == before


@pytest.mark.parametrize("make_lock", [threading.Lock, holdfast.Lock, FORK.Lock, FORK.RLock])
def test_a_structure_with_a_lock_of_one_s_own(make_lock):
    lock = make_lock()
    point = Value(Point, 1, 2.0, lock=lock)
    assert point.get_lock() is lock
    with point:
        assert not lock.acquire(False) or lock.release() is None
    point.x = 5
    assert point.x == 5
    assert Array(Point, 2, lock=lock).get_lock() is lock


def test_no_lock_means_the_ctypes_object():
    for raw in (Value(Point, 1, lock=False), RawValue(Point, 1)):
        assert type(raw) is Point
    assert isinstance(Array(Point, 2, lock=False), ctypes.Array)


def test_synchronized_puts_a_lock_around():
    raw = RawValue(Point, 1)
    point = synchronized(raw)
    assert isinstance(point.get_lock(), holdfast.RLock)
    assert point.get_obj() is raw
    assert type(synchronized(RawValue(Point))) is type(point)
    with pytest.raises(TypeError, match="has a lock already"):
        synchronized(point)
    with pytest.raises(TypeError, match="not a ctypes type"):
        synchronized(5)
    with pytest.raises(AttributeError, match="has no method"):
        synchronized(raw, "notalock")


def test_structures_travel_by_reference(context):
    for point in (Value(Point, 1, 2.0), RawValue(Point, 1, 2.0)):
        assert children.run(context, add_to_x, point, 5) == 6
        assert point.x == 6
    points = RawArray(Point, [(1, 2.0), (3, 4.0)])
    assert children.run(context, add_to_x, points[1], 5) == 8
    assert points[1].x == 8
    synced = Array(Point, 2)
    children.run(context, children.write_item, synced, 1, Point(7, 7.0))
    assert synced[1].x == 7


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_name_the_memory(protocol):
    def again(thing):
        return pickle.loads(pickle.dumps(thing, protocol))

    point, raw, points = Value(Point, 1), RawValue(Point, 1), RawArray(Point, 3)
    again(point).x = 5
    again(raw).x = 6
    again(points)[2].x = 7
    again(points[1]).x = 8
    again(Value(ctypes.c_int * 3)).get_obj()[1] = 1
    assert (point.x, raw.x, points[2].x, points[1].x) == (5, 6, 7, 8)
    # twice, from one that came by a pickle itself
    again(again(raw)).x = 9
    assert raw.x == 9


def test_private_structures_are_still_pickled_by_value():
    RawValue(Point)
    private = Point(1, 2.0)
    other = pickle.loads(pickle.dumps(private))
    other.x = 5
    assert (private.x, other.y) == (1, 2.0)
    assert copy.copy(private).x == 1


def test_those_of_multiprocessing_are_still_its_own():
    # Elsewhere, because multiprocessing's heap keeps its file open.
    children.fresh(use_both_kinds)


def use_both_kinds():
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        theirs = multiprocessing.sharedctypes.RawValue(Point, 1, 2.0)
        ours = RawValue(Point, 3, 4.0)
        assert children.run(context, add_to_x, theirs, 1) == 2
        assert children.run(context, add_to_x, ours, 1) == 4
        assert (theirs.x, ours.x) == (2, 4)


def test_the_memory_lives_as_long_as_a_part_of_it():
    end = RawValue(Line, ((1, 2), (3, 4))).ends[1]
    others = [RawValue(Line, ((9, 9), (9, 9))) for _ in range(200)]
    gc.collect()
    assert (end.x, end.y) == (3, 4)
    del others


def test_copies():
    point = Value(Point, 1, 2.0)
    assert copy.copy(point) is point
    assert copy.deepcopy(point) is point
    other = holdfast.copy(point)
    other.x = 9
    assert (point.x, other.y) == (1, 2.0)
    assert other.get_lock() is not point.get_lock()
    raw = RawArray(Point, [(1, 2)])
    another = holdfast.copy(raw)
    another[0].x = 9
    assert raw[0].x == 1


def test_get_obj_of_a_scalar_travels_by_reference():
    value = Value("i", 5)
    same = pickle.loads(pickle.dumps(value.get_obj()))
    same.value = 6
    assert value.value == 6
    private = pickle.loads(pickle.dumps(ctypes.c_int(7)))
    assert private.value == 7


def test_repr_names_the_wrapper():
    shown = repr(Value(MyInt, 5, lock=threading.Lock()))
    assert shown.startswith("<Synchronized wrapper for <MyInt object at ")
