"""The rows: promises about a shared value, each a function that tries to break it.

A promise takes the name of a column, returns what it saw if the promise was kept, and raises Broken
otherwise. An error of the peer itself means broken as well; cell.py turns it into a sentence.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.gate import family
from benchmarks.gate.columns import COLUMNS, Column

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

START_METHODS = ("fork", "spawn", "forkserver")
# Seconds to wait for a child's word; a child that hangs breaks the promise.
PATIENCE = 10.0
# Seconds within which a lock must say that its owner is dead.
LOCK_PATIENCE = 2.0
# Descriptors and mappings that a thousand values may need, as the memory behind them all grows.
A_FEW = 5
# Losing a race once is enough to break a promise.
ATTEMPTS = 3
MARK = 1111
MINE = -1


class Broken(Exception):
    """The promise was not kept."""


def no_alias(name: str) -> str:
    """What a child can reach is given to nobody else when the creator drops it."""
    for _ in range(ATTEMPTS):
        _hand_over(name, "fork")
    return f"{ATTEMPTS} times, the child's {MARK} stayed where it belongs"


def every_start_method(name: str) -> str:
    """A value made for a child and kept by nobody else arrives, however the child is started."""
    failures = {method: _failure(name, method) for method in START_METHODS}
    if any(failures.values()):
        raise Broken("; ".join(f"{method}: {why}" for method, why in failures.items() if why))
    return f"it arrived and worked with {', '.join(START_METHODS)}"


def outlives_the_sender(name: str) -> str:
    """A value arrives through a queue after its sender has ended, or was killed."""
    context = multiprocessing.get_context("fork")
    column = COLUMNS[name](context)
    if name == "Manager":
        column.make()  # the server must not end with the sender
    for ending in ("returned", "was killed"):
        queue = context.Queue()
        sender = context.Process(target=_send, args=(column, queue, ending == "was killed"))
        sender.start()
        sender.join(PATIENCE)
        if sender.exitcode not in (0, -signal.SIGKILL):
            raise Broken("the sender could not send it")
        try:
            thing = queue.get(timeout=LOCK_PATIENCE)
        except Exception as error:
            raise Broken(f"after the sender {ending}: {_words(error)}") from error
        if column.read(thing) != MARK:
            raise Broken(f"after the sender {ending} it held {column.read(thing)}, not {MARK}")
        column.drop(thing)
    return "it arrived after its sender had returned, and after it was killed"


def nothing_left(name: str) -> str:
    """When all processes are killed at once, no memory, name, file or process stays."""
    for method in ("fork", "spawn"):
        left = family.killed(name, method)
        if left:
            raise Broken(f"{method}: left behind: {', '.join(left)}")
    return "no file, no process and no name was left"


def dead_owner(name: str) -> str:
    """Who waits for a lock whose owner was killed is told so, by an error that names the owner."""
    context = multiprocessing.get_context("fork")
    column = COLUMNS[name](context)
    thing = column.make()
    lock = column.lock(thing)
    if lock is None:
        raise Broken("it has no lock")
    owner = context.Process(target=_die_with, args=(lock,))
    owner.start()
    owner.join(PATIENCE)
    began = time.monotonic()
    try:
        got = lock.acquire(timeout=LOCK_PATIENCE)
    except Exception as error:
        if str(owner.pid) not in str(error):
            raise Broken(f"an error that does not name the owner: {_words(error)}") from error
        return f"{type(error).__name__} after {time.monotonic() - began:.2f} s"
    finally:
        column.drop(thing)
    if got:
        raise Broken("it gave the lock as if nothing had happened")
    raise Broken(f"it waited {LOCK_PATIENCE:g} s and told nothing")


def no_descriptor_no_mapping(name: str) -> str:
    """A thousand values cost no descriptor and no mapping more than one."""
    column = COLUMNS[name](multiprocessing.get_context("fork"))
    things = [column.make()]
    before = _descriptors(), _mappings()
    things += [column.make() for _ in range(1000)]
    descriptors, mappings = _descriptors() - before[0], _mappings() - before[1]
    for thing in things:
        column.drop(thing)
    saw = f"1,000 more values: {descriptors} descriptors, {mappings} mappings more"
    if max(descriptors, mappings) > A_FEW:
        raise Broken(saw)
    return saw


PROMISES: dict[str, Callable[[str], str]] = {
    "no alias after drop": no_alias,
    "every start method": every_start_method,
    "arrives after the sender's end": outlives_the_sender,
    "nothing left after kill -9 of all": nothing_left,
    "dead lock owner reported": dead_owner,
    "no descriptor, no mapping per value": no_descriptor_no_mapping,
}


def _hand_over(name: str, method: str) -> None:
    """Give a value to a child, drop it, make others like it, let the child write to its own."""
    context = multiprocessing.get_context(method)
    column = COLUMNS[name](context)
    connection, other = context.Pipe()
    # The value is an argument and nothing else: start() drops it once the child has it.
    thing = column.make()
    process = context.Process(target=_write, args=(name, thing, other))
    process.start()
    other.close()
    column.drop(thing)
    del thing
    later = [column.make() for _ in range(8)]
    for each in later:
        column.write(each, MINE)
    try:
        connection.send("write")
        if not wait([connection, process.sentinel], PATIENCE):
            raise Broken("the child said nothing")
        found = connection.recv() if connection.poll() else None
    except (EOFError, OSError) as error:
        raise Broken("the child lost its value") from error
    finally:
        process.join(LOCK_PATIENCE)
        process.kill()
    changed = [column.read(each) for each in later if column.read(each) != MINE]
    for each in later:
        column.drop(each)
    if changed:
        raise Broken(f"another value, which held {MINE}, turned into {changed[0]}")
    if found is None:
        raise Broken("the child lost its value")
    if found != MARK:
        raise Broken(f"the child wrote {MARK} and read {found}")


def _failure(name: str, method: str) -> str:
    try:
        _hand_over(name, method)
    except Broken as broken:
        return str(broken)
    return ""


def _write(name: str, thing: Any, connection: Connection) -> None:
    column = COLUMNS[name](multiprocessing)
    connection.recv()
    column.write(thing, MARK)
    connection.send(column.read(thing))


def _send(column: Column, queue: Any, killed: bool) -> None:
    thing = column.make()
    column.write(thing, MARK)
    queue.put(thing)
    queue.close()
    queue.join_thread()
    if killed:
        os.kill(os.getpid(), signal.SIGKILL)


def _die_with(lock: Any) -> None:
    lock.acquire()
    os.kill(os.getpid(), signal.SIGKILL)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": ")


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _mappings() -> int:
    return Path("/proc/self/maps").read_text().count("\n")
