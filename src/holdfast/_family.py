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
    from pathlib import Path

    from holdfast.errors import HoldfastError

# multiprocessing, and what grew out of copies of it.
PACKAGES = ("multiprocessing", "multiprocess", "billiard")
_MAIN = "MainProcess"

# Why this process, which was started as a child of a family, could not join it.
_not_joined: HoldfastError | None = None
_named_after_fork: set[str] = set()
_pinned_before_fork = 0


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
    _native.open_heap()
    _settle(process_name())


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

        if _native.is_open():
            return
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
    wanted = f"/memfd:holdfast-{token.hex()}"
    for path in _likely_descriptors(pid, descriptor):
        # It may be closed by now, its process may have ended, or be somebody else's.
        try:
            if not str(path.readlink()).startswith(wanted):
                continue
            found = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            _native.join_heap(found)
        finally:
            os.close(found)
        _settle(process_name())
        return
    from holdfast.errors import LifetimeError

    raise LifetimeError(reason="unreachable", found=f"no living process has {wanted} open")


def _likely_descriptors(pid: int, descriptor: int) -> Iterator[Path]:
    """Paths of descriptors that may be the heap's: the sender's first, then everybody's."""
    from pathlib import Path  # here, as it costs more to import than the rest of this module

    yield Path(f"/proc/{pid}/fd/{descriptor}")
    for process in Path("/proc").glob("[0-9]*"):
        yield from _entries(process / "fd")


def _entries(folder: Path) -> list[Path]:
    """What is in a folder; nothing if it is gone, or not ours to look at."""
    try:
        return list(folder.iterdir())
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
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork)


def _settle(name: str) -> None:
    """What a process does once it has a heap."""
    from holdfast import _native

    _native.set_name(name)
    _name_forked_children()


def _before_fork() -> None:
    """Open the heap while parent and child are still one, so that they share it."""
    global _pinned_before_fork
    from holdfast.errors import HoldfastError

    try:
        from holdfast import _native

        open()
    except (HoldfastError, ImportError):
        # There can be no heap: whoever needs one is told so then.
        return
    _name_forked_children()
    _pinned_before_fork = _native.forks_pinned()


def _after_fork() -> None:
    _native = sys.modules.get("holdfast._native")
    if _native is not None and _native.forks_pinned() != _pinned_before_fork:
        import warnings

        warnings.warn(
            "a forked child got no slot in the heap (out of slots, descriptors or memory), so "
            "what it inherited is pinned: that memory is never reused; "
            "see forks_pinned in holdfast.statistics()",
            ResourceWarning,
            stacklevel=2,
        )


def _name_forked_children() -> None:
    """Let the children that multiprocessing forks tell their names, from now on."""
    for package in PACKAGES:
        module = sys.modules.get(f"{package}.util")
        register = getattr(module, "register_after_fork", None)
        if register is not None and package not in _named_after_fork:
            _named_after_fork.add(package)
            register(_tell_name, _tell_name)


def _tell_name(_: object) -> None:
    from holdfast import _native

    _native.set_name(process_name())
