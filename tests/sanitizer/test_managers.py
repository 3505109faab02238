"""Managers and proxies that are gone when they are needed; and those that are not needed."""

from __future__ import annotations

import textwrap

import pytest

from tests.sanitizer.programs import MAIN, METHODS, watched, watched_together

HEAD = """
import os, sys, threading, time
import multiprocessing as mp
from conditions import until
from multiprocessing.managers import BaseManager, SharedMemoryManager, SyncManager
from multiprocessing.shared_memory import SharedMemory

class Turn:
    def __init__(self):
        self.ours, self.theirs = mp.Pipe()
        self.child = False

    def wait(self):
        (self.theirs if self.child else self.ours).recv()

    def give(self):
        (self.theirs if self.child else self.ours).send("turn")

def attempt(function, *arguments):
    try:
        return function(*arguments)
    except Exception as error:
        return type(error).__name__

def later(proxy, turn):
    turn.child = True
    turn.give()
    turn.wait()
    attempt(proxy.append, 1)
"""

# Program: its code, and what its message must speak of.
WRONG = {
    "a manager is a local of the function that starts": ("HF401", "results", """
        def start(turn):
            manager = mp.Manager()
            results = manager.list()
            process = mp.Process(target=later, args=(results, turn))
            process.start()
            turn.wait()
            return process

        def main():
            turn = Turn()
            process = start(turn)
            turn.give()
            process.join()
    """),
    "a manager's block ends before the child": ("HF401", "manager", """
        def main():
            turn = Turn()
            with mp.Manager() as manager:
                results = manager.list()
                process = mp.Process(target=later, args=(results, turn))
                process.start()
                turn.wait()
            turn.give()
            process.join()
    """),
    "the program ends before the child": ("HF401", "results", """
        def slow(results, parent):
            while os.path.exists(parent):
                attempt(results.append, 1)
                if isinstance(attempt(len, results), str):
                    break  # the name of an error

        def main():
            global kept
            manager = mp.Manager()
            results = manager.list()
            process = mp.Process(target=slow, args=(results, f"/proc/{os.getpid()}"))
            process.start()
            kept = manager, results, process
    """),
    "a manager of one's own is bound anew": ("HF401", "counts", """
        class Counts:
            def __init__(self): self.all = []
            def append(self, value): self.all.append(value)

        class Mine(BaseManager): pass
        Mine.register("Counts", Counts)

        def main():
            turn = Turn()
            mine = Mine(); mine.start()
            counts = mine.Counts()
            process = mp.Process(target=later, args=(counts, turn))
            process.start()
            turn.wait()
            mine = counts = None
            turn.give()
            process.join()
    """),
    "a manager of segments is a local": ("HF401", "picture", """
        def make():
            segments = SharedMemoryManager()
            segments.start()
            return segments.SharedMemory(64)

        def show(name):
            attempt(SharedMemory, name)

        def main():
            picture = make()
            process = mp.Process(target=show, args=(picture.name,))
            process.start()
            process.join()
    """),
    "a proxy is put on a queue and forgotten": ("HF402", "item", """
        def take(queue, turn):
            turn.child = True
            turn.wait()
            attempt(queue.get)
            turn.give()

        def main():
            turn, queue, manager = Turn(), mp.SimpleQueue(), mp.Manager()
            process = mp.Process(target=take, args=(queue, turn))
            process.start()
            item = manager.dict()
            queue.put(item)
            item = manager.dict()
            turn.give()
            turn.wait()
            process.join()
    """),
    "a proxy is sent by a child that ends": ("HF402", "answer", """
        def make(address, key, pipe):
            manager = SyncManager(address, key)
            manager.connect()
            answer = manager.dict()
            pipe.send(answer)

        def main():
            manager, (ours, theirs) = mp.Manager(), mp.Pipe()
            key = bytes(mp.current_process().authkey)
            process = mp.Process(target=make, args=(manager.address, key, theirs))
            process.start()
            process.join()
            attempt(ours.recv)
    """),
    "a temporary for a task of a pool": ("HF402", "dict", """
        def wait(path):
            with open(path) as fifo:
                fifo.read()

        def work(shared):
            shared["a"] = 1

        def main():
            manager, path = mp.Manager(), f"fifo{os.getpid()}"
            os.mkfifo(path)
            with mp.Pool(1) as pool:
                pool.apply_async(wait, (path,))
                result = pool.apply_async(work, (manager.dict(),))
                while manager._number_of_objects():
                    time.sleep(0.01)
                workers = list(pool._pool)
                with open(path, "w") as fifo:
                    fifo.write("go on")
                until(lambda: result.ready() or pool._pool != workers)
    """),
    "a child iterates over a mapping": ("HF403", "table", """
        def show(table):
            attempt(list, table)

        def main():
            manager = mp.Manager()
            table = manager.dict(a=1)
            process = mp.Process(target=show, args=(table,))
            process.start()
            process.join()
    """),
}  # fmt: skip

