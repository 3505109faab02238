"""What `holdfast run` and `holdfast check` find in the programs of the hazards' pages.

    python -m tests.report.pages_under_tools [CODE ...]

Prints a table: for each page what each tool reports of the example, which should be the page's own
hazard where that tool can see it, and of the right way, which should be nothing.
"""

from __future__ import annotations

import json
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
SECTIONS = ("Example", "Right way")


def found_when_run(program, words=()):
    """The codes that `holdfast run` reports of a program; a word in brackets if it made no report.

    Args:
        program: Its text.
        words: More options.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "program.py").write_text(program)
        with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "holdfast", "run", *words, "--json", "report.json",
                 "program.py"],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True,
            )  # fmt: skip
            try:
                process.wait(TIME_LIMIT)
            except subprocess.TimeoutExpired:
                return {"(no end)"}
            finally:
                page_programs.end_session(process.pid)
                process.wait()
                page_programs.wait_for_trackers(process.pid)
        try:
            report = json.loads((folder / "report.json").read_text())
        except (OSError, ValueError):
            return {"(no report)"}
        return {finding["code"] for finding in report["findings"]}


def found_in_source(programs):
    """The codes that `holdfast check` reports of programs: by the name of each.

    Args:
        programs: Name: text.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for each, text in programs.items():
            (folder / each).mkdir()
            (folder / each / "program.py").write_text(text)
        checked = subprocess.run(
            [sys.executable, "-m", "holdfast", "check", "--format", "json", "."], cwd=folder,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIME_LIMIT,
            check=False,
        )  # fmt: skip
        found = {each: set() for each in programs}
        for finding in json.loads(checked.stdout)["findings"]:
            found[Path(finding["place"]["file"]).parent.name].add(finding["code"])
        return found


def main(codes):
    """Print the table; the exit status is 1 if a right way is not silent."""
    loud = 0
    chosen = [each for each in HAZARDS if not codes or each.code in codes]
    programs = {
        f"{each.code} {section}": page_programs.program_of(each, section)
        for each in chosen
        for section in SECTIONS
    }
    in_source = found_in_source(programs)
    for hazard in chosen:
        cells = []
        for section in SECTIONS:
            name = f"{hazard.code} {section}"
            when_run = found_when_run(programs[name], WORDS.get(hazard.code, ()))
            for tool, found in (("run", when_run), ("check", in_source[name])):
                loud += section == "Right way" and bool(found)
                cells.append(f"{tool} {' '.join(sorted(found)) or '-':<14}")
        print(f"{hazard.code} {hazard.slug:<24} {' '.join(cells[:2])} | {' '.join(cells[2:])}")
    return 1 if loud else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
