"""Shared memory that is dropped too early, in other words than the catalogue's; and near misses."""

from __future__ import annotations

import pytest

from tests.sanitizer.programs import METHODS, watched_together

# What every program begins with: a child that writes, waits for its parent, and writes again.
HEAD = """
import ctypes, functools, gc, os, sys, threading
import multiprocessing as mp

class Turn:
    def __init__(self):
        self.ours, self.theirs = mp.Pipe()

def work(shared, turn):
    put(shared)
    turn.send("written")
    turn.recv()
    put(shared)
    turn.send("written")

def put(shared):
    if hasattr(shared, "value"):
        shared.value = 5
    else:
        shared[0] = 5

def finish(turn, process):
    turn.ours.send("go on")
    turn.ours.recv()
    process.join()

def wait(turn):
    turn.ours.recv()
"""

WRONG = {
    "rebound attribute": ("HF104", """
        class Holder: pass

        def main():
            turn, holder = Turn(), Holder()
            holder.value = mp.Value("i", 0)
            process = mp.Process(target=work, args=(holder.value, turn.theirs))
            process.start(); wait(turn)
            holder.value = mp.Value("i", 0)
            finish(turn, process)
    """),
    "rebound item": ("HF104", """
        def main():
            turn, kept = Turn(), {}
            kept["a"] = mp.Array("i", 3)
            process = mp.Process(target=work, args=(kept["a"], turn.theirs))
            process.start(); wait(turn)
            kept["a"] = None
            finish(turn, process)
    """),
    "loop variable": ("HF104", """
        def made():
            for _ in range(2):
                yield mp.Value("i", 0)

        def main():
            turn = Turn()
            first = None
            for value in made():
                if first is None:
                    first = mp.Process(target=work, args=(value, turn.theirs))
                    first.start(); wait(turn)
            finish(turn, first)
    """),
    "removed from a list": ("HF102", """
        def main():
            turn, kept = Turn(), [mp.Value("i", 0)]
            process = mp.Process(target=work, args=(kept[0], turn.theirs))
            process.start(); wait(turn)
            kept.clear()
            finish(turn, process)
    """),
    "deleted attribute": ("HF102", """
        class Holder: pass

        def main():
            turn, holder = Turn(), Holder()
            holder.raw = mp.RawArray("d", 4)
            process = mp.Process(target=work, args=(holder.raw, turn.theirs))
            process.start(); wait(turn)
            del holder.raw
            finish(turn, process)
    """),
    "local of a function": ("HF102", """
        def start(turn):
            counter = mp.Value("q", 0)
            process = mp.Process(target=work, kwargs={"shared": counter, "turn": turn.theirs})
            process.start(); wait(turn)
            return process

        def main():
            turn = Turn()
            finish(turn, start(turn))
    """),
    "within a dict in the arguments": ("HF101", """
        def unpack(box, turn):
            work(box["raw"], turn)

        def main():
            turn = Turn()
            process = mp.Process(target=unpack, args=({"raw": mp.RawValue("i", 0)}, turn.theirs))
            process.start(); wait(turn)
            finish(turn, process)
    """),
    "attribute of an argument": ("HF101", """
        class Job:
            def __init__(self):
                self.raw = mp.RawArray("i", 2)

        def unpack(job, turn):
            work(job.raw, turn)

        def main():
            turn = Turn()
            process = mp.Process(target=unpack, args=(Job(), turn.theirs))
            process.start(); wait(turn)
            finish(turn, process)
    """),
    "partial as target": ("HF101", """
        def main():
            turn = Turn()
            process = mp.Process(target=functools.partial(work, mp.RawValue("i", 0), turn.theirs))
            process.start(); wait(turn)
            finish(turn, process)
    """),
    "slots": ("HF103", """
        class Worker:
            __slots__ = ("raw", "turn")
            def __init__(self, turn):
                self.raw, self.turn = mp.RawValue("i", 0), turn
            def work(self):
                work(self.raw, self.turn)

        def main():
            turn = Turn()
            process = mp.Process(target=Worker(turn.theirs).work)
            process.start(); wait(turn)
            finish(turn, process)
    """),
    "worker started by its caller": ("HF102", """
        class Worker:
            def __init__(self, turn):
                self.raw, self.turn = mp.RawArray("i", 3), turn
            def run(self):
                work(self.raw, self.turn)
            def start(self):
                process = mp.Process(target=self.run)
                process.start()
                return process

        def launch(turn):
            worker = Worker(turn.theirs)
            process = worker.start(); wait(turn)
            return process

        def main():
            turn = Turn()
            finish(turn, launch(turn))
    """),
    "dropped by the collector": ("HF102", """
        class Ring: pass

        def start(turn):
            ring = Ring()
            ring.ring, ring.value = ring, mp.Value("i", 0)
            process = mp.Process(target=work, args=(ring.value, turn.theirs))
            process.start(); wait(turn)
            return process

        def main():
            turn = Turn()
            process = start(turn)
            gc.collect()
            finish(turn, process)
    """),
    "dropped by a thread": ("HF102", """
        def main():
            turn, kept, begin = Turn(), [mp.Value("i", 0)], threading.Event()
            def drop():
                begin.wait()
                kept.pop()
            process = mp.Process(target=work, args=(kept[0], turn.theirs))
            process.start(); wait(turn)
            thread = threading.Thread(target=drop)
            thread.start(); begin.set(); thread.join()
            finish(turn, process)
    """),
    "structure": ("HF101", """
        class Point(ctypes.Structure):
            _fields_ = [("value", ctypes.c_int), ("y", ctypes.c_int)]

        def main():
            turn = Turn()
            process = mp.Process(target=work, args=(mp.RawValue(Point), turn.theirs))
            process.start(); wait(turn)
            finish(turn, process)
    """),
}  # fmt: skip

