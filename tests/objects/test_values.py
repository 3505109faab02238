"""Value and RawValue of scalars: what they take, what they hold, and the atomic operations."""

from __future__ import annotations

import ctypes
import gc
import math
import sys
import threading
import weakref

import pytest

import holdfast
from holdfast import Lock, RawValue, RLock, Value, _native
from tests.objects import children

SIGNED = {"b": 8, "h": 16, "i": 32, "l": 64, "q": 64}
UNSIGNED = {code.upper(): bits for code, bits in SIGNED.items()}
INTEGERS = SIGNED | UNSIGNED
FLOATS = ("f", "d")
# typecode -> (what zero is, another value)
SAMPLES = {
    **dict.fromkeys(INTEGERS, (0, 77)),
    **dict.fromkeys(FLOATS, (0.0, 1.5)),
    "?": (False, True),
    "c": (b"\0", b"x"),
    "u": ("\0", "\N{SNOWMAN}"),
}
MAKERS = (Value, RawValue)


def limits(code):
    bits = INTEGERS[code]
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if code in SIGNED else (0, 2**bits - 1)


@pytest.mark.parametrize("make", MAKERS)
class TestEveryTypecode:
    def test_begins_at_zero_or_at_what_it_is_given(self, make):
        for code, (zero, other) in SAMPLES.items():
            assert make(code).value == zero
            assert make(code, other).value == other

    def test_value_is_written_and_read(self, make):
        for code, (zero, other) in SAMPLES.items():
            value = make(code)
            value.value = other
            assert value.value == value.load() == other
            value.store(zero)
            assert value.value == zero

    def test_exchange_gives_what_was_there(self, make):
        for code, (zero, other) in SAMPLES.items():
            value = make(code)
            assert value.exchange(other) == zero
            assert value.load() == other

    def test_compare_exchange_writes_only_what_was_expected(self, make):
        for code, (zero, other) in SAMPLES.items():
            value = make(code)
            assert value.compare_exchange(other, other) is False
            assert value.load() == zero
            assert value.compare_exchange(zero, other) is True
            assert value.load() == other

    def test_the_ctypes_type_means_the_same(self, make):
        for code, (_, other) in SAMPLES.items():
            by_type = make(type(ctypes_of(make(code))), other)
            # Where C has two types of the same bits, ctypes has one: c_longlong is c_long.
            assert by_type.typecode == {"q": "l", "Q": "L"}.get(code, code)
            assert by_type.value == other

    def test_ctypes_sees_the_same_memory(self, make):
        for code, (_, other) in SAMPLES.items():
            value = make(code)
            same = ctypes_of(value)
            same.value = other
            assert value.value == other
            assert ctypes.sizeof(same) == memoryview(value).nbytes

    def test_repr_says_type_and_value(self, make):
        for code, (_, other) in SAMPLES.items():
            assert repr(make(code, other)) == f"{make.__name__}({code!r}, {other!r})"

    def test_the_memory_lives_as_long_as_a_view_of_it(self, make):
        for code, (_, other) in SAMPLES.items():
            view = memoryview(make(code, other)).cast("B")
            held = holdfast.statistics().own_blocks
            others = [make(code) for _ in range(200)]
            assert bytes(view) == bytes(make(code, other))
            del others, view
            gc.collect()
            assert holdfast.statistics().own_blocks == held - 1


def ctypes_of(value):
    return value.get_obj() if hasattr(value, "get_obj") else value.as_ctypes()


