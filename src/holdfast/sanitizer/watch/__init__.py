"""What is watched: one file for each module of the standard library, and one table.

A watch is a function `make_watched(module) -> list[Undo]` that replaces parts of a module in place
when the program has imported it. It must not change what the program sees: the same results and
exceptions, no reference to the program's objects, no new moment at which anything dies. A weak
reference is as much as it may keep. What it learns it tells to `holdfast.sanitizer.recorder`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import _family
from holdfast._arrivals import Arrivals
from holdfast.sanitizer.watch import ends, leaving, processes

if TYPE_CHECKING:
    from holdfast._arrivals import Patch


def _in_each_package(module: str, *watches: Patch) -> dict[str, tuple[Patch, ...]]:
    """The watches of a module of multiprocessing, for it and the copies of it."""
    return dict.fromkeys((f"{package}.{module}" for package in _family.PACKAGES), watches)


# Name of a module: who watches it. A module may be watched for several reasons.
WATCHES: dict[str, tuple[Patch, ...]] = {
    "os": (ends.make_watched_os,),
    **_in_each_package("popen_fork", ends.make_watched),
    **_in_each_package("popen_forkserver", ends.make_watched),
    **_in_each_package("process", processes.make_watched),
    **_in_each_package("util", leaving.make_watched),
}


def start() -> None:
    """Watch what has been imported already, and the rest when it gets imported."""
    Arrivals({name: _all(watches) for name, watches in WATCHES.items()}).start()


def _all(watches: tuple[Patch, ...]) -> Patch:
    if len(watches) == 1:
        return watches[0]
    return lambda module: [undo for watch in watches for undo in watch(module)]
