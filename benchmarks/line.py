"""A line of the table: an operation, Holdfast's figure, a peer's, a goal, a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.timing import Comparison, Spread

FASTER = "x faster"
TIMES = "x the time"
SPEED = "x the speed"


@dataclass(frozen=True)
class Line:
    """One figure.

    Attributes:
        operation: what is done.
        peer: whose figure it is compared with; empty if the goal is a plain number.
        ours: Holdfast's figure, in `unit`.
        theirs: the peer's, in `unit`; None if there is no peer.
        unit: ns, us, ms, B or a plain count.
        figure: what the goal speaks of: a ratio, or `ours` again.
        low: the lower quartile of `figure` over the rounds.
        high: the upper quartile.
        kind: what `figure` is: FASTER, TIMES, SPEED or a unit.
        at_least: the goal, where more is better.
        at_most: the goal, where less is better.
        note: floors, and what else one needs to judge the figure.
    """

    operation: str
    peer: str
    ours: float | None
    theirs: float | None
    unit: str
    figure: float | None
    low: float | None = None
    high: float | None = None
    kind: str = TIMES
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def has_goal(self) -> bool:
        """Whether there is anything to meet."""
        return self.at_least is not None or self.at_most is not None

    @property
    def goal(self) -> str:
        """The goal as printed."""
        if not self.has_goal:
            return ""
        sign, limit = (">=", self.at_least) if self.at_least is not None else ("<=", self.at_most)
        return f"{sign} {limit:g}{' ' + self.kind if not self.kind.startswith('x') else ' x'}"

    @property
    def verdict(self) -> str:
        """met, missed, not measured; or nothing where there is no goal.

        A figure is judged as it is printed: 1.004 times the peer's time is 1.00.
        """
        if not self.has_goal:
            return ""
        if self.figure is None:
            return "not measured"
        shown = float(digits(self.figure))
        if self.at_least is not None:
            return "met" if shown >= self.at_least else "missed"
        assert self.at_most is not None
        return "met" if shown <= self.at_most else "missed"


def digits(number: float) -> str:
    """A number with the digits that are worth printing."""
    size = abs(number)
    if size >= 100:
        return f"{number:.0f}"
    if size >= 10:
        return f"{number:.1f}"
    return f"{number:.2f}"


SCALE = {"ns": 1e9, "us": 1e6, "ms": 1e3, "s": 1.0}


def ratio_line(
    operation: str,
    comparison: Comparison,
    ours: str,
    peer: str,
    *,
    unit: str = "ns",
    at_least: float | None = None,
    at_most: float | None = None,
    kind: str | None = None,
    note: str = "",
) -> Line:
    """A line about two contestants of a comparison; the goal's direction chooses the ratio.

    A peer that took no part, because it is not installed, leaves the figure out.
    """
    kind = kind or (FASTER if at_least is not None else TIMES)
    scale = SCALE[unit]
    own = comparison.of(ours).median * scale
    if peer not in comparison.rounds:
        return Line(
            operation,
            peer,
            own,
            None,
            unit,
            None,
            None,
            None,
            kind,
            at_least,
            at_most,
            f"{peer} is not installed here",
        )
    ratio: Spread = (
        comparison.times_the_peer(ours, peer)
        if kind == TIMES
        else comparison.times_faster(ours, peer)
    )
    return Line(
        operation,
        peer,
        own,
        comparison.of(peer).median * scale,
        unit,
        ratio.median,
        ratio.low,
        ratio.high,
        kind,
        at_least,
        at_most,
        note,
    )


def plain_line(
    operation: str, figure: Spread, unit: str, *, at_most: float | None = None, note: str = ""
) -> Line:
    """A line whose goal is a plain number, already in `unit`."""
    return Line(
        operation,
        "",
        figure.median,
        None,
        unit,
        figure.median,
        figure.low,
        figure.high,
        unit,
        None,
        at_most,
        note,
    )
