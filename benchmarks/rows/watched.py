"""Under the sanitizer: a program that only uses the standard library's own values."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.actor import actors
from benchmarks.fresh import fresh
from benchmarks.line import Line, plain_line, ratio_line
from benchmarks.timing import Comparison, compare, loop, processor_time, spread_of

if TYPE_CHECKING:
    from benchmarks.timing import Effort, Work

PLAIN = "not watched"
WATCHED = "watched"
# Words for the table -> the statement, and how many times the plain time it may take.
STATEMENTS = {
    "mp.Value: create and drop": ("Value('i', 0)", 2.0),
    "mp.RawValue: create and drop": ("RawValue('i', 0)", None),
    "mp.Value: read": ("v.value", 1.5),
    "mp.Value: write": ("v.value = 1", 1.5),
    "mp.Value: locked increment": ("with v.get_lock(): v.value += 1", 1.5),
    "mp.RawValue: read": ("raw.value", 1.02),
    "mp.Array: read": ("a[3]", 1.5),
    "computing": ("sum(i * i for i in r)", 1.02),
}
START = {
    PLAIN: ["-c", "pass"],
    WATCHED: ["-m", "holdfast", "run", "-c", "pass"],
}


def measure(effort: Effort) -> list[Line]:
    """Two interpreters by turns, one of them watched as `holdfast run` does it.

    Each round has a pair of its own, and each process some memory of a random size: where its
    objects lie makes a process some hundredths faster or slower than another that does the same.
    """
    lines = []
    for words, (statement, at_most) in STATEMENTS.items():
        comparison = Comparison({WATCHED: [], PLAIN: []})
        for _ in range(effort.rounds):
            with actors(
                {
                    name: ("benchmarks.rows.watched", "repeat_statement", name, statement)
                    for name in (WATCHED, PLAIN)
                }
            ) as pair:
                works = {name: actor.work for name, actor in pair.items()}
                round_ = compare(replace(effort, rounds=1), works, loops=False)
            for name, figures in round_.rounds.items():
                comparison.rounds[name] += figures
        line = ratio_line(f"watched, {words}", comparison, WATCHED, PLAIN, at_most=at_most)
        lines.append(line)
    return [*lines, *_many(effort), _start(effort)]


def _many(effort: Effort) -> list[Line]:
    number = effort.scaled(30_000, 1_000)
    seen = [
        {name: fresh("benchmarks.rows.watched", "made", name, number) for name in (WATCHED, PLAIN)}
        for _ in range(effort.rounds)
    ]
    times = Comparison(
        {name: [each[name]["seconds"] / number for each in seen] for name in (WATCHED, PLAIN)}
    )
    more = [(each[WATCHED]["bytes"] - each[PLAIN]["bytes"]) / number for each in seen]
    words = f"watched, {number:,} live values"
    return [
        ratio_line(f"{words}: made, each", times, WATCHED, PLAIN, unit="us", at_most=2.0),
        plain_line(f"{words}: more memory, each", spread_of(more), "B", at_most=1024),
    ]


def _start(effort: Effort) -> Line:
    comparison = compare(
        replace(effort, burst_seconds=effort.burst_seconds * 10),
        {name: _starts(words) for name, words in START.items()},
        loops=False,
    )
    pairs = zip(comparison.rounds[WATCHED], comparison.rounds[PLAIN], strict=True)
    more = spread_of([(watched - plain) * 1e3 for watched, plain in pairs])
    note = "the processor time of program and supervisor, over that of a bare interpreter"
    return plain_line("holdfast run: start-up", more, "ms", at_most=150, note=note)


def _starts(words: list[str]) -> Work:
    def work(count: int) -> float:
        began = processor_time()
        for _ in range(count):
            subprocess.run([sys.executable, *words], check=True)
        return processor_time() - began

    return work


def watch() -> None:
    """Be watched, as the program of `holdfast run` is."""
    from holdfast.sanitizer import recorder
    from holdfast.sanitizer.capture import Capture

    recorder.start(Capture.create(), {"as_is": False, "guard": False})


def repeat_statement(name: str, statement: str) -> Work:
    """Repeat a statement, watched or not; an actor's function."""
    if name == WATCHED:
        watch()
    import multiprocessing as mp

    ballast = [bytearray(random.randrange(1, 600)) for _ in range(random.randrange(5000))]
    return loop(
        statement,
        Value=mp.Value,
        RawValue=mp.RawValue,
        v=mp.Value("i", 0),
        raw=mp.RawValue("i", 0),
        a=mp.Array("i", 100),
        r=range(1000),
        ballast=ballast,
    )


def made(name: str, number: int) -> dict[str, float]:
    """Seconds and bytes of private memory for so many live values."""
    if name == WATCHED:
        watch()
    import multiprocessing as mp

    first = [mp.Value("i", 0) for _ in range(10)]
    gc.collect()
    before, began = _private_bytes(), time.perf_counter()
    keep = [mp.Value("i", 0) for _ in range(number)]
    seconds = time.perf_counter() - began
    used = _private_bytes() - before
    assert len(keep) == number
    assert first
    return {"seconds": seconds, "bytes": used}


def _private_bytes() -> int:
    """What the process has for itself: neither files nor shared memory."""
    for line in Path(f"/proc/{os.getpid()}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("/proc has no RssAnon")