@pytest.mark.parametrize("make", MAKERS)
class TestIntegers:
    def test_both_ends_of_the_range_fit_and_what_is_beyond_does_not(self, make):
        for code in INTEGERS:
            low, high = limits(code)
            value = make(code)
            for number in (low, high):
                value.value = number
                assert value.load() == number
            for number in (low - 1, high + 1, 10**30, -(10**30)):
                for write in (value.store, value.exchange, value.add, value.max, setter(value)):
                    says = rf"{number} does not fit typecode '{code}' \(C .*, {low} to {high}\)"
                    with pytest.raises(OverflowError, match=says):
                        write(number)
                assert value.load() == high

    def test_add_and_sub_wrap_around(self, make):
        for code in INTEGERS:
            low, high = limits(code)
            value = make(code, high)
            assert value.add(1) == high
            assert value.load() == low
            assert value.sub(1) == low
            assert value.load() == high
            assert value.add(high) == high
            assert value.load() == wrapped(2 * high, code)

    def test_bits_are_combined(self, make):
        for code in INTEGERS:
            value = make(code, 0b0101)
            assert value.or_(0b0010) == 0b0101
            assert value.and_(0b0110) == 0b0111
            assert value.xor(0b0011) == 0b0110
            assert value.load() == 0b0101

    def test_max_and_min_know_the_sign(self, make):
        for code in INTEGERS:
            low, high = limits(code)
            value = make(code, 5)
            assert (value.max(3), value.max(high), value.min(low), value.min(high)) == (
                5,
                5,
                high,
                low,
            )
            assert value.load() == low

    def test_only_integers_are_integers(self, make):
        for code in INTEGERS:
            value = make(code, 1)
            for write in (value.store, value.exchange, value.add, setter(value)):
                for wrong in (1.0, "1", None, b"1", 1j, [1]):
                    with pytest.raises(TypeError, match="takes an int, not"):
                        write(wrong)
            assert value.load() == 1

    def test_whatever_has_an_index_is_an_integer(self, make):
        for code in INTEGERS:

            class Three:
                def __index__(self):
                    return 3

            value = make(code, True)
            assert value.load() == 1
            assert value.add(Three()) == 1
            assert value.load() == 4


def setter(value):
    return lambda number: setattr(value, "value", number)


def wrapped(number, code):
    low, high = limits(code)
    return (number - low) % (high - low + 1) + low


@pytest.mark.parametrize("make", MAKERS)
class TestFloats:
    def test_sums_and_extremes(self, make):
        for code in FLOATS:
            value = make(code, 1.5)
            assert (value.add(2), value.sub(0.5), value.max(7.25), value.min(-1)) == (
                1.5,
                3.5,
                3.0,
                7.25,
            )
            assert value.load() == -1

    def test_nan_is_neither_stored_nor_replaced_by_extremes(self, make):
        for code in FLOATS:
            value = make(code, 1.0)
            value.max(math.nan)
            value.min(math.nan)
            assert value.load() == 1.0
            value.store(math.nan)
            value.max(5)
            assert math.isnan(value.load())

    def test_comparison_is_of_bits(self, make):
        for code in FLOATS:
            value = make(code, 0.0)
            assert not value.compare_exchange(-0.0, 1.0)
            value.store(math.nan)
            assert value.compare_exchange(math.nan, 1.0)

    def test_infinities_fit(self, make):
        for code in FLOATS:
            assert make(code, math.inf).add(-math.inf) == math.inf

    def test_they_have_no_bits_to_combine(self, make):
        for code in FLOATS:
            for operation in ("and_", "or_", "xor"):
                with pytest.raises(TypeError, match=f"has no atomic operation '{operation}'"):
                    getattr(make(code), operation)(1)

    def test_only_real_numbers_are_floats(self, make):
        for code in FLOATS:
            value = make(code, 1)
            for write in (value.store, value.add, setter(value)):
                for wrong in ("1", None, b"1", 1j):
                    with pytest.raises(TypeError):
                        write(wrong)
            assert value.load() == 1


def test_a_double_beyond_float_is_an_error_and_not_infinity():
    value = Value("f", 1.0)
    with pytest.raises(OverflowError, match="1e\\+300 does not fit typecode 'f'"):
        value.value = 1e300
    with pytest.raises(OverflowError):
        value.value = 10**400
    assert value.value == 1.0
    assert Value("d", 1e300).value == 1e300


