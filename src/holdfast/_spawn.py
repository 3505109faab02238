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
import sys
import threading
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast import _family

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

# The modules that prepare children -> those that pass descriptors to them.
MODULES = {
    "multiprocessing.spawn": "multiprocessing",
    "multiprocess.spawn": "multiprocess",
    "billiard.spawn": "billiard",
    "loky.backend.spawn": "loky.backend",
    "joblib.externals.loky.backend.spawn": "joblib.externals.loky.backend",
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
        folder = str(Path(__file__).resolve().parent.parent)
        code = (
            "import importlib.util, sys\n"
            f"if importlib.util.find_spec('holdfast') is None: sys.path.append({folder!r})"
        )
        return exec, (code, {})


class _Invitation:
    """Joins the parent's heap where it is unpickled."""

    def __init__(self, package: str, name: str) -> None:
        self._package = package
        self._name = name

    def __reduce__(self) -> Any:
        from holdfast import _native

        context = import_module(
            "multiprocessing.context" if "loky" in self._package else f"{self._package}.context"
        )
        try:
            descriptor = _native.heap_fd()
        except _family.HoldfastError:
            # Who needs the heap is told so by the heap, here and in the child.
            descriptor = -1
        carrier = None
        if descriptor >= 0 and context.get_spawning_popen() is not None:
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


def prepare_children(module: ModuleType) -> Callable[[], None]:
    """Let the preparation data of a `spawn` module bring an invitation. Twice is as good as once.

    Returns:
        What takes it back. It does nothing: other shared objects than the caller's need it too.
    """
    original = module.get_preparation_data
    if getattr(original, "brings_holdfast", False):
        return _nothing
    package = MODULES[module.__name__]

    def get_preparation_data(name: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        data: dict[str, Any] = original(name, *args, **kwargs)
        data[_KEY] = (_Road(), _Invitation(package, name))
        return data

    get_preparation_data.brings_holdfast = True  # type: ignore[attr-defined]
    module.get_preparation_data = get_preparation_data  # type: ignore[attr-defined]
    return _nothing


def _nothing() -> None:
    return None


class _Waiting(MetaPathFinder):
    """Finds the modules of the table as the others do, with a loader that prepares them."""

    def __init__(self) -> None:
        self._asking = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Ask the other finders; one of them may ask us again, and then gets no answer."""
        if fullname not in MODULES or getattr(self._asking, "now", False):
            return None
        self._asking.now = True
        try:
            for finder in sys.meta_path:
                spec = None if finder is self else finder.find_spec(fullname, path, target)
                if spec is not None:
                    if spec.loader is not None:
                        spec.loader = _Preparing(spec.loader)
                    return spec
        finally:
            self._asking.now = False
        return None


class _Preparing(Loader):
    """Loads with the real loader, then prepares."""

    def __init__(self, real: Loader) -> None:
        self._real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create the module as the real loader does."""
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module as the real loader does, then prepare it."""
        module.__loader__ = self._real
        if module.__spec__ is not None:
            module.__spec__.loader = self._real
        self._real.exec_module(module)
        prepare_children(module)

    def __getattr__(self, name: str) -> Any:
        # get_source() and the like, for those who look at a spec without loading it.
        return getattr(self._real, name)


def watch() -> None:
    """Prepare those modules that are loaded, and the others when they get loaded."""
    for name in MODULES:
        module = sys.modules.get(name)
        if module is not None:
            prepare_children(module)
    sys.meta_path.insert(0, _Waiting())
