"""mmap: files that a process has mapped, which it dies of if somebody shortens them.

What it keeps true: the program's mappings are of the class that it calls `mmap.mmap`, and have
nothing more than before. What is anonymous, deleted or shared memory is not told of: nobody can
open it to write it anew.

    file.mapped    path, size, stack      size: of the file, as far as it is mapped

Source: mmap(2), "SIGBUS"; CPython issue 148650.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast.sanitizer import recorder

if TYPE_CHECKING:
    from types import ModuleType

    from holdfast._arrivals import Undo

_NOT_FILES = ("/dev/", "/memfd:", "/proc/", "/sys/")


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `mmap`: its class is replaced by one that derives from it and adds nothing."""
    original: Any = module.mmap

    def __new__(cls: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807 - that is what it is
        made = original.__new__(cls, *args, **kwargs)
        fileno = args[0] if args else kwargs.get("fileno", -1)
        if recorder.active() and isinstance(fileno, int) and fileno >= 0:
            _tell(fileno, len(made), kwargs.get("offset", 0))
        return made

    names = {
        "__new__": __new__,
        "__slots__": (),
        "__doc__": original.__doc__,
        "__module__": original.__module__,
        "__qualname__": original.__qualname__,
    }
    # The name as repr() of a mapping shows it.
    return [replace(module, "mmap", type("mmap.mmap", (original,), names))]


def _tell(fileno: int, length: int, offset: Any) -> None:
    try:
        found = os.fstat(fileno)
        path = os.readlink(f"/proc/self/fd/{fileno}")  # noqa: PTH115 - pathlib loads slowly
    except OSError:
        return
    if stat.S_ISREG(found.st_mode) and found.st_nlink and not path.startswith(_NOT_FILES):
        end = length + (offset if isinstance(offset, int) else 0)
        recorder.record("file.mapped", path=path, size=end, stack=recorder.stack())
