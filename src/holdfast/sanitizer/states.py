"""States: what a process holds, and what it waits for, *now*, in memory that outlives it.

What it keeps true: a process that is killed at any instruction has left in the capture what it
held and what it waited for at that moment; and to note it costs a store of a word, without a
system call and without a lock. Only the process itself writes its states.

A state is a row of 8 words: its kind, the id of what it is about, and six more.

    HOLD    lock     0 or stack * 2 + 1, failed_ns, failed stack, times (of a semaphore)
    WAIT    target   what (index into WHAT), stack, since_ns, thread, timeout in ms + 1 or 0
    QUEUE   queue    put, flushed, got, done, last_got_ns, stack of the last put
    TASK    pool     job, since_ns, stack, part
    ASKED   0        how many questions were answered, last_ns

A forked child inherits what it can reach, so it gets rows of its own at the same places, with the
same ids, and nothing held. The places are handed out by the process that makes an object.
"""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.sanitizer import _notes, recorder
from holdfast.sanitizer.capture import STATE_WORDS, STATES_OF_A_CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HOLD, WAIT, QUEUE, TASK, ASKED = 1, 2, 3, 4, 5

# What a process waits for; the target is the id of a lock, connection, queue or pool, or a pid.
WHAT = (
    "", "lock", "condition", "recv", "send", "poll", "join", "put", "get", "drain", "result",
    "flush", "barrier", "event",
)  # fmt: skip

_DRAIN = WHAT.index("drain")

# Where a state is: the number of its chunk, and the index of its first word there.
Where = tuple[int, int]

# The chunks of this process. Who writes often keeps `rows` and a place: `rows[chunk][word] = 1`;
# the native part has their addresses.
rows: list[memoryview[int]] = []
# Kind and id of each row once more, in this process's own memory: a forked child must know what it
# inherited, and its parent may have given it back in the shared one by then.
_own: list[memoryview[int]] = []
_free: list[Where] = []
_numbers = itertools.count()
# A signal's handler may claim a row in the middle of another claim, by the same thread.
_lock = threading.RLock()
_local = threading.local()

_nowhere: memoryview[int] = memoryview(bytearray(8 * STATE_WORDS * STATES_OF_A_CHUNK)).cast("Q")


def claim(kind: int, uid: int) -> Where:
    """A row for a state; where there is no room, one that nobody reads.

    A handler of a signal may come between any two lines here, and claim one itself.
    """
    with _lock:
        try:
            chunk, at = _free.pop()
        except IndexError:
            chunk, index = divmod(next(_numbers), STATES_OF_A_CHUNK)
            at = index * STATE_WORDS
            while chunk >= len(rows):
                _add()
    row, own = rows[chunk], _own[chunk]
    at_own = at // STATE_WORDS * 2
    own[at_own] = kind
    row[at + 1] = own[at_own + 1] = uid
    row[at] = kind
    return chunk, at


def give_back(where: Where) -> None:
    """What the state was about is gone here."""
    chunk, at = where
    row = rows[chunk]
    for word in range(at, at + STATE_WORDS):
        row[word] = 0
    at_own = at // STATE_WORDS * 2
    _own[chunk][at_own] = _own[chunk][at_own + 1] = 0
    _free.append(where)


def _add() -> None:
    """One more chunk. If another one comes in between, there is one more than is needed now."""
    _own.append(memoryview(bytearray(16 * STATES_OF_A_CHUNK)).cast("Q"))
    row, first = _fresh(), len(rows)
    _notes.set_row(first, row)
    rows.append(row)
    for chunk in range(first, len(rows)):
        _notes.set_row(chunk, rows[chunk])
    recorder.on_fork(_renew)


def _fresh() -> memoryview[int]:
    found = recorder.claim_states()
    return _nowhere if found is None else found


