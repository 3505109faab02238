"""What is watched: one file for each module of the standard library, and one table.

A watch is a function `make_watched(module) -> list[Undo]` that replaces parts of a module in place
when the program has imported it. It must not change what the program sees: the same results and
exceptions, no reference to the program's objects, no new moment at which anything dies. A weak
reference is as much as it may keep. What it learns it tells to `holdfast.sanitizer.recorder`.
"""

from __future__ import annotations

from collections import defaultdict
from importlib import import_module
from typing import TYPE_CHECKING

from holdfast import _family
from holdfast._arrivals import Arrivals

if TYPE_CHECKING:
    from holdfast._arrivals import Patch


def _copies_of(module: str) -> tuple[str, ...]:
    """A module of multiprocessing, and the copies of it in other packages."""
    return tuple(f"{package}.{module}" for package in _family.PACKAGES)


# Names of modules: who watches them, as a module of this package and its function. A module may be
# watched by several, in this order.
WATCHES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("os",), "ends.make_watched_os"),
    (("os",), "signals.make_watched"),
    (("ctypes",), "addresses.make_watched"),
    (_copies_of("util"), "leaving.make_watched"),
    (_copies_of("process"), "processes.make_watched"),
    (_copies_of("popen_fork"), "ends.make_watched"),
    (_copies_of("popen_forkserver"), "ends.make_watched"),
    (_copies_of("heap"), "memory.make_watched"),
    (_copies_of("sharedctypes"), "sharedctypes.make_watched"),
    (_copies_of("sharedctypes"), "owners.make_watched_sharedctypes"),
    (_copies_of("synchronize"), "semaphores.make_watched"),
    (_copies_of("shared_memory"), "segments.make_watched"),
    (_copies_of("resource_tracker"), "trackers.make_watched"),
    (_copies_of("managers"), "managers.make_watched"),
    (("mmap",), "mappings.make_watched"),
    (("subprocess",), "subprocesses.make_watched"),
    (_copies_of("synchronize"), "owners.make_watched"),
    (_copies_of("process"), "joins.make_watched"),
    (_copies_of("process"), "connections.make_watched_process"),
    (_copies_of("connection"), "connections.make_watched"),
    (_copies_of("resource_sharer"), "connections.make_watched_sharer"),
    (_copies_of("queues"), "queues.make_watched"),
    (_copies_of("pool"), "pools.make_watched"),
    (("tempfile",), "forks.make_watched_tempfile"),
    (("warnings",), "descriptors.make_watched"),
    (_copies_of("process"), "descriptors.make_watched_process"),
    (("weakref",), "forks.make_watched_weakref"),
    (("multiprocessing.reduction", "billiard.reduction", "numpy"), "arrays.make_watched"),
    (("traceback",), "tracebacks.make_watched"),
    (("threading",), "tracebacks.make_watched_threading"),
)


def start() -> None:
    """Watch what has been imported already, and the rest when it gets imported."""
    from holdfast.sanitizer.watch import asked, forks

    asked.start()
    forks.start()
    table: dict[str, list[str]] = defaultdict(list)
    for names, watch in WATCHES:
        for name in names:
            table[name].append(watch)
    Arrivals({name: _all(watches) for name, watches in table.items()}).start()


def _all(watches: list[str]) -> Patch:
    return lambda module: [undo for name in watches for undo in find(name)(module)]


def find(name: str) -> Patch:
    """The watch that has a name in the table; loaded when the program loads what it watches."""
    module, _, function = name.partition(".")
    found: Patch = getattr(import_module(f"{__name__}.{module}"), function)
    return found
