"""Names of segments that vanish, stay or change hands; and programs that do it right."""

from __future__ import annotations

import textwrap

import pytest

from tests.sanitizer.programs import MAIN, METHODS, watched, watched_together

HEAD = """
import os, signal, subprocess, sys, time
import multiprocessing as mp
from conditions import until
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory, ShareableList

def wait_until_gone(name):
    until(lambda: not os.path.exists("/dev/shm/" + name))

def untracked(name):
    if sys.version_info >= (3, 13):
        return SharedMemory(name, track=False)
    register, resource_tracker.register = resource_tracker.register, lambda *_: None
    try:
        return SharedMemory(name)
    finally:
        resource_tracker.register = register

def python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    ).stdout.strip()
"""

# Program: its code, the methods by which it is wrong, what its message must speak of.
WRONG = {
    "unlinked by the parent while the child waits": ("HF306", METHODS, "frame", """
        def show(inbox, outbox):
            name = inbox.recv()
            inbox.recv()
            try:
                SharedMemory(name).close()
            except FileNotFoundError:
                outbox.send("nothing")

        def main():
            inbox, outbox = mp.Pipe(), mp.Pipe()
            viewer = mp.Process(target=show, args=(inbox[0], outbox[1]), name="viewer")
            viewer.start()
            frame = SharedMemory(create=True, size=64)
            inbox[1].send(frame.name)
            frame.close()
            frame.unlink()
            inbox[1].send("go")
            print(outbox[0].recv())
            viewer.join()
    """),
    "a pickled list attaches when it is unpickled": ("HF306", METHODS, "numbers", """
        def show(queue, started):
            started.wait()
            try:
                print(queue.get()[0])
            except FileNotFoundError:
                pass

        def main():
            queue, started = mp.SimpleQueue(), mp.Event()
            viewer = mp.Process(target=show, args=(queue, started))
            viewer.start()
            numbers = ShareableList([7, 8])
            queue.put(numbers)
            numbers.shm.close()
            numbers.shm.unlink()
            started.set()
            viewer.join()
    """),
    "unlinked by a child, attached by another": ("HF307", METHODS, "frame", """
        def first(name):
            memory = SharedMemory(name)
            memory.close()
            memory.unlink()

        def second(name, outbox):
            try:
                SharedMemory(name)
            except FileNotFoundError:
                outbox.send("nothing")

        def main():
            inbox, outbox = mp.Pipe()
            frame = SharedMemory(create=True, size=64)
            for target, args in ((first, (frame.name,)), (second, (frame.name, outbox))):
                process = mp.Process(target=target, args=args)
                process.start()
                process.join()
            print(inbox.recv())
    """),
    "unlinked by both": ("HF307", METHODS, "frame", """
        def work(name):
            memory = SharedMemory(name)
            memory.close()
            memory.unlink()

        def main():
            frame = SharedMemory(create=True, size=64)
            worker = mp.Process(target=work, args=(frame.name,), name="worker")
            worker.start()
            worker.join()
            frame.close()
            try:
                frame.unlink()
            except FileNotFoundError:
                print("nothing")
    """),
    "a worker that was forked before the tracker": ("HF304", ("fork",), "frame", """
        def work(inbox):
            SharedMemory(inbox.recv()).close()

        def main():
            inbox, ours = mp.Pipe()
            worker = mp.Process(target=work, args=(inbox,), name="worker")
            worker.start()
            frame = SharedMemory(create=True, size=64)
            ours.send(frame.name)
            worker.join()
            wait_until_gone(frame.name)
            try:
                SharedMemory(frame.name)
            except FileNotFoundError:
                print("nothing")
            frame.close()
    """),
    "a subprocess attaches": ("HF304", ("fork",), "frame", """
        CODE = (
            "import sys; from multiprocessing.shared_memory import SharedMemory;"
            "SharedMemory(sys.argv[1])"
        )

        def main():
            frame = SharedMemory(create=True, size=64)
            python(CODE, frame.name)
            wait_until_gone(frame.name)
            try:
                frame.unlink()
            except FileNotFoundError:
                print("nothing")
            frame.close()
    """),
    "a child's segment ends with the child": ("HF305", ("fork",), "memory", """
        def produce(outbox):
            memory = SharedMemory(create=True, size=64)
            outbox.send(memory.name)
            memory.close()

        def main():
            inbox, outbox = mp.Pipe()
            producer = mp.Process(target=produce, args=(outbox,), name="producer")
            producer.start()
            name = inbox.recv()
            producer.join()
            wait_until_gone(name)
            try:
                SharedMemory(name)
            except FileNotFoundError:
                print("nothing")
    """),
    "a subprocess's segment with a name of its own": ("HF305", ("fork",), "", """
        CODE = '''
        import sys
        from multiprocessing.shared_memory import SharedMemory
        SharedMemory(sys.argv[1], create=True, size=10)
        '''

        def main():
            name = f"frames_{os.getpid()}"
            python("".join(line.strip() + chr(10) for line in CODE.splitlines()), name)
            wait_until_gone(name)
            try:
                SharedMemory(name)
            except FileNotFoundError:
                print("nothing")
    """),
    "nobody unlinks": ("HF309", METHODS, "frame", """
        def work(name):
            SharedMemory(name).close()

        def main():
            frame = SharedMemory(create=True, size=64)
            worker = mp.Process(target=work, args=(frame.name,))
            worker.start()
            worker.join()
            frame.close()
    """),
    "one name for every frame": ("HF310", METHODS, "old segment", """
        def work(name, turn):
            memory = SharedMemory(name)
            turn.send("attached")
            while turn.recv():
                memory.buf[0] += 1
                turn.send("done")
            memory.close()

        def main():
            ours, theirs = mp.Pipe()
            name = f"frame_{os.getpid()}"
            frame = SharedMemory(name, create=True, size=64)
            worker = mp.Process(target=work, args=(name, theirs))
            worker.start()
            ours.recv()
            for _ in range(2):
                frame.close()
                frame.unlink()
                frame = SharedMemory(name, create=True, size=64)
                ours.send(True)
                ours.recv()
            ours.send(False)
            worker.join()
            frame.close()
            frame.unlink()
    """),
    "a worker unregisters": ("HF311", METHODS, "frame", """
        def work(name):
            memory = SharedMemory(name)
            resource_tracker.unregister("/" + memory.name, "shared_memory")
            memory.close()

        def main():
            frame = SharedMemory(create=True, size=64)
            with mp.Pool(1) as pool:
                pool.map(work, [frame.name])
                pool.close()
                pool.join()
            frame.close()
            frame.unlink()
    """),
}  # fmt: skip

