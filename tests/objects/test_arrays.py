"""Array and RawArray of scalars: sequences with ctypes' manners, buffers, text."""

from __future__ import annotations

import array
import ctypes
import gc
import threading

import numpy as np
import pytest

import holdfast
from holdfast import Array, RawArray
from tests.objects import children

MAKERS = (Array, RawArray)
NUMBERS = "bBhHiIlLqQfd"
# typecode -> values that are not zero
SAMPLES = {
    **{code: [3, 1, 4, 1, 5] for code in NUMBERS},
    "?": [True, False, True, True, False],
    "c": [b"h", b"e", b"l", b"l", b"o"],
    "u": ["h", "\N{SNOWMAN}", "l", "l", "\U0001f600"],
}
SLICES = [
    slice(None), slice(1, 3), slice(None, None, 2), slice(None, None, -1), slice(-2, None),
    slice(3, 1), slice(10, 20), slice(4, 0, -2), slice(-100, 100),
]  # fmt: skip


def joined(code, values):
    """A slice as ctypes gives it: chars are put together."""
    return {"c": b"", "u": ""}[code].join(values) if code in "cu" else values


@pytest.mark.parametrize("make", MAKERS)
class TestSequences:
    def test_a_length_gives_zeros(self, make):
        for code, values in SAMPLES.items():
            zero = {"c": b"\0", "u": "\0"}.get(code, 0)
            for length in (0, 1, 5, 1000):
                shared = make(code, length)
                assert len(shared) == length
                assert list(shared) == [zero] * length
            assert type(make(code, 1)[0]) is (float if code in "fd" else type(values[0]))

    def test_values_to_begin_with(self, make):
        for code, values in SAMPLES.items():
            for source in (values, tuple(values), dict(enumerate(values)).values()):
                assert list(make(code, source)) == values

    def test_every_index_and_slice_is_that_of_a_list(self, make):
        for code, values in SAMPLES.items():
            shared = make(code, values)
            for index in range(-5, 5):
                assert shared[index] == values[index]
            for part in SLICES:
                assert shared[part] == joined(code, values[part])

    def test_every_element_and_slice_can_be_set(self, make):
        for code, values in SAMPLES.items():
            for part in SLICES:
                shared, mirror = make(code, 5), [make(code, 1)[0]] * 5
                new = values[part]
                shared[part] = joined(code, new)
                mirror[part] = new
                assert list(shared) == mirror
                shared[part] = new  # a list does, too
            shared = make(code, 5)
            shared[-2] = values[0]
            assert shared[3] == values[0]

    def test_an_index_beyond_the_end_is_an_error(self, make):
        shared = make("i", [1, 2, 3])
        for index in (3, -4, 10**30, -(10**30)):
            with pytest.raises(IndexError, match=r"out of range|index-sized"):
                shared[index]
            with pytest.raises(IndexError, match=r"out of range|index-sized"):
                shared[index] = 0
        for index in ("1", 1.0, None):
            with pytest.raises(TypeError, match="indices must be integers or slices"):
                shared[index]
        assert shared[:] == [1, 2, 3]

    def test_a_slice_keeps_its_length(self, make):
        shared = make("i", [1, 2, 3])
        for values in ([], [1], [1, 2, 3]):
            with pytest.raises(ValueError, match=f"2 values are needed, not {len(values)}"):
                shared[0:2] = values
        assert shared[:] == [1, 2, 3]

    def test_a_slice_is_set_whole_or_not_at_all(self, make):
        shared = make("b", [1, 2, 3])
        with pytest.raises(OverflowError):
            shared[:] = [7, 8, 300]
        with pytest.raises(TypeError):
            shared[:] = [7, 8, "9"]
        with pytest.raises(TypeError):
            shared[:] = 5
        assert shared[:] == [1, 2, 3]

    def test_an_array_can_be_assigned_to_a_part_of_itself(self, make):
        shared = make("i", range(6))
        shared[1:] = shared[:-1]
        assert shared[:] == [0, 0, 1, 2, 3, 4]
        shared[:] = shared
        assert shared[:] == [0, 0, 1, 2, 3, 4]
        shared[::-1] = shared
        assert shared[:] == [4, 3, 2, 1, 0, 0]

    def test_buffers_of_the_same_type_are_taken_as_they_are(self, make):
        for code in NUMBERS:
            for source in (array.array(code, [1, 2, 3]), np.array([1, 2, 3], code)):
                assert make(code, source)[:] == [1, 2, 3]
                shared = make(code, 3)
                shared[:] = source
                shared[::2] = source[:2]
                assert shared[:] == [1, 2, 2]
        assert make("B", b"abc")[:] == [97, 98, 99]
        assert make("i", np.array([1, 2], "d").astype("i8"))[:] == [1, 2]
        assert make("c", bytearray(b"abc"))[:] == b"abc"
        assert make("h", np.arange(9, dtype="h").reshape(3, 3)[:, 1])[:] == [1, 4, 7]

    def test_there_is_no_hidden_conversion(self, make):
        with pytest.raises(TypeError):
            make("i", [1.5])
        with pytest.raises(TypeError):
            make("i", np.array([1.5]))
        with pytest.raises(OverflowError):
            make("B", [256])
        with pytest.raises(TypeError):
            make("c", "abc")

    def test_sizes_that_make_no_sense(self, make):
        with pytest.raises(ValueError, match="must be 0 or more, not -1"):
            make("i", -1)
        for size in (2**40, 2**62, 2**70):
            with pytest.raises(holdfast.errors.HeapFullError) as caught:
                make("d", size)
            assert isinstance(caught.value, MemoryError)
            assert caught.value.capacity_bytes == holdfast.statistics().heap_bytes
        for size in (None, 1.5, object()):
            with pytest.raises(TypeError):
                make("i", size)
        assert make("i", np.int64(3))[:] == [0, 0, 0]

    def test_it_can_be_iterated_and_searched(self, make):
        shared = make("i", [5, 6, 7])
        assert 6 in shared
        assert 8 not in shared
        assert list(reversed(shared)) == [7, 6, 5]
        assert [2 * each for each in shared] == [10, 12, 14]


