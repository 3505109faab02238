"""Runs generated programs, asks the checker about them, and compares.

What it keeps true: the verdict on a program is the checker's highest confidence in any finding
about the object in question; what happened is what happened, in a plain interpreter. A finding
about anything else in the program is a wrong one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.findings import CONFIDENCES
from holdfast.lint import Options, check_source
from tests.lint.generator.grammars import GRAMMARS
from tests.lint.generator.program import Program, choices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HARNESS = Path(__file__).parent / "harness"
SECONDS = 30
LEVELS = ("high", "medium", "low", "none")


@dataclass(frozen=True)
class Judged:
    """A program, what the checker says of it, and what happened.

    Attributes:
        verdict: The highest confidence in a finding about the object in question; "none".
        said: That finding.
        beside: What is said of anything else, at medium confidence or more.
        happened: What went wrong; "" if nothing did.
    """

    program: Program
    verdict: str
    said: str
    beside: str
    happened: str

    @property
    def wrong(self) -> bool:
        """Whether the checker says something that is not so."""
        return bool(self.beside) or (self.verdict in {"high", "medium"}) != bool(self.happened)

    def __str__(self) -> str:
        beside = f", beside it {self.beside!r}" if self.beside else ""
        said = f"{self.verdict} {self.said!r}{beside}"
        return f"{self.program}: {said}, happened: {self.happened!r}"


def programs(counts: Mapping[str, int], seed: int, slow: float) -> list[Program]:
    """That many different programs of each grammar; a part of each may be for spawn."""
    return [
        Program(name, each, grammar.CODES, grammar.spell(each))
        for name, count in counts.items()
        for grammar in [GRAMMARS[name][0]]
        for each in choices(grammar, count, seed, slow)
    ]


def judge(chosen: Sequence[Program], folder: Path) -> list[Judged]:
    """Run and check programs."""
    for each in HARNESS.iterdir():
        if each.suffix == ".py":
            shutil.copy(each, folder)
    names = [f"program_{number:05}" for number in range(len(chosen))]
    for name, program in zip(names, chosen, strict=True):
        (folder / f"{name}.py").write_text(program.text)
    cores = len(os.sched_getaffinity(0))
    parts = [names[number :: cores * 4] for number in range(cores * 4)]
    short = tempfile.TemporaryDirectory(prefix="holdfast-sockets-")
    with short as sockets, ThreadPoolExecutor(cores) as threads:
        happened = {
            name: why
            for found in threads.map(lambda part: _run(part, folder, sockets), parts)
            for name, why in found.items()
        }
    return [
        Judged(program, *_verdict(program, folder / f"{name}.py"), happened[name])
        for name, program in zip(names, chosen, strict=True)
    ]


def _run(names: list[str], folder: Path, sockets: str) -> dict[str, str]:
    if not names:
        return {}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HOLDFAST")}
    environment["TMPDIR"] = sockets  # short: a socket's path may have 108 characters
    # Not through pipes: whoever outlives the programs would keep them open.
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        done = subprocess.run(
            [sys.executable, "-u", "drive.py", str(SECONDS), *names],
            cwd=folder, env=environment, check=False, timeout=SECONDS * len(names),
            stdin=subprocess.DEVNULL, stdout=output, stderr=errors,
        )  # fmt: skip
        errors.seek(0)
        assert done.returncode == 0, errors.read()
        output.seek(0)
        lines = [json.loads(line) for line in output]
    return {each["name"]: each["why"] for each in lines}


def _verdict(program: Program, file: Path) -> tuple[str, str, str]:
    options = Options(select=program.codes, min_confidence="low", start_method="")
    found = [e for e in check_source(program.text, str(file), options) if e.code in program.codes]
    found.sort(key=lambda each: -CONFIDENCES.index(each.confidence))
    lines = program.lines()
    mine = [each for each in found if each.place.line in lines]
    beside = [e for e in found if e.place.line not in lines and e.confidence != "low"]
    texts = [f"{e.code} in line {e.place.line}" for e in (*mine[:1], *beside[:1])]
    if not mine:
        return "none", "", texts[0] if beside else ""
    return mine[0].confidence, texts[0], texts[1] if beside else ""


def table(judged: Sequence[Judged]) -> str:
    """The confusion table."""
    counts = Counter((each.verdict, bool(each.happened)) for each in judged)
    return "\n".join(
        [
            f"{'the checker says':>18} {'it happens':>11} {'it does not':>12}",
            *(f"{at:>18} {counts[at, True]:>11} {counts[at, False]:>12}" for at in LEVELS),
        ]
    )


def rates(judged: Sequence[Judged]) -> tuple[int, float, float]:
    """Wrong verdicts: at high confidence, the part at medium, and the part of those not seen."""
    high = sum(bool(e.beside) or (e.verdict == "high" and not e.happened) for e in judged)
    medium = [each for each in judged if each.verdict == "medium"]
    wrong = sum(not each.happened for each in medium)
    # What waits for a message is left at low confidence on purpose.
    real = [each for each in judged if each.happened and each.verdict != "low"]
    unseen = sum(each.verdict == "none" for each in real)
    return high, wrong / max(len(medium), 1), unseen / max(len(real), 1)
