"""`holdfast run`: a program, unchanged, under the sanitizer, the guard, or both.

What stands before the program is ours, what stands after it is the program's and is not looked
at: the border between the two is the first word that is not an option, or `-m` or `-c`, exactly
as for the interpreter itself. An option of ours that takes a value has it after `=`, or as the
next word.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

from holdfast.cli import FAILED, parser_of, parting
from holdfast.cli.interpreter import Program, run
from holdfast.errors import HoldfastError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from holdfast.cli.supervisor import Watch
    from holdfast.cli.suppressions import Suppression
    from holdfast.findings import Report
    from holdfast.sanitizer.capture import Capture

DESCRIPTION = """\
Runs a Python program as the interpreter would (same sys.argv, __main__,
exit status, signals, stdin and tracebacks), watches it and all processes
that it starts, and tells which shared objects died while a process still
used them: where each was created, handed over, dropped and used afterwards,
what got its memory, and what to write instead.
"""

EPILOG = """\
Without --guard nothing is corrected, except that memory is not really given
to another object while a process uses it: so the report shows the fault, not
its debris. With --as-is the program has the standard library's own memory.
Findings are printed on standard error when the program has ended; a program
in which nothing was found prints what it prints anyway.

With --guard, the memory behind multiprocessing's Value, Array, RawValue,
RawArray, Barrier and the semaphores behind its locks and queues come from a
heap that knows which processes can still reach what. An object that its
creator dropped stays valid for the child that has it; nothing is given out
twice. The same holds in every process that the program starts by fork,
os.fork, spawn or forkserver, by Pool and ProcessPoolExecutor, and by
multiprocess, billiard and loky. NumPy arrays over shared memory that are
pickled, and so copied, are reported by a SharedCopyWarning. Nothing is
watched then, unless --watch is given as well.

examples:
  holdfast run app.py --port 80                what is wrong, and where
  holdfast run --halt app.py                   stop at the first finding
  holdfast run --hang 30 app.py                end it when nothing happens for
                                               30 s, and tell who waits for whom
  holdfast run --html report.html app.py       a page with a timeline
  holdfast run --guard -m package.module       the same program, repaired
  python -X dev -m holdfast run app.py         interpreter options

exit status:
  the program's own, and if a signal ended it, the same signal; 1 if it
  succeeded and there are findings, or if --halt or --hang has ended it;
  2 for wrong usage, 3 when holdfast itself fails