@pytest.mark.parametrize("make", MAKERS)
class TestText:
    def test_value_ends_at_the_first_nul(self, make):
        shared = make("c", 8)
        shared.value = b"worker"
        assert shared.value == b"worker"
        assert shared.raw == b"worker\0\0"
        shared.value = b"abc"
        assert shared.raw == b"abc\0er\0\0"
        shared.value = b"12345678"
        assert shared.value == shared.raw == b"12345678"

    def test_raw_is_all_of_it(self, make):
        shared = make("c", b"abcdef")
        shared.raw = b"xy"
        assert shared.raw == b"xycdef"
        shared.raw = memoryview(b"123456")
        assert shared.value == b"123456"

    def test_text_that_does_not_fit_is_an_error(self, make):
        shared = make("c", b"abc")
        for name in ("value", "raw"):
            with pytest.raises(ValueError, match="4 characters do not fit an Array of 3"):
                setattr(shared, name, b"1234")
            with pytest.raises(TypeError):
                setattr(shared, name, "12")
        assert shared.raw == b"abc"

    def test_wide_text(self, make):
        shared = make("u", 5)
        shared.value = "a\N{SNOWMAN}"
        assert shared.value == "a\N{SNOWMAN}"
        assert shared[:] == "a\N{SNOWMAN}\0\0\0"
        with pytest.raises(TypeError):
            shared.value = b"a"
        assert not hasattr(shared, "raw")

    def test_numbers_are_no_text(self, make):
        for code in NUMBERS + "?":
            assert not hasattr(make(code, 1), "value")
            assert not hasattr(make(code, 1), "raw")


