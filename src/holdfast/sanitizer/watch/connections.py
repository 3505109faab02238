"""multiprocessing.connection: ends of pipes, who reads and writes them, and how they end.

What it keeps true: an end of a pipe is known in every process by the number of its file in the
system, however it came there: by fork, by pickle, by descriptor. A thread that reads or writes is
noted as waiting (states.py) for as long as the system call takes.

    pipe.new         a, b (ids of the ends; of a one-way pipe a is read, b written), duplex, stack
    conn.used        uid, how                 the first time in a process: "recv" or "send"
    conn.closed      uid, how, leaving, stack "close", or "dropped" with the object
    conn.idle        uid, since_ns, stack     poll(timeout) waited half a second or more in vain
    conn.broken      uid, stack               a write without a reader
    descriptor.sent  address, key, stack      pickled for whoever asks this process for it
    descriptor.missing  address, key, error, stack    and asked for in vain
    listener.new     address, uid, stack
    listener.gone    uid, how, stack
    client.failed    address, error, stack
    sentinel.stale   fd, pid, stack           a number waited for whose Process is gone

Source: CPython, Lib/multiprocessing/connection.py, resource_sharer.py.
"""

from __future__ import annotations

import functools
import os
import sys
import time
import weakref
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast.sanitizer import reach, recorder, states
from holdfast.sanitizer.watch.leaving import leaving

if TYPE_CHECKING:
    from types import ModuleType

    from holdfast._arrivals import Undo

_RECV, _SEND, _POLL = (states.WHAT.index(what) for what in ("recv", "send", "poll"))
# Ids of ends: a number of a file, and whether it is the writing end of a one-way pipe.
_ENDS = 3 << 60
# Waits shorter than this are polling.
_LONG_NS = 500_000_000
_MOST_TOLD = 16

# What this process has told of: (uid, how), and of waits in vain how often.
_used: set[tuple[int, str]] = set()
_idle: dict[int, int] = {}


def uid_of(connection: Any) -> int:
    """The id of an end; 0 if it is closed."""
    handle = connection._handle
    if handle is None:
        return 0
    try:
        inode = os.fstat(handle).st_ino
    except OSError:
        return 0
    return _ENDS | (inode & (1 << 56) - 1) << 1 | (0 if connection._readable else 1)


def _known_uid(connection: Any) -> int:
    """The same, kept with the object."""
    uid: int = connection.__dict__.get(reach.MARK, 0)
    if not uid and recorder.active():
        uid = uid_of(connection)
        if uid:
            connection.__dict__[reach.MARK] = uid
    return uid


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `multiprocessing.connection`, or another package's copy of it."""
    recorder.on_fork(_used.clear)
    recorder.on_fork(_idle.clear)
    return [
        *_watch_pipe(module),
        *_watch_transfers(module.Connection),
        *_watch_listener(module),
        *_watch_wait(module),
    ]


def _watch_pipe(module: ModuleType) -> list[Undo]:
    base = module._ConnectionBase
    close, delete, make_pipe = base.close, base.__del__, module.Pipe

    @functools.wraps(make_pipe)
    def pipe(duplex: bool = True) -> Any:
        ends = make_pipe(duplex)
        if recorder.active():
            a, b = map(_known_uid, ends)
            recorder.record("pipe.new", a=a, b=b, duplex=bool(duplex), stack=recorder.stack())
        return ends

    def watched_close(self: Any) -> Any:
        _tell_end(self, "close")
        return close(self)

    ending = sys.is_finalizing  # when it does, our modules may have ended before the program's

    def watched_delete(self: Any) -> Any:
        if self._handle is not None and not ending():
            _tell_end(self, "dropped")
        return delete(self)

    return [
        replace(module, "Pipe", pipe),
        replace(base, "close", watched_close),
        replace(base, "__del__", watched_delete),
    ]


def _watch_transfers(connection: Any) -> list[Undo]:
    send_bytes, recv_bytes, poll = connection._send_bytes, connection._recv_bytes, connection._poll

    def watched_send(self: Any, buf: Any) -> Any:
        uid = _known_uid(self)
        if not uid:
            return send_bytes(self, buf)
        if (uid, "send") not in _used:
            _tell_use(uid, "send")
        outer = states.begin(_SEND, uid, recorder.stack())
        try:
            return send_bytes(self, buf)
        except BrokenPipeError:
            recorder.record("conn.broken", uid=uid, stack=recorder.stack())
            raise
        finally:
            states.end(outer)

    def watched_recv(self: Any, maxsize: Any = None) -> Any:
        uid = _known_uid(self)
        if not uid:
            return recv_bytes(self, maxsize)
        if (uid, "recv") not in _used:
            _tell_use(uid, "recv")
        outer = states.begin(_RECV, uid, recorder.stack())
        try:
            return recv_bytes(self, maxsize)
        finally:
            states.end(outer)

    def watched_poll(self: Any, timeout: Any) -> Any:
        uid = _known_uid(self)
        if not uid or (timeout is not None and timeout <= 0):
            return poll(self, timeout)
        begun = time.monotonic_ns()
        stack = recorder.stack()
        outer = states.begin(_POLL, uid, stack, timeout)
        try:
            ready = poll(self, timeout)
        finally:
            states.end(outer)
        if not ready and time.monotonic_ns() - begun >= _LONG_NS:
            _idle[uid] = _idle.get(uid, 0) + 1
            if _idle[uid] <= _MOST_TOLD:
                recorder.record("conn.idle", uid=uid, since_ns=begun, stack=stack)
        return ready

    return [
        replace(connection, "_send_bytes", watched_send),
        replace(connection, "_recv_bytes", watched_recv),
        replace(connection, "_poll", watched_poll),
    ]


