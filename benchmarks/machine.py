"""Where the figures come from: machine, interpreter, packages; and how busy the machine was."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("holdfast", "atomicshm", "numpy", "torch", "Cython")


def describe() -> dict[str, Any]:
    """What stays the same during a run."""
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _commit(),
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "build": " ".join(platform.python_build()),
            "compiler": platform.python_compiler(),
        },
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "machine": {
            "processor": _field("/proc/cpuinfo", "model name"),
            "processors": len(os.sched_getaffinity(0)),
            "architecture": platform.machine(),
            "memory_gib": round(int(_field("/proc/meminfo", "MemTotal").split()[0]) / 2**20, 1),
            "kernel": platform.release(),
            "hypervisor": "hypervisor" in _field("/proc/cpuinfo", "flags"),
            "huge_pages": _chosen("/sys/kernel/mm/transparent_hugepage/enabled"),
            "huge_pages_shared": _chosen("/sys/kernel/mm/transparent_hugepage/shmem_enabled"),
        },
    }


def load() -> float:
    """The number of processes that wanted to run during the last minute, on average."""
    return os.getloadavg()[0]


def wait_until_quiet(most: float, patience: float) -> bool:
    """Wait until the load is low; False if it did not become so within `patience` seconds."""
    deadline = time.monotonic() + patience
    while load() > most:
        if time.monotonic() > deadline:
            return False
        print(f"\rwaiting: load {load():.2f}, wanted {most:g} ", end="", file=sys.stderr)
        time.sleep(5)
    return True


def minor_version() -> str:
    """Such as 3.11."""
    return ".".join(platform.python_version_tuple()[:2])


def _commit() -> str:
    """The commit, and "-dirty" if anything differs from it but what these benchmarks write."""
    written = (":(exclude)benchmarks/results", ":(exclude)docs/images/speed.svg")
    commit = _git("describe", "--always")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *written)
    return f"{commit}-dirty" if changed else commit


def _git(*words: str) -> str:
    command = ["git", "-c", "safe.directory=*", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _field(file: str, name: str) -> str:
    for line in Path(file).read_text().splitlines():
        label, _, text = line.partition(":")
        if label.strip() == name:
            return text.strip()
    return "0"


def _chosen(file: str) -> str:
    """The word in brackets."""
    path = Path(file)
    if not path.exists():
        return "unknown"
    return path.read_text().partition("[")[2].partition("]")[0]