@pytest.mark.parametrize("make", MAKERS)
class TestBool:
    def test_truth_is_what_counts(self, make):
        value = make("?", [])
        assert value.load() is False
        value.value = "yes"
        assert value.load() is True

    def test_it_is_combined_but_not_added(self, make):
        value = make("?", True)
        assert (value.and_(False), value.or_(True), value.xor(True)) == (True, False, True)
        assert (value.max(True), value.min(False), value.load()) == (False, True, False)
        for operation in ("add", "sub"):
            with pytest.raises(TypeError, match="has no atomic operation"):
                getattr(value, operation)(True)


@pytest.mark.parametrize("make", MAKERS)
class TestCharacters:
    def test_a_byte_comes_in_three_forms(self, make):
        value = make("c", 65)
        assert value.value == b"A"
        value.value = bytearray(b"B")
        assert value.value == b"B"
        with pytest.raises(OverflowError):
            value.value = 256
        with pytest.raises(TypeError, match="takes one byte, not 2"):
            value.value = b"ab"
        with pytest.raises(TypeError, match="takes one byte"):
            value.value = "a"
        assert value.value == b"B"

    def test_a_character_is_one_code_point(self, make):
        value = make("u", "\U0010ffff")
        assert value.value == "\U0010ffff"
        for wrong in ("", "ab", 65, b"a"):
            with pytest.raises(TypeError, match="takes a str of length 1"):
                value.value = wrong
        ctypes.memset(ctypes.addressof(ctypes_of(value)), 0xFF, 4)
        with pytest.raises(ValueError, match="not a character"):
            value.load()

    def test_they_are_not_numbers(self, make):
        for code in ("c", "u"):
            for operation in ("add", "sub", "and_", "or_", "xor", "max", "min"):
                with pytest.raises(TypeError, match="has no atomic operation"):
                    getattr(make(code), operation)(SAMPLES[code][1])


class TestTheLockOfAValue:
    def test_it_has_one_lock_and_always_the_same(self):
        value = Value("i")
        assert isinstance(value.get_lock(), RLock)
        assert value.get_lock() is value.get_lock()
        with value.get_lock(), value.get_lock(), value:
            value.value = 3
        assert value.get_lock().statistics().acquisitions == 1

    def test_acquire_and_release_are_the_lock_s(self):
        value = Value("i")
        assert value.acquire()
        assert value.acquire(block=False)
        assert value.get_lock().statistics().depth == 2
        value.release()
        value.release()
        with pytest.raises(AssertionError, match="not owned"):
            value.release()

    def test_the_lock_keeps_the_memory(self):
        lock = Value("i", 7).get_lock()
        others = [Value("i", 8) for _ in range(200)]
        with lock:
            assert not any(other.get_lock().locked() for other in others)

    def test_value_waits_for_whoever_has_the_lock(self, context):
        value, ready, stop = Value("i", 1), Value("i"), Value("i")
        process = children.start(context, children.acquire_and_wait, value.get_lock(), ready, stop)
        children.wait_until(lambda: ready.load())
        done = RawValue("i")

        def read_and_write():
            value.value = value.value + 1
            done.store(1)

        thread = threading.Thread(target=read_and_write)
        thread.start()
        assert value.load() == 1
        value.store(10)  # atomic operations do not wait
        assert done.load() == 0
        stop.value = 1
        thread.join()
        assert value.value == 11
        children.end(process)

    def test_no_increment_is_lost(self, context):
        value = Value("i")
        processes = [
            children.start(context, children.increment_many_locked, value, 3000) for _ in range(2)
        ]
        children.increment_many_locked(value, 3000)
        for process in processes:
            children.end(process)
        assert value.value == 9000

    def test_no_plain_write_gets_into_a_locked_section(self, context):
        """`value = x` waits: a locked read-modify-write never loses to it, nor it to that."""
        value = Value("q")
        process = children.start(context, children.increment_many_locked, value, 3000)
        # Writes of multiples of a million: what the increments add to the last one must be there.
        for _ in range(300):
            value.value = 1_000_000
        children.end(process)
        assert value.value == 3000 or value.value - 1_000_000 <= 3000

    def test_a_raw_value_has_none(self):
        for raw in (RawValue("i"), Value("i", lock=False)):
            assert type(raw) is type(RawValue("i"))
            for name in ("get_lock", "get_obj", "acquire", "__enter__"):
                assert not hasattr(raw, name)

    @pytest.mark.parametrize("make_lock", [threading.Lock, threading.RLock, Lock, RLock])
    def test_a_lock_of_one_s_own_is_used(self, make_lock):
        lock = make_lock()
        value = Value("i", 5, lock=lock)
        assert value.get_lock() is lock
        assert value.value == 5
        value.value = 6
        assert value.get_obj().value == 6
        with value:
            pass
        assert lock.acquire()
        lock.release()

    def test_what_is_no_lock_is_refused(self):
        with pytest.raises(AttributeError, match="has no method 'acquire'"):
            Value("i", 5, lock="notalock")

    def test_none_means_the_default(self):
        assert type(Value("i", lock=None)) is type(Value("i"))


