"""What programs do to themselves and to each other, and what is told all the same."""

from __future__ import annotations

import signal

import pytest

from tests.sanitizer.programs import watched

# A hazard that is complete when `wrong()` returns.
HEAD = """
import os, signal, sys, threading
import multiprocessing as mp

def child(raw, turn):
    raw[0] = 1
    turn.send("written")
    turn.recv()

def wrong():
    ours, theirs = mp.Pipe()
    process = mp.Process(target=child, args=(mp.RawArray("i", 2), theirs))
    process.start()
    ours.recv()
    return process, ours

def end(process, ours):
    ours.send("end")
    process.join()
"""

ENDS = {
    "by os._exit": ("end(*wrong()); os._exit(3)", 3),
    "by os._exit with a child left": ("os.kill(wrong()[0].pid, 9); os._exit(0)", 1),
    "by SIGKILL": ("end(*wrong()); os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "by SIGSEGV": (
        "end(*wrong()); signal.signal(11, signal.SIG_DFL); os.kill(os.getpid(), 11)",
        -signal.SIGSEGV,
    ),
    "by abort": ("end(*wrong()); os.abort()", -signal.SIGABRT),
    "by exec": ("end(*wrong()); os.execv('/bin/sh', ['sh', '-c', 'exit 7'])", 7),
    "by an exception": ("end(*wrong()); 1 / 0", 1),
    "by sys.exit with a word": ("end(*wrong()); sys.exit('bad')", 1),
    "in a thread": ("t = threading.Thread(target=lambda: end(*wrong())); t.start(); t.join()", 1),
    "with all descriptors closed": (
        "p, o = wrong(); end(p, o); os.closerange(0, 1000); del p, o; os._exit(0)", 1),
    "with all descriptors closed before": (
        "os.closerange(3, 1000); end(*wrong())", 1),
    "without standard streams": ("os.close(0); os.close(1); os.close(2); end(*wrong())", 1),
    "with a low recursion limit": (
        "import inspect, multiprocessing.popen_fork, multiprocessing.sharedctypes;"
        "sys.setrecursionlimit(len(inspect.stack()) + 40); end(*wrong())", 1),
    "in another session": ("os.setsid(); end(*wrong())", 1),
    "in a folder that is gone": (
        "os.mkdir('x'); os.chdir('x'); os.rmdir('../x'); end(*wrong())", 1),
    "with no room for files": (
        "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (0, 0)); end(*wrong())", 1),
    "where no temporary file can be made": (
        "import tempfile; tempfile.tempdir = os.environ['TMPDIR'] = '/proc/nowhere';"
        "end(*wrong())", 1),
    "in an event loop": (
        "import asyncio; asyncio.run(asyncio.to_thread(lambda: end(*wrong())))", 1),
    "with many threads": (
        "ts = [threading.Thread(target=lambda: end(*wrong())) for _ in range(4)];"
        "[t.start() for t in ts]; [t.join() for t in ts]", 1),
}  # fmt: skip


@pytest.mark.parametrize(("code", "status"), ENDS.values(), ids=ENDS)
def test_finding_survives_the_program(tmp_path, code, status):
    seen = watched(tmp_path, f"{HEAD}\nif __name__ == '__main__':\n    {code}\n")
    assert seen.status == status, seen
    assert seen.codes == ["HF101"], seen


def test_killed_worker_is_part_of_the_report(tmp_path):
    seen = watched(
        tmp_path,
        HEAD
        + """
if __name__ == "__main__":
    process, ours = wrong()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    """,
    )
    seen.only("HF101")
    child = next(each for each in seen.report.processes if each.name == "Process-1")
    assert child.end == "SIGKILL"


def test_limited_address_space_is_enough(tmp_path):
    seen = watched(
        tmp_path,
        HEAD
        + """
if __name__ == "__main__":
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))
    end(*wrong())
    """,
    )
    seen.only("HF101")


def test_report_is_for_the_users_eyes_only(tmp_path):
    seen = watched(tmp_path, "print('fine')")
    assert seen.findings == ()
    assert (tmp_path / "report.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("form", ["sarif", "html"])
def test_other_forms_are_written_too(tmp_path, form):
    out = tmp_path / f"report.{form}"
    watched(
        tmp_path,
        f"{HEAD}\nif __name__ == '__main__':\n    end(*wrong())\n",
        options=[f"--{form}", str(out)],
    )
    assert "HF101" in out.read_text()
    assert out.stat().st_mode & 0o777 == 0o600


def test_report_that_cannot_be_written_is_status_3(tmp_path):
    seen = watched(tmp_path, "print('fine')", options=["--sarif", str(tmp_path / "no" / "x")])
    assert seen.status == 3
    assert "No such file" in seen.errors
