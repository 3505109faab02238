"""multiprocessing.heap: the memory of Value, Array, RawValue, RawArray and Barrier.

What it keeps true: memory is not given to anyone else while a process can still reach it, so that
what is reported is the fault and not its debris; with `--as-is` it is the standard library's own,
with its real fate. Either way the standard library's algorithm decides who *would have* received
the bytes of a dropped block: it is run beside, on arenas without memory. Nothing is told of a block
that no other process can have seen.

Events:

    memory.new       uid, size, type, stack           when it has become interesting
    memory.typed     uid, type                        if that was not known yet
    memory.dropped   uid, stack, operation            its creator has none any more, others may
    memory.reused    uid, by, stack                   the bytes of `uid` go to the new block `by`
    memory.used      uid, write, value, stack         a locked access after the drop (sharedctypes)
    memory.raw       uid                              get_obj() was called where it was received
    memory.touched   uid, write, stack                first access to one that a module has made
    memory.changed   uid, offset, before, after       the bytes of a dropped block have changed
    memory.arrived   uid                              unpickled in another process
    memory.view      uid, how, view_stack             a view without its memory is alive

Source: CPython, Lib/multiprocessing/heap.py; issues 110660 and 85839.
"""

from __future__ import annotations

import functools
import sys
import time
import weakref
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast.sanitizer import reach, recorder
from holdfast.sanitizer.watch import ends, leaving, processes

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from holdfast._arrivals import Undo

# What is kept of dropped blocks, to see whether they change: blocks, and bytes in all.
MOST_KEPT = 128
MOST_KEPT_BYTES = 16 << 20
_COPY_BYTES = 1 << 20
# Regions that are remembered to find out who gets them.
MOST_GHOSTS = 512
# At most one look at the kept blocks in this time.
_INTERVAL_NS = 20_000_000
_MODULE = "<module>"


class Track(weakref.ref[Any]):
    """What is known of a block in the process that made it: a weak reference with notes."""

    __slots__ = ("address", "at_ns", "bare", "block", "forks", "handed", "size", "spot", "stack",
                 "told", "type", "uid", "view")  # fmt: skip

    uid: int
    size: int
    stack: int
    at_ns: int
    forks: int
    handed: bool
    told: bool
    type: str
    # Where the standard library would have put it: (arena, start, stop).
    spot: Any
    # The block of Holdfast's heap; None as it is.
    block: Any
    # The stacks of those who took its address or a bare view of it; 0 if nobody did.
    address: int
    view: int
    # As it is: that view, if it is the very one that was taken and not a cast of it.
    bare: weakref.ref[memoryview] | None


_live: dict[int, Track] = {}
_kept: list[tuple[int, Any, bytes]] = []
_ghosts: list[tuple[int, Any, int, int]] = []
_suspects: list[Track] = []
_looked_ns = 0


def track_of(uid: int) -> Track | None:
    """A block that this process, or one that it was forked from, has made; None if gone."""
    return _live.get(uid)


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `multiprocessing.heap`, or another package's copy of it."""
    wrapper = module.BufferWrapper
    as_is = bool(recorder.setting("as_is"))
    make = wrapper.__init__ if as_is else _maker_on_our_heap(module)
    shadow = None if as_is else _shadow_of(module)
    view = wrapper.create_memoryview

    @functools.wraps(wrapper.__init__)
    def initialize(self: Any, size: int) -> None:
        block = make(self, size)
        if not recorder.active():
            return
        uid = recorder.new_uid()
        self.__dict__[reach.MARK] = uid
        track = Track(self, _gone)
        track.uid, track.size, track.block, track.type = uid, size, block, ""
        track.stack, track.at_ns = recorder.stack(), time.monotonic_ns()
        track.forks, track.handed, track.told = recorder.forks(), False, False
        track.address = track.view = 0
        track.bare = None
        if shadow is not None:
            track.spot = (shadow, shadow.malloc(size))
        elif as_is:
            arena, start, stop = self._state[0]
            track.spot = (None, (weakref.ref(arena), start, stop))
        else:  # a heap that we do not know: nobody knows who would have got what
            track.spot = (None, (_Room(0), 0, 0))
        _live[uid] = track
        if _ghosts:
            _find_victims(track)
        if _kept or _suspects:
            look()

    @functools.wraps(view)
    def create_memoryview(self: Any) -> Any:
        result = view(self)
        track = _live.get(self.__dict__.get(reach.MARK, 0))
        if track is not None and not _is_machinery(sys._getframe(1)):
            track.view = recorder.stack()
            if as_is:
                track.bare = weakref.ref(result)
        return result

    def set_state(self: Any, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        uid = state.get(reach.MARK, 0)
        if uid:
            recorder.record("memory.arrived", uid=uid)

    def get_state(self: Any) -> dict[str, Any]:
        state: dict[str, Any] = self.__dict__
        uid = state.get(reach.MARK, 0)
        if uid:
            processes.sending(uid)
        return state

    processes.on_handed(_hand)
    ends.on_exit(_last_look)
    recorder.on_fork(let_go)
    wrapper.__setstate__ = set_state
    wrapper.__getstate__ = get_state
    return [
        replace(wrapper, "__init__", initialize),
        replace(wrapper, "create_memoryview", create_memoryview),
    ]


def _maker_on_our_heap(module: ModuleType) -> Callable[[Any, int], Any]:
    """What stands for BufferWrapper's constructor, as under the guard; it returns the block."""
    from holdfast._native import Block
    from holdfast.guard.heap import Arena, reduce_arena

    module.reduction.register(Arena, reduce_arena)

    def make(self: Any, size: int) -> Block:
        if size < 0:
            raise ValueError(f"Size {size:n} out of range")
        if sys.maxsize <= size:
            raise OverflowError(f"Size {size:n} too large")
        block = Block(size or 1, zero=False)
        self._state = ((Arena(block), 0, size), size)
        return block

    return make


# ---- interesting --------------------------------------------------------------------------------


def tell(track: Track) -> None:
    """Write who made a block and where."""
    if not track.told:
        track.told = True
        recorder.record(
            "memory.new",
            uid=track.uid,
            size=track.size,
            type=track.type,
            stack=track.stack,
            made_ns=track.at_ns,
        )


def _hand(uids: list[int]) -> None:
    for uid in uids:
        track = _live.get(uid)
        if track is not None:
            track.handed = True
            tell(track)


def _gone(track: Any) -> None:
    """The wrapper is dead: here the standard library gives its block to the next who asks."""
    if not recorder.made_here(track.uid):
        return  # a forked child has dropped its copy, which frees nothing
    _live.pop(track.uid, None)
    heap, spot = track.spot
    if heap is not None:
        heap.free(spot)
    if sys.is_finalizing() or leaving.leaving():
        return  # nothing will be made any more that could get it
    if track.view or track.address:
        tell(track)
        _suspects.append(track)
    if not (track.handed or recorder.forks() > track.forks):
        return
    tell(track)
    stack = recorder.stack()
    recorder.record(
        "memory.dropped", uid=track.uid, stack=stack, operation=recorder.operation(stack)
    )
    recorder.publish_drop(track.uid)
    if len(_ghosts) < MOST_GHOSTS:
        _ghosts.append((track.uid, *spot))
    if track.block is not None and len(_kept) < MOST_KEPT and track.size <= _COPY_BYTES:
        copy = bytes(memoryview(track.block)[: track.size])
        if sum(len(each) for _, _, each in _kept) + len(copy) <= MOST_KEPT_BYTES:
            _kept.append((track.uid, track.block, copy))


def _find_victims(new: Track) -> None:
    arena, start, stop = new.spot[1]
    for ghost in list(_ghosts):
        uid, there, begin, end = ghost
        if _same(there, arena) and begin < stop and start < end:
            _ghosts.remove(ghost)
            tell(new)
            recorder.record("memory.reused", uid=uid, by=new.uid, stack=new.stack)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, weakref.ref):
        return one() is not None and one() is other()
    return one is other


