"""Comparing contestants on a machine that is never quite quiet.

Contestants take turns: in each burst (milliseconds) everyone runs once, in an order that rotates,
so that a change of clock frequency or a busy neighbour meets all of them. A round is the median of
its bursts; the figures are medians of the rounds' figures, and a ratio is taken within a round
before its median is. The empty loop is one more contestant, and what it takes is subtracted from
everybody.
"""

from __future__ import annotations

import gc
import os
import resource
import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    # Does something n times and returns the seconds that it took.
    Work = Callable[[int], float]

# Statements in one pass of a loop, so that the loop itself is a small part of what is timed.
UNROLL = 10
EMPTY = "the empty loop"


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int = 11
    bursts: int = 7
    burst_seconds: float = 0.003
    quick: bool = False

    def scaled(self, full: int, quick: int) -> int:
        """A size: `full` in a real run, `quick` in a smoke test."""
        return quick if self.quick else full


QUICK = Effort(rounds=3, bursts=1, burst_seconds=0.0003, quick=True)


@dataclass(frozen=True)
class Spread:
    """A median, and the quartiles around it."""

    median: float
    low: float
    high: float


def spread_of(values: list[float]) -> Spread:
    """The median and the quartiles of some figures."""
    if len(values) < 2:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


@dataclass
class Comparison:
    """What rounds have shown: by contestant, seconds for one operation, one figure per round."""

    rounds: dict[str, list[float]] = field(default_factory=dict)

    def of(self, name: str) -> Spread:
        """Seconds for one operation."""
        return spread_of(self.rounds[name])

    def times_faster(self, name: str, peer: str) -> Spread:
        """How many operations `name` does while `peer` does one."""
        return self._ratio(peer, name)

    def times_the_peer(self, name: str, peer: str) -> Spread:
        """How long `name` takes where `peer` takes 1."""
        return self._ratio(name, peer)

    def _ratio(self, above: str, below: str) -> Spread:
        pairs = zip(self.rounds[above], self.rounds[below], strict=True)
        return spread_of([over / max(under, 1e-12) for over, under in pairs])


def loop(statement: str, *, clock: Callable[[], float] = time.thread_time, **names: Any) -> Work:
    """A function that runs `statement`, in which `names` are local variables, n times.

    It has code of its own, so that the interpreter specialises it for this contestant alone. It
    runs UNROLL statements a pass; where n is no multiple, the time is scaled to n.

    The clock is the thread's own processor time, which on an idle machine is the time that passes
    and on a busy one leaves out what others took. Where waiting is part of the matter, give
    time.perf_counter.
    """
    source = [
        "def work(count):",
        *(f"    {name} = names[{name!r}]" for name in names),
        f"    passes = -(-count // {UNROLL})",
        "    began = clock()",
        "    for _ in repeat(None, passes):",
        *(f"        {statement}" for _ in range(UNROLL)),
        f"    return (clock() - began) * count / (passes * {UNROLL})",
    ]
    scope = {"names": names, "repeat": repeat, "clock": clock}
    exec("\n".join(source), scope)
    return scope["work"]


def compare(effort: Effort, contestants: Mapping[str, Work], *, loops: bool = True) -> Comparison:
    """Let the contestants take turns.

    Args:
        effort: how many rounds and bursts, and how long a burst is.
        contestants: by name, functions that do something n times and return the seconds.
        loops: whether they come from `loop`, so that the empty loop is to be subtracted.
    """
    works = dict(contestants)
    if loops:
        works[EMPTY] = loop("pass")
    counts = {name: _calibrate(work, effort.burst_seconds) for name, work in works.items()}
    comparison = Comparison({name: [] for name in works})
    order = list(works)
    with _no_collector():
        for _ in range(effort.rounds):
            samples: dict[str, list[float]] = {name: [] for name in order}
            for _ in range(effort.bursts):
                order.append(order.pop(0))
                for name in order:
                    samples[name].append(works[name](counts[name]) / counts[name])
            medians = {name: statistics.median(figures) for name, figures in samples.items()}
            overhead = medians.get(EMPTY, 0.0)
            for name in contestants:
                comparison.rounds[name].append(medians[name] - overhead)
            if loops:
                comparison.rounds[EMPTY].append(overhead)
    return comparison


def _calibrate(work: Work, seconds: float) -> int:
    """How often to repeat for a burst of that length. Warms up on the way."""
    work(1)
    count = UNROLL
    while (took := work(count)) < seconds / 4:
        count *= 4
    return max(1, round(count * seconds / took))


@contextmanager
def _no_collector() -> Iterator[None]:
    gc.collect()
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def processor_time() -> float:
    """Seconds of a processor that this process and its ended children have used.

    What a fork or an import takes, on a busy machine too; pinned to one processor of an idle one,
    it is the time that passes.
    """
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def pin(which: int = -1) -> None:
    """Stay on one of the processors that this process may use: 0 the first, -1 the last."""
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {allowed[which]})
