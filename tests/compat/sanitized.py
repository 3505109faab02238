"""The test suites of others under `holdfast run`: the same results, and no finding that is none.

    python -m tests.compat.sanitized                     all suites
    python -m tests.compat.sanitized --quick             a slice of each that takes seconds
    python -m tests.compat.sanitized fork joblib         these suites
    python -m tests.compat.sanitized fork --only 'WithProcessesTestPool*'

The suites are CPython's own tests of multiprocessing with its three start methods and of the
process pools of concurrent.futures, and the tests of multiprocess, joblib and loky, in the versions
that requirements/test.txt names. Each part of a suite is one program, run under the sanitizer; what
does not pass there is repeated without and with it, and must do the same.

Every finding is a fault of the suite or of the sanitizer. The suites' own, each looked at by hand,
are in true_findings.ini with the reason; one that is not there fails the run. So are the few tests
that must differ, because they look at what no program does.
"""

from __future__ import annotations

import argparse
import configparser
import contextlib
import fnmatch
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from holdfast.findings import Finding, report_of
from tests.compat import run as compat

HERE = Path(__file__).resolve().parent
SANITIZED = ["-m", "holdfast", "run", "--json", "report.json"]
TIME_LIMIT = 900.0  # seconds for one part
DYING = 30.0  # seconds to tell of a hang, and to end
WHITE_BOX = "white box"  # the section of tests that see what no program looks at
ROUNDS = 3  # repetitions of a test that differs

# Parts of CPython's tests: patterns for the names of their classes.
CASES = {
    "memory": ("WithProcessesTestValue", "WithProcessesTestArray", "WithProcessesTestHeap",
               "WithProcessesTestSharedCTypes", "WithProcessesTestSharedMemory"),
    "locks": ("WithProcessesTestLock", "WithProcessesTestSemaphore", "WithProcessesTestCondition",
              "WithProcessesTestEvent", "WithProcessesTestBarrier"),
    "pipes": ("WithProcessesTestQueue", "WithProcessesTestConnection", "WithProcessesTestListener*",
              "WithProcessesTestPicklingConnections", "WithProcessesTestPoll"),
    "pools": ("WithProcessesTestPool*",),
    "processes": ("WithProcessesTest*Process*", "WithProcessesTestFinalize",
                  "WithProcessesTestLogging"),
    "managers": ("WithManagerTest*", "TestSyncManagerTypes", "WithProcessesTestManager*",
                 "WithProcessesTestMyManager*", "WithProcessesTestRemoteManager"),
    "others": ("OtherTest", "Test[!S]*", "TestS[!y]*", "MiscTestCase", "ChallengeResponseTest"),
}  # fmt: skip
QUICK = {
    "fork": ("memory", "locks"),
    "spawn": ("memory",),
    "futures": ("init",),
    "multiprocess": ("memory",),
}
FUTURES = ("as_completed", "deadlock", "init", "process_pool", "shutdown", "wait")
JOBLIB = ("parallel", "memmapping", "module")
LOKY = ("reusable_executor", "process_executor_loky", "loky_backend", "synchronize",
        "worker_timeout", "resource_tracker")  # fmt: skip
SUITES = ("fork", "spawn", "forkserver", "futures", "multiprocess", "joblib", "loky")


@dataclass(frozen=True)
class Part:
    """One program of a suite.

    Attributes:
        name: What it is called.
        words: What follows the interpreter.
        by_pytest: Whether pytest runs it, and not CPython's own runner.
    """

    suite: str
    name: str
    words: tuple[str, ...]
    by_pytest: bool = False

    def of(self, tests: list[str]) -> tuple[str, ...]:
        """The words that run only these tests."""
        if self.by_pytest:
            names = {re.split(r"\W", test.rpartition(".")[2])[0] for test in tests}
            return (*self.words, "-k", " or ".join(sorted(names)))
        return matching(self.words, tests)


def matching(words: tuple[str, ...], names: list[str]) -> tuple[str, ...]:
    """Words for CPython's test runner, with other names to match."""
    found = list(words)
    while "--match" in found:
        at = found.index("--match")
        del found[at : at + 2]
    program = found.index("test") + 1
    match = [word for name in names for word in ("--match", f"*{name}")]
    return (*found[:program], *match, *found[program:])


def cpython(suite: str, test: str, directory: Path | None, matches: tuple[str, ...]) -> list[str]:
    """The words for CPython's own test runner."""
    where = ["--testdir", str(directory)] if directory is not None else []
    match = [word for each in matches for word in ("--match", f"*{each}*")]
    left_out = [word for name in ("WithThreadsTestPool.test_terminate",)
                for word in ("--ignore", f"*{name}")]  # fmt: skip
    return ["-m", "test", "--junit-xml", "junit.xml", *match, *left_out, *where, test]


