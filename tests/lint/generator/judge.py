"""Runs generated programs, asks the checker about them, and compares.

What it keeps true: the verdict on a program is the checker's highest confidence in any finding
about a dropped object; what happened is what happened, in a plain interpreter.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.findings import CONFIDENCES
from holdfast.lint import Options, check_source
from tests.lint.generator import memory
from tests.lint.generator.grammar import choices, spell

if TYPE_CHECKING:
    from collections.abc import Sequence

HARNESS = Path(__file__).parent / "harness"
# What such a program may be found guilty of.
CODES = ("HF101", "HF102", "HF103", "HF104", "HF105", "HF201", "HF503")
# What one about segments may be.
MEMORY_CODES = ("HF301", "HF302", "HF303")
SECONDS = 60
LEVELS = ("high", "medium", "low", "none")


@dataclass(frozen=True)
class Judged:
    """A program, what the checker says of it, and what happened."""

    choice: object
    text: str
    verdict: str
    said: str
    happened: str

    @property
    def wrong(self) -> bool:
        """Whether the checker says something that is not so."""
        return (self.verdict in {"high", "medium"}) != bool(self.happened)

    def __str__(self) -> str:
        return f"{self.choice}: {self.verdict} {self.said!r}, happened: {self.happened!r}"


def judge(count: int, seed: int, folder: Path, spawned: float = 0.2) -> list[Judged]:
    """Generate, run and check that many programs about dropped objects."""
    return _judged([(each, spell(each)) for each in choices(count, seed, spawned)], folder, CODES)


def judge_memory(count: int, seed: int, folder: Path) -> list[Judged]:
    """The same about views of segments."""
    chosen = [(each, each.spell()) for each in memory.programs(count, seed)]
    return _judged(chosen, folder, MEMORY_CODES)


def _judged(
    chosen: Sequence[tuple[object, str]], folder: Path, codes: tuple[str, ...]
) -> list[Judged]:
    for each in HARNESS.iterdir():
        if each.suffix == ".py":
            shutil.copy(each, folder)
    names = [f"program_{number:05}" for number in range(len(chosen))]
    for name, (_, text) in zip(names, chosen, strict=True):
        (folder / f"{name}.py").write_text(text)
    cores = len(os.sched_getaffinity(0))
    parts = [names[number :: cores * 4] for number in range(cores * 4)]
    with ThreadPoolExecutor(cores) as threads:
        happened = {
            name: why
            for found in threads.map(lambda part: _run(part, folder), parts)
            for name, why in found.items()
        }
    return [
        Judged(choice, text, *_verdict(text, folder / f"{name}.py", codes), happened[name])
        for name, (choice, text) in zip(names, chosen, strict=True)
    ]


def _run(names: list[str], folder: Path) -> dict[str, str]:
    if not names:
        return {}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HOLDFAST")}
    done = subprocess.run(
        [sys.executable, "-u", "drive.py", str(SECONDS), *names],
        cwd=folder, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {each["name"]: each["why"] for each in lines}


def _verdict(text: str, file: Path, codes: tuple[str, ...]) -> tuple[str, str]:
    options = Options(select=codes, min_confidence="low", start_method="")
    found = check_source(text, str(file), options)
    mine = [each for each in found if each.code in codes]
    if not mine:
        return "none", ""
    best = max(mine, key=lambda each: CONFIDENCES.index(each.confidence))
    return best.confidence, f"{best.code} in line {best.place.line}"


def table(judged: list[Judged]) -> str:
    """The confusion table."""
    counts = Counter((each.verdict, bool(each.happened)) for each in judged)
    return "\n".join(
        [
            f"{'the checker says':>18} {'it happens':>11} {'it does not':>12}",
            *(f"{at:>18} {counts[at, True]:>11} {counts[at, False]:>12}" for at in LEVELS),
        ]
    )


def rates(judged: list[Judged]) -> tuple[int, float, float]:
    """Wrong verdicts: at high confidence, the part at medium, and the part of those not seen."""
    high = sum(each.verdict == "high" and not each.happened for each in judged)
    medium = [each for each in judged if each.verdict == "medium"]
    wrong = sum(not each.happened for each in medium)
    # What waits for a message is left at low confidence on purpose.
    real = [each for each in judged if each.happened and each.verdict != "low"]
    unseen = sum(each.verdict == "none" for each in real)
    return high, wrong / max(len(medium), 1), unseen / max(len(real), 1)
