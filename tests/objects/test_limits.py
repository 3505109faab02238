"""What happens when something runs out or is not there: a clear error, and nothing changed.

Each case is a function that runs in a fresh interpreter, since what it does to its process cannot
be undone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pickle
import resource
import signal
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import holdfast
from holdfast import Array, Lock, RawValue, Value, _native
from holdfast.errors import (
    DescriptorsExhaustedError,
    HeapFullError,
    LayoutMismatchError,
    OutOfMemoryError,
    PlatformError,
    SlotsExhaustedError,
)
from tests.objects import children
from tests.objects.seccomp import forbid

GIB = 1 << 30


def in_a_fresh_interpreter(function):
    """A test that is the function, elsewhere."""
    globals()[function.__name__.removeprefix("test_")] = function

    def test():
        children.fresh(function)

    test.__name__ = function.__name__
    test.__doc__ = function.__doc__
    function.__name__ = function.__name__.removeprefix("test_")
    return test


def leave_no_descriptor():
    """Open files until this process may open no more."""
    number = os.open("/dev/null", os.O_RDONLY)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number + 10, number + 10))
    with pytest.raises(OSError, match="Too many open files"):
        while True:
            os.open("/dev/null", os.O_RDONLY)


@in_a_fresh_interpreter
def test_no_descriptor_for_the_heap():
    leave_no_descriptor()
    with pytest.raises(DescriptorsExhaustedError) as caught:
        Value("i")
    assert caught.value.errno == errno.EMFILE
    assert caught.value.limit == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert isinstance(caught.value, MemoryError)
    assert not _native.is_open()
    assert holdfast.statistics().heap_bytes == 0
    os.closerange(3, 20)
    assert Value("i", 5).value == 5


@in_a_fresh_interpreter
def test_a_fork_without_a_descriptor_pins_and_warns():
    values = [Value("i", number) for number in range(10)]
    leave_no_descriptor()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read, write = -1, -1
        os.closerange(3, 7)  # two pipes, which leave no descriptor
        read, write = os.pipe()
        done, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(write)
            os.read(read, 1)
            os.write(tell, struct.pack("10i", *[each.load() for each in values]))
            os._exit(0)
    assert [each.category for each in caught] == [ResourceWarning]
    assert "pinned" in str(caught[0].message)
    assert holdfast.statistics().forks_pinned == 1
    del values
    others = [Value("i", 99) for _ in range(2000)]
    os.write(write, b"go")
    assert struct.unpack("10i", os.read(done, 40)) == tuple(range(10))
    assert os.waitpid(pid, 0)[1] == 0
    statistics = holdfast.statistics()
    assert statistics.pinned_blocks == 10
    assert not statistics.reuse_forbidden
    assert all(other.load() == 99 for other in others)
    assert _native.check() == []


def take_all_slots():
    """Hold the lifelines of all slots that are free, as that many processes would."""
    path = f"/proc/self/fd/{_native.heap_fd()}"
    taken = os.open(path, os.O_RDWR)
    free = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 1, 0, 0)  # from slot 1 to the end
    fcntl.fcntl(taken, fcntl.F_OFD_SETLK, free)
    return taken


@in_a_fresh_interpreter
def test_no_slot_for_a_process():
    value = Value("i", 5)
    taken = take_all_slots()
    here, there = os.pipe()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pid = os.fork()
    if pid == 0:
        # it reaches what it inherited, and gets nothing new
        value.add(1)
        try:
            Value("i")
        except SlotsExhaustedError as error:
            os.write(there, pickle.dumps(error))
        os._exit(0)
    assert [each.category for each in caught] == [ResourceWarning]
    assert os.waitpid(pid, 0)[1] == 0
    error = pickle.loads(os.read(here, 4096))
    assert isinstance(error, MemoryError)
    assert error.capacity_slots == holdfast.statistics().slots
    assert value.load() == 6
    os.close(taken)
    assert children.forked(lambda: Value("i")) == 0
    assert holdfast.statistics().forks_pinned == 1


@in_a_fresh_interpreter
def test_no_memory():
    first = Value("i", 5)
    forbid("madvise", errno.ENOMEM, 2, 23)  # MADV_POPULATE_WRITE
    forbid("fallocate", errno.ENOSPC)
    with pytest.raises(OutOfMemoryError) as caught:
        Array("d", 1 << 20)
    assert caught.value.requested_bytes >= 8 << 20
    assert isinstance(caught.value, MemoryError)
    values = []
    with pytest.raises(OutOfMemoryError):
        while True:
            values.append(Value("i", len(values)))
    assert [value.load() for value in values] == list(range(len(values)))
    count = len(values)
    del values
    assert first.load() == 5
    assert len([Value("i") for _ in range(count)]) == count  # what was freed can be had
    assert _native.check() == []


@in_a_fresh_interpreter
def test_a_full_heap():
    _native.open_heap(64 << 20)
    size = holdfast.statistics().heap_bytes
    with pytest.raises(HeapFullError) as caught:
        Array("B", 2 * size)
    assert caught.value.capacity_bytes == size
    assert "can ever fit" in str(caught.value)
    arrays = []
    with pytest.raises(HeapFullError) as caught:
        while True:
            arrays.append(Array("B", 4 << 20))
    assert caught.value.used_bytes > size // 2
    assert "drop objects" in str(caught.value)
    arrays.pop()
    arrays.append(Array("B", 4 << 20))
    del arrays
    assert len(Array("B", size // 2)) == size // 2
    assert _native.check() == []


@in_a_fresh_interpreter
def test_a_small_address_space_makes_a_smaller_heap():
    resource.setrlimit(resource.RLIMIT_AS, (2 * GIB, 2 * GIB))
    value = Value("i", 5)
    statistics = holdfast.statistics()
    assert 0 < statistics.heap_bytes < 2 * GIB < statistics.heap_bytes_wished
    assert children.forked(value.add, 1) == 0
    assert value.load() == 6
    with pytest.raises(HeapFullError):
        Array("B", 2 * GIB)


@in_a_fresh_interpreter
def test_no_address_space_at_all():
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 20), used + (1 << 20)))
    with pytest.raises(OutOfMemoryError, match=r"\(mmap\)") as caught:
        Value("i")
    assert caught.value.requested_bytes > 1 << 20  # the smallest heap there is
    assert not _native.is_open()


@in_a_fresh_interpreter
def test_a_kernel_without_memory_files():
    forbid("memfd_create", errno.ENOSYS)
    for _ in range(2):
        with pytest.raises(PlatformError, match="memfd_create is missing") as caught:
            Value("i")
    assert isinstance(caught.value, ImportError)
    assert caught.value.missing == "memfd_create"
    assert children.forked(Lock) == 1  # forks go on, and are told the same


@in_a_fresh_interpreter
def test_a_sandbox_that_forbids_memory_files():
    forbid("memfd_create", errno.EPERM)
    with pytest.raises(PlatformError, match=r"memfd_create is missing \(Operation not permitted\)"):
        holdfast.ndarray(3)


@in_a_fresh_interpreter
def test_a_kernel_without_open_file_description_locks():
    forbid("fcntl", errno.EINVAL, 1, fcntl.F_OFD_SETLK)
    with pytest.raises(PlatformError, match="F_OFD_SETLK is missing"):
        RawValue("i")
    assert not _native.is_open()


@in_a_fresh_interpreter
def test_a_heap_of_another_version():
    real = _native.family  # opens none yet

    def memory_file(change=lambda header: None, size=None):
        program = (
            f"import sys; sys.path[:0] = {sys.path!r}\n"
            "from holdfast import _native, Value; Value('i')\n"
            "import os; fd = _native.heap_fd()\n"
            "sys.stdout.buffer.write(os.fstat(fd).st_size.to_bytes(8, 'little'))\n"
            "sys.stdout.buffer.write(os.pread(fd, 4096, 0))"
        )
        told = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
        header = bytearray(told.stdout[8:])
        change(header)
        made = os.memfd_create("copy", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        os.truncate(made, int.from_bytes(told.stdout[:8], "little") if size is None else size)
        os.pwrite(made, header[: size or 4096], 0)
        return made

    def seal(made):
        f_add_seals, shrink, grow = 1033, 2, 4
        fcntl.fcntl(made, f_add_seals, shrink | grow)
        return made

    def set_version(header):
        header[8:12] = (99).to_bytes(4, "little")

    def set_slots(header):
        header[12:16] = (7).to_bytes(4, "little")

    def set_magic(header):
        header[:8] = b"NOTAHEAP"

    for change, field in ((set_version, "version"), (set_slots, "geometry"), (set_magic, "magic")):
        with pytest.raises(LayoutMismatchError, match=f"{field} is") as caught:
            _native.join_heap(seal(memory_file(change)))
        assert caught.value.field == field
    assert "99, this build has" in str(
        _raised(lambda: _native.join_heap(seal(memory_file(set_version))))
    )
    with pytest.raises(LayoutMismatchError, match="seals"):
        _native.join_heap(memory_file())
    with pytest.raises(LayoutMismatchError, match="file"):
        _native.join_heap(seal(memory_file(size=100)))
    assert not _native.is_open()
    assert Value("i", 5).value == 5
    assert len(real()) == 16


def _raised(function):
    with pytest.raises(LayoutMismatchError) as caught:
        function()
    return caught.value


@in_a_fresh_interpreter
def test_descriptors_closed_by_the_program():
    value = Value("i", 5)
    os.closerange(3, 4096)
    assert value.add(1) == 5
    others = [Value("i", number) for number in range(5000)]
    assert children.forked(value.add, 1) == 0
    assert value.load() == 7
    same = pickle.loads(pickle.dumps(value))
    assert same.load() == 7
    assert [each.load() for each in others] == list(range(5000))
    assert holdfast.statistics().forks_pinned == 0


@in_a_fresh_interpreter
def test_kills_while_values_are_made():
    """Nothing is left of them, as many times as it happens."""
    before = holdfast.statistics().blocks
    for _ in range(20):
        pid = os.fork()
        if pid == 0:
            keep = []
            while True:
                keep.append(Value("i"))
                del keep[:-100]
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    _native.reap()
    assert holdfast.statistics().blocks == before
    assert _native.check() == []
