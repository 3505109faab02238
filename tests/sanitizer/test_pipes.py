"""Ends of pipes, listeners and descriptors: gone too early, kept too long; and those in order."""

from __future__ import annotations

import pytest

from tests.sanitizer.programs import METHODS, watched

HEAD = """
import multiprocessing, os, sys, time
from conditions import blocked, until
from multiprocessing.connection import Client, Listener, wait

"""
TAIL = """

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    main()
"""


def program(text):
    return HEAD + text.strip() + TAIL


DROPPED = """
class Log:
    def __init__(self):
        self.reader, self.writer = multiprocessing.Pipe(False)

def write(writer):
    for number in range(100):
        writer.send(bytes(10_000))

def begin():
    log = Log()
    writer = multiprocessing.Process(target=write, args=(log.writer,), daemon=True)
    writer.start()
    return writer{keep}

def main():
    kept = begin()
    {after}
"""


@pytest.mark.parametrize("method", METHODS)
def test_reader_that_is_dropped_while_a_process_writes(tmp_path, method):
    text = program(DROPPED.format(keep="", after="blocked(kept.pid)"))
    finding = watched(tmp_path, text, method, status=1).only("HF601")
    assert "MainProcess drops self.reader" in finding.message
    assert "to which Process-1 writes" in finding.message


@pytest.mark.parametrize("method", METHODS)
def test_reader_that_is_kept_is_silent(tmp_path, method):
    after = "[kept[1].reader.recv() for _ in range(100)]; kept[0].join()"
    text = program(DROPPED.format(keep=", log", after=after))
    assert not watched(tmp_path, text, method, status=0).findings


def test_reader_that_says_that_it_will_not_read_on_is_silent(tmp_path):
    text = program("""
def write(writer):
    try:
        while True:
            writer.send("more")
    except BrokenPipeError:
        print("enough")

def main():
    reader, writer = multiprocessing.Pipe(False)
    process = multiprocessing.Process(target=write, args=(writer,))
    process.start()
    writer.close()
    reader.recv()
    reader.close()
    process.join()
""")
    seen = watched(tmp_path, text, "spawn", status=0)
    assert not seen.findings
    assert seen.lines == ["enough"]


def test_reader_in_another_child_is_silent(tmp_path):
    text = program("""
def write(writer):
    time.sleep(0.5)
    writer.send_bytes(bytes(500_000))

def read(reader):
    print(len(reader.recv_bytes()))

def begin():
    reader, writer = multiprocessing.Pipe(False)
    workers = [
        multiprocessing.Process(target=write, args=(writer,)),
        multiprocessing.Process(target=read, args=(reader,)),
    ]
    for worker in workers:
        worker.start()
    return workers

def main():
    for worker in begin():
        worker.join()
""")
    seen = watched(tmp_path, text, "fork", status=0)
    assert not seen.findings
    assert seen.lines == ["500000"]


KEPT = """
def write(writer):
    writer.send("only")

def idle():
    until(lambda: os.path.exists("over"))

def main():
    reader, writer = multiprocessing.Pipe({duplex})
    first = multiprocessing.Process(target=write, args=(writer,))
    first.start()
    {close_first}
    second = multiprocessing.Process(target=idle)
    second.start()
    {close_after}
    reader.recv()
    first.join()
    print(reader.poll(1))
    open("over", "w").close()
    second.join()
"""


@pytest.mark.parametrize("duplex", [False, True])
def test_sibling_that_inherits_the_writing_end(tmp_path, duplex):
    text = program(KEPT.format(duplex=duplex, close_first="", close_after="writer.close()"))
    seen = watched(tmp_path, text, "fork", status=1)
    finding = seen.only("HF602")
    assert seen.lines == ["False"]
    assert "Process-2 has inherited writer and never closes it" in finding.message


def test_writing_end_that_is_closed_before_the_next_fork_is_silent(tmp_path):
    text = program(KEPT.format(duplex=False, close_first="writer.close()", close_after=""))
    seen = watched(tmp_path, text, "fork", status=0)
    assert not seen.findings
    assert seen.lines == ["True"]


def test_spawned_sibling_inherits_nothing(tmp_path):
    text = program(KEPT.format(duplex=False, close_first="", close_after="writer.close()"))
    assert not watched(tmp_path, text, "spawn", status=0).findings


def test_reader_that_has_the_writing_end_itself(tmp_path):
    text = program("""
def write(writer):
    writer.send("only")

def main():
    reader, writer = multiprocessing.Pipe(False)
    process = multiprocessing.Process(target=write, args=(writer,))
    process.start()
    try:
        while True:
            reader.recv()
    except EOFError:
        print("end")
""")
    finding = watched(tmp_path, text, "spawn", options=("--hang", "1"), status=1).only("HF602")
    assert "MainProcess reads from reader and has writer open itself" in finding.message


