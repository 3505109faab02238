"""CPython's own multiprocessing tests as the referee: the same results with the guard as without.

    python tests/compat/run.py                 all start methods, all tests
    python tests/compat/run.py --quick         only the tests of what the guard replaces
    python tests/compat/run.py --method spawn  one start method (may be given several times)

First, CPython's cases for Value, Array, sharedctypes and Lock are run with Holdfast's objects in
them (drop_ins.py). Then, for each start method, CPython's regression tests are run twice, plain
and under `holdfast run --guard`, side by side, and compared test by test. White-box tests are
named in white_box.ini, each with its reason. A test that differs is repeated on a busy machine:
if it fails without the guard too, it is unsteady and said to be so; if not, the run has failed.

Where an interpreter comes without the three test packages (3.11 and 3.12 do, here and there), they
are built from `test._test_multiprocessing`, which it does come with.
"""

from __future__ import annotations

import argparse
import configparser
import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
METHODS = ("fork", "spawn", "forkserver")
PLAIN: list[str] = []
GUARDED = ["-m", "holdfast", "run", "--guard"]

# What the guard replaces, and what stands directly on it.
QUICK = [
    "WithProcessesTest" + name
    for name in (
        "Array", "Barrier", "Condition", "Event", "Heap", "Lock", "Pool", "Queue", "Semaphore",
        "SharedCTypes", "Value",
    )
] + ["TestResourceTracker", "TestSimpleQueue", "TestStartMethod"]  # fmt: skip

TIME_LIMIT = 1800.0  # seconds for all tests of one start method
PATIENCE = 10.0  # seconds for resource trackers and forkservers to end after their run
INTERVAL = 0.05
ROUNDS = 5  # repetitions of a test that differs

PACKAGE = """\
import unittest
from test._test_multiprocessing import install_tests_in_module_dict

install_tests_in_module_dict(globals(), {method!r})
"""


class Suite:
    """The tests of one start method, in a folder for what comes out of them."""

    def __init__(self, method: str, folder: Path) -> None:
        self.method = method
        self.folder = folder
        if importlib.util.find_spec(f"test.test_multiprocessing_{method}"):
            self.arguments = [f"test_multiprocessing_{method}"]
        else:
            # Not under the packages' own name, which regrtest looks for in its own folder only.
            name = f"test_cpython_{method}"
            (folder / f"{name}.py").write_text(PACKAGE.format(method=method), encoding="utf-8")
            self.arguments = ["--testdir", str(folder), name]

    def both(self, options: list[str]) -> tuple[dict[str, str], dict[str, str]]:
        """The results of a plain and a guarded run, at the same time: Class.test -> outcome."""
        runs = [self.start(prefix, options) for prefix in (PLAIN, GUARDED)]
        try:
            for process, _ in runs:
                process.wait(TIME_LIMIT)
        except subprocess.TimeoutExpired:
            print(f"  not ended after {TIME_LIMIT:g} s")
        finally:
            for process, _ in runs:
                end(process)
        plain, guarded = (outcomes(report) for _, report in runs)
        return plain, guarded

    def start(self, prefix: list[str], options: list[str]) -> tuple[subprocess.Popen[bytes], Path]:
        """Start regrtest; its report will be in the file returned."""
        where = Path(tempfile.mkdtemp(dir=self.folder))
        report = where / "report.xml"
        with (where / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *prefix, "-m", "test", "--junit-xml", str(report), *options,
                 *self.arguments],
                cwd=where, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        return process, report


def outcomes(report: Path) -> dict[str, str]:
    """What a report says of each test; nothing if the run did not come to its end."""
    if not report.exists():
        print((report.parent / "log").read_text(errors="replace")[-3000:])
        return {}
    found = {}
    for case in ET.parse(report).iter("testcase"):
        what = [child.tag for child in case if child.tag in {"failure", "error", "skipped"}]
        name = ".".join(case.attrib["name"].split(".")[-2:])
        found[name] = what[0] if what else "passed"
    return found


