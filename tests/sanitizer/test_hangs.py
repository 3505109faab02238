"""What processes wait for, when the user asks or has set a limit."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest

from tests.sanitizer.programs import CONDITIONS, METHODS, RUN, watched

DEADLOCK = """
    import multiprocessing, sys

    def work(first, second, ready, other):
        with first:
            ready.set()
            other.wait()
            with second:
                print("got both")

    def main():
        multiprocessing.set_start_method(sys.argv[1])
        lock_a, lock_b = multiprocessing.Lock(), multiprocessing.Lock()
        one, two = multiprocessing.Event(), multiprocessing.Event()
        left = multiprocessing.Process(target=work, args=(lock_a, lock_b, one, two))
        right = multiprocessing.Process(target=work, args=(lock_b, lock_a, two, one))
        left.start()
        right.start()
        print("started", flush=True)
        left.join()
        right.join()

    if __name__ == "__main__":
        main()
"""


@pytest.mark.parametrize("method", METHODS)
def test_deadlock_is_a_finding_with_its_cycle(tmp_path, method):
    seen = watched(tmp_path, DEADLOCK, method, options=("--hang", "1"), status=1)
    finding = seen.only("HF704")
    assert "Process-1 waits for Process-2 waits for Process-1" in finding.message
    assert "deadlock: Process-1 -> Process-2 -> Process-1" in seen.errors
    assert "MainProcess" in seen.errors
    assert "Process-2 has it, taken at app.py:5, and lives" in seen.errors


def test_program_that_works_or_ends_in_time_does_not_hang(tmp_path):
    text = """
        import time
        end = time.monotonic() + 2
        while time.monotonic() < end:
            sum(range(1000))
        print("done")
    """
    seen = watched(tmp_path, text, options=("--hang", "1"), status=0)
    assert seen.lines == ["done"]
    assert not seen.findings


def test_rest_without_a_known_cause_is_told_as_such(tmp_path):
    text = """
        import multiprocessing
        here, there = multiprocessing.Pipe()
        here.recv()
    """
    finding = watched(tmp_path, text, options=("--hang", "1"), status=1).only("HF704")
    assert "waits for data from here" in finding.message
    assert finding.confidence == "low"


def test_wrong_limit_is_wrong_usage():
    result = subprocess.run(
        [*RUN, "--hang", "soon", "-c", "0"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "--hang" in result.stderr


@pytest.fixture
def hanging(tmp_path):
    """A program in a deadlock, and what is to be read of it; nothing of it is left behind."""
    path = tmp_path / "app.py"
    path.write_text(textwrap.dedent(DEADLOCK))
    process = subprocess.Popen(
        [*RUN, str(path), "fork"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout.readline() == "started\n"
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_signal_asks_what_everybody_waits_for_and_ends_nothing(hanging):
    # Both may need a moment to get there: it is asked until they are.
    lines: list[str] = []
    while not any(line.startswith("  deadlock:") for line in lines):
        hanging.send_signal(signal.SIGUSR1)
        lines.append(hanging.stderr.readline())
        while select.select([hanging.stderr], [], [], 0.5)[0]:
            lines += os.read(hanging.stderr.fileno(), 65536).decode().splitlines()
    answer = "\n".join(lines)
    assert "asked by SIGUSR1" in answer
    assert "MainProcess" in answer
    if sys.version_info >= (3, 11):  # before, a place is a line, and these two have one line
        assert "waits for lock_b (a Lock)" in answer
    assert "a Lock" in answer
    assert "process 0" not in answer
    assert hanging.poll() is None


def test_key_that_ends_the_program_tells_what_it_waited_for(tmp_path):
    path = tmp_path / "app.py"
    ready = 'two.wait(); one.wait(); blocked(left.pid, right.pid); print("ready", flush=True)'
    text = textwrap.dedent(DEADLOCK).replace('print("started", flush=True)', ready)
    path.write_text("from conditions import blocked\n" + text)
    shutil.copy(CONDITIONS, tmp_path)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [*RUN, str(path), "fork"])
    said = b""
    while b"ready" not in said:
        said += os.read(terminal, 65536)
    os.write(terminal, b"\x1c")
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while data := os.read(terminal, 65536):
            said += data
    os.close(terminal)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == -signal.SIGQUIT
    text = said.decode()
    assert "asked by Ctrl-\\" in text
    assert "deadlock: Process-1 -> Process-2 -> Process-1" in text


def test_program_with_a_handler_gets_the_signal_as_well(tmp_path):
    text = """
        import os, signal, time
        got = []
        signal.signal(signal.SIGUSR1, lambda *_: got.append(1))
        os.kill(os.getppid(), signal.SIGUSR1)
        while not got:
            time.sleep(0.01)
        print("got it")
    """
    seen = watched(tmp_path, text, status=0)
    assert seen.lines == ["got it"]
    assert "asked by SIGUSR1" in seen.errors