RIGHT = {
    "unlinked after the join": """
        def work(name):
            SharedMemory(name).close()

        def main():
            frame = SharedMemory(create=True, size=64)
            worker = mp.Process(target=work, args=(frame.name,))
            worker.start()
            worker.join()
            frame.close()
            frame.unlink()
    """,
    "unlinked while the child has it": """
        def work(name, turn):
            memory = SharedMemory(name)
            turn.send("attached")
            turn.recv()
            memory.buf[0] = 1
            memory.close()

        def main():
            ours, theirs = mp.Pipe()
            frame = SharedMemory(create=True, size=64)
            worker = mp.Process(target=work, args=(frame.name, theirs))
            worker.start()
            ours.recv()
            frame.close()
            frame.unlink()
            ours.send("go")
            worker.join()
    """,
    "handed over for good, as an object": """
        def work(memory):
            memory.buf[0] = 1
            memory.close()
            memory.unlink()

        def main():
            worker = mp.Process(target=work, args=(SharedMemory(create=True, size=64),))
            worker.start()
            worker.join()
    """,
    "a name is asked for until it is there": """
        def work(name, turn):
            while True:
                try:
                    memory = SharedMemory(name)
                    break
                except FileNotFoundError:
                    turn.send("not yet")
                    turn.recv()
            turn.send("attached")
            memory.close()

        def main():
            ours, theirs = mp.Pipe()
            name = f"frame_{os.getpid()}"
            worker = mp.Process(target=work, args=(name, theirs))
            worker.start()
            ours.recv()
            frame = SharedMemory(name, create=True, size=64)
            ours.send("go")
            ours.recv()
            worker.join()
            frame.close()
            frame.unlink()
    """,
    "the process that has unlinked it makes sure": """
        def main():
            frame = SharedMemory(create=True, size=64)
            frame.close()
            frame.unlink()
            for action in (frame.unlink, lambda: SharedMemory(frame.name)):
                try:
                    action()
                except FileNotFoundError:
                    print("gone")
    """,
    "a subprocess attaches untracked": """
        CODE = '''
        import sys
        from multiprocessing import resource_tracker
        from multiprocessing.shared_memory import SharedMemory
        memory = SharedMemory(sys.argv[1])
        resource_tracker.unregister(memory._name, "shared_memory")
        memory.close()
        '''

        def main():
            frame = SharedMemory(create=True, size=64)
            python("".join(line.strip() + chr(10) for line in CODE.splitlines()), frame.name)
            SharedMemory(frame.name).close()
            frame.close()
            frame.unlink()
    """,
    "the creator's tracker cleans up after a SIGKILL": """
        def work(outbox):
            memory = SharedMemory(create=True, size=64)
            outbox.send(memory.name)
            signal.pause()

        def main():
            inbox, outbox = mp.Pipe()
            worker = mp.Process(target=work, args=(outbox,))
            worker.start()
            name = inbox.recv()
            worker.kill()
            worker.join()
    """,
    "a new segment of the name after the old users have left": """
        def work(name, turn):
            for _ in range(2):
                memory = SharedMemory(name)
                memory.buf[0] += 1
                memory.close()
                turn.send("done")
                turn.recv()

        def main():
            ours, theirs = mp.Pipe()
            name = f"frame_{os.getpid()}"
            worker = mp.Process(target=work, args=(name, theirs))
            for round in range(2):
                frame = SharedMemory(name, create=True, size=64)
                if not round:
                    worker.start()
                else:
                    ours.send("go")
                ours.recv()
                frame.close()
                frame.unlink()
            ours.send("end")
            worker.join()
    """,
    "a manager's segments end with it": """
        from multiprocessing.managers import SharedMemoryManager

        def work(name):
            SharedMemory(name).close()

        def main():
            with SharedMemoryManager() as manager:
                frame = manager.SharedMemory(64)
                worker = mp.Process(target=work, args=(frame.name,))
                worker.start()
                worker.join()
            try:
                SharedMemory(frame.name)
            except FileNotFoundError:
                print("gone")
    """,
}

