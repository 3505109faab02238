"""holdfast check on a large tree, beside ruff on the same one; and on what it must follow."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from benchmarks.line import Line, plain_line, ratio_line
from benchmarks.timing import Comparison, Effort, processor_time, spread_of

# It is measured as it is used: on all processors.
PINNED = False

OURS = "holdfast check"
PEER = "ruff check --select B"

# A function that uses what there is to follow: a thousand of them are a file.
FUNCTION = '''
def launch_{number}(jobs, stop=None):
    """Start a few processes and wait for them."""
    total = mp.Value("d", 0)
    lock = mp.Lock()
    queue = mp.Queue()
    processes = []
    for job in jobs:
        process = mp.Process(target=work, args=(job, total, lock, queue))
        process.start()
        processes.append(process)
    results = []
    for process in processes:
        results.append(queue.get())
    for process in processes:
        process.join()
    with lock:
        total.value += len(results)
    if stop is not None:
        stop.set()
    return results
'''


def measure(effort: Effort) -> list[Line]:
    """Cold, without a cache, by turns."""
    folders = _folders(effort)
    files = sum(1 for folder in folders for _ in Path(folder).rglob("*.py"))
    programs = {OURS: _ours(folders)}
    ruff = shutil.which("ruff") or shutil.which("ruff", path=str(Path(sys.executable).parent))
    if ruff is not None:
        programs[PEER] = [
            ruff, "check", "--select", "B", "--isolated", "--no-cache", "--exit-zero", "--quiet",
            "--no-respect-gitignore", "--output-format", "concise", *folders,
        ]  # fmt: skip
    rounds: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(effort.scaled(3, 1)):
        for name, program in programs.items():
            rounds[name].append(_seconds(program))
    tree = ratio_line(
        f"holdfast check, {files:,} files, cold", Comparison(rounds), OURS, PEER,
        unit="s", at_most=None if effort.quick else 3,
    )  # fmt: skip
    return [tree, _follows(effort)]


def _folders(effort: Effort) -> list[str]:
    """The standard library, and what is installed here; for a smoke test a small part of it."""
    library = sysconfig.get_path("stdlib")
    if effort.quick:
        return [str(Path(library) / "multiprocessing"), str(Path(library) / "concurrent")]
    # Below the library lie the base interpreter's own packages.
    return list(dict.fromkeys([library, sysconfig.get_path("purelib")]))


def _ours(folders: list[str]) -> list[str]:
    return [
        sys.executable, "-m", "holdfast", "check", "--no-cache", "--no-gitignore", "--quiet",
        "--format", "json", *folders,
    ]  # fmt: skip


def _seconds(program: list[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(program, stdout=subprocess.DEVNULL, check=False)
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"{program[0]} ended with status {done.returncode}")
    return time.perf_counter() - began


def _follows(effort: Effort) -> Line:
    """Lines a second of a file that uses multiprocessing all over, on one core."""
    from holdfast.lint import Options, check_source

    functions = effort.scaled(500, 20)
    text = "import multiprocessing as mp\n\n\ndef work(*given):\n    print(given)\n\n" + "".join(
        FUNCTION.format(number=number) for number in range(functions)
    )
    lines = text.count("\n")
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(effort.scaled(5, 1)):
            began = processor_time()
            check_source(text, str(Path(folder) / "program.py"), Options())
            figures.append(lines / (processor_time() - began))
    return plain_line(
        "holdfast check, a file full of processes", spread_of(figures), "lines/s",
        note="the aim is 100,000",
    )  # fmt: skip
