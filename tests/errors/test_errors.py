"""The errors are what the standard library calls them, say what they know, and can be sent."""

from __future__ import annotations

import copy
import errno
import inspect
import pickle

import pytest

from holdfast import errors

EXAMPLES = [
    errors.HeapFullError(requested_bytes=4096, used_bytes=60_000, capacity_bytes=65_536),
    errors.HeapFullError(requested_bytes=1 << 40, used_bytes=0, capacity_bytes=65_536),
    errors.SlotsExhaustedError(used_slots=4096, capacity_slots=4096),
    errors.DescriptorsExhaustedError(action="open the heap", errno=errno.EMFILE, limit=1024),
    errors.DescriptorsExhaustedError(action="open the heap", errno=errno.ENFILE),
    errors.OutOfMemoryError(requested_bytes=65_536, action="grow the heap", errno=errno.ENOSPC),
    errors.LifetimeError(reason="died", offset=64, incarnation=3, found="incarnation 4"),
    errors.LifetimeError(reason="died"),
    errors.LifetimeError(reason="other family"),
    errors.LifetimeError(reason="unreachable"),
    errors.LayoutMismatchError(field="layout version", expected=1, found=2),
    errors.ForgedPickleError(field="size", expected="at least 1", found=-1),
    errors.OwnerDiedError(owner_pid=4711, owner_name="worker-3", died_ago=0.25),
    errors.OwnerDiedError(),
    errors.LockTimeoutError(timeout=1.5, owner_pid=4711, owner_name="worker-3"),
    errors.LockTimeoutError(timeout=0.0),
    errors.PlatformError(missing="memfd_create", needed="the heap", detail="ENOSYS"),
]

STANDARD = {
    errors.HeapFullError: MemoryError,
    errors.SlotsExhaustedError: MemoryError,
    errors.DescriptorsExhaustedError: MemoryError,
    errors.OutOfMemoryError: MemoryError,
    errors.LifetimeError: ReferenceError,
    errors.LayoutMismatchError: ValueError,
    errors.ForgedPickleError: (ValueError, pickle.UnpicklingError),
    errors.OwnerDiedError: RuntimeError,
    errors.LockTimeoutError: TimeoutError,
    errors.PlatformError: ImportError,
}


def label(error):
    return type(error).__name__


def test_every_class_has_the_one_base_and_is_what_the_standard_library_calls_it():
    named = {getattr(errors, name) for name in errors.__all__} - {errors.HoldfastError}
    assert named == set(STANDARD) == {type(error) for error in EXAMPLES}
    for cls, standard in STANDARD.items():
        assert issubclass(cls, errors.HoldfastError)
        for each in standard if isinstance(standard, tuple) else (standard,):
            assert issubclass(cls, each)


@pytest.mark.parametrize("error", EXAMPLES, ids=label)
def test_every_error_survives_pickling_and_copying(error):
    error.extra = "kept"
    twins = [
        pickle.loads(pickle.dumps(error, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ]
    for twin in [*twins, copy.copy(error), copy.deepcopy(error)]:
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert twin.args == error.args
        assert vars(twin) == vars(error)


@pytest.mark.parametrize("error", EXAMPLES, ids=label)
def test_every_attribute_is_documented_and_the_text_is_one_line(error):
    documentation = inspect.getdoc(type(error))
    assert documentation is not None
    for name in inspect.signature(type(error)).parameters:
        assert f"{name}:" in documentation
    for heading in ("Cause:", "Cure:"):
        assert heading in documentation
    assert "\n" not in str(error)


def test_numbers_stand_in_the_text():
    text = str(errors.HeapFullError(requested_bytes=4096, used_bytes=60_000, capacity_bytes=65_536))
    assert "4,096" in text
    assert "60,000 of 65,536" in text
    assert "statistics()" in text


def test_a_dead_owner_is_named_with_the_way_in():
    text = str(errors.OwnerDiedError(owner_pid=4711, owner_name="worker-3", died_ago=0.25))
    assert "process 4711 (worker-3) died 0.250 s ago" in text
    assert "lock.recover()" in text


def test_memory_errors_can_be_raised_and_freed_in_numbers():
    # MemoryError keeps a free list of its own instances, which subclasses must not get into.
    for _ in range(1000):
        with pytest.raises(MemoryError):
            raise errors.SlotsExhaustedError(used_slots=1, capacity_slots=1)
