"""The capture: one file in memory that all processes of a watched family write their events to.

What it keeps true: nobody waits for anybody, and a process that is killed at any instruction loses
at most the record that it was writing. Nothing lies on a disk, so a full one, a folder that is
read-only and a program that closes its descriptors change nothing: the file is mapped, and the
mapping is what is written to.

The file is sparse. It begins with a header page and is divided into chunks; a chunk belongs to one
process for ever, which fills it with records one after the other. To claim a chunk means to write
its header while having the lock on its byte of the file. Nobody waits for that lock either: a
chunk whose lock is taken is somebody else's, and the next one is tried. If its taker dies before
the header is written, the kernel drops the lock and the chunk is free again.

    header page   magic, size, hint (a chunk to begin looking at), news (see `Capture.drop`),
                  records lost (about: it is not counted atomically)
    chunk         magic, kind, number of the process (its first chunk's index), its pid; records
    record        length, CRC-32, and as many bytes, made by `marshal`; a length of 0 is the end

Three kinds of chunks: EVENTS holds records; DROPS holds the ids of dropped objects, 8 bytes each,
which other processes look for while the program runs; STATES holds what a process is doing *now*
(states.py): words that it overwrites in place, so that they say, also after SIGKILL, what it held
and what it waited for.

Source: memfd_create(2), fcntl(2) (advisory record locks), mmap(2), madvise(2).
"""

from __future__ import annotations

import contextlib
import fcntl
import marshal
import mmap
import os
import struct
import sys
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

FILE_NAME = "holdfast-capture"
MAGIC = 0x48464341_50313030  # "HFCAP100"
CHUNK_MAGIC = 0x4846434B
CHUNK_BYTES = 32 << 10
# Address space, of which only what is written exists. Smaller ones are for processes whose
# RLIMIT_AS does not allow more.
SIZES_BYTES = (2 << 30, 256 << 20, 32 << 20)

EVENTS, DROPS, STATES = 1, 2, 3
# A state is a row of 8 words; the first row's place is taken by the chunk's header.
STATE_WORDS = 8
_STATE_BYTES = 8 * STATE_WORDS
STATES_OF_A_CHUNK = CHUNK_BYTES // _STATE_BYTES - 1

_HEADER = struct.Struct("<QQQQ")  # magic, size, hint, news
_HINT_AT, _NEWS_AT, _LOST_AT = 16, 24, 32
_CHUNK = struct.Struct("<IIII")  # magic, kind, number, pid
_RECORD = struct.Struct("<II")  # length, CRC-32
_ID = struct.Struct("<Q")
_STATE = struct.Struct(f"<{STATE_WORDS}Q")
# Linux 5.14: makes pages appear, or fails where touching them would be SIGBUS.
_MADV_POPULATE_WRITE = 23
_EINVAL = 22

