"""How a process comes to its family's heap.

What it keeps true: a process has at most one heap, and all that descend from one process have the
same one. The heap is made when it is first needed, at the latest before the first child is started
after `import holdfast`, so that children find it. A forked child has it already; a child of
spawn or forkserver is brought to it by its preparation data (_spawn.py); any other process of the
family, such as a plain subprocess that is sent a pickle, finds it through the sender's descriptor
in /proc.

The names of processes are for people only: for the error that tells which owner of a lock died.

Source: proc(5), /proc/pid/fd; memfd_create(2).
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # see __init__.py
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from holdfast._arrivals import Undo
    from holdfast.errors import HoldfastError

# An environment variable by which a forkserver finds the heap: see _forkserver.py.
INVITATION = "HOLDFAST_FAMILY"
# How a heap's memory file is called, before the family's name.
_FILE = "/memfd:holdfast-"

# multiprocessing, and what grew out of copies of it.
PACKAGES = ("multiprocessing", "multiprocess", "billiard")
_MAIN = "MainProcess"

# What that variable said: the family's name, a process of it, and the heap's descriptor there.
_invited_by = os.environ.pop(INVITATION, "").split(":")
if len(_invited_by) != 3:
    _invited_by = ["", "", ""]

# Why this process, which was started as a child of a family, could not join it.
_not_joined: HoldfastError | None = None
# Whether a fork finds all done that is Python's to do. It is one look then, for what the parent
# touches after a fork the kernel copies, page by page.
_ready_to_fork = False


def open() -> None:  # noqa: A001 - _family.open() reads best, and this module opens no files
    """Give this process its heap, unless it has one.

    Raises:
        HoldfastError: there can be none; a subclass says why. In a child that was to join its
            family's heap and could not, the same error each time: a heap of its own would not do.
    """
    from holdfast import _native

    if _native.is_open():
        return
    if _not_joined is not None:
        raise _not_joined
    token, pid, descriptor = _invited_by
    if not (token and _join_through(f"/proc/{pid}/fd/{descriptor}", token)):
        _native.open_heap()
        _settle(process_name())


def invitation() -> str:
    """The way to this process's heap, for INVITATION; empty if there can be none."""
    _open_if_possible()
    native = sys.modules.get("holdfast._native")
    if native is None or not native.is_open():
        return ""
    return f"{native.family().hex()}:{os.getpid()}:{native.heap_fd()}"


def join(descriptor: int, name: str) -> None:
    """Join the heap behind a descriptor, which stays the caller's; what children do at first.

    A failure is not raised here but when the heap is needed, since the child may never need it.

    Args:
        descriptor: of the heap's memory file; negative if none could be passed on.
        name: how this process is called.
    """
    global _not_joined
    from holdfast.errors import HoldfastError, LifetimeError

    try:
        from holdfast import _native

        if not _native.is_open():  # as it is in a child of a forkserver that has joined
            if descriptor < 0:
                raise LifetimeError(reason="unreachable")
            _native.join_heap(descriptor)
    except HoldfastError as error:
        _not_joined = error
    else:
        _settle(name)


def join_sender(token: bytes, pid: int, descriptor: int) -> None:
    """Join the family that a pickle comes from; for a process that was not led to it.

    Args:
        token: the family's name, 16 bytes.
        pid: of the process that pickled, if it is still alive.
        descriptor: of the heap in that process.

    Raises:
        LifetimeError: no process that has this family's heap open can be found.
    """
    from holdfast import _native

    if _native.is_open():
        return
    if _not_joined is not None:
        raise _not_joined
    for path in _likely_descriptors(pid, descriptor):
        if _join_through(path, token.hex()):
            return
    from holdfast.errors import LifetimeError

    raise LifetimeError(
        reason="unreachable", found=f"no living process has {_FILE}{token.hex()} open"
    )


def _join_through(path: str, token: str) -> bool:
    """Join the heap behind a descriptor in /proc, if it is that of the family."""
    from holdfast import _native

    # It may be closed by now, its process may have ended, or be somebody else's.
    try:
        if not os.readlink(path).startswith(_FILE + token):  # noqa: PTH115 - pathlib loads slowly
            return False
        found = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        _native.join_heap(found)
    finally:
        os.close(found)
    _settle(process_name())
    return True


def _likely_descriptors(pid: int, descriptor: int) -> Iterator[str]:
    """Paths of descriptors that may be the heap's: the sender's first, then everybody's."""
    yield f"/proc/{pid}/fd/{descriptor}"
    for process in os.listdir("/proc"):  # noqa: PTH208 - pathlib loads slowly
        if process.isdigit():
            folder = f"/proc/{process}/fd"
            yield from (f"{folder}/{number}" for number in _entries(folder))


def _entries(folder: str) -> list[str]:
    """What is in a folder; nothing if it is gone, or not ours to look at."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - pathlib loads slowly
    except OSError:
        return []


def process_name() -> str:
    """How this process is called: as multiprocessing has it, if it is loaded."""
    for package in PACKAGES:
        module = sys.modules.get(f"{package}.process")
        current = getattr(module, "current_process", None)
        name: str = _MAIN if current is None else current().name
        if name != _MAIN:
            return name
    return _MAIN


def on_child(function: Callable[[], object]) -> None:
    """Let every child of spawn or forkserver call `function` before it unpickles anything else.

    Args:
        function: picklable, without arguments; called after the child has joined the heap, in the
            order of registration. Registering it again changes nothing.
    """
    from holdfast import _spawn

    if function not in _spawn.first_calls:
        _spawn.first_calls.append(function)


def no_more_on_child(function: Callable[[], object]) -> None:
    """Take back an `on_child`; children that run already are not concerned."""
    from holdfast import _spawn

    if function in _spawn.first_calls:
        _spawn.first_calls.remove(function)


def watch() -> None:
    """See to it that children find the heap; called by `import holdfast`."""
    from holdfast import _spawn

    _spawn.watch()
    os.register_at_fork(before=_before_fork)


def _settle(name: str) -> None:
    """What a process does once it has a heap."""
    global _ready_to_fork
    from holdfast import _native

    _native.set_name(name)
    if not _ready_to_fork:
        os.register_at_fork(after_in_parent=_native.after_fork)
        _ready_to_fork = True


def _before_fork() -> None:
    """Open the heap while parent and child are still one, so that they share it."""
    if not _ready_to_fork:
        _open_if_possible()


def _open_if_possible() -> None:
    """If there can be no heap, whoever needs one is told so then."""
    from holdfast.errors import HoldfastError

    try:
        open()
    except (HoldfastError, ImportError):
        return


def name_children(module: ModuleType) -> list[Undo]:
    """Let the children that a `multiprocessing.util` forks tell their names."""
    module.register_after_fork(_tell_name, _tell_name)
    return []


def _tell_name(_: object) -> None:
    native = sys.modules.get("holdfast._native")
    if native is not None:
        native.set_name(process_name())
