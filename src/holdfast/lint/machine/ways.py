"""The ways through some statements: where they lead, and when two of them are one.

What it keeps true: of ways that cannot be told apart one is followed, and never more than a few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.lint.machine.state import NEW, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.lint.machine.things import Refs

# How many ways through a function are followed side by side.
MOST_WAYS = 4


class Flow:
    """Where the ways through some statements lead.

    Attributes:
        after: On behind them.
        breaks: Out of the loop around.
        continues: To the next round of that loop.
        returns: Out of the function, and what each of these gives.
    """

    __slots__ = ("after", "breaks", "continues", "returns")

    def __init__(
        self,
        after: list[State] | None = None,
        *,
        breaks: list[State] | None = None,
        continues: list[State] | None = None,
        returns: list[tuple[State, Refs]] | None = None,
    ) -> None:
        self.after = [] if after is None else after
        self.breaks = [] if breaks is None else breaks
        self.continues = [] if continues is None else continues
        self.returns = [] if returns is None else returns

    def leave(self, other: Flow) -> None:
        """The ways of `other` that do not go on behind it."""
        self.breaks += other.breaks
        self.continues += other.continues
        self.returns += other.returns


def calm(state: State) -> State:
    """The state as it is for a function that is called some time later: nothing is known to run."""
    state.status = {
        key: frozenset({NEW}) for key, words in state.status.items() if words == frozenset({NEW})
    }
    state.handed = {key: items for key, items in state.handed.items() if key in state.status}
    state.facts = {}
    state.exceptional = state.dead = False
    return state


def merged(states: Sequence[State]) -> State:
    """Whatever may be true on any of these ways."""
    first = states[0]
    for other in states[1:]:
        first.merge(other)
    return first


def fewer(states: list[State]) -> list[State]:
    """The same ways, those that have come to the same as one, and not more than the limit.

    Ways on which nothing of a library has been touched are one: what tells them apart matters to
    no rule.
    """
    if len(states) == 1 and not states[0].dead:
        return states
    kept: list[State] = []
    for each in states:
        if each.dead:
            continue
        for other in kept:
            if not (other.serious or each.serious) or other.same(each):
                other.merge(each)
                break
        else:
            kept.append(each)
    if len(kept) > MOST_WAYS:
        kept[MOST_WAYS - 1] = merged(kept[MOST_WAYS - 1 :])
        del kept[MOST_WAYS:]
    return kept
