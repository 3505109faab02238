"""`pytest --holdfast`: a test fails if something that its processes share dies too early.

What it keeps true: every setting can be given on the command line and in the ini file, and where
it makes sense for one test by its marker; the nearer one wins. The options themselves are in
pytest_holdfast.py, which is all that a run loads that does not ask for this.

With xdist, each worker watches its own tests, and the controller, which runs none, collects.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_holdfast import WAIT, setting

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

    from holdfast.cli.suppressions import Suppression
    from holdfast.findings import Report
    from holdfast.pytest_watch import Watch, Window

# On a report, what was found, as text: so it travels from a worker to the controller.
_FOUND = "holdfast"
_WIDTH = 100
_TOOL_FAILED = 3


# ---- settings -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Settings:
    """What holds for all tests."""

    suppressions: tuple[Suppression, ...]
    wait: float
    json: Path | None
    as_is: bool
    all_frames: bool

    @classmethod
    def of(cls, config: pytest.Config) -> _Settings:
        """What a configuration says.

        Raises:
            pytest.UsageError: It says something impossible.
        """
        wait = setting(config, "holdfast_wait")
        given = config.getoption("holdfast_json")
        written = config.getini("holdfast_json")
        file: Path | None = None
        if given:
            file = config.invocation_params.dir / given
        elif written:
            file = (config.inipath.parent if config.inipath else config.rootpath) / written
        return cls(
            suppressions=(*_ignored(config), *_of_project(config)),
            wait=WAIT if wait is None else _seconds(wait, "holdfast_wait"),
            json=file,
            as_is=bool(setting(config, "holdfast_as_is")),
            all_frames=bool(setting(config, "holdfast_all_frames")),
        )


def _ignored(config: pytest.Config) -> list[Suppression]:
    given = config.getoption("holdfast_ignore")
    if given is not None:
        return _suppressions(given, "--holdfast-ignore")
    return _suppressions(config.getini("holdfast_ignore") or [], "holdfast_ignore")


def _suppressions(given: Any, origin: str, *, must_be_used: bool = True) -> list[Suppression]:
    from holdfast.cli.suppressions import Suppression, SuppressionError

    words: list[Any] = [given] if isinstance(given, str) else list(given)
    parts = [part.strip() for word in words for part in str(word).split(",")]
    try:
        return [Suppression.of(each, origin, must_be_used=must_be_used) for each in parts if each]
    except SuppressionError as error:
        raise pytest.UsageError(str(error)) from None


def _of_project(config: pytest.Config) -> list[Suppression]:
    """Those of `[tool.holdfast]`, which hold for `holdfast run` as well."""
    from pathlib import Path

    from holdfast.cli import parting, suppressions

    file = parting.project_file(str(config.rootpath))
    try:
        return suppressions.of_project(Path(file)) if file else []
    except suppressions.SuppressionError as error:
        raise pytest.UsageError(str(error)) from None


def _seconds(given: object, where: str) -> float:
    try:
        seconds = float(given)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise pytest.UsageError(f"{where}: expected a number of seconds, found {given!r}")
    return seconds


def _window(item: pytest.Item, settings: _Settings) -> Window:
    """What holds for one test: its markers, the nearest first, and the settings for all.

    Raises:
        pytest.UsageError: A marker says something impossible.
    """
    from holdfast.pytest_watch import Window

    window = Window(item.nodeid, suppressions=settings.suppressions, patience=settings.wait)
    for marker in reversed(list(item.iter_markers("holdfast"))):
        where = f"{item.nodeid}: pytest.mark.holdfast"
        unknown = set(marker.kwargs) - {"ignore", "enabled", "wait"}
        if marker.args or unknown:
            wrong = ", ".join([*map(repr, marker.args), *sorted(unknown)])
            raise pytest.UsageError(f"{where} takes ignore=, enabled= and wait=, not {wrong}")
        if "ignore" in marker.kwargs:
            given = marker.kwargs["ignore"]
            window.suppressions += tuple(_suppressions(given, where, must_be_used=False))
        if "enabled" in marker.kwargs:
            window.enabled = bool(marker.kwargs["enabled"])
        if "wait" in marker.kwargs:
            window.patience = _seconds(marker.kwargs["wait"], where)
    return window


# ---- a run --------------------------------------------------------------------------------------


def begin(config: pytest.Config) -> None:
    """Begin to watch, if tests run in this process; to collect what workers say, if they do.

    Raises:
        pytest.UsageError: A setting is wrong, or this process cannot be watched.
    """
    settings = _Settings.of(config)
    if _is_controller(config):
        config.pluginmanager.register(_Results(config, settings), "holdfast-results")
        return
    watch = _watch(settings)
    if watch is None:
        config.issue_config_time_warning(
            pytest.PytestConfigWarning(
                "--holdfast does nothing here: this process is being watched already"
            ),
            stacklevel=2,
        )
        return
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Results(config, settings), "holdfast-results")
    config.pluginmanager.register(_Tests(config, settings, watch), "holdfast-tests")


def _is_controller(config: pytest.Config) -> bool:
    """Whether xdist's workers run the tests, and not this process."""
    distributes = getattr(config.option, "dist", "no") != "no" or getattr(config.option, "tx", None)
    return bool(distributes) and not hasattr(config, "workerinput")


