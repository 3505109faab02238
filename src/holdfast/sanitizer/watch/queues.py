"""multiprocessing.queues: what is put, what has really been sent, and what was taken.

What it keeps true: how many items a process has put, flushed and got is in a state that outlives it
(states.py), so that a process which leaves with items in its buffer is found out. What is put is
pickled later, by the feeder thread. A fingerprint is taken at `put` of what can change, and again
when it is pickled; it is made by reading buffers, containers and instance dicts, and calls nothing
of the program.

    queue.arrived   uid                       it was unpickled here
    queue.new       uid, cls, reader, writer (ids of the ends), stack
    queue.first_put uid, stack                the first item that this process puts
    queue.gone      uid, leaving, stack       the Queue object died here
    queue.mutated   uid, stack                changed between put() and the pickling
    queue.counts    uid, put, flushed, got, done     of an object that died here
    queue.flushing  uid, unflushed            the process waits for its feeder before it ends
    queue.flushed   uid                       and has waited long enough
    queue.cancelled uid, unflushed, stack     cancel_join_thread()

Source: CPython, Lib/multiprocessing/queues.py.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
import weakref
import zlib
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from holdfast._arrivals import replace
from holdfast.sanitizer import reach, recorder, states
from holdfast.sanitizer.watch import connections, owners
from holdfast.sanitizer.watch.leaving import leaving

if TYPE_CHECKING:
    from types import ModuleType

    from holdfast._arrivals import Undo

_FLUSH, _DRAIN = states.WHAT.index("flush"), states.WHAT.index("drain")
_PUT, _FLUSHED, _GOT, _DONE, _LAST, _STACK = range(2, 8)
# How deep and how much of an object a fingerprint looks at.
_MOST_DEPTH, _MOST_PARTS, _MOST_BYTES = 6, 2000, 4 << 20
_PIECE = 64 << 10
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement, or by C as one is
_FIXED = (int, float, complex, str, bytes, bool, type(None), type)

# In the dict of a queue: what is known of it in this process.
_NOTE = "_holdfast_queue"

_rows = states.rows
# Ids of a queue and of an object in its buffer: (the object's fingerprint, the stack of put).
_waiting: dict[tuple[int, int], deque[tuple[int, int]]] = {}


class Note:
    """What is known of one queue in this process."""

    __slots__ = ("chunk", "uid", "word")

    def __init__(self, queue: Any, uid: int) -> None:
        self.uid = uid
        self.chunk, self.word = states.claim(states.QUEUE, uid)
        end = _End(queue, _gone)
        end.uid, end.where, end.pid = uid, (self.chunk, self.word), recorder.pid()
        _ends[id(end)] = end

    def count(self, what: int) -> None:
        """One more."""
        _rows[self.chunk][self.word + what] += 1

    def unflushed(self) -> int:
        """How many items are in the buffer only."""
        row = _rows[self.chunk]
        return max(0, row[self.word + _PUT] - row[self.word + _FLUSHED])


class _End(weakref.ref[Any]):
    """Knows a dead queue's state."""

    __slots__ = ("pid", "uid", "where")
    uid: int
    pid: int
    where: states.Where


_ends: dict[int, _End] = {}


def _gone(reference: weakref.ref[Any]) -> None:
    end = cast("_End", reference)
    if sys.is_finalizing():
        return
    _ends.pop(id(end), None)
    chunk, word = end.where
    row = _rows[chunk]
    if end.pid == recorder.pid() and not leaving():
        recorder.record("queue.gone", uid=end.uid, leaving=False, stack=recorder.stack())
    if row[word + _PUT] == row[word + _FLUSHED]:
        if row[word + _PUT] or row[word + _GOT]:
            put, flushed, got, done = row[word + _PUT : word + _DONE + 1]
            recorder.record(
                "queue.counts", uid=end.uid, put=put, flushed=flushed, got=got, done=done
            )
        states.give_back(end.where)
    # Else its feeder still works at it: the state stays what it is.