"""

# Options of ours whose value may be the next word.
_WITH_VALUE = ("--hang", "--json", "--sarif", "--html", "--colour", "--color", "--ignore")


def main(arguments: Sequence[str]) -> int:
    """Run a program; see the module.

    Args:
        arguments: What follows `run` on the command line.

    Returns:
        The exit status, where the program did not end by an exception.

    Raises:
        SystemExit: Wrong usage; or the program's own.
        BaseException: Whatever the program let out. `sys.excepthook` is then prepared to show
            the program's frames only.

    Version: 0.1.
    """
    own, program = divide(arguments)
    parser = _parser()
    options = parser.parse_args(own)
    if program is None:
        parser.error("no program to run: give a script, -m module or -c code")
    watching = options.watch or not options.guard
    if not watching:
        used = [
            name
            for name in ("as_is", "halt", "hang", "json", "sarif", "html", "ignore")
            if vars(options)[name]
        ]
        if used:
            option = used[0].replace("_", "-")
            parser.error(f"--{option} needs watching: with --guard, give --watch as well")
    elif options.guard and options.as_is:
        parser.error("--as-is and --guard exclude each other: which memory shall it be?")
    if watching:
        try:
            options.suppressions = _suppressions(options.ignore, program)
        except HoldfastError as error:
            parser.error(str(error))
        words = tuple(arguments[len(own) :])
        return _watched(options, program, words)
    if not _guarded():
        return FAILED
    run(program)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = parser_of(
        "holdfast run", "[options] (script.py | -m module | -c code) [args ...]", DESCRIPTION,
        EPILOG,
    )  # fmt: skip
    add = parser.add_argument
    add("--guard", action="store_true", help="keep shared objects alive while a process uses them")
    add("--watch", action="store_true", help="watch, also with --guard; without it the default")
    add("--as-is", action="store_true", help="the standard library's own memory and its real fate")
    add(
        "--hang", metavar="SECONDS", type=_seconds,
        help="when nothing happens for so long: tell who waits for whom, end the program",
    )  # fmt: skip
    add("--halt", action="store_true", help="end the program at the first finding")
    add("--json", metavar="FILE", help="write the report as JSON, too; - is standard output")
    add("--sarif", metavar="FILE", help="write it as SARIF 2.1.0, for code-scanning pages")
    add("--html", metavar="FILE", help="write it as one page with a timeline")
    add(
        "--ignore", metavar="WHAT[:FILE[:FUNCTION]]", action="append", default=[],
        help="do not report this code or slug, in this file, in this function",
    )  # fmt: skip
    add("--all-frames", action="store_true", help="show the frames of libraries in stacks")
    add(
        "--colour", "--color", choices=("auto", "always", "never"), default="auto",
        help="colours: where the terminal has them, always or never",
    )  # fmt: skip
    return parser


def _suppressions(ignored: Sequence[str], program: Program) -> list[Suppression]:
    path = os.path.abspath(program.name)  # noqa: PTH100 - pathlib loads slowly
    is_file = os.path.isfile(path)  # noqa: PTH113
    file = parting.project_file(os.path.dirname(path) if is_file else os.getcwd())  # noqa: PTH109, PTH120
    if not (ignored or file):
        return []
    from pathlib import Path

    from holdfast.cli import suppressions

    found = suppressions.of_options(ignored)
    return [*found, *suppressions.of_project(Path(file))] if file else found


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise ValueError(text)
    return seconds


def _guarded() -> bool:
    try:
        from holdfast.guard import guard

        guard()
    except (HoldfastError, ImportError) as error:
        print(f"holdfast run: {error}", file=sys.stderr)
        return False
    return True


def _watched(options: argparse.Namespace, program: Program, words: tuple[str, ...]) -> int:
    """Fork; become the program in the child, and its supervisor in the parent."""
    from holdfast.sanitizer import recorder
    from holdfast.sanitizer.capture import Capture, Reader

    settings: dict[str, Any] = {"as_is": options.as_is, "guard": options.guard}
    try:
        capture = Capture.create()
        if not options.as_is:
            from holdfast import _family

            _family.open()
    except (OSError, HoldfastError, ImportError) as error:
        print(f"holdfast run: {error}", file=sys.stderr)
        return FAILED
    pid = parting.part()
    if pid == 0:
        # The guard first: what is watched then is what the guard has made of it.
        if options.guard and not _guarded():
            return FAILED
        recorder.start(capture, settings)
        run(program)
        return 0
    wanted = (options.json, options.sarif, options.html, *options.suppressions)
    if not any(wanted) and parting.ends_soon(pid) and Reader(capture).is_quiet():
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return parting.end_as(status, found=False)
    return _supervised(options, capture, settings, pid, words)


def _supervised(
    options: argparse.Namespace,
    capture: Capture,
    settings: dict[str, Any],
    pid: int,
    words: tuple[str, ...],
) -> int:
    """Wait for the program and tell what was seen; loaded while the program starts."""
    from holdfast.cli import supervisor

    watch = supervisor.Watch(
        capture, words, settings, pid, halt=options.halt, hang=options.hang,
        suppressions=options.suppressions,
    )  # fmt: skip
    status = watch.wait()
    failed = _show(options, watch)
    if failed and not status:
        return FAILED
    found = watch.found or watch.halted
    return parting.end_as(0 if watch.halted else status, found=found)


def _show(options: argparse.Namespace, watch: Watch) -> bool:
    """Print the report and write its files; whether a file could not be written."""
    report = watch.report()
    if report.findings or watch.reader.lost or watch.unused:
        from holdfast.report import as_text

        stream = sys.stderr
        colour = options.colour == "always" or (options.colour == "auto" and stream.isatty())
        width = shutil.get_terminal_size((100, 24)).columns
        text = as_text.render(report, colour=colour, width=width, all_frames=options.all_frames)
        print(text, end="", file=stream, flush=True)
    failed = False
    for form in ("json", "sarif", "html"):
        path = vars(options)[form]
        if path is not None:
            try:
                parting.write(path, _rendered(form, report))
            except OSError as error:
                print(f"holdfast run: {error}", file=sys.stderr)
                failed = True
    return failed


def _rendered(form: str, report: Report) -> str:
    import importlib

    text: str = importlib.import_module(f"holdfast.report.as_{form}").render(report)
    return text


def divide(arguments: Sequence[str]) -> tuple[list[str], Program | None]:
    """Divide the words of the command line into holdfast's own and the program."""
    value_follows = False
    for index, word in enumerate(arguments):
        if value_follows:
            value_follows = False
            continue
        if word in _WITH_VALUE:
            value_follows = True
            continue
        own, rest = list(arguments[:index]), list(arguments[index + 1 :])
        for switch, kind in (("-m", Program.module), ("-c", Program.command)):
            if word == switch:
                return own, kind(rest[0], rest[1:]) if rest else None
            if word.startswith(switch):
                return own, kind(word[len(switch) :], rest)
        if word == "--":
            return own, Program.script(rest[0], rest[1:]) if rest else None
        if not word.startswith("-") or word == "-":
            return own, Program.script(word, rest)
    return list(arguments), None
