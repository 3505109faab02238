"""How the children of spawn and forkserver are brought into the family.

What it keeps true: such a child has joined its parent's heap before it unpickles anything that may
lie there, and before it runs a line of the program. What it is sent first is the preparation data,
a dict; one more entry of it is an invitation, which joins the heap when it is unpickled. The
heap's descriptor travels with it as any descriptor of multiprocessing does.

`get_preparation_data` is replaced in `multiprocessing.spawn` and in the copies of it that other
packages have, when they are imported: nothing is imported for the replacement's sake.

Source: CPython, Lib/multiprocessing/spawn.py (get_preparation_data, _main), popen_spawn_posix.py,
popen_forkserver.py; the import system, PEP 451.
"""

from __future__ import annotations

import os
from importlib import import_module

from holdfast import _family, _forkserver
from holdfast._arrivals import Arrivals

TYPE_CHECKING = False  # see __init__.py
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from typing import Any

    from holdfast._arrivals import Undo

# The modules that prepare children -> the package that passes descriptors to them. Loky's children
# find the heap in /proc: loky would leave our descriptor open to everything that is executed later.
MODULES: dict[str, str | None] = {
    "multiprocessing.spawn": "multiprocessing",
    "multiprocess.spawn": "multiprocess",
    "billiard.spawn": "billiard",
    "loky.backend.spawn": None,
    "joblib.externals.loky.backend.spawn": None,
}
_KEY = "holdfast"

# What every such child calls first; see _family.on_child.
first_calls: list[Callable[[], object]] = []


class _Road:
    """Pickled before the invitation: makes `holdfast` importable in the child.

    The preparation data is unpickled before the child has its parent's sys.path, and is what
    brings it, so the folder that is added here is gone when the program's own code runs.
    """

    def __reduce__(self) -> Any:
        from pathlib import Path  # here, as it costs more to import than the rest of this module

        folder = str(Path(__file__).resolve().parent.parent)
        code = (
            "import importlib.util, sys\n"
            f"if importlib.util.find_spec('holdfast') is None: sys.path.append({folder!r})"
        )
        return exec, (code, {})


class _Invitation:
    """Joins the parent's heap where it is unpickled."""

    def __init__(self, package: str | None, name: str) -> None:
        self._package = package
        self._name = name

    def __reduce__(self) -> Any:
        from holdfast.errors import HoldfastError

        try:
            from holdfast import _native

            descriptor = _native.heap_fd()
        except (HoldfastError, ImportError):
            # Who needs the heap is told so by the heap, here and in the child.
            descriptor = -1
        carrier = None
        if descriptor >= 0 and self._package is not None:
            context = import_module(f"{self._package}.context")
            if context.get_spawning_popen() is not None:
                carrier = import_module(f"{self._package}.reduction").DupFd(descriptor)
        return accept, (carrier, os.getpid(), descriptor, self._name, tuple(first_calls))


def accept(
    carrier: Any, pid: int, descriptor: int, name: str, calls: Sequence[Callable[[], object]]
) -> None:
    """In the child: join the heap, then call what the parent wants called.

    Args:
        carrier: brings the descriptor; None if it was not passed on.
        pid: the parent.
        descriptor: of the heap, in the parent.
        name: how this process is to be called.
        calls: see _family.on_child.
    """
    if carrier is not None:
        descriptor = carrier.detach()
    elif descriptor >= 0:
        try:
            descriptor = os.open(f"/proc/{pid}/fd/{descriptor}", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            descriptor = -1
    try:
        _family.join(descriptor, name)
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    for call in calls:
        call()


def prepare_children(module: ModuleType) -> None:
    """Let a `spawn` module's preparation data bring an invitation; twice is as good as once."""
    original = module.get_preparation_data
    if getattr(original, "brings_holdfast", False):
        return
    package = MODULES[module.__name__]

    def get_preparation_data(name: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        data: dict[str, Any] = original(name, *args, **kwargs)
        data[_KEY] = (_Road(), _Invitation(package, name))
        return data

    get_preparation_data.brings_holdfast = True  # type: ignore[attr-defined]
    module.get_preparation_data = get_preparation_data  # type: ignore[attr-defined]


def watch() -> None:
    """Prepare those modules that are loaded, and the others when they get loaded."""
    forking = {f"{package}.util": _family.name_children for package in _family.PACKAGES}
    serving = dict.fromkeys(_forkserver.MODULES, _forkserver.invite)
    Arrivals({**dict.fromkeys(MODULES, _prepared), **forking, **serving}).start()


def _prepared(module: ModuleType) -> list[Undo]:
    prepare_children(module)
    return []