def pytest_of(*words: str) -> tuple[str, ...]:
    """The words for pytest, without the settings of this repository."""
    return ("-m", "pytest", "-q", "-c", os.devnull, "--rootdir", ".", "-p", "no:cacheprovider",
            "-p", "no:xdist", "--junit-xml",
            "junit.xml", "-W", "ignore", *words)  # fmt: skip


def parts_of(suite: str, folder: Path) -> list[Part]:
    """The programs of a suite; none if this interpreter comes without it."""
    if suite in compat.METHODS:
        own = compat.Suite(suite, folder).arguments
        directory, test = (folder, own[-1]) if len(own) > 1 else (None, own[-1])
        return [Part(suite, name, tuple(cpython(suite, test, directory, cases)))
                for name, cases in CASES.items()]  # fmt: skip
    if suite == "futures":
        package = importlib.util.find_spec("test.test_concurrent_futures")
        if package is None:
            return []
        if not package.submodule_search_locations:  # one module, until 3.11
            words = cpython(suite, "test_concurrent_futures", None, ("ProcessPool",))
            return [Part(suite, "init", tuple(words))]
        return [
            Part(suite, name,
                 tuple(cpython(suite, f"test_concurrent_futures.test_{name}", None,
                               ("ProcessPool",))))
            for name in FUTURES
        ]  # fmt: skip
    if suite == "multiprocess":
        tests = "multiprocess.tests.test_multiprocessing_fork"
        module = f"{tests}.test_processes" if importlib.util.find_spec(tests) else tests
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            return []
        found = []
        for part, cases in CASES.items():
            chosen = " or ".join(re.sub(r"\*|\[.*?\]", "", case) for case in cases)
            found.append(Part(suite, part, pytest_of(spec.origin, "-k", chosen), True))
        return [each for each in found if each.name not in {"managers", "others"}]
    if suite == "joblib":
        names = [f"joblib.test.test_{name}" for name in JOBLIB]
        return [Part(suite, name.rpartition("_")[2], pytest_of("--pyargs", name), True)
                for name in names if importlib.util.find_spec(name)]  # fmt: skip
    of_loky = tests_of_loky(folder)
    return [Part(suite, name, pytest_of(str(of_loky / f"test_{name}.py")), True) for name in LOKY]


def tests_of_loky(folder: Path) -> Path:
    """The tests of the installed version of loky, which only its source distribution has."""
    name = f"loky=={metadata.version('loky')}"
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps",
         "--no-binary", ":all:", "-d", str(folder), name],
        check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    (archive,) = folder.glob("loky-*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data") if hasattr(tarfile, "data_filter") else (
            file.extractall(folder)
        )
    (source,) = (each for each in folder.glob("loky-*") if each.is_dir())
    # Not beside the package, which would be taken instead of the installed one.
    return Path(shutil.copytree(source / "tests", folder / "of_loky" / "tests"))


# ---- running -------------------------------------------------------------------------------------