def note_of(queue: Any) -> Note | None:
    """What is known of a queue; None if it is not watched."""
    found: Note | None = queue.__dict__.get(_NOTE)
    return found


def _meet(queue: Any, made: bool) -> None:
    """A queue was made here, or has arrived here."""
    if not recorder.active():
        return
    lock = owners.note_of(queue._rlock)
    if lock is None:
        return
    note = queue.__dict__[_NOTE] = Note(queue, lock.uid)
    reach.mark(queue, lock.uid)
    stack = recorder.stack()
    if made:
        recorder.record(
            "queue.new",
            uid=note.uid,
            cls=type(queue).__name__,
            reader=connections.uid_of(queue._reader),
            writer=connections.uid_of(queue._writer),
            stack=stack,
        )
        for part in ("_rlock", "_wlock", "_sem", "_unfinished_tasks"):
            owners.part_of(getattr(queue, part, None), part, queue, note.uid, stack)
    else:
        recorder.record("queue.arrived", uid=note.uid)
    _count_flushes(queue, note)


def _count_flushes(queue: Any, note: Note) -> None:
    send = getattr(queue, "_send_bytes", None)
    if send is None or getattr(send, "holdfast", None) is note:
        return

    def send_bytes(*args: Any, **kwargs: Any) -> Any:
        result = send(*args, **kwargs)
        note.count(_FLUSHED)
        return result

    send_bytes.holdfast = note  # type: ignore[attr-defined]
    queue._send_bytes = send_bytes


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `multiprocessing.queues`, or another package's copy of it."""
    undo: list[Undo] = []
    for name in ("Queue", "JoinableQueue", "SimpleQueue"):
        cls = getattr(module, name)
        undo += _watch_arrivals(cls)
        undo += _watch_transfers(cls)
    queue, joinable = module.Queue, module.JoinableQueue
    reset, feed, finalize, cancel = (
        queue._reset, queue._feed, queue._finalize_join, queue.cancel_join_thread,
    )  # fmt: skip
    task_done, join = joinable.task_done, joinable.join

    @functools.wraps(reset)
    def watched_reset(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = reset(self, *args, **kwargs)
        note = note_of(self)
        if note is not None:
            _count_flushes(self, note)
        return result

    @functools.wraps(feed)
    def watched_feed(*args: Any) -> Any:
        for each in args:
            note = getattr(each, "holdfast", None)
            if note is not None:
                _feeders[threading.get_ident()] = note
                args = tuple(_counting(arg, note) for arg in args)
                break
        return feed(*args)

    @functools.wraps(finalize)
    def finalize_join(reference: Any) -> Any:
        thread = reference()
        note = None if thread is None else _feeders.get(thread.ident)
        if note is None or not note.unflushed():
            return finalize(reference)
        recorder.record("queue.flushing", uid=note.uid, unflushed=note.unflushed())
        outer = states.begin(_FLUSH, note.uid, recorder.stack())
        try:
            return finalize(reference)
        finally:
            states.end(outer)
            recorder.record("queue.flushed", uid=note.uid)

    @functools.wraps(cancel)
    def cancel_join_thread(self: Any) -> Any:
        note = note_of(self)
        if note is not None:
            recorder.record(
                "queue.cancelled", uid=note.uid, unflushed=note.unflushed(), stack=recorder.stack()
            )
        return cancel(self)

    @functools.wraps(task_done)
    def watched_done(self: Any) -> Any:
        result = task_done(self)
        note = note_of(self)
        if note is not None:
            note.count(_DONE)
        return result

    @functools.wraps(join)
    def watched_join(self: Any) -> Any:
        note = note_of(self)
        if note is None:
            return join(self)
        outer = states.begin(_DRAIN, note.uid, recorder.stack())
        try:
            return join(self)
        finally:
            states.end(outer)

    recorder.on_fork(_waiting.clear)
    recorder.on_fork(_feeders.clear)
    return [
        *undo,
        replace(queue, "_reset", watched_reset),
        replace(queue, "_feed", staticmethod(watched_feed)),
        replace(queue, "_finalize_join", staticmethod(finalize_join)),
        replace(queue, "cancel_join_thread", cancel_join_thread),
        replace(joinable, "task_done", watched_done),
        replace(joinable, "join", watched_join),
        replace(module, "_ForkingPickler", _pickler(module._ForkingPickler)),
    ]


def _counting(argument: Any, note: Note) -> Any:
    """What a feeder is given; what it calls for an item that cannot be pickled counts that."""
    if getattr(argument, "__name__", "") != "_on_queue_feeder_error":
        return argument

    @functools.wraps(argument)
    def on_error(*args: Any) -> Any:
        note.count(_FLUSHED)  # it will never be written, and the program was told
        return argument(*args)

    return on_error


# A feeder thread: the queue that it feeds.
_feeders: dict[int | None, Note] = {}


def _last_of(queue: Any) -> Any:
    """The class of the standard library whose constructor is the last to end."""
    names = {"Queue", "JoinableQueue", "SimpleQueue"}
    for each in type(queue).__mro__:
        if each.__name__ in names and each.__module__.endswith(".queues"):
            return each
    return None


def _watch_arrivals(cls: Any) -> list[Undo]:
    initialize, take = cls.__init__, cls.__setstate__

    @functools.wraps(initialize)
    def watched_init(self: Any, *args: Any, **kwargs: Any) -> None:
        initialize(self, *args, **kwargs)
        if _last_of(self) is cls:
            _meet(self, made=True)

    @functools.wraps(take)
    def set_state(self: Any, state: Any) -> None:
        take(self, state)
        if _last_of(self) is cls:
            _meet(self, made=False)

    return [replace(cls, "__init__", watched_init), replace(cls, "__setstate__", set_state)]


def _watch_transfers(cls: Any) -> list[Undo]:
    undo: list[Undo] = []
    if "put" in cls.__dict__:
        put = cls.put
        buffered = cls.__name__ != "SimpleQueue"

        @functools.wraps(put)
        def watched_put(self: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
            note: Note | None = self.__dict__.get(_NOTE)
            if note is None:
                return put(self, obj, *args, **kwargs)
            remembered = buffered and _remember(note.uid, obj)
            try:
                result = put(self, obj, *args, **kwargs)
            except BaseException:  # it is full, closed, or has no thread: nobody will pickle it
                if remembered:
                    _recall(note.uid, obj, -1)
                raise
            row = _rows[note.chunk]
            if not row[note.word + _STACK]:
                stack = row[note.word + _STACK] = recorder.stack()
                recorder.record("queue.first_put", uid=note.uid, stack=stack)
            note.count(_PUT)
            if not buffered:
                note.count(_FLUSHED)
            return result

        undo.append(replace(cls, "put", watched_put))
    if "get" in cls.__dict__:
        get = cls.get

        @functools.wraps(get)
        def watched_get(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = get(self, *args, **kwargs)
            note: Note | None = self.__dict__.get(_NOTE)
            if note is not None:
                note.count(_GOT)
                _rows[note.chunk][note.word + _LAST] = time.monotonic_ns()
            return result

        undo.append(replace(cls, "get", watched_get))
    return undo


# ---- what changes between put() and the pickling -------------------------------------------------


def _remember(uid: int, obj: Any) -> bool:
    """Take the fingerprint of what is put, if it can change."""
    if isinstance(obj, _FIXED):
        return False
    print_ = _fingerprint(obj)
    if print_:
        _waiting.setdefault((uid, id(obj)), deque()).append((print_, recorder.stack(2)))
    return bool(print_)


def _recall(uid: int, obj: Any, which: int) -> tuple[int, int] | None:
    """What was remembered when the object was put on a queue, for the first or last time."""
    known = _waiting.get((uid, id(obj)))
    if not known:
        return None
    found = known[which]
    del known[which]
    if not known:
        _waiting.pop((uid, id(obj)), None)
    return found


def _pickler(original: Any) -> Any:
    """A pickler that compares what is pickled with what was put."""
    dumps = original.dumps

    class ForkingPickler(original):  # type: ignore[misc]
        @classmethod
        def dumps(cls, obj: Any, protocol: Any = None) -> Any:
            feeder = _feeders.get(threading.get_ident()) if _waiting else None
            known = None if feeder is None else _recall(feeder.uid, obj, 0)
            if feeder is None or known is None:
                return dumps(obj, protocol)
            print_, stack = known
            changed = _fingerprint(obj) != print_
            result = dumps(obj, protocol)
            if changed or _fingerprint(obj) != print_:
                recorder.record("queue.mutated", uid=feeder.uid, put_stack=stack)
            return result

    for name in ("__module__", "__qualname__", "__doc__"):
        setattr(ForkingPickler, name, getattr(original, name))
    return ForkingPickler


def _fingerprint(obj: Any) -> int:
    """A number that is another one when the object has changed; 0 if it cannot change."""
    left = [_MOST_PARTS]
    state = [1, 0]  # checksum; whether anything that can change was seen
    try:
        _add(obj, state, left, _MOST_DEPTH)
    except (RuntimeError, ValueError, BufferError):  # it is being changed by another thread now
        return 0
    return state[0] if state[1] else 0


def _add(obj: Any, state: list[int], left: list[int], depth: int) -> None:
    left[0] -= 1
    if left[0] < 0 or depth < 0:
        return
    kind = cast("Any", type(obj))
    if kind in {int, float, complex, str, bytes, bool, type(None)}:
        state[0] = zlib.crc32(repr(hash(obj)).encode(), state[0])
    elif kind in {list, tuple, set, frozenset, deque}:
        if kind not in {tuple, frozenset}:
            state[1] = 1
        state[0] = zlib.crc32(b"%d" % len(obj), state[0])
        for each in list(obj) if kind in {list, tuple, deque} else ():
            _add(each, state, left, depth - 1)
    elif kind is dict:
        state[1] = 1
        state[0] = zlib.crc32(b"%d" % len(obj), state[0])
        for key, value in list(obj.items()):
            _add(key, state, left, depth - 1)
            _add(value, state, left, depth - 1)
    elif not _add_buffer(obj, state):
        _add_instance(obj, state, left, depth)


def _add_buffer(obj: Any, state: list[int]) -> bool:
    kinds = type(obj).__mro__
    if kinds[0].__module__.startswith("holdfast"):
        return True  # it is sent as what it is, not as a copy
    if any("__buffer__" in each.__dict__ and each.__flags__ & _HEAP_TYPE for each in kinds):
        return False  # its buffer is made by the program
    try:
        view = memoryview(obj)
    except (TypeError, ValueError, BufferError):
        return False
    with view:
        if view.readonly or not view.nbytes:
            return True
        state[1] = 1
        step = max(1, view.nbytes // _MOST_BYTES) * _PIECE
        try:
            flat = view.cast("B")
        except TypeError:  # not of one piece, or of a kind that Python has no letter for
            if view.nbytes <= _MOST_BYTES:
                state[0] = zlib.crc32(view.tobytes(), state[0])
            return True
        with flat:
            for at in range(0, len(flat), step):
                state[0] = zlib.crc32(flat[at : at + _PIECE], state[0])
    return True


def _add_instance(obj: Any, state: list[int], left: list[int], depth: int) -> None:
    """An instance of a plain class: what its dict holds, as pickle will take it."""
    kind = cast("Any", type(obj))
    plain = getattr(kind, "__reduce_ex__", None) is object.__reduce_ex__
    plain = plain and getattr(kind, "__reduce__", None) is object.__reduce__
    own = getattr(kind, "__getstate__", None)
    if plain and (own is None or own is getattr(object, "__getstate__", None)):
        found: Any = reach.instance_dict(obj)
        if found:
            _add(dict(found), state, left, depth - 1)