RIGHT = {
    "joined before the drop": """
        def main():
            turn = Turn()
            value = mp.Value("i", 0)
            process = mp.Process(target=work, args=(value, turn.theirs))
            process.start(); wait(turn)
            finish(turn, process)
            del value
    """,
    "locked value whose child is done with it": """
        def read(value, turn):
            print(value.value)
            turn.send("done"); turn.recv()

        def main():
            turn = Turn()
            value = mp.Value("i", 0)
            process = mp.Process(target=read, args=(value, turn.theirs))
            process.start(); wait(turn)
            del value
            turn.ours.send("end")
            process.join()
    """,
    "kept by the process object": """
        class Worker(mp.Process):
            def __init__(self, turn):
                super().__init__()
                self.value, self.turn = mp.Value("i", 0), turn
            def run(self):
                work(self.value, self.turn)

        def main():
            turn = Turn()
            process = Worker(turn.theirs)
            process.start(); wait(turn)
            finish(turn, process)
    """,
    "made and dropped while a child lives": """
        def main():
            turn = Turn()
            value = mp.Value("i", 0)
            process = mp.Process(target=work, args=(value, turn.theirs))
            process.start(); wait(turn)
            for _ in range(100):
                mp.Value("i", 0), mp.RawArray("d", 100), mp.Lock()
            finish(turn, process)
    """,
    "pool with initargs": """
        def first(value):
            global shared
            shared = value

        def task(number):
            with shared.get_lock():
                shared.value += number
            return number

        def main():
            total = mp.Value("i", 0)
            with mp.Pool(2, first, (total,)) as pool:
                print(sum(pool.map(task, range(5))), total.value)
            del total
            other = mp.Value("i", 0)
    """,
    "executor that is waited for": """
        from concurrent.futures import ProcessPoolExecutor

        def first(raw):
            global shared
            shared = raw

        def task(number):
            return shared[0] + number

        def main():
            context = mp.get_context(sys.argv[1])
            with ProcessPoolExecutor(2, context, first, (mp.RawArray("i", 2),)) as executor:
                print(list(executor.map(task, range(5))))
            other = mp.RawArray("i", 2)
    """,
    "locks, queues and events that are kept": """
        def use(lock, queue, event, turn):
            with lock:
                queue.put(1)
            event.set(); turn.send(1)

        def main():
            turn, lock, queue, event = Turn(), mp.Lock(), mp.Queue(), mp.Event()
            process = mp.Process(target=use, args=(lock, queue, event, turn.theirs))
            process.start(); wait(turn); event.wait(); queue.get()
            process.join()
    """,
    "module level value that only the parent uses": """
        COUNTER = mp.Value("i", 0)

        def quiet(turn):
            turn.send("nothing")

        def main():
            turn = Turn()
            process = mp.Process(target=quiet, args=(turn.theirs,))
            process.start(); wait(turn)
            COUNTER.value += 1
            process.join()
    """,
    "module level value that is passed": """
        COUNTER = mp.Value("i", 0)

        def main():
            turn = Turn()
            process = mp.Process(target=work, args=(COUNTER, turn.theirs))
            process.start(); wait(turn)
            COUNTER.value += 1
            finish(turn, process)
    """,
    "address of what is kept": """
        def main():
            raw = mp.RawArray("i", 4)
            view = (ctypes.c_int * 4).from_address(ctypes.addressof(raw))
            view[0] = 1
            del view
            size = ctypes.addressof(raw)
            del raw
            gc.collect()
            other = mp.RawArray("i", 4)
    """,
    "barrier whose parties are done with it": """
        def meet(barrier, turn):
            barrier.wait()
            turn.send("met"); turn.recv()

        def main():
            turn = Turn()
            barrier = mp.Barrier(2)
            process = mp.Process(target=meet, args=(barrier, turn.theirs))
            process.start(); barrier.wait(); wait(turn)
            barrier = None
            turn.ours.send("end")
            process.join()
    """,
    "views that keep the memory": """
        def main():
            pointed = ctypes.pointer(mp.RawValue("i", 0)).contents
            views = [memoryview(mp.RawArray("i", 4)).cast("B"), pointed]
            others = [mp.RawArray("i", 4) for _ in range(3)]
            print(views[0][0])
    """,
}  # fmt: skip