@dataclass
class Ran:
    """What came of a program.

    Attributes:
        outcomes: Class.test -> outcome; nothing if it did not come to its end.
        findings: What the sanitizer has found.
        notes: What it has to say of itself.
    """

    outcomes: dict[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


def ran(words: tuple[str, ...], folder: Path, *, sanitized: bool) -> Ran:
    """Run a program in a session of its own, in a new folder, at a low priority."""
    where = Path(tempfile.mkdtemp(dir=folder))
    prefix = SANITIZED if sanitized else []
    with (where / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *prefix, *words], cwd=where, stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, start_new_session=True, preexec_fn=lambda: os.nice(5),
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
    try:
        process.wait(TIME_LIMIT)
    except subprocess.TimeoutExpired:
        print(f"  not ended after {TIME_LIMIT:g} s", flush=True)
        for number in (signal.SIGUSR1, signal.SIGTERM) if sanitized else (signal.SIGTERM,):
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(DYING)
        print(tail(where / "log"))
    finally:
        compat.end(process)
    report = where / "report.json"
    found = Ran(compat.outcomes(where / "junit.xml") if (where / "junit.xml").exists() else {})
    if not found.outcomes:
        print(tail(where / "log"))
    if sanitized:
        if report.exists():
            saved = report_of(json.loads(report.read_text()))
            found.findings, found.notes = saved.findings, saved.notes
        else:
            found.outcomes = {}
            print(f"  no report\n{tail(where / 'log')}")
    return found


def tail(file: Path) -> str:
    """The end of what a program has printed."""
    return file.read_text(errors="replace")[-3000:]


# ---- judging -------------------------------------------------------------------------------------


def test_of(finding: Finding) -> str:
    """In which test a finding was made, by the stacks of its steps: file:function."""
    for step in finding.steps:
        for place in step.stack:
            name = place.function.rpartition(".")[2]
            if name.lstrip("_").startswith("test") and "unittest" not in place.file:
                return f"{Path(place.file).name}:{place.function}"
    return f"{Path(finding.place.file).name}:{finding.place.function}"


def is_true(finding: Finding, suite: str, listed: configparser.ConfigParser) -> str:
    """The pattern in true_findings.ini that a finding fits; "" if there is none."""
    name = f"{finding.code} {test_of(finding)}"
    for section in (suite, "cpython" if suite in compat.METHODS else ""):
        for pattern in dict(listed.items(section)) if listed.has_section(section) else ():
            if fnmatch.fnmatchcase(name, pattern):
                return pattern
    return ""


def told(findings: list[Finding]) -> str:
    """Findings in full, for who has to judge them."""
    lines = []
    for finding in findings:
        place = finding.place
        lines.append(f"  NOT LISTED {finding.code} {test_of(finding)} ({finding.confidence})")
        lines.append(f"    {finding.message}")
        lines.append(f"    {place.file}:{place.line} {place.source}")
        for step in finding.steps:
            own = next((each for each in step.stack if each.own), None)
            at = f" at {Path(own.file).name}:{own.line} {own.source}" if own is not None else ""
            lines.append(f"      {step.role} {step.text}{at}")
    return "\n".join(lines)


def judged(part: Part, folder: Path, listed: configparser.ConfigParser, only: list[str]) -> bool:
    """Run a part and say what came of it; whether that is as it should be."""
    words = part.words
    if only:
        words = (*words, "-k", " or ".join(only)) if part.by_pytest else matching(words, only)
    begun = time.monotonic()
    first = ran(words, folder, sanitized=True)
    count = Counter(first.outcomes.values())
    true = [each for each in first.findings if is_true(each, part.suite, listed)]
    unknown = [each for each in first.findings if each not in true]
    outcomes = ", ".join(f"{n} {what}" for what, n in sorted(count.items())) or "no tests"
    print(
        f"{part.suite} {part.name}: {outcomes}; {len(true)} true findings, {len(unknown)} others; "
        f"{time.monotonic() - begun:.0f} s",
        flush=True,
    )
    for note in first.notes:
        print(f"  note: {note}")
    for each in true:
        print(f"  true: {each.code} {test_of(each)}")
    if unknown:
        print(told(unknown), flush=True)
    wrong = sorted(name for name, what in first.outcomes.items() if what not in {"passed"})
    same = not wrong or do_the_same(part, wrong, first, folder, listed)
    return bool(first.outcomes) and not unknown and same


def do_the_same(
    part: Part, names: list[str], first: Ran, folder: Path, listed: configparser.ConfigParser
) -> bool:
    """Repeat what did not pass without the sanitizer, and what differs with and without it."""
    plain = ran(part.of(names), folder, sanitized=False).outcomes
    differ = [name for name in names if plain.get(name) != first.outcomes[name]]
    good = True
    for name in differ:
        if listed.has_option(WHITE_BOX, name):
            why = " ".join(listed[WHITE_BOX][name].split())
            print(f"  {name}: {first.outcomes[name]}, white box: {why}")
            continue
        rounds = [
            [ran(part.of([name]), folder, sanitized=with_).outcomes.get(name, "absent")
             for _ in range(ROUNDS)]
            for with_ in (False, True)
        ]  # fmt: skip
        without, under = rounds
        unsteady = set(without) != {"passed"} or "passed" in under
        good = good and unsteady
        meaning = "unsteady" if unsteady else "THE SANITIZER MAKES A DIFFERENCE"
        print(f"  {name}: {first.outcomes[name]} at first; {without} without, {under} with: "
              f"{meaning}", flush=True)  # fmt: skip
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("suites", nargs="*", metavar="suite", help=f"of {', '.join(SUITES)}")
    parser.add_argument("--quick", action="store_true", help="only a slice of some suites")
    parser.add_argument("--part", action="append", help="only this part of each suite")
    parser.add_argument("--only", action="append", default=[], help="only tests that fit")
    options = parser.parse_args()
    if not set(options.suites) <= set(SUITES):
        parser.error(f"suites are {', '.join(SUITES)}")
    listed = configparser.ConfigParser(delimiters=["="], interpolation=None)
    listed.optionxform = str  # type: ignore[assignment,method-assign]
    listed.read(HERE / "true_findings.ini", encoding="utf-8")
    print(f"CPython {sys.version.split()[0]}", flush=True)
    good = True
    for suite in options.suites or (QUICK if options.quick else SUITES):
        with tempfile.TemporaryDirectory(prefix="sanitized-") as name:
            parts = parts_of(suite, Path(name))
            if not parts:
                print(f"{suite}: this interpreter comes without it")
            for part in parts:
                chosen = options.part or (QUICK.get(suite) if options.quick else None)
                if chosen is None or part.name in chosen:
                    good &= judged(part, Path(name), listed, options.only)
    print("the same results, and no finding that is none" if good else "NOT as it should be")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
