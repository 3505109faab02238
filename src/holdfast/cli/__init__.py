"""The command `holdfast`: finds the subcommand and hands the arguments over.

One file per subcommand. Its `main(arguments)` gets what follows its name and returns an exit
status. It is imported only when it is asked for, so that `holdfast --help` needs no native part.

Exit status of the tools: 0 clean, 1 findings, 2 usage, 3 the tool itself failed. A program that
`holdfast run` started keeps its own.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import TYPE_CHECKING

from holdfast import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = 2
FAILED = 3

# Name of the subcommand: what the overview says of it.
SUBCOMMANDS = {
    "run": "watch an unchanged program and explain what died too early",
    "check": "find lifetime hazards in source, without running it",
    "report": "print a saved report: text, JSON, SARIF, or a page with a timeline",
    "explain": "what a hazard is, why it bites, and the right way to write it",
}

DESCRIPTION = """\
Shared memory for Python processes that is never given to anyone else
while some process can still reach it.
"""

EPILOG = """\
commands:
{commands}

examples:
  holdfast run --guard app.py --port 80    a script, with its own arguments
  holdfast run --guard -m package.module   a module, as python -m runs it
  holdfast run --help                      all about running programs
  holdfast check src                       all about it: holdfast check --help
  holdfast report found.json -o found.html a saved report as a page
  holdfast explain local-dropped           what a finding's name means

exit status:
  1 for findings, 2 for wrong usage, 3 when holdfast itself fails; a program
  that was run keeps its own
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the command's name; those of the process if None.

    Returns:
        The exit status of the process.

    Raises:
        SystemExit: For `--help`, `--version` and wrong usage, as argparse does; and everything
            that a program run by `holdfast run` lets out.

    Version: 0.1.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    commands = "\n".join(f"  {name:<8} {summary}" for name, summary in SUBCOMMANDS.items())
    parser = parser_of(
        "holdfast", "[--help] [--version] command ...", DESCRIPTION,
        EPILOG.format(commands=commands),
    )  # fmt: skip
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    # Only what stands before the subcommand is ours to parse: the rest may be a program's.
    own = next((i for i, word in enumerate(given) if not word.startswith("-")), len(given))
    options = parser.parse_args(given[:own])
    if options.version:
        print(version_line())
        return 0
    if own == len(given):
        parser.print_help()
        return USAGE
    name, rest = given[own], given[own + 1 :]
    if name not in SUBCOMMANDS:
        parser.error(f"there is no command {name!r}; choose from: {', '.join(SUBCOMMANDS)}")
    command = importlib.import_module(f"holdfast.cli.{name}")
    status: int = command.main(rest)
    return status


def parser_of(command: str, usage: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """A parser as all commands of the house have it: help as it is written, no abbreviations.

    Args:
        command: "holdfast", or "holdfast run".
        usage: What follows it.
        description: What it does.
        epilog: Examples, and the exit status.
    """
    return argparse.ArgumentParser(
        prog=command,
        usage=f"{command} {usage}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def version_line() -> str:
    """What `holdfast --version` prints: the package and the interpreter it runs on."""
    implementation = sys.implementation.name
    python = ".".join(map(str, sys.version_info[:3]))
    return f"holdfast {__version__} ({implementation} {python})"