# ---- changes and views, looked for now and then -------------------------------------------------


def look(*, now: bool = False) -> None:
    """See whether dropped blocks have changed, and whether bare views of them are alive."""
    global _looked_ns
    at_ns = time.monotonic_ns()
    if not now and at_ns - _looked_ns < _INTERVAL_NS and not _suspects:
        return
    _looked_ns = at_ns
    _look_for_changes()
    while _suspects:
        track = _suspects.pop()
        how = _bare_view(track)
        if how:
            recorder.record(
                "memory.view",
                uid=track.uid,
                how=how,
                stack=recorder.stack(),
                view_stack=track.view if how == "create_memoryview" else track.address,
            )


def _look_for_changes() -> None:
    # A function of its own: a variable that names a block would count as somebody who looks at it.
    for entry in list(_kept):
        uid, block, copy = entry
        bytes_now = bytes(memoryview(block)[: len(copy)])
        if bytes_now != copy:
            if entry in _kept:
                _kept.remove(entry)
            at = next(i for i, (a, b) in enumerate(zip(copy, bytes_now, strict=True)) if a != b)
            at -= at % 8
            recorder.record(
                "memory.changed",
                uid=uid,
                offset=at,
                before=copy[at : at + 8],
                after=bytes_now[at : at + 8],
            )


def _bare_view(track: Track) -> str:
    """What still looks at a block that nobody keeps."""
    # Two references are ours: the track's and the argument's; one each of kept and ghosts.
    ours = 2 + sum(1 for _, block, _ in _kept if block is track.block)
    if track.view and track.block is not None and sys.getrefcount(track.block) > ours:
        return "create_memoryview"
    if track.bare is not None and track.bare() is not None:
        return "create_memoryview"
    if track.address and track.block is not None:
        from holdfast.sanitizer.watch import addresses

        if addresses.points_into(track.block.address, track.size):
            return "addressof"
    return ""


def _last_look() -> None:
    if _kept or _suspects:
        look(now=True)


def let_go() -> None:
    """Forget dropped blocks: nobody who could use them is left; or they are a parent's."""
    _kept.clear()
    _ghosts.clear()
    _suspects.clear()


# ---- what would have been -----------------------------------------------------------------------


class _Room:
    """An arena that has a size and no memory."""

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size


def _shadow_of(module: ModuleType) -> Any:
    """The module's own Heap, on arenas without memory; None if it is one that we do not know."""
    heap: Any = module.Heap
    if not hasattr(heap, "_new_arena"):
        return None

    class Shadow(heap):  # type: ignore[misc]
        _size: int

        def _new_arena(self, size: int) -> tuple[_Room, int, int]:
            length = self._roundup(max(self._size, size), module.mmap.PAGESIZE)
            if self._size < self._DOUBLE_ARENA_SIZE_UNTIL:
                self._size *= 2
            arena = _Room(length)
            self._arenas.append(arena)
            return arena, 0, length

    return Shadow()


_MACHINERY = ("sharedctypes", "synchronize", "heap")


def _is_machinery(frame: Any) -> bool:
    """Whether a frame is that of a module that keeps the wrapper with what it makes of it."""
    package, _, name = str(frame.f_globals.get("__name__", "")).partition(".")
    return name in _MACHINERY and package in {"multiprocessing", "multiprocess", "billiard"}
