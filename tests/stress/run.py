"""The kill campaign over the Python objects.

    python -m tests.stress.run --kills 10000 --seed 7

Some processes do everything at random on one heap (worker.py). One after the other is killed by
SIGKILL: from outside at a random moment, or by itself at a named point of the core. After each
kill the invariant checker must find the heap sound (I5), and every survivor must go on. In the end
all are killed, and nothing may be left: no block, no ticket, no slot, no descriptor, no process.

The seed decides what each process does and where it dies; how the processes interleave is up to
the machine.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import select
import signal
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import holdfast
from holdfast import _native
from tests.stress import worker

SEATS = 5
# The kind of a semaphore in `_multiprocessing.SemLock`, as against a recursive lock.
COUNTING = 1
# Seconds in which every survivor must have done something after a kill. A machine may be busy.
PATIENCE = 60.0
# Seconds that a process lives at most before it is killed from outside.
LONGEST_LIFE = 0.25
# Share of the processes that are armed with a point of the core.
ARMED = 0.7
REPORT_EVERY = 500


class Campaign:
    """The first process of the family: it starts the others, kills them, and judges."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.faults, faults = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        # Packet mode: a message arrives whole or not at all, whoever is killed.
        boxes = [os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK | os.O_DIRECT) for _ in range(SEATS)]
        self.scene = worker.Scene(
            seed=seed,
            progress=holdfast.RawArray("Q", SEATS),
            mailboxes=boxes,
            faults=faults,
            locks=[holdfast.Lock(), holdfast.RLock(), holdfast.Lock()],
            pairs=[(holdfast.RawValue("q"), holdfast.RawValue("q")) for _ in range(3)],
            semaphore=_native.SemLock(COUNTING, 0, 2**31 - 1),
        )
        _native.set_ticket_grace(worker.GRACE)
        self.points = _native.points()
        self.killed_at: Counter[str] = Counter()
        self.kills = 0
        self.number = 0
        self.seats: dict[int, tuple[int, str | None]] = {}  # seat -> pid, point

    def run(self, kills: int) -> None:
        for seat in range(SEATS):
            self.start(seat)
        while self.kills < kills:
            self.kill_one()
            self.judge()
            if self.kills % REPORT_EVERY == 0:
                print(f"  {self.kills} kills, {len(self.killed_at)} points", flush=True)
        self.end()

    def start(self, seat: int) -> None:
        point, nth = None, 1
        if self.chance.random() < ARMED:
            # Those that were met least often come first.
            least = min(self.killed_at[point] for point in self.points)
            rare = [point for point in self.points if self.killed_at[point] <= least + 2]
            point = self.chance.choice(rare if self.chance.random() < 0.7 else self.points)
            nth = self.chance.choice([1, 1, 2, 5, 20])
        self.number += 1
        pid = os.fork()
        if not pid:
            worker.play(self.scene, seat, self.number, point, nth)
        self.seats[seat] = (pid, point)

    def kill_one(self) -> None:
        """Wait until somebody has died at a point, or kill somebody: whatever comes first."""
        seat = self.chance.randrange(SEATS)
        patience = self.chance.random() * LONGEST_LIFE / SEATS
        dead = self.dead_by_themselves(patience)
        if not dead:
            pid, _ = self.seats[seat]
            os.kill(pid, signal.SIGKILL)
            self.buried(seat, os.waitpid(pid, 0)[1], outside=True)
            dead = [seat]
        for each in dead:
            self.start(each)

    def dead_by_themselves(self, patience: float) -> list[int]:
        deadline = time.monotonic() + patience
        descriptors = {seat: os.pidfd_open(pid) for seat, (pid, _) in self.seats.items()}
        try:
            poll = select.poll()
            for descriptor in descriptors.values():
                poll.register(descriptor, select.POLLIN)
            ready = {each for each, _ in poll.poll(max(0, deadline - time.monotonic()) * 1000)}
        finally:
            for descriptor in descriptors.values():
                os.close(descriptor)
        dead = [seat for seat, descriptor in descriptors.items() if descriptor in ready]
        for seat in dead:
            self.buried(seat, os.waitpid(self.seats[seat][0], 0)[1], outside=False)
        return dead

    def buried(self, seat: int, status: int, *, outside: bool) -> None:
        pid, point = self.seats.pop(seat)
        if status != signal.SIGKILL:
            self.listen()
            self.fail(f"process {pid} ended by itself, wait status {status}")
        self.kills += 1
        if not outside and point is not None:
            self.killed_at[point] += 1

    def judge(self) -> None:
        """The heap is sound, nobody complained, everybody goes on."""
        complaints = _native.check()
        if complaints:
            self.fail("the heap is not sound:\n  " + "\n  ".join(complaints))
        self.listen()
        before = list(self.scene.progress)
        deadline = time.monotonic() + PATIENCE
        for seat, (pid, _) in self.seats.items():
            while self.scene.progress[seat] == before[seat] and not is_over(pid):
                self.listen()
                if time.monotonic() > deadline:
                    self.fail(f"process {pid} has done nothing for {PATIENCE:g} s")
                os.sched_yield()

    def listen(self) -> None:
        try:
            text = os.read(self.faults, 1 << 16).decode(errors="replace")
        except BlockingIOError:
            return
        self.fail(text)

    def fail(self, text: str) -> None:
        for pid, _ in self.seats.values():
            os.kill(pid, signal.SIGKILL)
        raise SystemExit(f"after {self.kills} kills: {text}\nseed {self.scene.seed}")

    def end(self) -> None:
        """Kill everybody; nothing is left of them."""
        for seat, (pid, _) in list(self.seats.items()):
            os.kill(pid, signal.SIGKILL)
            self.buried(seat, os.waitpid(pid, 0)[1], outside=True)
        self.listen()
        deadline = time.monotonic() + PATIENCE
        # Grandchildren die by the kernel's word a moment after their parents; messages of the dead
        # stay good for a while.
        while self.others() and time.monotonic() < deadline:
            _native.reap()
            time.sleep(0.01)
        holdfast.trim()
        gc.collect()
        figures = holdfast.statistics()
        complaints = _native.check()
        if complaints:
            self.fail("the heap is not sound:\n  " + "\n  ".join(complaints))
        left = {
            "blocks of the dead": figures.blocks - figures.own_blocks,
            "tickets": figures.outstanding_tickets,
            "slots": self.others(),
            "pinned forks": figures.forks_pinned,
        }
        if any(left.values()):
            self.fail(f"left when all were gone: {left}\n{figures}")

    @staticmethod
    def others() -> int:
        """Slots of the heap that are not free, besides this process's own."""
        figures = holdfast.statistics()
        return figures.live_slots + figures.dead_slots + figures.estate_slots - 1


def is_over(pid: int) -> bool:
    """Whether a child has ended, without burying it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def main() -> int:
    """Run the campaign that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=200, help="how many processes to kill")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    options = parser.parse_args()
    print(f"kill campaign: {options.kills} kills, seed {options.seed}", flush=True)
    descriptors = len(os.listdir("/proc/self/fd"))
    began = time.monotonic()
    campaign = Campaign(options.seed)
    campaign.run(options.kills)
    opened = 2 + 2 * SEATS + 1  # the pipes, and the heap
    if len(os.listdir("/proc/self/fd")) != descriptors + opened:
        campaign.fail("descriptors are left open")
    deaths = holdfast.statistics().deaths
    never = [point for point in campaign.points if not campaign.killed_at[point]]
    print(
        f"{campaign.kills} killed in {time.monotonic() - began:.0f} s, {deaths} deaths in all; "
        f"{sum(campaign.killed_at.values())} at {len(campaign.killed_at)} of "
        f"{len(campaign.points)} points of the core"
    )
    if never:
        print(f"not met this time: {', '.join(never)}")
    print("the heap is sound, every survivor went on, nothing is left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
