"""What `holdfast run` and `holdfast check` find in the programs of the hazards' pages.

    python -m tests.report.pages_under_tools [CODE ...]

Prints a table: for each page what each tool reports of the example, which should be the page's own
hazard where that tool can see it, and of the right way, which should be nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from holdfast.findings import HAZARDS
from tests.report import page_programs

TIME_LIMIT = 60
# More words of `holdfast run`, as the hazard's page says.
WORDS = {"HF704": ("--hang", "1")}
# Hazards whose example the checker does not find: their rule looks for another way into them.
OTHER_WAY = ("HF001", "HF002", "HF112", "HF302", "HF304", "HF309", "HF612", "HF701")
TOOLS = {
    "run": (["run", "--json", "report.json", "program.py"], "report.json"),
    "check": (["check", "--format", "json", "program.py"], "out"),
}


def found(tool, program, words=()):
    """The codes that a tool reports of a program; a word in brackets if it made no report.

    Args:
        tool: Of TOOLS.
        program: Its text.
        words: More options of the tool.
    """
    (command, *arguments), saved = TOOLS[tool]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "program.py").write_text(program)
        with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "holdfast", command, *words, *arguments], cwd=folder,
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
            )  # fmt: skip
            try:
                process.wait(TIME_LIMIT)
            except subprocess.TimeoutExpired:
                return {"(no end)"}
            finally:
                for pid in page_programs.members(process.pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                process.wait()
        try:
            report = json.loads((folder / saved).read_text())
        except (OSError, ValueError):
            return {"(no report)"}
        return {finding["code"] for finding in report["findings"]}


def main(codes):
    """Print the table; the exit status is 1 if a right way is not silent."""
    loud = 0
    for hazard in HAZARDS:
        if codes and hazard.code not in codes:
            continue
        cells = []
        for section in ("Example", "Right way"):
            program = page_programs.program_of(hazard, section)
            for tool in TOOLS:
                words = WORDS.get(hazard.code, ()) if tool == "run" else ()
                codes_found = found(tool, program, words)
                loud += section == "Right way" and bool(codes_found)
                cells.append(f"{tool} {' '.join(sorted(codes_found)) or '-':<14}")
        print(f"{hazard.code} {hazard.slug:<24} {' '.join(cells[:2])} | {' '.join(cells[2:])}")
    return 1 if loud else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