# What depends on whether the family has its resource tracker yet cannot be one of several parts.
TOGETHER = {name: text for name, (_, methods, _, text) in WRONG.items() if methods is METHODS}
ALONE = [name for name in WRONG if name not in TOGETHER]


@pytest.fixture(scope="module", params=METHODS)
def wrong(request, tmp_path_factory):
    method = request.param
    return watched_together(tmp_path_factory.mktemp(method), HEAD, TOGETHER, method)


@pytest.fixture(scope="module", params=METHODS)
def right(request, tmp_path_factory):
    method = request.param
    return watched_together(tmp_path_factory.mktemp(method), HEAD, RIGHT, method)


@pytest.mark.parametrize("name", TOGETHER)
def test_segment_that_is_missed_is_told_of(wrong, name):
    is_told_of(wrong[name], name)


@pytest.mark.parametrize("name", ALONE)
def test_segment_that_its_tracker_removes_is_told_of(tmp_path, name):
    seen = watched(tmp_path, HEAD + textwrap.dedent(WRONG[name][3]) + MAIN, "fork")
    is_told_of(seen, name)
    assert seen.lines[-1] == "end", seen


def is_told_of(seen, name):
    code, _, word, _ = WRONG[name]
    finding = seen.only(code)
    assert word in finding.message, finding
    assert finding.fix, finding
    assert finding.place.line, finding
    assert seen.status == 1, seen


def test_segment_that_nobody_misses_is_silent(right):
    for name, seen in right.items():
        assert seen.findings == (), (name, seen)
        assert seen.status == 0, seen


def test_failed_attach_that_unlinks_is_told_of(tmp_path):
    code = """
        CODE = (
            "import resource, sys; from multiprocessing.shared_memory import SharedMemory;"
            "resource.setrlimit(resource.RLIMIT_AS, (600 << 20,) * 2);"
            "SharedMemory(sys.argv[1])"
        )

        def main():
            big = SharedMemory(create=True, size=1 << 30)
            python(CODE, big.name)
            print(os.path.exists("/dev/shm/" + big.name))
            big.close()
    """
    seen = watched(tmp_path, HEAD + textwrap.dedent(code) + MAIN, "fork", status=1)
    finding = seen.only("HF308")
    assert "Cannot allocate memory" in finding.steps[1].text, finding
    assert seen.lines == ["False", "end"], seen


def test_killed_tracker_leaves_a_segment(tmp_path):
    code = """
        CODE = (
            "import signal; from multiprocessing.shared_memory import SharedMemory;"
            "from multiprocessing import resource_tracker as r;"
            "memory = SharedMemory(create=True, size=100);"
            "print(memory.name, r._resource_tracker._pid, flush=True); signal.pause()"
        )

        def main():
            creator = subprocess.Popen([sys.executable, "-c", CODE], stdout=-1, text=True)
            name, tracker = creator.stdout.readline().split()
            os.kill(int(tracker), signal.SIGKILL)
            creator.kill()
            creator.wait()
            os.unlink("/dev/shm/" + name)
    """
    seen = watched(tmp_path, HEAD + textwrap.dedent(code) + MAIN, "fork", status=1)
    finding = seen.only("HF309")
    assert "tracker" in finding.message, finding
