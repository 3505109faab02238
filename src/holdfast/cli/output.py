"""Where the tools print to: what a terminal can show, and what a pipe must not break on.

What it keeps true: a report is printed whole on any encoding, and a reader that goes away early
(`| head`) is no error of ours.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO

# Of a pipe or a file, where nobody can say how wide a line may be.
PIPE_WIDTH = 100


def width() -> int:
    """Columns that a text may use."""
    return shutil.get_terminal_size((PIPE_WIDTH, 24)).columns


def colour(choice: str, stream: TextIO | None) -> bool:
    """Whether to use colours.

    Args:
        choice: "always", "never" or "auto".
        stream: What the text goes to; None if the process was started without it.
    """
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def write(text: str, stream: TextIO | None = None) -> None:
    """Print a text whole; characters that the stream cannot encode become escapes.

    Raises:
        OSError: The stream cannot be written to, for another reason than that its reader left.
    """
    stream = stream or _standard_output()
    if stream is None:
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        # Nobody reads any more. The interpreter would complain of it once more at its end.
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), stream.fileno())


def _standard_output() -> TextIO | None:
    """Where text goes; None if the process was started with a closed standard output."""
    return sys.stdout