Record = tuple[str, int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Address:
    """Where the capture is found by processes that did not inherit it.

    Attributes:
        pid: A process that keeps the file open: the one that made it.
        descriptor: Its number there.
    """

    pid: int
    descriptor: int

    @property
    def path(self) -> str:
        """The file, in /proc."""
        return f"/proc/{self.pid}/fd/{self.descriptor}"


class Capture:
    """The mapping of a capture in one process, and the chunks that this process fills.

    Not safe against two threads at once: recorder.py sees to that.
    """

    def __init__(self, memory: mmap.mmap, address: Address) -> None:
        self.address = address
        self.memory = memory
        # The word that changes whenever an object was dropped; see `drop`.
        self.news: memoryview[int] = memoryview(memory)[_NEWS_AT : _NEWS_AT + 8].cast("Q")
        self._size: int = len(memory)
        # Position and end of the own chunk, for each kind.
        self._places: dict[int, list[int]] = {}
        self.number = 0

    @classmethod
    def create(cls) -> Capture:
        """Make one; the descriptor stays open, for others to find.

        Raises:
            OSError: The system has no memory or descriptor for one.
        """
        descriptor = os.memfd_create(FILE_NAME, os.MFD_CLOEXEC)
        for size in SIZES_BYTES:
            os.ftruncate(descriptor, size)
            try:
                memory = _mapped(descriptor, size)
            except OSError:
                if size == SIZES_BYTES[-1]:
                    os.close(descriptor)
                    raise
                continue
            _HEADER.pack_into(memory, 0, MAGIC, size, 1, 0)
            return cls(memory, Address(os.getpid(), descriptor))
        raise AssertionError("there is at least one size")

    @classmethod
    def attach(cls, address: Address, most_bytes: int = SIZES_BYTES[0]) -> Capture:
        """Map one that another process has made.

        Args:
            address: Where it is.
            most_bytes: How much of it is mapped, and so can be written to by this process.

        Raises:
            OSError: It is not there any more, or must not be opened.
            ValueError: The file is something else.
        """
        descriptor = os.open(address.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            found = os.readlink(address.path)  # noqa: PTH115 - pathlib loads slowly
            if FILE_NAME not in found or size < CHUNK_BYTES:
                raise ValueError(f"{address.path} is no capture")
            memory = _mapped(descriptor, min(size, most_bytes))
        finally:
            os.close(descriptor)
        if _HEADER.unpack_from(memory)[:2] != (MAGIC, size):
            raise ValueError(f"{address.path} is no capture")
        return cls(memory, address)

    def begin(self) -> None:
        """Become a process of the capture, with a number and chunks of its own.

        A forked child calls this: the chunks that it inherited are its parent's.
        """
        self._places.clear()
        self.number = 0
        self.number = self._claim(EVENTS)

    def write(self, record: Record) -> bool:
        """Append a record; False if it was lost, because the capture is full."""
        payload = marshal.dumps(record)
        size = _RECORD.size + len(payload)
        place = self._room(EVENTS, size)
        if place is None:
            lost: int = _ID.unpack_from(self.memory, _LOST_AT)[0]
            _ID.pack_into(self.memory, _LOST_AT, lost + 1)
            return False
        at = place[0]
        data = _RECORD.pack(len(payload), zlib.crc32(payload)) + payload
        self.memory[at : at + size] = data
        place[0] = at + size
        return True

    def drop(self, uid: int) -> bool:
        """Publish that an object is gone; False if there was no room to say so.

        First the id, then the news: a word that is different after every drop, whoever else drops
        something at the same time. Who finds it changed reads the ids.
        """
        place = self._room(DROPS, _ID.size)
        if place is None:
            return False
        _ID.pack_into(self.memory, place[0], uid)
        place[0] += _ID.size
        self.news[0] = uid
        return True

    def claim_states(self) -> memoryview[int] | None:
        """Words for `STATES_OF_A_CHUNK` states of this process, all 0; None if there is no room."""
        index = self._claim(STATES)
        if not index:
            return None
        at = index * CHUNK_BYTES
        return memoryview(self.memory)[at + _STATE_BYTES : at + CHUNK_BYTES].cast("Q")

    def release(self, numbers: Collection[int]) -> None:
        """Give back the memory of processes that have ended, and of which all has been read.

        The first page of each chunk stays, and with it the header: a chunk is never used again,
        as its index is a number that must not be another process's.
        """
        memory = self.memory
        if mmap.PAGESIZE >= CHUNK_BYTES:
            return
        for index in range(1, min(_ID.unpack_from(memory, _HINT_AT)[0], self._size // CHUNK_BYTES)):
            magic, kind, number, _ = _CHUNK.unpack_from(memory, index * CHUNK_BYTES)
            if magic == CHUNK_MAGIC and kind != DROPS and number in numbers:
                at = index * CHUNK_BYTES + mmap.PAGESIZE
                with contextlib.suppress(OSError):  # the memory stays
                    memory.madvise(mmap.MADV_REMOVE, at, CHUNK_BYTES - mmap.PAGESIZE)

    def _room(self, kind: int, size: int) -> list[int] | None:
        place = self._places.get(kind)
        if place is None or place[0] + size > place[1]:
            if size > CHUNK_BYTES - _CHUNK.size or not self._claim(kind):
                return None
            place = self._places[kind]
        return place

    def _claim(self, kind: int) -> int:
        """Take the next free chunk; its index, or 0 if there is none."""
        memory = self.memory
        try:
            descriptor = os.open(self.address.path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return 0
        try:
            for index in range(_ID.unpack_from(memory, _HINT_AT)[0], self._size // CHUNK_BYTES):
                at = index * CHUNK_BYTES
                if _CHUNK.unpack_from(memory, at)[0]:
                    continue
                try:
                    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, index)
                except OSError:
                    continue
                if _CHUNK.unpack_from(memory, at)[0]:
                    continue
                if not _populate(memory, at):
                    return 0
                header = (CHUNK_MAGIC, kind, self.number or index, os.getpid())
                _CHUNK.pack_into(memory, at, *header)
                _ID.pack_into(memory, _HINT_AT, index + 1)
                self._places[kind] = [at + _CHUNK.size, at + CHUNK_BYTES]
                return index
            return 0
        finally:
            os.close(descriptor)


class Drops:
    """The ids of dropped objects, as one process knows them."""

    def __init__(self, capture: Capture) -> None:
        self._memory = capture.memory
        self._size = len(capture.memory)
        # Index of a chunk that may be of drops: how far it has been read.
        self._read: dict[int, int] = {}
        self._next = 1
        self.known: set[int] = set()

    def look(self) -> None:
        """Read what is new."""
        memory = self._memory
        end = min(_ID.unpack_from(memory, _HINT_AT)[0], self._size // CHUNK_BYTES)
        for index in range(self._next, end):
            if _CHUNK.unpack_from(memory, index * CHUNK_BYTES)[:2] == (CHUNK_MAGIC, DROPS):
                self._read[index] = index * CHUNK_BYTES + _CHUNK.size
        self._next = max(self._next, end)
        for index, at in self._read.items():
            chunk_end = (index + 1) * CHUNK_BYTES
            while at < chunk_end:
                uid: int = _ID.unpack_from(memory, at)[0]
                if not uid:
                    break
                self.known.add(uid)
                at += _ID.size
            self._read[index] = at


class Reader:
    """Reads a capture, as often as wanted, while it is being written or afterwards."""

    def __init__(self, capture: Capture) -> None:
        self._memory = capture.memory
        self._size = len(capture.memory)
        # Index of a chunk: where its next record begins.
        self._at: dict[int, int] = {}
        self.torn = 0

    @property
    def lost(self) -> int:
        """About how many records found no room."""
        count: int = _ID.unpack_from(self._memory, _LOST_AT)[0]
        return count

    def is_quiet(self) -> bool:
        """Whether one process only has told of its beginning and end, and of nothing else."""
        kinds = ("process.begin", "process.done", "process.exit", "frame", "stack")
        found = [(number, record[0]) for number, _, record in self.records()]
        return all(kind in kinds for _, kind in found) and len({each for each, _ in found}) <= 1

    def records(self, *, last: bool = False) -> Iterator[tuple[int, int, Record]]:
        """Those that were not read before: (number of the process, its pid, the record).

        Args:
            last: Nobody writes any more. A record that is not whole is counted as torn then;
                before, it is left for the next time.
        """
        memory = self._memory
        # The hint may be behind: two processes may claim chunks at the same time.
        index, empty = 1, 0
        end = _ID.unpack_from(memory, _HINT_AT)[0]
        while index < self._size // CHUNK_BYTES and (index < end or empty < 64):
            magic, kind, number, pid = _CHUNK.unpack_from(memory, index * CHUNK_BYTES)
            empty = 0 if magic == CHUNK_MAGIC else empty + 1
            if magic == CHUNK_MAGIC and kind == EVENTS:
                for record in self._chunk(index, last=last):
                    yield number, pid, record
            index += 1

    def states(
        self, numbers: Collection[int] | None = None
    ) -> Iterator[tuple[int, tuple[int, ...]]]:
        """The states as they are now: (number of the process, its words).

        Args:
            numbers: Of the processes whose states are wanted; None for all.
        """
        memory = self._memory
        index, empty = 1, 0
        end = _ID.unpack_from(memory, _HINT_AT)[0]
        while index < self._size // CHUNK_BYTES and (index < end or empty < 64):
            at = index * CHUNK_BYTES
            magic, kind, number, _ = _CHUNK.unpack_from(memory, at)
            empty = 0 if magic == CHUNK_MAGIC else empty + 1
            wanted = numbers is None or number in numbers
            if magic == CHUNK_MAGIC and kind == STATES and wanted:
                for row in range(at + _STATE_BYTES, at + CHUNK_BYTES, _STATE_BYTES):
                    words = _STATE.unpack_from(memory, row)
                    if words[0]:
                        yield number, words
            index += 1

    def _chunk(self, index: int, *, last: bool) -> Iterator[Record]:
        memory = self._memory
        end = (index + 1) * CHUNK_BYTES
        at = self._at.get(index, index * CHUNK_BYTES + _CHUNK.size)
        while at + _RECORD.size <= end:
            length, checksum = _RECORD.unpack_from(memory, at)
            if not length:
                break
            stop = at + _RECORD.size + length
            payload = memory[at + _RECORD.size : stop] if stop <= end else b""
            record = _loaded(payload) if zlib.crc32(payload) == checksum else None
            if record is None:
                if not last:
                    break
                self.torn += 1
                if stop > end:
                    break
            else:
                yield record
            at = stop
            self._at[index] = at
        self._at[index] = at


def _loaded(payload: bytes) -> Record | None:
    """A record from its bytes; None if they are no record, though their checksum is right."""
    try:
        loaded: Any = marshal.loads(payload)  # noqa: S302 - our own bytes, by their checksum
        kind, at_ns, data = loaded
    except (ValueError, EOFError, TypeError):
        return None
    whole = isinstance(kind, str) and isinstance(at_ns, int) and isinstance(data, dict)
    record: Record | None = (kind, at_ns, cast("dict[str, Any]", data)) if whole else None
    return record


def _mapped(descriptor: int, size: int) -> mmap.mmap:
    if sys.version_info >= (3, 13):
        # Without a descriptor of its own, which the program could close and use for its files.
        return mmap.mmap(descriptor, size, trackfd=False)
    return mmap.mmap(descriptor, size)


def _populate(memory: mmap.mmap, at: int) -> bool:
    """Make a chunk's pages appear; False if the machine has no memory for them."""
    try:
        memory.madvise(_MADV_POPULATE_WRITE, at, CHUNK_BYTES)
    except OSError as error:
        return error.errno == _EINVAL  # an older kernel, which cannot say
    return True
