"""The user's first program, ended by Ctrl-C as it has to be: the report alone explains it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest

from holdfast.findings import report_of
from tests.hazards.sessions import session
from tests.sanitizer.programs import RUN, TIME_LIMIT

PROGRAM = Path(__file__).parents[2] / "examples" / "flag_changes_by_itself.py"


def listening():
    """Signals do what they do by default, whoever runs the tests: nohup ignores some for all."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def at_work(leader):
    """Wait until the program's two children compute.

    One that is interrupted while it is being forked swallows the signal, on the plain interpreter
    too.
    """
    deadline = time.monotonic() + TIME_LIMIT
    while _computing(leader) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _computing(leader):
    """How many of a session use the processor and are neither its leader nor a child of that."""
    found = 0
    for pid, _ in session(leader):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            found += leader not in {pid, int(fields[1])} and int(fields[11]) > 10
    return found


def interrupted(tmp_path, end, *options):
    """Run it until it has printed a line, end it, and give what came of it."""
    report = tmp_path / "report.json"
    process = subprocess.Popen(
        [*RUN, "--json", str(report), *options, str(PROGRAM)], cwd=tmp_path, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True, preexec_fn=listening,
    )  # fmt: skip
    assert process.stdout is not None
    first = process.stdout.readline()
    if end is not None:
        at_work(process.pid)
        end(process)
    _, errors = process.communicate(timeout=TIME_LIMIT)
    return first, errors, process.returncode, report_of(json.loads(report.read_text()))


def press(process):
    """What Ctrl-C does: SIGINT to all processes of the terminal."""
    os.killpg(process.pid, signal.SIGINT)


def test_report_names_everything_in_the_programs_own_words(tmp_path):
    first, errors, status, report = interrupted(tmp_path, press)
    assert first == "flag: -1.0\n"  # and not 1111.0: the memory was not given away
    assert status == -signal.SIGINT
    (finding,) = report.findings
    assert finding.code == "HF102"
    assert finding.count == 2
    assert finding.subject.names == ("self.id1", "worker.id1")
    assert finding.subject.text == "Value('d'), 8 bytes"
    assert (finding.place.line, finding.place.source) == (29, "return process")
    assert finding.place.function.endswith("start_work_process_wrong")
    assert finding.fix == "keep worker on self: self._worker = worker"
    steps = {step.role: step for step in finding.steps}
    own = {
        role: [(place.line, place.source) for place in step.stack if place.own]
        for role, step in steps.items()
    }
    assert own["created"][0] == (8, 'self.id1 = mp.Value("d", 0)')
    assert own["handed"][0] == (28, "process.start()")
    assert "Process-1" in steps["handed"].text
    assert own["dropped"][0] == (29, "return process")
    assert own["used"] == [(12, "self.id1.value = index")]
    assert "1111" in steps["used"].text
    assert own["victim"][0] == (45, 'flag = mp.Value("d", -1)')
    assert steps["victim"].text.startswith("flag")
    for word in ("self.id1", "worker", "Process-1", "return process", "flag", "SUMMARY"):
        assert word in errors


def test_its_flag_does_change_as_it_is(tmp_path):
    changed = []

    def end(process):
        while (line := process.stdout.readline()) == "flag: -1.0\n":
            pass
        changed.append(line)
        press(process)

    _, _, status, report = interrupted(tmp_path, end, "--as-is")
    assert changed[0] in {"flag: 1111.0\n", "flag: 2222.0\n"}
    assert status == -signal.SIGINT
    assert [finding.code for finding in report.findings] == ["HF102"]


def test_halt_ends_it_without_anyones_doing(tmp_path):
    _, errors, status, report = interrupted(tmp_path, None, "--halt")
    assert status == 1
    assert [finding.code for finding in report.findings] == ["HF102"]
    assert "SUMMARY" in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2, signal.SIGHUP])
def test_signal_that_is_sent_to_holdfast_alone_ends_the_program(tmp_path, number):
    def end(process):
        os.kill(process.pid, number)
        process.wait(TIME_LIMIT)
        os.killpg(process.pid, signal.SIGKILL)  # the children, whom nobody has told

    _, _, status, report = interrupted(tmp_path, end)
    assert status == -number
    assert [finding.code for finding in report.findings] == ["HF102"]


def test_interrupt_that_is_sent_to_holdfast_alone_reaches_the_program(tmp_path):
    program = tmp_path / "app.py"
    program.write_text(
        "import time\nprint('ready', flush=True)\nwhile True:\n    time.sleep(0.01)\n"
    )
    process = subprocess.Popen(
        [*RUN, str(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=listening,
    )  # fmt: skip
    process.stdout.readline()
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=TIME_LIMIT)
    assert process.returncode == -signal.SIGINT
    assert errors.count("KeyboardInterrupt") == 1


def test_key_of_a_real_terminal_reaches_the_program_once(tmp_path):
    program = tmp_path / "app.py"
    program.write_text(
        "import signal, time\n"
        "count = 0\n"
        "def handler(*_):\n"
        "    global count\n"
        "    count += 1\n"
        "signal.signal(signal.SIGINT, handler)\n"
        "print('ready', flush=True)\n"
        "while not count:\n"
        "    time.sleep(0.01)\n"
        "time.sleep(2.5)\n"  # a second one would be passed on after a second
        "print('pressed', count, flush=True)\n"
    )
    pid, terminal = pty.fork()
    if not pid:
        listening()
        os.execv(RUN[0], [*RUN, str(program)])
    said = b""
    while b"ready" not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    try:
        while True:
            said += os.read(terminal, 1000)
    except OSError:  # the terminal's other side is closed
        pass
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert b"pressed 1" in said
    assert os.waitstatus_to_exitcode(status) == 0
