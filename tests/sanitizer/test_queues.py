"""Queues: items that were lost, cut, changed or never taken; and queues that work."""

from __future__ import annotations

import textwrap

import pytest

from tests.sanitizer.programs import MAIN, METHODS, watched, watched_together

HEAD = """
import multiprocessing, os, signal, sys, threading, time
from conditions import blocked
"""


def part(functions, main):
    return f"{functions.strip()}\n\ndef main():\n{textwrap.indent(main.strip(), '    ')}\n"


def program(functions, main):
    return HEAD + part(functions, main) + MAIN


FILL = """
def fill(channel):
    for number in range(40):
        channel.put(bytes(50_000))
"""


@pytest.mark.parametrize("method", METHODS)
def test_join_before_the_queue_is_drained(tmp_path, method):
    text = program(FILL, """
channel = multiprocessing.Queue()
producer = multiprocessing.Process(target=fill, args=(channel,))
producer.start()
producer.join()
print(channel.get())
""")  # fmt: skip
    finding = watched(tmp_path, text, method, options=("--hang", "1"), status=1).only("HF612")
    assert "MainProcess joins Process-1 before it has taken its items from channel" in (
        finding.message
    )
    assert finding.place.source == "producer.join()"


def test_join_with_a_limit_that_goes_on_to_drain_is_silent(tmp_path):
    text = program(FILL, """
channel = multiprocessing.Queue()
producer = multiprocessing.Process(target=fill, args=(channel,))
producer.start()
taken = 0
while taken < 40:
    producer.join(0.01)
    while not channel.empty():
        channel.get()
        taken += 1
producer.join()
""")  # fmt: skip
    assert not watched(tmp_path, text, "fork", status=0).findings


def test_slow_consumer_in_another_process_is_silent(tmp_path):
    text = program(FILL + """
def drain(channel):
    for number in range(40):
        channel.get()
        time.sleep(0.05)
""", """
channel = multiprocessing.Queue()
consumer = multiprocessing.Process(target=drain, args=(channel,))
producer = multiprocessing.Process(target=fill, args=(channel,))
consumer.start()
producer.start()
producer.join(1.5)
consumer.join()
producer.join()
""")  # fmt: skip
    assert not watched(tmp_path, text, "fork", status=0).findings


@pytest.mark.parametrize("method", METHODS)
def test_queue_that_its_reader_drops(tmp_path, method):
    text = program(FILL + """
def begin():
    channel = multiprocessing.Queue()
    producer = multiprocessing.Process(target=fill, args=(channel,), daemon=True)
    producer.start()
    return producer
""", """
producer = begin()
blocked(producer.pid)
""")  # fmt: skip
    seen = watched(tmp_path, text, method, status=1)
    found = [finding for finding in seen.findings if finding.code == "HF611"]
    assert len(found) == 1, seen
    assert "MainProcess drops channel" in found[0].message


def test_queue_that_siblings_share_may_be_dropped(tmp_path):
    text = program(FILL + """
def drain(channel):
    for number in range(40):
        channel.get()

def begin():
    channel = multiprocessing.Queue()
    workers = [multiprocessing.Process(target=each, args=(channel,)) for each in (fill, drain)]
    for worker in workers:
        worker.start()
    return workers
""", """
for worker in begin():
    worker.join()
""")  # fmt: skip
    assert not watched(tmp_path, text, "fork", status=0).findings


ENDS = {
    "os._exit": "os._exit(0)",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "cancelled": "channel.cancel_join_thread()",
}


@pytest.mark.parametrize("method", METHODS)
def test_process_that_ends_with_a_full_buffer_has_lost_it(tmp_path, method):
    bodies = {
        name: part(FILL + f"    {end}\n", """
channel = multiprocessing.Queue()
producer = multiprocessing.Process(target=fill, args=(channel,))
producer.start()
producer.join()
""")
        for name, end in ENDS.items()
    }  # fmt: skip
    for name, seen in watched_together(tmp_path, HEAD, bodies, method).items():
        finding = seen.only("HF613")
        assert "of 40 lost or cut" in finding.message, name
        assert "channel.join_thread()" in finding.fix, name


def test_process_that_flushes_before_it_leaves_is_silent(tmp_path):
    text = program(FILL + "    channel.close(); channel.join_thread(); os._exit(0)\n", """
channel = multiprocessing.Queue()
producer = multiprocessing.Process(target=fill, args=(channel,))
producer.start()
for number in range(40):
    channel.get()
producer.join()
os._exit(0)
""")  # fmt: skip
    assert not watched(tmp_path, text, "fork", status=0).findings


CHANGES = {
    "list": ("[1, 2, 3]", "thing.append(4)"),
    "nested": ("{'rows': [[1], [2]]}", "thing['rows'][1].append(3)"),
    "bytearray": ("bytearray(10)", "thing[3] = 1"),
    "instance": ("Point()", "thing.x = 2"),
}
POINT = """
class Point:
    x = 0
    def __init__(self):
        self.y = [1]
"""


