"""Daemons that are ended at their work, or by nobody; and daemons that do what they are for."""

from __future__ import annotations

import pytest

from tests.sanitizer.programs import watched

METHODS = ("fork", "spawn", "forkserver")

FRAME = """
    import multiprocessing, os, queue, signal, sys, time
    from multiprocessing.connection import wait

    def write(begun, channel):
        begun.set()
        for number in range(100):
            with open("out", "a") as file:
                file.write(f"{{number}}\\n")
            time.sleep(0.1)

    def compute(begun, channel):
        begun.set()
        total = 0
        for number in range(10 ** 9):
            total += number

    def serve(begun, channel):
        begun.set()
        while True:
            channel.get()

    def beat(begun, channel):
        begun.set()
        while True:
            time.sleep(0.05)

    def listen(begun, channel):
        begun.set()
        while not channel.empty() or True:
            try:
                channel.get(timeout=0.05)
            except queue.Empty:
                pass

    def finish(begun, channel):
        begun.set()

    def process(begun, channel):
        while True:
            item = channel.get()
            begun.set()
            work_at(item)

    def work_at(item):
        for step in range(100):
            time.sleep(0.1)

    def main():
        multiprocessing.set_start_method(sys.argv[1])
        begun, channel = multiprocessing.Event(), multiprocessing.Queue()
        worker = multiprocessing.Process(
            target={target}, args=(begun, channel), daemon=True
        )
        worker.start()
        channel.put("item")
        begun.wait()
        time.sleep(0.3)
        {then}

    if __name__ == "__main__":
        main()
"""


@pytest.mark.parametrize("target", ["write", "compute", "process"])
@pytest.mark.parametrize("method", METHODS)
def test_daemon_that_is_ended_at_its_work(tmp_path, method, target):
    text = FRAME.format(target=target, then="pass")
    finding = watched(tmp_path, text, method, status=1).only("HF802")
    assert "MainProcess ends and terminates its daemon Process-1 at its work" in finding.message
    assert "worker.join()" in finding.fix


@pytest.mark.parametrize("target", ["serve", "beat", "listen", "finish"])
def test_daemon_that_waits_or_has_finished_is_silent(tmp_path, target):
    text = FRAME.format(target=target, then="pass")
    assert not watched(tmp_path, text, "fork", status=0).findings


@pytest.mark.parametrize("then", ["worker.terminate(); worker.join()", "worker.kill()"])
def test_daemon_that_the_program_ends_itself_is_silent(tmp_path, then):
    text = FRAME.format(target="write", then=then)
    assert not watched(tmp_path, text, "fork", status=0).findings


ORPHAN = """
    import multiprocessing, os, signal, sys, time
    from multiprocessing.connection import wait

    def work():
        {work}

    def main():
        multiprocessing.set_start_method(sys.argv[1])
        pid = os.fork()
        if pid == 0:
            worker = multiprocessing.Process(target=work, daemon=True)
            worker.start()
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
        time.sleep(2)

    if __name__ == "__main__":
        main()
"""


@pytest.mark.parametrize("method", METHODS)
def test_daemon_that_outlives_its_killed_parent(tmp_path, method):
    text = ORPHAN.format(work="time.sleep(1.5)")
    finding = watched(tmp_path, text, method, status=1).only("HF803")
    assert "its daemon Process-1 has outlived it" in finding.message


@pytest.mark.parametrize("method", METHODS)
def test_daemon_that_looks_after_its_parent_is_silent(tmp_path, method):
    text = ORPHAN.format(work="wait([multiprocessing.parent_process().sentinel], 1.5)")
    assert not watched(tmp_path, text, method, status=0).findings


def test_daemon_that_had_ended_before_its_parent_is_silent(tmp_path):
    text = ORPHAN.format(work="time.sleep(0.1)")
    assert not watched(tmp_path, text, "fork", status=0).findings
