"""Send a Value through a multiprocessing.Queue, and read it at the other end."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import holdfast
from benchmarks.line import Line, ratio_line
from benchmarks.timing import compare

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from benchmarks.timing import Effort

PINNED = False
INT, FLOOR = "an int", "a timedelta"
UNSHARED = (int, timedelta)


def measure(effort: Effort) -> list[Line]:
    """Against an int. No other shared value can be sent through a queue at all."""
    effort = replace(effort, burst_seconds=effort.burst_seconds * 10)
    # A new value for each message, as a program would send them.
    posts = {
        "holdfast": Post(lambda: holdfast.Value("i", 1)),
        INT: Post(lambda: 1),
        FLOOR: Post(lambda: timedelta(1)),
    }
    try:
        by_turns = compare(
            effort, {name: post.by_turns for name, post in posts.items()}, loops=False
        )
        in_a_row = compare(
            effort, {name: post.in_a_row for name, post in posts.items()}, loops=False
        )
    finally:
        for post in posts.values():
            post.end()
    return [
        ratio_line(
            words,
            comparison,
            "holdfast",
            INT,
            unit="us",
            at_most=1.2,
            note=f"made, sent and read, {how}; any other object that is not built into pickle, "
            f"such as {FLOOR}, takes {comparison.times_the_peer(FLOOR, INT).median:.2f} x",
        )
        for words, how, comparison in (
            ("send a Value through a Queue, read it", "each answered before the next", by_turns),
            ("the same, many in a row", "one answer at the end", in_a_row),
        )
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
    """Read what comes: ints, timedeltas, values."""
    while True:
        count, answer_each = connection.recv()
        if not count:
            return
        for _ in range(count):
            item = queue.get()
            assert type(item) in UNSHARED or item.value == 1
            if answer_each:
                connection.send_bytes(b"")
        if not answer_each:
            connection.send_bytes(b"")
