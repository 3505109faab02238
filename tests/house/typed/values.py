"""What the type checkers make of the objects. Not run: each answer stands behind its line."""

# ruff: noqa: F821 - reveal_type is built into the checkers

import ctypes
import multiprocessing

import numpy as np

import holdfast
from holdfast import Array, Lock, RawArray, RawValue, RLock, Value


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int)]


reveal_type(Value("i"))  # Cell[int]
reveal_type(Value("Q", 5))  # Cell[int]
reveal_type(Value("d", 1))  # Cell[float]
reveal_type(Value("?"))  # Cell[bool]
reveal_type(Value("c", b"x"))  # Cell[bytes]
reveal_type(Value("u", "x"))  # Cell[str]
reveal_type(Value(ctypes.c_int, 5))  # Cell[int]
reveal_type(Value(ctypes.c_double))  # Cell[float]
reveal_type(Value("i", lock=None))  # Cell[int]
reveal_type(Value("i", lock=False))  # RawCell[int]
reveal_type(Value("f", 1.5, lock=False))  # RawCell[float]
reveal_type(Value(ctypes.c_bool, lock=False))  # RawCell[bool]
reveal_type(Value("i", lock=multiprocessing.RLock()))  # Synchronized
reveal_type(Value("i", lock=Lock()))  # Synchronized
reveal_type(Value(Point, 1))  # SynchronizedBase
reveal_type(Value(Point, lock=False))  # Point
reveal_type(RawValue("h"))  # RawCell[int]
reveal_type(RawValue(ctypes.c_char))  # RawCell[bytes]
reveal_type(RawValue(Point, 1))  # Point

value = Value("i")
reveal_type(value.value)  # int
reveal_type(value.add(1))  # int
reveal_type(value.compare_exchange(1, 2))  # bool
reveal_type(value.get_lock())  # RLock
reveal_type(value.get_lock().statistics().owner_pid)  # int | None
reveal_type(Value("d").max(1.5))  # float
reveal_type(Value("?").xor(True))  # bool
reveal_type(value.__enter__())  # Literal[True]
reveal_type(memoryview(value))  # memoryview[int]

reveal_type(Array("i", 5))  # Vector[int]
reveal_type(Array("d", [1, 2.5]))  # Vector[float]
reveal_type(Array("c", b"abc"))  # Vector[bytes]
reveal_type(Array("i", range(3), lock=False))  # RawVector[int]
reveal_type(Array(ctypes.c_short, 5))  # Vector[int]
reveal_type(Array(Point, 5))  # SynchronizedArray
reveal_type(RawArray("u", "abc"))  # RawVector[str]
reveal_type(RawArray(ctypes.c_float, 3))  # RawVector[float]

array = Array("i", 5)
reveal_type(array[0])  # int
reveal_type(array[1:3])  # list[int]
reveal_type(Array("c", 5)[1:3])  # bytes
reveal_type(Array("u", 5)[1:3])  # str
reveal_type(Array("c", 5).value)  # bytes
reveal_type(Array("c", 5).raw)  # bytes
reveal_type(list(array))  # list[int]

lock = RLock()
reveal_type(lock.acquire(timeout=0.5))  # bool
reveal_type(lock.recover())  # bool
with lock, Lock(), lock.within(0.5):
    pass

reveal_type(holdfast.ndarray((2, 3)))  # SharedArray
reveal_type(holdfast.asarray(array))  # SharedArray
reveal_type(holdfast.statistics().blocks)  # int
reveal_type(holdfast.trim())  # int
np.asarray(array)

value.value = 1.5  # error
value.vlaue = 1  # error
Value("i").add("x")  # error
Value("d").and_(1)  # error
Value("c").add(b"x")  # error
Array("i", 5)[0] = "x"  # error
Value("i", lock=5)  # error
lock.acquire(timeout="x")  # error
