"""`holdfast check`: finds lifetime hazards between processes in source.

What it keeps true: what the command line says wins over pyproject.toml; every option can be given
in both where that makes sense, and means the same. Standard output holds the report alone, so that
it can go to a file; progress, notes and complaints go to standard error.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from holdfast import __version__
from holdfast.cli import FAILED, USAGE, fixing, output
from holdfast.errors import HoldfastError
from holdfast.findings import CONFIDENCES, Confidence, Report, hazard_of
from holdfast.lint import config
from holdfast.lint.files.cache import FOLDER
from holdfast.lint.files.checked import check_file
from holdfast.lint.files.discovery import discover
from holdfast.lint.files.tree import Outcome, check_paths
from holdfast.lint.options import Options
from holdfast.lint.program.modules import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FOUND = 1

_Read = TypeVar("_Read")

DESCRIPTION = """\
Reads Python source and finds where an object that processes share is dropped,
closed or replaced while another process still uses it. Nothing is run.
"""

EPILOG = """\
Settings may stand in pyproject.toml, in the table [tool.holdfast]: select,
ignore, exclude, min-confidence, start-method, target-python.

A line is allowed by a comment on it, or above it, with a reason:
  # holdfast: allow local-dropped because the child ends before we return

examples:
  holdfast check                           everything below the current folder
  holdfast check src tests/run.py          some of it
  holdfast check --format sarif src > found.sarif
  holdfast check - --stdin-filename app.py < app.py
  holdfast check --start-method spawn src  as on macOS, Windows, and 3.14
  holdfast check --diff src                what --fix would change
  holdfast explain local-dropped           what a finding means

exit status:
  0 nothing found, 1 findings, 2 wrong usage, 3 holdfast itself failed
"""

FORMATS = ("text", "json", "sarif", "github", "gitlab")


def main(arguments: Sequence[str]) -> int:
    """Check files; see the module.

    Args:
        arguments: What follows `check` on the command line.

    Returns:
        The exit status.

    Raises:
        SystemExit: Wrong usage.

    Version: 0.1.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        settings = _settings(given)
        options = _options(given, settings)
        if fixing.wanted(given) and given.paths == ["-"]:
            result = fixing.fix_standard_input(given, options, sys.stdin.buffer.read())
            return FOUND if result.left or (given.diff and result.done) else 0
        outcome = _checked(given, options, settings)
        if fixing.wanted(given):
            return _fixed(given, fixing.fix_all(given, outcome))
    except FileNotFoundError as error:
        parser.error(f"there is no file or folder {error}")
    except config.SettingError as error:
        print(f"holdfast check: {error}", file=sys.stderr)
        return USAGE
    except (HoldfastError, OSError) as error:
        print(f"holdfast check: {error}", file=sys.stderr)
        return FAILED
    return _told(given, outcome)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="holdfast check",
        usage="holdfast check [options] [path ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("paths", nargs="*", metavar="path", help="files and folders; - for standard input; .")
    what = parser.add_argument_group("what to report")
    what.add_argument("--select", action="append", metavar="CODES",
                      help="only these: codes, beginnings of codes, or names")  # fmt: skip
    what.add_argument("--ignore", action="append", metavar="CODES", help="not these")
    what.add_argument("--min-confidence", choices=CONFIDENCES, default=None,
                      help="the least confidence to report (default: medium)")  # fmt: skip
    which = parser.add_argument_group("which files")
    which.add_argument("--exclude", action="append", metavar="PATTERN",
                       help="leave these out; the form is that of .gitignore")  # fmt: skip
    which.add_argument("--no-gitignore", action="store_true", help="look at ignored files, too")
    which.add_argument("--stdin-filename", metavar="PATH", default=None,
                       help="what standard input is called")  # fmt: skip
    how = parser.add_argument_group("how the program runs")
    how.add_argument("--start-method", choices=config.START_METHODS, default=None,
                     help="where the program does not say (default: as its code sets it, else "
                     "that of the target)")  # fmt: skip
    how.add_argument("--target-python", metavar="X.Y", default=None,
                     help="the Python it is for (default: this one); from 3.14 the default "
                     "start method on Linux is forkserver")  # fmt: skip
    show = parser.add_argument_group("output")
    show.add_argument("--format", choices=FORMATS, default="text", help="(default: text)")
    show.add_argument("--output", "-o", metavar="FILE", default=None, help="instead of printing")
    show.add_argument("--statistics", action="store_true", help="count what was found, by code")
    show.add_argument("--colour", "--color", choices=("auto", "always", "never"), default="auto",
                      help="(default: auto)")  # fmt: skip
    show.add_argument("--quiet", "-q", action="store_true", help="no progress, no notes")
    repair = parser.add_argument_group("repairing (needs libcst: pip install 'holdfast[check]')")
    repair.add_argument("--fix", action="store_true",
                        help="change the files so that objects live long enough; each change is "
                        "checked again before it is taken")  # fmt: skip
    repair.add_argument("--unsafe-fixes", action="store_true",
                        help="and what changes waits and results")  # fmt: skip
    repair.add_argument("--diff", action="store_true", help="show the changes, make none")
    more = parser.add_argument_group("more")
    more.add_argument("--config", metavar="FILE", default=None,
                      help="a pyproject.toml (default: the nearest one)")  # fmt: skip
    more.add_argument("--jobs", "-j", type=int, default=0, metavar="N",
                      help="processes that share the work (default: one a core)")  # fmt: skip
    more.add_argument("--no-cache", action="store_true", help=f"do not use or write {FOLDER}")
    return parser


