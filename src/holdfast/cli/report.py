"""`holdfast report`: a saved report, printed in another form, later, on any machine.

Whatever is printed comes from the records: the program, its source and the heap may be gone.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.cli import FAILED, USAGE, parser_of
from holdfast.cli.output import PIPE_WIDTH, colour, width, write
from holdfast.report import as_html, as_json, as_sarif, as_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from holdfast.findings import Report

DESCRIPTION = """\
Prints a report that was saved as JSON by `holdfast run --json`, by
`pytest --holdfast` or by `holdfast check --format json`, in another form.
Neither the program nor its source has to be there.
"""

EPILOG = """\
The form follows the name of the output, if there is one: .html, .sarif,
.json; anything else is text.

examples:
  holdfast report found.json                        read it in the terminal
  holdfast report found.json -o found.html          one page, with a timeline
  holdfast report found.json --sarif -o scan.sarif  for a code-scanning page
  holdfast report found.json --all-frames           whole stacks
  holdfast report - < found.json                    from a pipe

exit status:
  0, whatever was found; 2 for wrong usage, or a file that is no report;
  3 if the output cannot be written
"""

SUFFIXES = {".html": "html", ".htm": "html", ".sarif": "sarif", ".json": "json"}


def main(arguments: Sequence[str]) -> int:
    """Print a saved report; see the module.

    Args:
        arguments: What follows `report` on the command line.

    Returns:
        The exit status.

    Raises:
        SystemExit: Wrong usage, or --help.

    Version: 0.1.
    """
    parser = parser_of(
        "holdfast report", "FILE [--text | --json | --sarif | --html] [-o OUT]", DESCRIPTION, EPILOG
    )
    parser.add_argument("file", metavar="FILE", help="a saved report; - for standard input")
    form = parser.add_mutually_exclusive_group()
    for name, meaning in (
        ("text", "for people (the default)"),
        ("json", "the saved form itself, checked and laid out"),
        ("sarif", "SARIF 2.1.0, for code-scanning pages"),
        ("html", "one self-contained page, with a timeline"),
    ):
        form.add_argument(f"--{name}", dest="form", action="store_const", const=name, help=meaning)
    parser.add_argument("-o", "--output", metavar="OUT", help="write to this file")
    parser.add_argument(
        "--all-frames", action="store_true", help="text: show the frames of libraries too"
    )
    parser.add_argument(
        "--colour", "--color", choices=("auto", "always", "never"), default="auto",
        help="text: colours (auto: on a terminal, unless NO_COLOR is set)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    suffix = Path(options.output).suffix.lower() if options.output else ""
    chosen: str = options.form or SUFFIXES.get(suffix, "text")
    try:
        report = read(options.file)
    except (OSError, ValueError, RecursionError) as error:
        print(f"holdfast report: {options.file}: {error}", file=sys.stderr)
        return USAGE
    text = render(report, chosen, options)
    try:
        if options.output:
            write_private(options.output, text)
        else:
            write(text)
    except OSError as error:
        print(f"holdfast report: cannot write: {error}", file=sys.stderr)
        return FAILED
    return 0


def read(name: str) -> Report:
    """The report that a file holds, or standard input.

    Raises:
        OSError: It cannot be read.
        ValueError: It holds no report; the text says why.
    """
    data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    return as_json.read(data.decode("utf-8-sig"))


def write_private(name: str, text: str) -> None:
    """Write a file that only its owner can read, as the saved report is; one there keeps its mode.

    Raises:
        OSError: It cannot be written.
    """
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123
        file.write(text)


def render(report: Report, form: str, options: argparse.Namespace) -> str:
    """The report in one of the four forms."""
    if form == "json":
        return as_json.render(report)
    if form == "sarif":
        return as_sarif.render(report)
    if form == "html":
        return as_html.render(report)
    to_file = bool(options.output)
    return as_text.render(
        report,
        colour=colour(
            "never" if to_file and options.colour == "auto" else options.colour, sys.stdout
        ),
        width=PIPE_WIDTH if to_file else width(),
        all_frames=options.all_frames,
    )
