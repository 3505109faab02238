"""Which searches are made of which model: what `models/run` runs.

The mutants are not listed here: each `#define NAME 0` under "Mutants: each must fail" in a model
is one, so that none can be forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Search:
    """One exhaustive search of one model. It must end without an error."""

    model: str
    title: str
    defines: str = ""
    quick: bool = True


SEARCHES = (
    Search("reuse", "four processes, two blocks"),
    Search("reuse", "three slots: they run out, and are used again", "NP=3"),
    Search("tickets", "a sender, two receivers, an owner; two tickets"),
    Search("large", "three slots with ever new processes", "NP=3 KMAX=2 LIVES=0"),
    Search("lock", "no kill: no wakeup is lost", "ROUNDS=2 EARLY=0 KILLS=0"),
    Search("lock", "one kill", "ROUNDS=1 KILLS=1"),
    Search("semaphore", "no kill: no wakeup is lost"),
    Search("reuse", "merged steps taken apart, three slots", "NP=3 FINE", quick=False),
    Search("reuse", "merged steps taken apart, four processes", "KMAX0=1 FINE", quick=False),
    Search("reuse", "five lives in three slots", "NP=3 LIVES=5", quick=False),
    Search("reuse", "both blocks born twice", "NP=3 KMAX1=2", quick=False),
    Search("large", "merged steps taken apart", "NP=3 KMAX=2 LIVES=3 FINE", quick=False),
    Search("large", "three births", "NP=3 KMAX=3 LIVES=3", quick=False),
    Search("lock", "no kill, sleeps that end early", "ROUNDS=1 KILLS=0", quick=False),
    Search("lock", "two kills", "ROUNDS=1 EARLY=0 KILLS=2", quick=False),
    Search("semaphore", "three posts of each", "POSTS=3 EARLY=0", quick=False),
    Search("semaphore", "one kill", "KILLS=1 EARLY=0", quick=False),
)

# What a model's mutants are searched with: the smallest configuration in which all of them fail.
MUTANTS_WITH = {
    "reuse": "NP=3",
    "tickets": "",
    "large": "NP=3 KMAX=2 LIVES=3",
    "lock": "ROUNDS=2 EARLY=0 KILLS=0",
    "semaphore": "EARLY=0",
}
EXCEPT = {
    ("lock", "ENDLESS_SLEEP"): "ROUNDS=1 KILLS=1",
    ("lock", "RECOVER_STORES"): "ROUNDS=1 KILLS=1",
    ("semaphore", "ENDLESS_SLEEP"): "KILLS=1 EARLY=0",
}

# Whose mutants end late: their traces are the first found, not the shortest.
DEPTH_FIRST = {"lock", "semaphore"}

# Options of pan.c and pan that a model needs beyond the usual ones.
COMPILE_WITH = {"lock": ["-DNOREDUCE"], "semaphore": ["-DNOREDUCE"]}
RUN_WITH = {"lock": ["-E"], "semaphore": ["-E"]}

# The name in a failing assertion, in words.
BROKEN = {
    "I1": "I1: a live object without a hold",
    "I2": "I2: a block reused under an object",
    "I5": "I5: something is lost for ever",
    "CLEAN": "I5: a free slot's row is not empty",
    "LARGE": "I2: what is no large block any more is treated as one",
    "TICKET": "the sender's ticket is gone under it",
    "PROMISE": "an unused ticket is refused",
    "EXCLUSION": "two are inside",
    "UNITS": "a unit of the semaphore is lost or made up",
    "WAKEUP": "W: a wakeup is lost",
    "HANGS": "somebody waits for ever",
}
STUCK = "I5: nobody can go on"