def _tell_use(uid: int, how: str) -> None:
    _used.add((uid, how))
    recorder.record("conn.used", uid=uid, how=how)


def _tell_end(connection: Any, how: str) -> None:
    uid: int = connection.__dict__.get(reach.MARK, 0)
    if uid and connection._handle is not None:
        stack = recorder.stack()
        recorder.record("conn.closed", uid=uid, how=how, leaving=leaving(), stack=stack)


# ---- Listener and Client -------------------------------------------------------------------------


class _ListenerEnd(weakref.ref[Any]):
    """Knows which listener is dead."""

    __slots__ = ("pid", "uid")
    uid: int
    pid: int


_listeners: dict[int, _ListenerEnd] = {}


def _listener_gone(end: Any) -> None:
    _listeners.pop(end.uid, None)
    if end.pid == recorder.pid() and not leaving():
        recorder.record("listener.gone", uid=end.uid, how="dropped", stack=recorder.stack())


def _watch_listener(module: ModuleType) -> list[Undo]:
    listener = module.Listener
    initialize, close, make_client = listener.__init__, listener.close, module.Client

    @functools.wraps(initialize)
    def watched_init(self: Any, *args: Any, **kwargs: Any) -> None:
        initialize(self, *args, **kwargs)
        if recorder.active():
            end = _ListenerEnd(self, _listener_gone)
            end.uid, end.pid = recorder.new_uid(), recorder.pid()
            _listeners[end.uid] = end
            address = repr(self.address)
            recorder.record("listener.new", uid=end.uid, address=address, stack=recorder.stack())

    def watched_close(self: Any) -> Any:
        for end in list(_listeners.values()):
            if end() is self:
                del _listeners[end.uid]
                recorder.record("listener.gone", uid=end.uid, how="close", stack=recorder.stack())
        return close(self)

    @functools.wraps(make_client)
    def client(address: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return make_client(address, *args, **kwargs)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            name = type(error).__name__
            recorder.record(
                "client.failed", address=repr(address), error=name, stack=recorder.stack()
            )
            raise

    return [
        replace(listener, "__init__", watched_init),
        replace(listener, "close", watched_close),
        replace(module, "Client", client),
    ]


# ---- numbers that outlive their Process ----------------------------------------------------------

# A number that `Process.sentinel` gave: what keeps it open, and whose it was.
_sentinels: dict[int, tuple[weakref.ref[Any], int]] = {}
# Packages that wait for the number of a Popen that they have, without asking its Process.
_LIBRARIES = ("multiprocessing", "multiprocess", "billiard", "loky", "joblib")


def _watch_wait(module: ModuleType) -> list[Undo]:
    original = module.wait

    @functools.wraps(original)
    def wait(object_list: Any, timeout: Any = None) -> Any:
        if _sentinels and type(object_list) in {list, tuple, set}:
            for each in object_list:
                if type(each) is int and each in _sentinels:
                    keeper, pid = _sentinels[each]
                    if keeper() is None and not _is_renewed(each):
                        stack = recorder.stack()
                        recorder.record("sentinel.stale", fd=each, pid=pid, stack=stack)
        return original(object_list, timeout)

    return [replace(module, "wait", wait)]


def _is_renewed(number: int) -> bool:
    """Whether a number is waited for by who has it anew: a Popen waits for its own, not asking."""
    caller = sys._getframe(2).f_globals.get("__name__", "")
    if caller.partition(".")[0] not in _LIBRARIES:
        return False
    _sentinels.pop(number, None)
    return True


def make_watched_process(module: ModuleType) -> list[Undo]:
    """`BaseProcess.sentinel`: a number that the Process object owns."""
    original = module.BaseProcess.sentinel

    def sentinel(self: Any) -> Any:
        number = original.fget(self)
        popen = self._popen
        if popen is not None and type(number) is int:
            _sentinels[number] = (weakref.ref(popen), popen.pid)
        return number

    recorder.on_fork(_sentinels.clear)  # a child's descriptors have other owners

    return [replace(module.BaseProcess, "sentinel", property(sentinel, doc=original.__doc__))]


# ---- descriptors that are sent -------------------------------------------------------------------


def make_watched_sharer(module: ModuleType) -> list[Undo]:
    """Watch `multiprocessing.resource_sharer`: a descriptor is fetched from who sent it."""
    dup = module.DupFd
    initialize, detach = dup.__init__, dup.detach

    @functools.wraps(initialize)
    def watched_init(self: Any, fd: Any) -> None:
        initialize(self, fd)
        address, key = self._id
        recorder.record("descriptor.sent", address=repr(address), key=key, stack=recorder.stack())

    @functools.wraps(detach)
    def watched_detach(self: Any) -> Any:
        try:
            return detach(self)
        except (OSError, EOFError) as error:
            address, key = self._id
            recorder.record(
                "descriptor.missing",
                address=repr(address),
                key=key,
                error=type(error).__name__,
                stack=recorder.stack(),
            )
            raise

    return [replace(dup, "__init__", watched_init), replace(dup, "detach", watched_detach)]