class TestBuffers:
    def test_numpy_sees_the_memory_itself(self):
        for make in MAKERS:
            for code in NUMBERS + "?":
                shared = make(code, SAMPLES[code])
                view = np.asarray(shared)
                assert view.dtype == np.dtype(code)
                assert view.tolist() == SAMPLES[code]
                view[0] = 0
                assert shared[0] == 0
                assert np.frombuffer(shared, dtype=code).tolist() == shared[:]
            assert np.asarray(make("c", b"ab")).tolist() == [b"a", b"b"]
            assert np.asarray(make("u", "ab")).tolist() == ["a", "b"]

    def test_a_view_keeps_the_block_when_the_array_is_gone(self):
        for make in MAKERS:
            views = [
                np.asarray(make("i", [1, 2, 3]))[1:],
                np.frombuffer(make("i", [1, 2, 3]), "i")[1:],
                memoryview(make("i", [1, 2, 3]))[1:],
                np.ctypeslib.as_array(make("i", [1, 2, 3]))[1:],
            ]
            others = [make("i", [7, 8, 9]) for _ in range(500)]
            gc.collect()
            assert all(list(view) == [2, 3] for view in views)
            del others

    def test_the_buffer_is_described(self):
        for make in MAKERS:
            view = memoryview(make("h", 6))
            described = (view.format, view.itemsize, view.ndim, view.shape, view.strides)
            assert described == ("h", 2, 1, (6,), (2,))
            assert not view.readonly
            assert view.c_contiguous

    def test_ctypes_sees_the_memory_itself(self):
        for shared in (Array("d", [1.5, 2.5]), RawArray("d", [1.5, 2.5])):
            same = shared.get_obj() if hasattr(shared, "get_obj") else shared.as_ctypes()
            assert isinstance(same, ctypes.c_double * 2)
            same[1] = 9.0
            assert shared[1] == 9.0

    def test_a_c_function_takes_raw_objects(self):
        libc = ctypes.CDLL(None)
        libc.memset(RawArray("c", 4), ctypes.c_int(65), ctypes.c_size_t(2))
        shared = RawArray("c", 4)
        libc.memset(shared, ctypes.c_int(65), ctypes.c_size_t(2))
        assert shared.raw == b"AA\0\0"

    def test_large_arrays_are_aligned_for_large_pages(self):
        shared = RawArray("d", 4 << 20)
        assert ctypes.addressof(shared.as_ctypes()) % 4096 == 0


class TestTheLockOfAnArray:
    def test_it_has_one_lock_and_always_the_same(self):
        shared = Array("i", 3)
        assert shared.get_lock() is shared.get_lock()
        with shared.get_lock(), shared:
            shared[0] = 1
            shared[:] = [1, 2, 3]
            assert shared[:] == [1, 2, 3]
        assert not shared.get_lock().locked()

    def test_a_raw_array_has_none(self):
        for raw in (RawArray("i", 1), Array("i", 1, lock=False)):
            assert type(raw) is type(RawArray("i", 1))
            for name in ("get_lock", "get_obj", "acquire", "__enter__"):
                assert not hasattr(raw, name)

    def test_elements_wait_for_whoever_has_the_lock(self, context):
        shared, ready, stop = Array("i", [1, 2]), holdfast.Value("i"), holdfast.Value("i")
        process = children.start(context, children.acquire_and_wait, shared, ready, stop)
        children.wait_until(lambda: ready.load())
        seen: list[object] = []

        def look():
            seen.append(shared[0])
            shared[1] = 5
            seen.append(shared[:])

        thread = threading.Thread(target=look)
        thread.start()
        assert shared.acquire(timeout=0.05) is False
        assert not seen
        stop.value = 1
        thread.join()
        children.end(process)
        assert seen == [1, [1, 5]]

    def test_a_lock_of_one_s_own_is_used(self):
        lock = threading.RLock()
        shared = Array("i", [1, 2], lock=lock)
        assert shared.get_lock() is lock
        shared[0] = 5
        shared[1:] = [6]
        assert (shared[:], len(shared), list(shared)) == ([5, 6], 2, [5, 6])
        text = Array("c", b"abc", lock=lock)
        text.value = b"x"
        assert (text.value, text.raw) == (b"x", b"x\0c")
        with pytest.raises(AttributeError, match="has no method 'acquire'"):
            Array("i", 3, lock="notalock")


def test_another_process_writes_into_it(context):
    for make in MAKERS:
        shared = make("i", range(5))
        assert children.run(context, children.write_item, shared, 2, 20) == 2
        assert children.run(context, children.write_item, shared, slice(3, 5), [30, 40]) == [3, 4]
        assert shared[:] == [0, 1, 20, 30, 40]


def test_repr_says_length_and_type():
    assert repr(Array("d", 3)) == "<Array of 3 'd'>"
    assert repr(RawArray("c", 3)) == "<RawArray of 3 'c'>"