# ---- settings -----------------------------------------------------------------------------------


def _settings(given: argparse.Namespace) -> config.Settings:
    if given.config is not None:
        return config.read(Path(given.config))
    named = given.stdin_filename or (given.paths[0] if given.paths else ".")
    file = config.find(Path("." if named == "-" else named).absolute())
    return config.read(file) if file is not None else config.Settings()


def _options(given: argparse.Namespace, settings: config.Settings) -> Options:
    defaults = Options()
    target = settings.target or defaults.target
    if given.target_python is not None:
        target = _said("--target-python", config.python, given.target_python)
    select, ignore = settings.select or (), settings.ignore or ()
    if given.select is not None:
        select = _said("--select", config.names, given.select)
    if given.ignore is not None:
        ignore = _said("--ignore", config.names, given.ignore)
    least: Confidence = given.min_confidence or settings.min_confidence or defaults.min_confidence
    return Options(
        select=select,
        ignore=ignore,
        min_confidence=least,
        start_method=given.start_method or settings.start_method or "",
        target=target,
    )


def _said(option: str, reader: Callable[[object], _Read], value: object) -> _Read:
    try:
        return reader(value)
    except ValueError as error:
        raise config.SettingError(where=option, why=str(error)) from None


# ---- checking -----------------------------------------------------------------------------------


def _checked(given: argparse.Namespace, options: Options, settings: config.Settings) -> Outcome:
    if "-" in given.paths:
        if len(given.paths) > 1:
            raise config.SettingError(where="-", why="standard input goes with no other path")
        return _standard_input(given, options)
    exclude = [*(given.exclude or ())]
    here = Path.cwd()
    if settings.file is not None:
        exclude = [*_seen_from(here, settings.file.parent, settings.exclude), *exclude]
    files = discover(given.paths or ["."], exclude, gitignore=not given.no_gitignore)
    root = settings.file.parent if settings.file is not None else here
    return check_paths(
        files,
        options,
        jobs=given.jobs,
        cache=None if given.no_cache else root / FOLDER,
        version=__version__,
        progress=None if given.quiet or not sys.stderr.isatty() else _progress,
    )


