"""The capture: what many processes write, one reads, whoever is killed meanwhile."""

from __future__ import annotations

import mmap
import os
import signal
import struct
import time

import pytest

from holdfast.sanitizer import capture
from holdfast.sanitizer.capture import Capture, Drops, Reader


@pytest.fixture
def made():
    before = set(os.listdir("/proc/self/fd"))
    made = Capture.create()
    made.begin()
    yield made
    memory = made.memory
    made.news.release()
    try:
        memory.close()
    except BufferError:  # somebody looks at it still
        del memory
    os.close(made.address.descriptor)
    left = set(os.listdir("/proc/self/fd")) - before
    for descriptor in left:
        try:
            if capture.FILE_NAME in os.readlink(f"/proc/self/fd/{descriptor}"):
                os.close(int(descriptor))
        except OSError:
            continue


def kinds(reader, *, last=False):
    return [record[0] for _, _, record in reader.records(last=last)]


def test_records_come_back_as_they_were_written(made):
    data = {
        "text": "Grüße \udcff",
        "number": 1 << 70,
        "list": [1, (2.5, None, True)],
        "bytes": b"\0",
    }
    assert made.write(("kind", 5, data))
    assert list(Reader(made).records()) == [(made.number, os.getpid(), ("kind", 5, data))]


def test_a_reader_reads_everything_once(made):
    reader = Reader(made)
    for count in range(2000):  # several chunks
        made.write((f"k{count}", count, {"filler": "x" * 100}))
        if count % 500 == 0:
            assert kinds(reader)[-1] == f"k{count}"
    assert len(kinds(reader)) == 499
    assert kinds(reader, last=True) == []
    assert reader.torn == 0


def test_processes_write_to_chunks_of_their_own(made):
    pids = []
    for each in range(8):
        pid = os.fork()
        if not pid:
            made.begin()
            for count in range(300):
                made.write((f"p{each}", count, {"filler": "x" * 200}))
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
    found: dict[int, list[str]] = {}
    for number, _, record in Reader(made).records(last=True):
        found.setdefault(number, []).append(record[0])
    assert sorted(map(len, found.values())) == [300] * 8
    assert all(len(set(names)) == 1 for names in found.values())


def test_stranger_attaches_by_address(made):
    other = Capture.attach(made.address)
    other.begin()
    other.write(("from elsewhere", 1, {}))
    assert kinds(Reader(made)) == ["from elsewhere"]
    other.news.release()
    other.memory.close()


def test_what_is_no_capture_is_refused(tmp_path):
    path = tmp_path / capture.FILE_NAME
    path.write_bytes(b"x" * capture.CHUNK_BYTES)
    descriptor = os.open(path, os.O_RDWR)
    try:
        with pytest.raises(ValueError, match="is no capture"):
            Capture.attach(capture.Address(os.getpid(), descriptor))
        with pytest.raises(OSError, match="No such file"):
            Capture.attach(capture.Address(os.getpid(), 99_999))
    finally:
        os.close(descriptor)


def test_torn_record_is_skipped_and_counted(made):
    made.write(("first", 1, {}))
    made.write(("second", 2, {}))
    made.write(("third", 3, {}))
    at = made.memory.find(b"second")
    made.memory[at : at + 3] = b"\0\0\0"
    reader = Reader(made)
    assert kinds(reader) == ["first"]  # it may be being written just now
    assert kinds(reader, last=True) == ["third"]
    assert reader.torn == 1


def test_length_that_leads_nowhere_ends_the_chunk(made):
    made.write(("first", 1, {}))
    at = made.memory.find(b"first")
    struct.pack_into("<II", made.memory, made._places[capture.EVENTS][0], 1 << 30, 7)
    reader = Reader(made)
    assert at > 0
    assert kinds(reader, last=True) == ["first"]
    assert reader.torn == 1


def test_full_capture_loses_and_counts(monkeypatch):
    monkeypatch.setattr(capture, "SIZES_BYTES", (4 * capture.CHUNK_BYTES,))
    small = Capture.create()
    small.begin()
    results = [small.write(("x", 1, {"filler": "y" * 1000})) for _ in range(200)]
    assert results[0]
    assert not results[-1]
    reader = Reader(small)
    assert len(kinds(reader, last=True)) == sum(results)
    assert reader.lost == results.count(False)
    os.close(small.address.descriptor)


def test_record_larger_than_a_chunk_is_lost_alone(made):
    assert not made.write(("huge", 1, {"filler": "x" * 2 * capture.CHUNK_BYTES}))
    assert made.write(("small", 1, {}))
    assert kinds(Reader(made), last=True) == ["small"]


def test_killed_writers_leave_at_most_one_torn_record_each(made):
    for delay in range(20):
        pid = os.fork()
        if not pid:
            made.begin()
            while True:
                made.write(("again", 1, {"filler": "x" * 500}))
        deadline = time.monotonic() + delay / 2000
        while time.monotonic() < deadline:
            pass
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    reader = Reader(made)
    list(reader.records(last=True))
    assert reader.torn <= 20
    made.write(("alive", 1, {}))
    assert "alive" in kinds(reader, last=True)


def test_drops_are_seen_by_others(made):
    drops = Drops(made)
    seen = made.news[0]
    pid = os.fork()
    if not pid:
        made.begin()
        for uid in range(1, 6000):
            made.drop(uid << 32)
        os._exit(0)
    os.waitpid(pid, 0)
    assert made.news[0] != seen
    drops.look()
    assert drops.known == {uid << 32 for uid in range(1, 6000)}


def test_closed_descriptors_change_nothing(made):
    pid = os.fork()
    if not pid:
        os.closerange(0, 1000)
        made.begin()
        made.write(("closed", 1, {}))
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert kinds(Reader(made)) == ["closed"]


def test_sizes_are_whole_chunks():
    for size in capture.SIZES_BYTES:
        assert size % capture.CHUNK_BYTES == 0
    assert capture.CHUNK_BYTES % mmap.PAGESIZE == 0
