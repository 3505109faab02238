"""Daemons that are ended at their work, or by nobody; and daemons that do what they are for."""

from __future__ import annotations

import pytest

from tests.sanitizer.programs import METHODS, watched

FRAME = """
    import multiprocessing, os, queue, sys, time
    from conditions import blocked, until
    from multiprocessing.connection import wait

    def write(begun, channel):
        for number in range(1000):
            with open("out", "a") as file:
                file.write(f"{{number}}\\n")
            time.sleep(0.1)

    def compute(begun, channel):
        total = 0
        for number in range(10 ** 10):
            total += number
            if number == 1000:
                open("out", "w").close()

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
            work_at(item)

    def work_at(item):
        open("out", "w").close()
        for step in range(1000):
            time.sleep(0.1)

    def main():
        multiprocessing.set_start_method(sys.argv[1])
        begun, channel = multiprocessing.Event(), multiprocessing.Queue()
        worker = multiprocessing.Process(
            target={target}, args=(begun, channel), daemon=True
        )
        worker.start()
        channel.put("item")
        {wait}
        {then}

    if __name__ == "__main__":
        main()
"""
AT_WORK = 'until(lambda: os.path.exists("out"))'


@pytest.mark.parametrize("target", ["write", "compute", "process"])
@pytest.mark.parametrize("method", METHODS)
def test_daemon_that_is_ended_at_its_work(tmp_path, method, target):
    text = FRAME.format(target=target, wait=AT_WORK, then="")
    finding = watched(tmp_path, text, method, status=1).only("HF802")
    assert "MainProcess ends and terminates its daemon Process-1 at its work" in finding.message
    assert "worker.join()" in finding.fix


AT_REST = {
    "serve": "begun.wait(); blocked(worker.pid, seconds=0.3)",
    "beat": "begun.wait(); time.sleep(0.3)",
    "listen": "begun.wait(); time.sleep(0.3)",
    "finish": "wait([worker.sentinel])",
}


@pytest.mark.parametrize(("target", "rests"), AT_REST.items())
def test_daemon_that_waits_or_has_finished_is_silent(tmp_path, target, rests):
    text = FRAME.format(target=target, wait=rests, then="")
    assert not watched(tmp_path, text, "fork", status=0).findings


@pytest.mark.parametrize("then", ["worker.terminate(); worker.join()", "worker.kill()"])
def test_daemon_that_the_program_ends_itself_is_silent(tmp_path, then):
    text = FRAME.format(target="write", wait=AT_WORK, then=then)
    assert not watched(tmp_path, text, "fork", status=0).findings


ORPHAN = """
    import multiprocessing, os, signal, sys, time
    from conditions import until
    from multiprocessing.connection import wait

    def work(begun, kept):
        begun.send("begun")
        {work}

    def main():
        multiprocessing.set_start_method(sys.argv[1])
        there, kept = multiprocessing.Pipe(False)
        pid = os.fork()
        if pid == 0:
            has_begun, begun = multiprocessing.Pipe(False)
            worker = multiprocessing.Process(target=work, args=(begun, kept), daemon=True)
            worker.start()
            has_begun.recv()
            {then}
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
        open("dead", "w").close()
        kept.close()
        wait([there])  # for its end, as the last one who has the other end is gone

    if __name__ == "__main__":
        main()
"""
OUTLIVES = 'until(lambda: os.path.exists("dead")); time.sleep(1)'


@pytest.mark.parametrize("method", METHODS)
def test_daemon_that_outlives_its_killed_parent(tmp_path, method):
    text = ORPHAN.format(work=OUTLIVES, then="")
    finding = watched(tmp_path, text, method, status=1).only("HF803")
    assert "its daemon Process-1 has outlived it" in finding.message


@pytest.mark.parametrize("method", METHODS)
def test_daemon_that_looks_after_its_parent_is_silent(tmp_path, method):
    text = ORPHAN.format(work="wait([multiprocessing.parent_process().sentinel])", then="")
    assert not watched(tmp_path, text, method, status=0).findings


def test_daemon_that_had_ended_before_its_parent_is_silent(tmp_path):
    text = ORPHAN.format(work="pass", then="worker.join()")
    assert not watched(tmp_path, text, "fork", status=0).findings