# The watch of this process lasts as long as the process; runs that follow each other share it.
_watches: list[Watch] = []
_busy = False


def _watch(settings: _Settings) -> Watch | None:
    """The watch of this process; None if somebody else watches it, or a run around this one."""
    from holdfast.errors import HoldfastError

    try:
        from holdfast.pytest_watch import Watch
        from holdfast.sanitizer import recorder

        if _busy or (recorder.active() and not _watches):
            return None
        if not _watches:
            _watches.append(Watch({"as_is": settings.as_is, "guard": False}))
    except (OSError, HoldfastError, ImportError) as error:
        raise pytest.UsageError(f"--holdfast: {error}") from error
    return _watches[0]


class _Tests:
    """In a process that runs tests: what happens in which, and what is wrong there."""

    def __init__(self, config: pytest.Config, settings: _Settings, watch: Watch) -> None:
        global _busy
        _busy = True
        self._config = config
        self._settings = settings
        self._watch = watch

    def pytest_unconfigure(self) -> None:
        global _busy
        _busy = False

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Complain of markers that say something impossible before anything runs."""
        for item in items:
            _window(item, self._settings)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, None]:
        self._watch.begin(_window(item, self._settings))
        yield
        self._watch.end()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self) -> None:
        self._watch.called()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, Any, None]:
        if fixturedef.scope == "function":
            yield
        else:
            with self._watch.wider():
                yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
        found: Report | None = None
        if call.when in {"call", "teardown"}:
            found = self._watch.judge(over=call.when == "teardown")
        if found is None:
            yield
            return
        message = _message(found)
        if not self._shows_sections():
            message = f"{self._text(found)}\n{message}"
        if call.excinfo is None or isinstance(call.excinfo.value, pytest.skip.Exception):
            # From here on it is a test that fails: for xfail, for --pdb, for all plugins.
            call.excinfo = _failure(message)
        outcome = yield
        report = outcome.get_result()
        if report.passed or (report.skipped and not hasattr(report, "wasxfail")):
            report.outcome, report.longrepr = "failed", message
        report.sections.append(("holdfast", self._text(found)))
        setattr(report, _FOUND, _as_text(found))

    def _shows_sections(self) -> bool:
        return str(self._config.getoption("showcapture", "all")) == "all"

    def _text(self, found: Report) -> str:
        from holdfast.report import as_text

        width = shutil.get_terminal_size((_WIDTH, 24)).columns
        shown = self._settings.all_frames
        parts = [
            as_text.render_finding(each, found, colour=False, width=width, all_frames=shown)
            for each in found.findings
        ]
        return "\n".join(parts)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        self._watch.finish()
        watch = self._watch
        late = [(name, _as_text(report)) for name, report in watch.late]
        told = {
            "late": late,
            "suppressed": watch.suppressed,
            "used": [(each.text, each.origin) for each in watch.used],
            "notes": list(watch.notes),
            "failures": watch.failures,
        }
        watch.late, watch.suppressed = [], 0
        output: dict[str, str] | None = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[_FOUND] = json.dumps(told)
            return
        results: Any = self._config.pluginmanager.get_plugin("holdfast-results")
        results.add(told)


def _failure(message: str) -> pytest.ExceptionInfo[BaseException]:
    try:
        raise pytest.fail.Exception(message, pytrace=False)
    except pytest.fail.Exception:
        return pytest.ExceptionInfo.from_current()


def _message(found: Report) -> str:
    from holdfast.report.story import summary

    parts: list[str] = []
    for each in found.findings:
        lines = [f"{each.code} {each.hazard.slug}: {each.message}"]
        lines += [f"fix: {each.fix}"] if each.fix else []
        parts.append("\n".join([*lines, summary(each)]))
    return "\n\n".join(parts)


def _as_text(report: Report) -> str:
    from holdfast.findings import as_data

    return json.dumps(as_data(report))


def _of_text(text: str) -> Report:
    from holdfast.findings import report_of

    return report_of(json.loads(text))


# ---- what comes of it ---------------------------------------------------------------------------


class _Results:
    """In the process that prints: the findings of all tests."""

    def __init__(self, config: pytest.Config, settings: _Settings) -> None:
        self._config = config
        self._settings = settings
        self._tests = 0
        self._found: list[tuple[str, Report]] = []
        self._expected = 0
        self._late: list[tuple[str, Report]] = []
        self._suppressed = 0
        self._notes: list[str] = []
        self._used: set[tuple[str, str]] = set()
        self._failures: list[str] = []

    def pytest_report_header(self) -> str:
        return "holdfast: watching the processes of every test"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            self._tests += 1
        text: str | None = getattr(report, _FOUND, None)
        if text is None:
            return
        found = _of_text(text)
        if report.failed:
            self._found.append((report.nodeid, found))
        elif hasattr(report, "wasxfail"):
            self._expected += _number([found])

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        text = getattr(node, "workeroutput", {}).get(_FOUND)
        if text is not None:
            self.add(json.loads(text))

    def add(self, told: dict[str, Any]) -> None:
        """What a process that ran tests says at its end."""
        self._late += [(name, _of_text(text)) for name, text in told["late"]]
        self._suppressed += told["suppressed"]
        self._used |= {(text, origin) for text, origin in told["used"]}
        self._notes += [note for note in told["notes"] if note not in self._notes]
        self._failures += [text for text in told["failures"] if text not in self._failures]

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, Any, None]:
        # After everything that a process which runs tests does at its end, before it is printed.
        yield
        if _is_whole(self._config):
            self._notes += [
                f"{each.text!r} ({each.origin}) has suppressed nothing"
                for each in self._settings.suppressions
                if each.must_be_used and (each.text, each.origin) not in self._used
            ]
        if self._settings.json is not None:
            try:
                self._write(self._settings.json)
            except OSError as error:
                self._failures.append(str(error))
        if session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            if self._failures:
                session.exitstatus = _TOOL_FAILED
            elif self._late:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _write(self, file: Path) -> None:
        from holdfast.cli.parting import write
        from holdfast.report import as_json

        write(str(file), as_json.render(self._whole()))

    def _whole(self) -> Report:
        """One report of all tests."""
        from holdfast import __version__
        from holdfast.findings import Report
        from holdfast.pytest_watch import told_of

        reports = [told_of(name, each) for name, each in [*self._found, *self._late]]
        processes = {each.pid: each for report in reports for each in report.processes}
        return Report(
            tool="pytest",
            version=__version__,
            python=".".join(map(str, sys.version_info[:3])),
            program=("pytest", *map(os.fspath, self._config.invocation_params.args)),
            findings=tuple(finding for report in reports for finding in report.findings),
            processes=tuple(sorted(processes.values(), key=lambda each: each.started_ns)),
            began_ns=min((report.began_ns for report in reports), default=0),
            ended_ns=max((report.ended_ns for report in reports), default=0),
            notes=tuple(self._notes),
            suppressed=self._suppressed,
        )

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._late:
            self._tell_late(terminalreporter)
        for note in self._notes:
            terminalreporter.write_line(f"holdfast: note: {note}")
        for text in self._failures:
            terminalreporter.write_line(f"holdfast: {text}", red=True)
        found = [*self._found, *self._late]
        number = _number(report for _, report in found)
        if number:
            tests = len({name for name, _ in found})
            line = f"holdfast: {_count(number, 'finding')} in {_count(tests, 'test')}"
        else:
            line = f"holdfast: no findings in {_count(self._tests, 'test')}"
        more = [
            f"{many} {what}"
            for many, what in ((self._suppressed, "ignored"), (self._expected, "expected"))
            if many
        ]
        line += f" ({', '.join(more)})" if more else ""
        terminalreporter.write_line(line, red=bool(number), green=not number)

    def _tell_late(self, terminalreporter: Any) -> None:
        from holdfast.report import as_text

        terminalreporter.write_sep("=", "holdfast: came to light when the test was over", red=True)
        for name, report in self._late:
            terminalreporter.write_sep("_", name or "after the tests", red=True)
            for each in report.findings:
                text = as_text.render_finding(
                    each, report, colour=bool(terminalreporter.hasmarkup),
                    width=terminalreporter._tw.fullwidth, all_frames=self._settings.all_frames,
                )  # fmt: skip
                terminalreporter.write(text)


def _is_whole(config: pytest.Config) -> bool:
    """Whether all tests of the project have been run: then what was not needed is not needed."""
    chosen = config.getoption("keyword", "") or config.getoption("markexpr", "")
    source = getattr(config, "args_source", None)
    return not chosen and getattr(source, "name", "") in {"TESTPATHS", "INVOCATION_DIR"}


def _number(reports: Iterable[Report]) -> int:
    return sum(finding.count for report in reports for finding in report.findings)


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
