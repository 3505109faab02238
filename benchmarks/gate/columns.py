"""The columns: shared values of Holdfast and of its peers, behind one face.

A column makes a value that holds an int, reads and writes it, and drops it as its documentation
says that it is dropped. Where memory has a name, the creator drops it by `close()` and `unlink()`;
everywhere else the last reference goes.

atomicshm brings no memory of its own. Each of its values here has a SharedMemory to itself, since
offsets in a common one would have to be freed by hand, and what is freed by hand has no lifetime.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from abc import ABC, abstractmethod
from multiprocessing.shared_memory import SharedMemory
from typing import Any

from benchmarks import peers


class Column(ABC):
    """A kind of shared value with a `value` attribute, dropped with its last reference."""

    needs = ""

    def __init__(self, context: Any) -> None:
        self.context = context

    @abstractmethod
    def make(self) -> Any:
        """A new value that holds 0."""

    def read(self, thing: Any) -> int:
        """What it holds."""
        return thing.value

    def write(self, thing: Any, number: int) -> None:
        """Let it hold a number."""
        thing.value = number

    def drop(self, thing: Any) -> None:
        """What the creator does beside letting the reference go; nothing, where that is all."""
        del thing

    def lock(self, thing: Any) -> Any:
        """The lock of a value, None if this kind has no locks."""
        return thing.get_lock()


class Holdfast(Column):
    """holdfast.Value, imported by every process that speaks of it, as programs do at their top."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self._value = importlib.import_module("holdfast").Value

    def make(self) -> Any:
        return self._value("i", 0)


class StandardValue(Column):
    """multiprocessing.Value."""

    def make(self) -> Any:
        return self.context.Value("i", 0)


class StandardRawValue(Column):
    """multiprocessing.RawValue."""

    def make(self) -> Any:
        return self.context.RawValue("i", 0)

    def lock(self, thing: Any) -> Any:
        return None


class Shared(Column):
    """multiprocessing.shared_memory.SharedMemory."""

    def make(self) -> Any:
        return SharedMemory(create=True, size=8)

    def read(self, thing: SharedMemory) -> int:
        return int.from_bytes(thing.buf[:8], "little", signed=True)

    def write(self, thing: SharedMemory, number: int) -> None:
        thing.buf[:8] = number.to_bytes(8, "little", signed=True)

    def drop(self, thing: SharedMemory) -> None:
        thing.close()
        thing.unlink()

    def lock(self, thing: Any) -> Any:
        return None


class Managed(Column):
    """The value of a multiprocessing.Manager."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self._manager: Any = None

    def make(self) -> Any:
        return self._server().Value("i", 0)

    def lock(self, thing: Any) -> Any:
        return self._server().Lock()

    def _server(self) -> Any:
        if self._manager is None:
            self._manager = self.context.Manager()
        return self._manager


class Atomic(Shared):
    """A cell of atomicshm over a SharedMemory of its own."""

    needs = "atomicshm"

    def read(self, thing: SharedMemory) -> int:
        module = importlib.import_module("atomicshm")
        with module.AtomicView(thing.buf) as view:
            return module.as_signed(view.load_u64(0), 64)

    def write(self, thing: SharedMemory, number: int) -> None:
        with importlib.import_module("atomicshm").AtomicView(thing.buf) as view:
            view.store_u64(0, number)

    def lock(self, thing: SharedMemory) -> Any:
        return SpinLock(thing)


class SpinLock:
    """The lock that atomicshm's documentation shows, with a time limit."""

    def __init__(self, memory: SharedMemory) -> None:
        self._memory = memory

    def acquire(self, timeout: float = 10.0) -> bool:
        """Get it."""
        deadline = time.monotonic() + timeout
        with importlib.import_module("atomicshm").AtomicView(self._memory.buf) as view:
            while view.cas_u32(0, 0, 1):
                if time.monotonic() > deadline:
                    return False
        return True


class Torch(Column):
    """A tensor of PyTorch in shared memory."""

    needs = "torch"

    def make(self) -> Any:
        importlib.import_module("torch.multiprocessing")
        return importlib.import_module("torch").zeros(1).share_memory_()

    def read(self, thing: Any) -> int:
        return int(thing[0])

    def write(self, thing: Any, number: int) -> None:
        thing[0] = number

    def lock(self, thing: Any) -> Any:
        return None


COLUMNS: dict[str, type[Column]] = {
    "holdfast": Holdfast,
    "mp.Value": StandardValue,
    "mp.RawValue": StandardRawValue,
    "SharedMemory": Shared,
    "Manager": Managed,
    "atomicshm": Atomic,
    "torch": Torch,
}


def installed(name: str) -> bool:
    """Whether a column can be checked here."""
    return not COLUMNS[name].needs or peers.installed(COLUMNS[name].needs)