FORKED_WRONG = {
    "os.fork": ("HF108", """
        def main():
            turn = Turn()
            value = mp.Value("i", 0)
            pid = os.fork()
            if not pid:
                work(value, turn.theirs)
                os._exit(0)
            wait(turn)
            del value
            turn.ours.send("go on"); turn.ours.recv()
            os.waitpid(pid, 0)
    """),
    "global by name": ("HF108", """
        value = None

        def by_name(turn):
            work(value, turn)

        def main():
            global value
            turn, value = Turn(), mp.Value("i", 0)
            process = mp.Process(target=by_name, args=(turn.theirs,))
            process.start(); wait(turn)
            value = mp.Value("i", 0)
            finish(turn, process)
    """),
    "lambda with a default": ("HF101", """
        def main():
            turn = Turn()
            process = mp.Process(target=lambda raw=mp.RawValue("i", 0): work(raw, turn.theirs))
            process.start(); wait(turn)
            finish(turn, process)
    """),
}  # fmt: skip

FORKED_RIGHT = {
    "inherited and never touched": """
        def main():
            turn = Turn()
            value, mine = mp.Value("i", 0), mp.Value("i", 0)
            process = mp.Process(target=work, args=(mine, turn.theirs))
            process.start(); wait(turn)
            del value
            finish(turn, process)
    """,
    "touched before the drop only": """
        def main():
            turn = Turn()
            value = mp.Value("i", 0)
            pid = os.fork()
            if not pid:
                value.value = 3
                turn.theirs.send("written"); turn.theirs.recv()
                os._exit(0)
            wait(turn)
            del value
            turn.ours.send("end")
            os.waitpid(pid, 0)
    """,
    "the child drops its copy": """
        def drop(turn):
            value = globals().pop("value")
            del value
            turn.send("dropped"); turn.recv(); turn.send("end")

        def main():
            global value
            turn, value = Turn(), mp.Value("i", 0)
            process = mp.Process(target=drop, args=(turn.theirs,))
            process.start(); wait(turn)
            value.value = 4
            finish(turn, process)
    """,
}  # fmt: skip


@pytest.fixture(scope="module", params=METHODS)
def wrong(request, tmp_path_factory):
    method = request.param
    bodies = {name: body for name, (_, body) in WRONG.items()}
    if method == "fork":
        bodies |= {name: body for name, (_, body) in FORKED_WRONG.items()}
    return watched_together(tmp_path_factory.mktemp(method), HEAD, bodies, method)


@pytest.fixture(scope="module", params=METHODS)
def right(request, tmp_path_factory):
    method = request.param
    bodies = RIGHT | FORKED_RIGHT if method == "fork" else RIGHT
    return watched_together(tmp_path_factory.mktemp(method), HEAD, bodies, method)


@pytest.mark.parametrize("name", WRONG)
def test_drop_under_a_process_is_told_of(wrong, name):
    finding = wrong[name].only(WRONG[name][0])
    roles = [step.role for step in finding.steps]
    assert roles[0] == "created", finding
    assert {"handed", "dropped"} <= set(roles), finding
    assert wrong[name].status == 1


@pytest.mark.parametrize("wrong", ["fork"], indirect=True)
@pytest.mark.parametrize("name", FORKED_WRONG)
def test_drop_under_a_forked_process_is_told_of(wrong, name):
    wrong[name].only(FORKED_WRONG[name][0])


def test_what_is_right_is_not_spoken_of(right):
    for name, seen in right.items():
        assert seen.findings == (), (name, seen)
        assert seen.status == 0
        assert "holdfast" not in seen.errors, seen
        assert "Traceback" not in seen.errors, seen