def end(process: subprocess.Popen[bytes]) -> None:
    """End a run and all it started; those that are about to clean up after it may do so first."""
    deadline = time.monotonic() + PATIENCE
    with contextlib.suppress(ProcessLookupError):  # they have all ended
        while process.poll() is not None and time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(INTERVAL)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def compare(suite: Suite, options: list[str], exceptions: configparser.ConfigParser) -> bool:
    """Run one start method both ways; say what differs; return whether that is as it should be."""
    leave_out = [word for name in exceptions["left out"] for word in ("--ignore", f"*{name}")]
    plain, guarded = suite.both([*options, *leave_out])
    differing = sorted(name for name in plain.keys() | guarded.keys()
                       if plain.get(name) != guarded.get(name))  # fmt: skip
    count = Counter(plain.values())
    print(f"{suite.method}: {len(plain)} tests plain, {len(guarded)} guarded; "
          f"{', '.join(f'{n} {what}' for what, n in sorted(count.items()))}; "
          f"{len(differing)} differ", flush=True)  # fmt: skip
    white_box = exceptions["white box"]
    for name in differing:
        print(f"  {name}: {plain.get(name, 'absent')} plain, {guarded.get(name, 'absent')} guarded")
        if name in white_box:
            print(f"    white box: {' '.join(white_box[name].split())}")
    outdated = [name for name in white_box if name in plain and name not in differing]
    for name in outdated:
        print(f"  {name}: does not differ; its line in white_box.ini is out of date")
    unexplained = [name for name in differing if name not in white_box]
    unsteady = are_unsteady(suite, unexplained) if unexplained else True
    return bool(plain) and not outdated and unsteady


def are_unsteady(suite: Suite, names: list[str]) -> bool:
    """Repeat tests while the machine is busy. Whether the differences are not the guard's."""
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(os.cpu_count() or 1)
    ]
    match = [word for name in names for word in ("--match", f"*{name}")]
    try:
        rounds = [suite.both(match) for _ in range(ROUNDS)]
    finally:
        for process in busy:
            process.kill()
            process.wait()
    good = True
    for name in names:
        plain, guarded = (
            Counter(results.get(name, "absent") for results in side)
            for side in zip(*rounds, strict=True)
        )
        if plain == guarded:
            meaning = "it does not differ when it is repeated"
        elif len(plain) > 1:
            meaning = "unsteady without the guard too"
        else:
            meaning = "the guard makes a difference"
            good = False
        print(f"  {name}, {ROUNDS} times: {dict(plain)} plain, {dict(guarded)} guarded: {meaning}")
    return good


def drop_ins(method: str) -> bool:
    """CPython's cases with Holdfast's own objects in them."""
    result = subprocess.run(
        [sys.executable, "-m", "unittest", "tests.compat.drop_ins"],
        cwd=ROOT, env=os.environ | {"START_METHOD": method}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=TIME_LIMIT, check=False,
    )  # fmt: skip
    last = result.stderr.strip().splitlines()[-1:]
    print(f"drop-ins, {method}: {' '.join(last)}", flush=True)
    if result.returncode:
        print(result.stderr)
    return result.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="only what the guard replaces")
    parser.add_argument("--method", action="append", choices=METHODS, help="a start method")
    options = parser.parse_args()
    methods = options.method or METHODS
    exceptions = configparser.ConfigParser(delimiters=[":"], interpolation=None)
    exceptions.optionxform = str  # type: ignore[assignment,method-assign]
    exceptions.read(HERE / "white_box.ini", encoding="utf-8")
    match = [word for name in QUICK for word in ("--match", name)] if options.quick else []
    print(f"CPython {sys.version.split()[0]}", flush=True)
    drop_ins_good = [drop_ins(method) for method in methods]
    good = all(drop_ins_good)
    with tempfile.TemporaryDirectory(prefix="compat-") as folder:
        for method in methods:
            good &= compare(Suite(method, Path(folder)), match, exceptions)
    print("the same results with and without the guard" if good else "NOT as it should be")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