def test_poll_of_a_writer_that_is_busy_is_silent(tmp_path):
    text = program("""
def write(writer):
    time.sleep(2)
    writer.send("late")

def main():
    reader, writer = multiprocessing.Pipe(False)
    process = multiprocessing.Process(target=write, args=(writer,))
    process.start()
    writer.close()
    while not reader.poll(0.6):
        pass
    print(reader.recv())
    process.join()
""")
    assert not watched(tmp_path, text, "fork", status=0).findings


SENT = """
def make(out, done):
    reader, writer = multiprocessing.Pipe(False)
    out.send(reader)
    writer.send("payload")
    {wait}

def main():
    results, out = multiprocessing.Pipe(False)
    done, told = multiprocessing.Pipe(False)
    maker = multiprocessing.Process(target=make, args=(out, done))
    maker.start()
    {join}
    try:
        print(results.recv().recv())
    except Exception as error:
        print(type(error).__name__)
    told.send("thanks")
    maker.join()
"""


@pytest.mark.parametrize("method", METHODS)
def test_connection_whose_sender_has_ended(tmp_path, method):
    text = program(SENT.format(wait="", join="maker.join()"))
    finding = watched(tmp_path, text, method, status=1).only("HF603")
    assert "Process-1 sends a connection and ends before MainProcess has received" in (
        finding.message
    )


@pytest.mark.parametrize("method", METHODS)
def test_connection_whose_sender_waits_is_silent(tmp_path, method):
    text = program(SENT.format(wait="done.recv()", join=""))
    seen = watched(tmp_path, text, method, status=0)
    assert not seen.findings
    assert seen.lines == ["payload"]


LISTENER = """
def call(address):
    try:
        Client(address).close()
        print("connected")
    except OSError as error:
        print(type(error).__name__)

def address_of():
    listener = Listener(family="{family}")
    return {what}

def main():
    kept = address_of()
    address = kept if isinstance(kept, (str, tuple)) else kept.address
    caller = multiprocessing.Process(target=call, args=(address,))
    caller.start()
    if address is not kept:
        kept.accept()
    caller.join()
"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", ["AF_UNIX", "AF_INET"])
def test_listener_that_only_its_address_outlives(tmp_path, method, family):
    text = program(LISTENER.format(family=family, what="listener.address"))
    finding = watched(tmp_path, text, method, status=1).only("HF604")
    assert "MainProcess drops listener" in finding.message


def test_listener_that_is_kept_is_silent(tmp_path):
    text = program(LISTENER.format(family="AF_UNIX", what="listener"))
    seen = watched(tmp_path, text, "fork", status=0)
    assert not seen.findings
    assert seen.lines == ["connected"]


def test_number_of_a_file_that_has_died(tmp_path):
    text = program("""
def number_of(path):
    return open(path, "w").fileno()

def write(number):
    os.write(number, b"data")

def main():
    folder = os.getcwd()
    number = number_of(folder + "/intended")
    victim = open(folder + "/victim", "w")
    writer = multiprocessing.Process(target=write, args=(number,))
    writer.start()
    writer.join()
""")
    finding = watched(tmp_path, text, "fork", status=1).only("HF605")
    assert "/intended outlives its file object" in finding.message
    assert "/victim" in finding.message


def test_number_that_means_something_else_is_silent(tmp_path):
    text = program("""
def number_of(path):
    return open(path, "w").fileno()

def count(times, kept):
    os.write(kept, b"x" * times)

def main():
    folder = os.getcwd()
    times = number_of(folder + "/gone")
    file = open(folder + "/kept", "w")
    other = open(folder + "/other", "w")
    writer = multiprocessing.Process(target=count, args=(times, other.fileno()))
    writer.start()
    writer.join()
""")
    assert not watched(tmp_path, text, "fork", status=0).findings


@pytest.mark.parametrize("method", METHODS)
def test_sentinel_of_a_process_that_is_gone(tmp_path, method):
    text = program("""
def nothing():
    pass

def begin():
    process = multiprocessing.Process(target=nothing)
    process.start()
    number = process.sentinel
    process.join()
    return number

def main():
    number = begin()
    pipes = [os.pipe()]
    while number not in pipes[-1]:
        pipes.append(os.pipe())
    print(wait([number], 0.2))
""")
    assert "outlives" in watched(tmp_path, text, method, status=1).only("HF605").hazard.title


def test_sentinels_of_processes_that_are_kept_are_silent(tmp_path):
    text = program("""
def nothing():
    pass

def main():
    processes = [multiprocessing.Process(target=nothing) for _ in range(3)]
    for process in processes:
        process.start()
    left = {process.sentinel for process in processes}
    while left:
        left -= set(wait(left, 5))
    for process in processes:
        process.join()
""")
    assert not watched(tmp_path, text, "fork", status=0).findings