RIGHT = {
    "the proxy keeps its manager, and is kept": """
        def main():
            turn, kept = Turn(), mp.Manager().list()
            process = mp.Process(target=later, args=(kept, turn))
            process.start()
            turn.wait()
            turn.give()
            process.join()
            print(len(kept))
    """,
    "the block ends after the join": """
        def main():
            turn = Turn()
            with mp.Manager() as manager:
                results = manager.list()
                process = mp.Process(target=later, args=(results, turn))
                process.start()
                turn.wait()
                turn.give()
                process.join()
                print(len(results))
    """,
    "who has shut it down finds it gone": """
        def main():
            manager = mp.Manager()
            results = manager.list()
            manager.shutdown()
            print(attempt(results.append, 1))
    """,
    "inherited, and never used": """
        def idle(turn):
            turn.child = True
            turn.give()
            turn.wait()

        KEPT = []

        def main():
            turn = Turn()
            KEPT.append(mp.Manager().list())
            process = mp.Process(target=idle, args=(turn,))
            process.start()
            turn.wait()
            KEPT.clear()
            turn.give()
            process.join()
    """,
    "kept until it has been received": """
        def take(queue, turn):
            turn.child = True
            item = queue.get()
            turn.give()
            turn.wait()
            item["a"] = 1

        def main():
            turn, queue, manager = Turn(), mp.SimpleQueue(), mp.Manager()
            process = mp.Process(target=take, args=(queue, turn))
            process.start()
            item = manager.dict()
            queue.put(item)
            turn.wait()
            del item
            turn.give()
            process.join()
    """,
    "errors of the methods are the methods' own": """
        def work(table, numbers):
            attempt(table.__getitem__, "missing")
            attempt(numbers.pop)
            attempt(numbers.index, 5)

        class Files:
            def open(self): raise FileNotFoundError("no such thing")
            def read(self): raise EOFError

        class Mine(BaseManager): pass
        Mine.register("Files", Files)

        def use(files):
            attempt(files.open)
            attempt(files.read)

        def main():
            manager, mine = mp.Manager(), Mine()
            mine.start()
            table, numbers, files = manager.dict(), manager.list(), mine.Files()
            for target, args in ((work, (table, numbers)), (use, (files,))):
                process = mp.Process(target=target, args=args)
                process.start()
                process.join()
    """,
    "a nested proxy is kept by the server": """
        def work(outer):
            outer["inner"].append(1)

        def main():
            manager = mp.Manager()
            outer = manager.dict()
            outer["inner"] = manager.list()
            process = mp.Process(target=work, args=(outer,))
            process.start()
            process.join()
            print(len(outer["inner"]))
    """,
    "keys() needs no manager": """
        def show(table):
            print(sorted(table.keys()), len(table), table.copy())

        def main():
            manager = mp.Manager()
            table = manager.dict(a=1)
            process = mp.Process(target=show, args=(table,))
            process.start()
            process.join()
    """,
}


# What a program does by its end cannot be one of several parts.
ALONE = ("the program ends before the child",)


@pytest.fixture(scope="module", params=METHODS)
def wrong(request, tmp_path_factory):
    method = request.param
    bodies = {name: text for name, (_, _, text) in WRONG.items() if name not in ALONE}
    found = watched_together(tmp_path_factory.mktemp(method), HEAD, bodies, method)
    for name in ALONE:
        text = HEAD + textwrap.dedent(WRONG[name][2]) + MAIN
        found[name] = watched(tmp_path_factory.mktemp(method), text, method)
    return found


@pytest.fixture(scope="module", params=METHODS)
def right(request, tmp_path_factory):
    method = request.param
    return watched_together(tmp_path_factory.mktemp(method), HEAD, RIGHT, method)


@pytest.mark.parametrize("name", WRONG)
def test_proxy_that_finds_nothing_is_told_of(wrong, name):
    code, word, _ = WRONG[name]
    finding = wrong[name].only(code)
    assert word in finding.message, finding
    assert finding.fix, finding
    assert finding.place.line, finding
    assert any(step.role == "created" and step.stack for step in finding.steps), finding
    assert wrong[name].status == 1


def test_proxy_that_is_served_is_silent(right):
    for name, seen in right.items():
        assert seen.findings == (), (name, seen)
        assert seen.status == 0, seen