def test_object_that_changes_before_it_is_pickled(tmp_path):
    bodies = {
        name: part(POINT, f"""
channel = multiprocessing.Queue()
big = bytes(1_000_000)
channel.put(big)  # keeps the feeder busy, as nobody reads yet
thing = {make}
channel.put(thing)
{change}
channel.get()
print(channel.get())
""")
        for name, (make, change) in CHANGES.items()
    }  # fmt: skip
    for name, seen in watched_together(tmp_path, HEAD, bodies, "fork").items():
        message = seen.only("HF614").message
        assert message.startswith("thing was changed after channel.put(thing)"), name


def test_object_that_changes_after_it_has_arrived_is_silent(tmp_path):
    bodies = {
        name: part(POINT, f"""
channel = multiprocessing.Queue()
thing = {make}
channel.put(thing)
channel.get()
{change}
""")
        for name, (make, change) in CHANGES.items()
    }  # fmt: skip
    for name, seen in watched_together(tmp_path, HEAD, bodies, "fork").items():
        assert seen.findings == (), (name, seen)


def test_object_that_found_no_room_is_forgotten(tmp_path):
    """The next object at its address is another one."""
    text = program(
        "",
        """
import queue

channel, other = multiprocessing.Queue(1), multiprocessing.Queue()
channel.put("full")
for number in range(100):
    try:
        channel.put_nowait([number] * 3)
    except queue.Full:
        other.put([number, number])
print(channel.get())
for number in range(100):
    channel.put([number])
    channel.get()
    other.get()
""",
    )
    seen = watched(tmp_path, text, "fork", status=0)
    assert seen.lines == ["full", "end"]
    assert not seen.findings


def test_what_is_put_is_not_touched(tmp_path):
    text = program("""
class Shy:
    def __getattr__(self, name):
        raise RuntimeError(name)
    def __iter__(self):
        raise RuntimeError("iterated")
    def __eq__(self, other):
        raise RuntimeError("compared")
    __hash__ = None
    def __reduce__(self):
        print("pickled")
        return (str, ("shy",))
""", """
channel = multiprocessing.Queue()
channel.put([Shy()])
print(channel.get())
""")  # fmt: skip
    seen = watched(tmp_path, text, "fork", status=0)
    assert seen.lines == ["pickled", "['shy']", "end"]
    assert not seen.findings


@pytest.mark.parametrize("method", METHODS)
def test_consumer_that_dies_before_task_done(tmp_path, method):
    text = program("""
def consume(jobs):
    jobs.get()
    os.kill(os.getpid(), signal.SIGKILL)
""", """
jobs = multiprocessing.JoinableQueue()
consumer = multiprocessing.Process(target=consume, args=(jobs,))
consumer.start()
jobs.put("job")
consumer.join()
jobs.join()
""")  # fmt: skip
    finding = watched(tmp_path, text, method, options=("--hang", "1"), status=1).only("HF616")
    assert "between jobs.get() and jobs.task_done()" in finding.message


@pytest.mark.parametrize("method", METHODS)
def test_reader_that_dies_in_get(tmp_path, method):
    text = program("""
def read(channel, told):
    told.set()
    channel.get()
""", """
channel, told = multiprocessing.Queue(), multiprocessing.Event()
reader = multiprocessing.Process(target=read, args=(channel, told))
reader.start()
told.wait()
blocked(reader.pid)
reader.kill()
reader.join()
channel.put("item")
try:
    print(channel.get(timeout=1))
except Exception as error:
    print(type(error).__name__)
""")  # fmt: skip
    finding = watched(tmp_path, text, method, status=1).only("HF615")
    assert "inside channel" in finding.message


def test_idle_reader_that_is_terminated_at_the_end_is_silent(tmp_path):
    text = program("""
def read(channel):
    while True:
        channel.get()
""", """
channel = multiprocessing.Queue()
readers = [multiprocessing.Process(target=read, args=(channel,), daemon=True) for _ in range(3)]
for reader in readers:
    reader.start()
channel.put("item")
blocked(*(reader.pid for reader in readers), seconds=0.3)
for reader in readers[:2]:
    reader.terminate()
""")  # fmt: skip
    assert not watched(tmp_path, text, "fork", status=0).findings


@pytest.mark.parametrize("method", METHODS)
def test_ordinary_producers_and_consumers_are_silent(tmp_path, method):
    text = program("""
def work(jobs, results):
    for job in iter(jobs.get, None):
        results.put([job, job * 2])
        jobs.task_done()
    jobs.task_done()
""", """
jobs, results = multiprocessing.JoinableQueue(), multiprocessing.Queue()
workers = [multiprocessing.Process(target=work, args=(jobs, results)) for _ in range(2)]
for worker in workers:
    worker.start()
for job in [*range(20), None, None]:
    jobs.put(job)
found = sorted(results.get() for _ in range(20))
jobs.join()
for worker in workers:
    worker.join()
print(found == [[job, job * 2] for job in range(20)])
""")  # fmt: skip
    seen = watched(tmp_path, text, method, status=0)
    assert not seen.findings
    assert seen.lines == ["True", "end"]
