"""What the children of the generated programs run."""

from __future__ import annotations

import multiprocessing as mp
import threading
from multiprocessing.managers import BaseManager, BaseProxy, DictProxy, ListProxy

contexts = {
    "fork": mp.get_context("fork"),
    "spawn": mp.get_context("spawn"),
    "forkserver": mp.get_context("forkserver"),
}


def touch(shared):
    """Use a shared object as its kind is used."""
    if isinstance(shared, BaseProxy):
        shared._callmethod("__repr__")
        inner = shared.values() if isinstance(shared, DictProxy) else ()
        for each in list(shared) if isinstance(shared, ListProxy) else inner:
            touch(each)
    elif hasattr(shared, "items"):
        for each in shared.values():
            touch(each)
    elif isinstance(shared, (list, tuple)):
        for each in shared:
            touch(each)
    elif hasattr(shared, "value"):
        shared.value = 111
    elif hasattr(shared, "parties"):
        try:
            shared.wait(0.01)
        except threading.BrokenBarrierError:
            pass
    elif hasattr(shared, "put"):
        shared.put(None)
    elif hasattr(shared, "set"):
        shared.set()
    elif hasattr(shared, "run"):
        touch(shared.total)
    elif hasattr(shared, "__setitem__"):
        for number in range(len(shared)):
            shared[number] = 111
    elif hasattr(shared, "acquire"):
        shared.acquire()
        shared.release()


def work(shared, go, ready=None):
    """Wait until the parent has gone on, then use what was given."""
    if ready is not None:
        ready.set()
    go.wait()
    touch(shared)


def work_on_message(channel, go):
    """The same with what comes through a queue or a pipe."""
    go.wait()
    receive = channel.get if hasattr(channel, "get") else channel.recv
    touch(receive())


def work_with(go, ready=None, *, shared):
    """The same with a keyword."""
    work(shared, go, ready)


class Worker:
    """Owns a shared value."""

    def __init__(self, ctx):
        self.total = ctx.Value("d", 0)

    def run(self, go, ready=None):
        """The target."""
        work(self.total, go, ready)


class Heir(Worker):
    """Owns it through its base."""


class Keeping(mp.Process):
    """A process that keeps what it is given."""

    def __init__(self, shared, go):
        super().__init__()
        self.shared = shared
        self.go = go

    def run(self):
        """The target."""
        work(self.shared, self.go)


class Passing(mp.Process):
    """A process that only passes it on to its base."""

    def __init__(self, shared, go):
        super().__init__(target=work, args=(shared, go))


class Tallies(BaseManager):
    """A manager with a type of its own."""


Tallies.register("Tally", dict, DictProxy)

_given = []


def begin(go, *shared):
    """What the workers of a pool or an executor do first."""
    _given[:] = [go, *shared]


def do(task, *more):
    """A task: wait until the parent has gone on, use what the worker and the task were given."""
    go, *shared = _given
    go.wait()
    touch([*shared, *more])
    open(task, "x").close()
    return task