def test_no_atomic_increment_is_lost(context):
    value = RawValue("i")
    processes = [children.start(context, children.add_many, value, 20000) for _ in range(2)]
    children.add_many(value, 20000)
    for process in processes:
        children.end(process)
    assert value.value == 60000


def test_no_float_increment_is_lost(context):
    value = Value("f")
    process = children.start(context, children.add_many, value, 5000)
    children.add_many(value, 5000)
    children.end(process)
    assert value.value == 10000


def test_values_do_not_overlap():
    values = [Value("q", number) for number in range(1000)]
    assert [value.value for value in values] == list(range(1000))
    addresses = {ctypes.addressof(value.get_obj()) for value in values}
    assert len(addresses) == 1000
    assert all(address % 64 == 0 for address in addresses)


def test_a_value_is_small_and_counted():
    before = holdfast.statistics().own_blocks
    values = [Value("d") for _ in range(1000)]
    assert holdfast.statistics().own_blocks == before + 1000
    assert sys.getsizeof(values[0]) <= 64
    assert not gc.is_tracked(values[0])
    del values
    assert holdfast.statistics().own_blocks == before


def test_weak_references_work():
    value = Value("i")
    reference = weakref.ref(value)
    assert reference() is value
    del value
    assert reference() is None


def test_attributes_cannot_be_made_up():
    with pytest.raises(AttributeError):
        Value("i").vlaue = 3
    with pytest.raises(AttributeError):
        RawValue("i").vlaue = 3
    with pytest.raises(AttributeError, match="keep their attributes"):
        del Value("i").value


def test_setting_value_by_another_string_is_setting_value():
    value = Value("i")
    setattr(value, str(b"value", "ascii"), 9)
    assert value.value == 9


def test_they_are_made_by_their_functions_only():
    for thing in (Value("i"), RawValue("i"), holdfast.Array("i", 1), holdfast.RawArray("i", 1)):
        kind = type(thing)
        for attempt in (
            kind,
            lambda kind=kind: kind.__new__(kind),
            lambda kind=kind: object.__new__(kind),
        ):
            with pytest.raises(TypeError):
                attempt()


def test_generic_aliases_can_be_written():
    assert str(type(Value("i"))[int]).endswith("Cell[int]")


def test_buffers_leave_no_references_behind():
    things = [
        Value("i"),
        RawValue("i"),
        holdfast.Array("i", 3),
        holdfast.RawArray("i", 3),
        _native.Block(9),
    ]
    before = sys.getrefcount(None), [sys.getrefcount(thing) for thing in things]
    for _ in range(1000):
        for thing in things:
            memoryview(thing).release()
    del thing
    after = sys.getrefcount(None), [sys.getrefcount(thing) for thing in things]
    assert abs(after[0] - before[0]) < 100
    assert after[1] == before[1]
