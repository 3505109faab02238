"""Send a Value through a multiprocessing.Queue, and read it at the other end."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import holdfast
from benchmarks.line import Line, ratio_line
from benchmarks.timing import compare

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from benchmarks.timing import Effort

PINNED = False


def measure(effort: Effort) -> list[Line]:
    """Against an int. No other shared value can be sent through a queue at all."""
    effort = replace(effort, burst_seconds=effort.burst_seconds * 10)
    # A new value for each message, as a program would send them.
    one, other = Post(lambda: holdfast.Value("i", 1)), Post(lambda: 1)
    try:
        turns = {"holdfast": one.by_turns, "an int": other.by_turns}
        row = {"holdfast": one.in_a_row, "an int": other.in_a_row}
        by_turns = compare(effort, turns, loops=False)
        in_a_row = compare(effort, row, loops=False)
    finally:
        one.end()
        other.end()
    note = "made, sent and read; answered before the next is sent"
    return [
        ratio_line(
            "send a Value through a Queue, read it",
            by_turns,
            "holdfast",
            "an int",
            unit="us",
            at_most=1.2,
            note=note,
        ),
        ratio_line(
            "the same, many in a row",
            in_a_row,
            "holdfast",
            "an int",
            unit="us",
            at_most=1.2,
            note="made, sent and read; one answer at the end",
        ),
    ]


class Post:
    """A queue, and a process at its other end."""

    def __init__(self, make: Callable[[], Any]) -> None:
        context = multiprocessing.get_context("fork")
        self._make = make
        self._queue = context.Queue()
        self._connection, other = context.Pipe()
        self._process = context.Process(target=receive, args=(self._queue, other), daemon=True)
        self._process.start()
        other.close()

    def by_turns(self, count: int) -> float:
        """Seconds for `count` messages, each answered before the next one."""
        self._connection.send((count, True))
        began = time.perf_counter()
        for _ in range(count):
            self._queue.put(self._make())
            self._connection.recv_bytes()
        return time.perf_counter() - began

    def in_a_row(self, count: int) -> float:
        """Seconds for `count` messages and one answer."""
        self._connection.send((count, False))
        began = time.perf_counter()
        for _ in range(count):
            self._queue.put(self._make())
        self._connection.recv_bytes()
        return time.perf_counter() - began

    def end(self) -> None:
        """End the other process."""
        self._connection.send((0, False))
        self._process.join()
        self._queue.close()
        self._queue.join_thread()
        self._connection.close()


def receive(queue: Any, connection: Connection) -> None:
    """Read what comes; what is not an int is a value."""
    while True:
        count, answer_each = connection.recv()
        if not count:
            return
        for _ in range(count):
            item = queue.get()
            assert (item if type(item) is int else item.value) == 1
            if answer_each:
                connection.send_bytes(b"")
        if not answer_each:
            connection.send_bytes(b"")
