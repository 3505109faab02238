"""`holdfast run`: a program, unchanged, under a tool.

What stands before the program is ours, what stands after it is the program's and is not looked
at: the border between the two is the first word that is not an option, or `-m` or `-c`, exactly
as for the interpreter itself.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from holdfast.cli import FAILED
from holdfast.cli.interpreter import Program, run
from holdfast.errors import HoldfastError

if TYPE_CHECKING:
    from collections.abc import Sequence

DESCRIPTION = """\
Runs a Python program as the interpreter would (same sys.argv, __main__,
exit status, signals, stdin and tracebacks) under one of the tools.
"""

EPILOG = """\
With --guard, the memory behind multiprocessing's Value, Array, RawValue,
RawArray, Barrier and the semaphores behind its locks and queues come from a
heap that knows which processes can still reach what. An object that its
creator dropped stays valid for the child that has it; nothing is given out
twice. The same holds in every process that the program starts by fork,
os.fork, spawn or forkserver, by Pool and ProcessPoolExecutor, and by
multiprocess, billiard and loky. NumPy arrays over shared memory that are
pickled, and so copied, are reported by a SharedCopyWarning.

examples:
  holdfast run --guard app.py --port 80
  holdfast run --guard -m package.module --flag
  holdfast run --guard -c "import multiprocessing as mp; ..."
  python -X dev -m holdfast run --guard app.py      interpreter options

exit status:
  the program's own; 2 for wrong usage, 3 when holdfast itself fails, which
  is before the program has started
"""


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
    parser = argparse.ArgumentParser(
        prog="holdfast run",
        usage="holdfast run --guard (script.py | -m module | -c code) [args ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--guard", action="store_true", help="keep shared objects alive while a process uses them"
    )
    options = parser.parse_args(own)
    if program is None:
        parser.error("no program to run: give a script, -m module or -c code")
    if not options.guard:
        parser.error(
            "this version does not look for lifetime hazards yet; "
            "it repairs them: holdfast run --guard ..."
        )
    try:
        from holdfast.guard import guard

        guard()
    except (HoldfastError, ImportError) as error:
        print(f"holdfast run: {error}", file=sys.stderr)
        return FAILED
    run(program)
    return 0


def divide(arguments: Sequence[str]) -> tuple[list[str], Program | None]:
    """Divide the words of the command line into holdfast's own and the program."""
    for index, word in enumerate(arguments):
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