def _renew() -> None:
    """In a forked child: rows of its own, of which the parent's words are not a part."""
    global _lock
    _lock = threading.RLock()
    _local.__dict__.clear()
    for chunk, own in enumerate(_own):
        for at_own in range(0, len(own), 2):
            if own[at_own] in {WAIT, TASK, ASKED}:
                own[at_own] = own[at_own + 1] = 0
                _free.append((chunk, at_own // 2 * STATE_WORDS))
        new = _fresh()
        if new is not _nowhere:
            new[1::STATE_WORDS] = own[1::2]
            new[::STATE_WORDS] = own[::2]
        _notes.set_row(chunk, new)
        rows[chunk] = new


# ---- waiting -------------------------------------------------------------------------------------

Waits = tuple[int, ...]


def begin(what: int, target: int, stack: int, timeout: float | None = None) -> Waits:
    """This thread is about to wait; give what is returned to `end`."""
    where: Where | None = getattr(_local, "where", None)
    if where is None:
        where = _local.where = claim(WAIT, target)
    row, at = rows[where[0]], where[1]
    outer = tuple(row[at + 1 : at + STATE_WORDS])
    if outer[1] == _DRAIN:
        return outer  # what the standard library waits for in order to wait for that
    limit = 0 if timeout is None else max(0, min(int(timeout * 1000), 1 << 40)) + 1
    row[at + 3] = recorder.tell_stack(stack)
    row[at + 4] = time.monotonic_ns()
    row[at + 5] = threading.get_native_id()
    row[at + 6] = limit
    row[at + 1] = target
    row[at + 2] = what
    return outer


def end(outer: Waits) -> None:
    """The wait is over; whatever it was a part of goes on."""
    where: Where | None = getattr(_local, "where", None)
    if where is None:  # a forked child returns from its parent's wait
        return
    row, at = rows[where[0]], where[1]
    row[at + 2] = 0
    for word, value in enumerate(outer, at + 1):
        if word != at + 2:
            row[word] = value
    row[at + 2] = outer[1]


# ---- reading, in the supervisor ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hold:
    """A lock as one process has it.

    Attributes:
        number: Of the process.
        uid: Of the lock.
        held: Whether it is held.
        stack: Number of the stack where it was taken; 0 if unknown.
        failed_ns: When it was last asked for in vain; 0 if never.
        failed_stack: Where.
        times: How often it is held.
    """

    number: int
    uid: int
    held: bool
    stack: int
    failed_ns: int
    failed_stack: int
    times: int


@dataclass(frozen=True, slots=True)
class Wait:
    """What a thread waits for.

    Attributes:
        number: Of the process.
        target: Id of a lock, connection, queue or pool, or a pid.
        what: One of WHAT.
        stack: Number of the stack.
        since_ns: CLOCK_MONOTONIC.
        thread: Its id in the system.
        timeout: In seconds; None if it waits for ever.
    """

    number: int
    target: int
    what: str
    stack: int
    since_ns: int
    thread: int
    timeout: float | None


@dataclass(frozen=True, slots=True)
class Queue:
    """What one process has done with a queue."""

    number: int
    uid: int
    put: int
    flushed: int
    got: int
    done: int
    last_got_ns: int
    stack: int

    @property
    def unflushed(self) -> int:
        """How many items are in this process's buffer only."""
        return max(0, self.put - self.flushed)


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker of a pool is working at."""

    number: int
    pool: int
    job: int
    since_ns: int
    stack: int
    part: int


def holds(states: Iterable[tuple[int, tuple[int, ...]]]) -> Iterator[Hold]:
    """The locks that processes hold, or have asked for in vain."""
    for number, words in states:
        if words[0] == HOLD and (words[2] or words[3]):
            held, failed_ns, failed_stack, times = words[2:6]
            yield Hold(number, words[1], held > 0, held >> 1, failed_ns, failed_stack, times)


def waits(states: Iterable[tuple[int, tuple[int, ...]]]) -> Iterator[Wait]:
    """What threads wait for, or waited for when their process ended."""
    for number, words in states:
        if words[0] == WAIT and 0 < words[2] < len(WHAT):
            limit = None if not words[6] else (words[6] - 1) / 1000
            yield Wait(number, words[1], WHAT[words[2]], words[3], words[4], words[5], limit)


def queues(states: Iterable[tuple[int, tuple[int, ...]]]) -> Iterator[Queue]:
    """What processes have done with queues."""
    for number, words in states:
        if words[0] == QUEUE and (words[2] or words[4]):
            yield Queue(number, *words[1:8])


def tasks(states: Iterable[tuple[int, tuple[int, ...]]]) -> Iterator[Task]:
    """What workers work at."""
    for number, words in states:
        if words[0] == TASK and words[3]:
            yield Task(number, words[1], words[2], words[3], words[4], words[5])
