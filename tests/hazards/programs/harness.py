"""What every hazard program shares. A program runs as

    python NAME.py fork|spawn|forkserver [KIND] [--right]

and prints one line: `HAZARD what happened`, or `OK`. With --right it does the same work in the way
that is correct on the plain interpreter too. Nothing sleeps: parent and child take turns over a
pipe, so that the outcome does not depend on the machine.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import sys
from multiprocessing.connection import wait

METHOD = sys.argv[1]
KIND = next((word for word in sys.argv[2:] if not word.startswith("-")), "")
RIGHT = "--right" in sys.argv

# Seconds until a partner that says nothing counts as lost.
PATIENCE = 20.0


def run(main):
    """Set the start method and run; end without a verdict is for the caller to notice."""
    mp.set_start_method(METHOD)
    main()


def verdict(hazard):
    """Print the verdict, end the children and leave, whatever else is going on."""
    print(f"HAZARD {hazard}" if hazard else "OK", flush=True)
    for child in mp.active_children():
        child.kill()
        child.join()
    sys.stderr.flush()
    os._exit(0)


def write_then_read(shared, wanted, turn):
    """The child: write, let the parent do what it does, then read the same place again."""
    put(shared, wanted)
    turn.send("written")
    turn.recv()
    turn.send(get(shared))


def put(shared, number):
    """Write the first number of any kind of shared object."""
    if hasattr(shared, "get_obj") and hasattr(shared.get_obj(), "x"):
        shared = shared.get_obj()
    if hasattr(shared, "x"):
        shared.x = number
    elif hasattr(shared, "value"):
        shared.value = number
    else:
        shared[0] = number


def get(shared):
    """Read the first number of any kind of shared object."""
    if hasattr(shared, "get_obj") and hasattr(shared.get_obj(), "x"):
        shared = shared.get_obj()
    if hasattr(shared, "x"):
        return shared.x
    if hasattr(shared, "value"):
        return shared.value
    return shared[0]


class Partner:
    """The parent's end: one child and the pipe to it."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.turn, self.theirs = mp.Pipe()
        self.process = None
        self.has_written = False

    def started(self, process):
        """Start the process; remember it, but nothing that it was given."""
        process.start()
        self.process = process
        self.theirs.close()
        return self

    def written(self):
        """Wait until the child has written, or is dead."""
        if not self.has_written:
            self.has_written = self.hear() is not None
        return self

    def hear(self):
        """What the child says next; None if it died or says nothing."""
        wait([self.turn], PATIENCE)
        try:
            return self.turn.recv() if self.turn.poll() else None
        except EOFError:
            return None

    def complaint(self):
        """Let the child finish; what is wrong with what it read, or with how it ended."""
        try:
            self.turn.send("go on")
        except OSError:
            pass  # it is gone, as its exit status will say
        read = self.hear()
        self.process.join(PATIENCE)
        if self.process.exitcode:
            return f"child exit status {self.process.exitcode}"
        if read != self.wanted:
            return f"child wrote {self.wanted}, later read {read}"
        return None


def judge(partners, and_then=None):
    """Let all children write, do what the parent does next, let all read; print the verdict."""
    for each in partners:
        each.written()
    kept = and_then and and_then()
    complaints = [each.complaint() for each in partners]
    del kept
    verdict("; ".join(filter(None, complaints)))
