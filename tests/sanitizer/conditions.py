"""What the programs of these tests wait for instead of time: states of processes in /proc.

It lies beside every program: `from conditions import blocked`.
"""

from __future__ import annotations

import os
import time

LIMIT = 60.0
INTERVAL = 0.02
# Seconds of rest after which a process that cannot go on is one that waits for long.
LONG = 0.7


def blocked(*pids, seconds=LONG):
    """Wait until all threads of these processes have been asleep for so long, or have ended."""
    end = time.monotonic() + LIMIT
    last, since = None, 0.0
    while time.monotonic() < end:
        now = [_rest(pid) for pid in pids]
        if None in now or now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since >= seconds:
            return
        time.sleep(INTERVAL)
    raise TimeoutError(f"still at work: {pids}")


def until(condition):
    """Wait until a function says something true, and return it."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(INTERVAL)
    raise TimeoutError(condition)


def _rest(pid):
    """How often each thread of a process has run; None if one of them is about to."""
    found = []
    try:
        for thread in sorted(os.listdir(f"/proc/{pid}/task")):
            with open(f"/proc/{pid}/task/{thread}/status") as file:
                fields = dict(line.partition(":")[::2] for line in file)
            if fields["State"].split()[0] in "RD":
                return None
            found.append((thread, *(fields.get(f"{how}_ctxt_switches") for how in HOW)))
    except (FileNotFoundError, ProcessLookupError):
        return []
    return found


HOW = ("voluntary", "nonvoluntary")
