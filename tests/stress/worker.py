"""One process of the campaign: it makes, drops, forks, sends, receives, locks, at random, for ever.

Every object is filled with a number of its own before anybody else can see it, and never written
again. Whoever holds it compares from time to time: memory that was given to somebody else while it
could be reached (I1, I2) shows as another number. What is wrong goes into the pipe `faults`, and
the process ends by itself, which a process of the campaign never does otherwise.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import random
import signal
import struct
import sys
import time
import traceback
from dataclasses import dataclass
from typing import Any

import numpy as np

import holdfast
from holdfast import _native
from holdfast.errors import LifetimeError, OwnerDiedError

PR_SET_PDEATHSIG = 1
# What a pipe carries in one piece (PIPE_BUF); mailboxes are in packet mode.
PACKET_BYTES = 4096
MOST_HELD = 24
# Seconds for which a dead sender's message stays good in the campaign.
GRACE = 5.0
# When a message was sent; before the pickle, so that it can be read when that cannot be loaded.
SENT = struct.Struct("d")
# Lengths in 8-byte words: below and above a granule, a chunk and the limit of small blocks.
LENGTHS = (1, 2, 7, 8, 9, 60, 500, 4096, 4097, 9000, 40_000)


class FaultError(Exception):
    """A promise is broken."""


@dataclass
class Scene:
    """What all processes of the campaign share; made by the first of them."""

    seed: int
    progress: Any
    mailboxes: list[tuple[int, int]]
    faults: int
    locks: list[Any]
    pairs: list[tuple[Any, Any]]
    semaphore: Any


def play(scene: Scene, seat: int, number: int, point: str | None, nth: int) -> None:
    """Be a process of the campaign; does not return.

    Args:
        scene: what all share.
        seat: whose mailbox and counter are this process's.
        number: counts the processes of the campaign; with the seed it decides what this one does.
        point: the point of the core at which it is to be killed; None: by somebody else.
        nth: at which pass through the point.
    """
    try:
        die_with_parent()
        if point is not None:
            _native.arm_point(point, nth)
        _Worker(scene, seat, random.Random(f"{scene.seed}/{number}")).run()
    except BaseException:
        text = f"process {os.getpid()}, number {number}:\n{traceback.format_exc()}"
        os.write(scene.faults, text.encode()[-PACKET_BYTES:])
    os._exit(1)


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent is gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class _Worker:
    def __init__(self, scene: Scene, seat: int, chance: random.Random) -> None:
        self.scene = scene
        self.seat = seat
        self.chance = chance
        self.held: list[tuple[int, Any]] = []
        self.deeds = [
            (8, self.make),
            (7, self.drop),
            (6, self.compare),
            (5, self.send),
            (8, self.receive),
            (8, self.lock),
            (3, self.wait_or_wake),
            (1, self.fork),
            (1, self.tidy),
        ]

    def run(self) -> None:
        weights = [weight for weight, _ in self.deeds]
        deeds = [deed for _, deed in self.deeds]
        while True:
            self.chance.choices(deeds, weights)[0]()
            self.scene.progress[self.seat] += 1

    def make(self) -> None:
        if len(self.held) >= MOST_HELD:
            self.drop()
        identity = self.chance.getrandbits(63) | 1
        kind = self.chance.randrange(5)
        length = self.chance.choice(LENGTHS)
        if kind == 0:
            thing: Any = holdfast.Value("Q", identity)
        elif kind == 1:
            thing = holdfast.RawValue("Q", identity)
        elif kind == 2:
            thing = holdfast.RawArray("Q", length)
            view(thing)[:] = identity
        elif kind == 3:
            thing = holdfast.Array("Q", length)
            view(thing)[:] = identity
        else:
            thing = holdfast.ndarray((length,), np.uint64)
            thing[:] = identity
        self.held.append((identity, thing))

    def drop(self) -> None:
        if self.held:
            self.held.pop(self.chance.randrange(len(self.held)))

    def compare(self) -> None:
        for index in self.chance.sample(range(len(self.held)), min(4, len(self.held))):
            identity, thing = self.held[index]
            intact(identity, thing)
            if self.chance.random() < 0.1 and not hasattr(thing, "load"):
                # the view alone keeps the memory from here on
                self.held[index] = identity, view(thing)

    def send(self) -> None:
        shareable = [each for each in self.held if not is_view(each[1])]
        if not shareable:
            return
        message = SENT.pack(time.monotonic()) + pickle.dumps(self.chance.choice(shareable))
        _, mailbox = self.chance.choice(self.scene.mailboxes)
        try:
            os.write(mailbox, message)
        except BlockingIOError:
            return  # nobody will load it: its ticket waits for the end of this process

    def receive(self) -> None:
        mailbox, _ = self.scene.mailboxes[self.seat]
        try:
            message = os.read(mailbox, PACKET_BYTES)
        except BlockingIOError:
            return
        try:
            identity, thing = pickle.loads(message[SENT.size :])
        except LifetimeError:
            # It is good for the grace period after its sender's death, if not longer.
            if time.monotonic() - SENT.unpack_from(message)[0] < GRACE:
                raise
            return
        intact(identity, thing)
        if len(self.held) < MOST_HELD:
            self.held.append((identity, thing))

    def lock(self) -> None:
        index = self.chance.randrange(len(self.scene.locks))
        lock, (one, other) = self.scene.locks[index], self.scene.pairs[index]
        try:
            if not lock.acquire(timeout=self.chance.choice([0.0, 0.001, 0.05])):
                return
        except OwnerDiedError:
            if not lock.recover():
                return
            one.value = other.value = max(one.value, other.value)
        if one.value != other.value:
            raise FaultError(f"{one.value} != {other.value} under the lock")
        one.value += 1
        os.sched_yield()
        other.value += 1
        lock.release()

    def wait_or_wake(self) -> None:
        if self.chance.random() < 0.5:
            self.scene.semaphore.release()
        else:
            self.scene.semaphore.acquire(True, self.chance.choice([0.0, 0.001, 0.02]))

    def fork(self) -> None:
        pid = os.fork()
        if pid:
            status = os.waitpid(pid, 0)[1]
            if status not in {0, signal.SIGKILL}:
                raise FaultError(f"a forked child ended with wait status {status}")
            return
        # The child must be able to reach all that its parent had (I3), whatever the parent does.
        die_with_parent()
        try:
            for identity, thing in self.held:
                intact(identity, thing)
            self.make()
            self.held.clear()
        except BaseException:
            os.write(self.scene.faults, traceback.format_exc().encode()[-PACKET_BYTES:])
            os._exit(1)
        os._exit(0)

    def tidy(self) -> None:
        self.chance.choice([holdfast.trim, _native.reap, holdfast.statistics])()


def is_view(thing: Any) -> bool:
    """Whether it can only be copied, not sent: a plain NumPy view of a shared object."""
    return isinstance(thing, np.ndarray) and type(thing) is np.ndarray and not thing.flags.owndata


def view(thing: Any) -> np.ndarray[Any, Any]:
    """The words of an array, without a copy."""
    return np.frombuffer(thing, np.uint64)


def intact(identity: int, thing: Any) -> None:
    """Fail unless every word of the object is the number that it was filled with."""
    if hasattr(thing, "load"):
        found = thing.load()
    else:
        words = view(thing)
        wrong = words[words != identity]
        found = int(wrong[0]) if len(wrong) else identity
    if found != identity:
        raise FaultError(f"a {type(thing).__name__} holds {found:#x}, it was given {identity:#x}")


if __name__ == "__main__":
    sys.exit("This is a part of tests/stress/run.py.")
