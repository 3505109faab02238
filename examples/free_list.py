"""Watch a block of multiprocessing's shared heap change hands.

Runs the situation of `flag_changes_by_itself.py` and `four_flags.py` step by
step and prints, after each step, the free list that `multiprocessing.heap`
really has at that moment, with the owner of every 8 bytes. Nothing is
simulated: the numbers are read out of the running interpreter. Needs the
standard library only, on Linux.

    python examples/free_list.py            every scene, one after the other
    python examples/free_list.py four       one flag before, one after each worker
    python examples/free_list.py one        the same with a single flag
    python examples/free_list.py kept       the worker is kept on the instance
    python examples/free_list.py order      best fit; last in, first out

Read a picture like this: the upper row is what this process believes, the
lower row is where its child processes write. Two names one above the other
are two owners of the same bytes.
"""

from __future__ import annotations

import multiprocessing
import platform
import subprocess
import sys
import weakref
from multiprocessing import heap as shared_heap

# Heap._alignment: every request is rounded up to a multiple of 8 bytes.
CELL_BYTES = 8
CELL_WIDTH = 8

fork = multiprocessing.get_context("fork")


def block_of(shared):
    """(start, stop) of a shared object in the heap's arena; None if its memory is elsewhere."""
    raw = shared.get_obj() if hasattr(shared, "get_obj") else shared
    (arena, start, stop), _ = raw._wrapper._state
    return (start, stop) if arena in shared_heap.BufferWrapper._heap._arenas else None


class Stage:
    """Prints the steps of a scene and what the heap looks like after each."""

    def __init__(self, title):
        self.heap = shared_heap.BufferWrapper._heap
        self.owners = []  # (name, weak reference to the wrapper, block)
        self.children = {}  # block -> name of the process that writes there
        self.step = 0
        print(f"{title}  (CPython {platform.python_version()}, fork)\n")

    def own(self, name, shared):
        """Remember a name for the block of a live object, without keeping it."""
        raw = shared.get_obj() if hasattr(shared, "get_obj") else shared
        self.owners.append((name, weakref.ref(raw._wrapper), block_of(shared)))
        return shared

    def child_writes(self, name, block):
        """A child process has the object in this block and will use it."""
        if block is not None:
            self.children[block] = name

    def free_list(self):
        """{size: [(start, stop), ...]} as the heap has it; last is taken first."""
        return {
            size: [(start, stop) for _, start, stop in blocks]
            for size, blocks in sorted(self.heap._len_to_seq.items())
        }

    def show(self, what):
        """Print one step, the free list and the two rows of owners."""
        self.step += 1
        print(f"{self.step}. {what}")
        print(f"     free list  {self.free_list()}")
        living = [(name, block) for name, alive, block in self.owners if alive() is not None]
        elsewhere = [name for name, block in living if block is None]
        if elsewhere:  # under a tool that gives multiprocessing other memory
            print(f"     elsewhere  {', '.join(elsewhere)}")
        owned = {block: name for name, block in living if block is not None}
        end = max((stop for _, stop in (*owned, *self.children)), default=0)
        for title, names, empty in (
            ("parent", owned, "free"),
            ("children", self.children, ""),
        ):
            cells = [empty] * (end // CELL_BYTES + 1)
            for (start, stop), name in names.items():
                cells[start // CELL_BYTES : stop // CELL_BYTES] = [name] * (
                    (stop - start) // CELL_BYTES
                )
            row = "|".join(f"{text:<{CELL_WIDTH}}" for text in cells).rstrip()
            print(f"     {title:<9}  |{row}")
        print()


class Worker:
    """The user's worker: one shared value, written by the child process."""

    def __init__(self):
        self.id1 = fork.Value("d", 0)

    def do_work(self, index, orders):
        """In the child: write when told to, so that the demonstration ends."""
        while orders.recv() == "write":
            self.id1.value = index
            orders.send("done")


class Processor:
    """The user's processor: starts the worker and, unless asked, drops it."""

    def __init__(self, stage, index, keep=False):
        name = f"work{index // 10000}"
        worker = Worker()
        block = block_of(worker.id1)
        stage.own(name, worker.id1)
        stage.show(f"worker = TestWorker(): a new block for its id1 ({name})")
        self.orders, theirs = fork.Pipe()
        self.process = fork.Process(target=worker.do_work, args=(index, theirs), daemon=True)
        self.process.start()
        stage.child_writes(name, block)
        stage.show("process.start() has returned; only the local name 'worker' keeps it")
        if keep:
            self._worker = worker

    def write(self):
        """Let the child write once and wait until it has."""
        self.orders.send("write")
        self.orders.recv()

    def stop(self):
        """End the child process."""
        self.orders.send("stop")
        self.process.join()


def workers_and_flags(title, count, keep=False):
    """The user's main program with `count` workers, a flag after each."""
    stage = Stage(title)
    flags = [stage.own("flag0", fork.Value("d", -1))]
    stage.show("flag0 = Value('d', -1)")
    processors = []
    for number in range(1, count + 1):
        processors.append(Processor(stage, 10000 * number, keep))
        kept = "the instance keeps the worker" if keep else "worker has died, its block is free"
        stage.show(f"TestProcessor({10000 * number}) is ready: {kept}")
        flags.append(stage.own(f"flag{number}", fork.Value("d", -1)))
        stage.show(f"flag{number} = Value('d', -1): the front of the smallest free block that fits")
    for processor in processors:
        processor.write()
    print("Now each child has written its number once, into its own id1. The parent reads:")
    print("     " + "   ".join(f"flag{i}: {flag.value}" for i, flag in enumerate(flags)))
    for processor in processors:
        processor.stop()


def order_of_reuse():
    """Best fit over the sizes; within one size the last freed goes first."""
    stage = Stage("The order of reuse")
    objects = {}

    def new(name, typecode, *count):
        make = fork.RawArray if count else fork.RawValue
        objects[name] = stage.own(name, make(typecode, *count))

    for name in ("a", "wall1", "b", "wall2", "c", "wall3"):
        new(name, "d")
    stage.show("six RawValue('d'); the walls keep free neighbours from merging")
    for name in ("a", "b", "c"):
        del objects[name]
    stage.show("del a; del b; del c: three free blocks of 8 bytes, the newest at the end")
    new("x", "b")
    stage.show("x = RawValue('b'): 1 byte is rounded up to 8 and gets c's block, freed last")
    new("y", "d")
    stage.show("y = RawValue('d'): b's block")
    new("z", "i", 3)
    stage.show("z = RawArray('i', 3): 12 bytes become 16, more than a's 8; cut from the large rest")
    del objects["wall1"]
    stage.show("del wall1: merges with its free neighbour a into one block of 16 bytes")
    new("w", "d")
    stage.show("w = RawValue('d'): the smallest block that fits is cut, from its front")


SCENES = {
    "one": lambda: workers_and_flags("One worker, a flag before and after", 1),
    "four": lambda: workers_and_flags("Three workers, four flags", 3),
    "kept": lambda: workers_and_flags("The worker is kept on the instance", 1, keep=True),
    "order": order_of_reuse,
}


def main(arguments):
    """Run one scene, or each in a fresh interpreter so that offsets start at 0."""
    if len(arguments) == 1 and arguments[0] in SCENES:
        SCENES[arguments[0]]()
        return 0
    if arguments:
        print(f"usage: free_list.py [{'|'.join(SCENES)}]", file=sys.stderr)
        return 2
    for number, scene in enumerate(SCENES):
        if number:
            print("\n" + "-" * 72 + "\n", flush=True)
        subprocess.run([sys.executable, __file__, scene], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