def _seen_from(here: Path, root: Path, patterns: Sequence[str]) -> list[str]:
    """Patterns that are relative to the project's folder, as seen from the current one."""
    if here == root:
        return list(patterns)
    found: list[str] = []
    for pattern in patterns:
        if "/" not in pattern.rstrip("/"):
            found.append(pattern)
        elif here in root.parents:
            found.append(f"/{root.relative_to(here).as_posix()}/{pattern.lstrip('/')}")
        elif root in here.parents:
            below = f"{here.relative_to(root).as_posix()}/"
            if pattern.lstrip("/").startswith(below):
                found.append("/" + pattern.lstrip("/")[len(below) :])
    return found


def _standard_input(given: argparse.Namespace, options: Options) -> Outcome:
    name = given.stdin_filename or "<stdin>"
    result = check_file(name, sys.stdin.buffer.read(), options, Project())
    report = Report(
        tool="check",
        version=__version__,
        program=(name,),
        findings=result.findings,
        notes=(result.note,) if result.note else (),
        suppressed=result.allowed,
        python=".".join(map(str, sys.version_info[:3])),
    )
    return Outcome(report, 1, 1, result.failed, options)


def _progress(done: int, of: int) -> None:
    end = "\r\033[K" if done == of else ""
    print(f"\rholdfast check: {done} of {of} files{end}", end="", file=sys.stderr, flush=True)


# ---- telling ------------------------------------------------------------------------------------


def _told(given: argparse.Namespace, outcome: Outcome) -> int:
    shown = replace(outcome.report, notes=()) if given.quiet else outcome.report
    text = _rendered(given, shown if given.format == "text" else outcome.report)
    if given.output is not None:
        try:
            Path(given.output).write_text(text, encoding="utf-8")
        except OSError as error:
            print(f"holdfast check: {given.output}: {error.strerror}", file=sys.stderr)
            return FAILED
    else:
        output.write(text)
    if not given.quiet and given.format != "text":
        for note in outcome.report.notes:
            print(note, file=sys.stderr)
    if given.statistics:
        output.write(_statistics(outcome), sys.stderr if given.format != "text" else sys.stdout)
    if outcome.failed:
        return FAILED
    return FOUND if outcome.report.findings else 0


def _fixed(given: argparse.Namespace, changes: fixing.Changes) -> int:
    """Tell what was fixed, and report the rest."""
    for note in changes.notes:
        print(note, file=sys.stderr)
    if not given.quiet:
        verb = "would fix" if given.diff else "fixed"
        print(
            f"holdfast check: {verb} {changes.fixed} of "
            f"{changes.fixed + len(changes.outcome.report.findings)} findings, in {changes.files} "
            f"file{'' if changes.files == 1 else 's'}",
            file=sys.stderr,
        )
    if given.diff:
        return FOUND if changes.fixed or changes.outcome.report.findings else 0
    return _told(given, changes.outcome)


def _rendered(given: argparse.Namespace, report: Report) -> str:
    if given.format == "json":
        from holdfast.report import as_json

        return as_json.render(report)
    if given.format == "sarif":
        from holdfast.report import as_sarif

        return as_sarif.render(report)
    if given.format == "github":
        from holdfast.report import as_github

        return as_github.render(report)
    if given.format == "gitlab":
        from holdfast.report import as_gitlab

        return as_gitlab.render(report)
    from holdfast.report import as_text

    colour = given.output is None and output.colour(given.colour, sys.stdout)
    return as_text.render(report, colour=colour, width=output.width())


def _statistics(outcome: Outcome) -> str:
    counts = Counter(each.code for each in outcome.report.findings)
    lines = [f"{count:6}  {code} {hazard_of(code).slug}" for code, count in sorted(counts.items())]
    lines.append(
        f"{sum(counts.values()):6}  in all; {outcome.files} files looked at, {outcome.parsed} of "
        f"them followed, {outcome.report.suppressed} findings allowed by comments"
    )
    return "\n".join(lines) + "\n"
