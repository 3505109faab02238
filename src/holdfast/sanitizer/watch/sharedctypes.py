"""multiprocessing.sharedctypes: accesses to what its creator has dropped, through locked wrappers.

What it keeps true: an access costs one more comparison as long as nothing was dropped while others
had it, and reads and writes what it read and wrote before. Raw objects are plain ctypes: nobody
sees them being read; that they change is seen in their memory (memory.py).

Source: CPython, Lib/multiprocessing/sharedctypes.py.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from holdfast._arrivals import replace
from holdfast.sanitizer import reach, recorder
from holdfast.sanitizer.watch import memory

if TYPE_CHECKING:
    from types import ModuleType

    from holdfast._arrivals import Undo

# Accesses to one dropped object that one process looks at, and that it tells of. After that it is
# told often enough.
MOST_LOOKED_AT = 100
MOST_TOLD = 8
_PLAIN = (int, float, bool)

_seen_news = 0
_dropped: set[int] = set()
# Object: where accesses to it have been told of.
_told: dict[int, set[tuple[bool, int]]] = {}
_looked: dict[int, int] = {}
# Objects that a module has made and nobody has touched yet in this process.
_fresh: dict[int, None] = {}

# As in the standard library, with one look at the news after the access. What takes and gives the
# lock is set by owners.py: the lock's own methods, which note no owner.
_TEMPLATE = """
def get{name}(self):
    self._holdfast_take()
    try:
        value = self._obj.{name}
    finally:
        self._holdfast_give()
    if news:
        used(self, False, value)
    return value
def set{name}(self, value):
    self._holdfast_take()
    try:
        self._obj.{name} = value
    finally:
        self._holdfast_give()
    if news:
        used(self, True, value)
{name} = property(get{name}, set{name})
"""


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `multiprocessing.sharedctypes`, or another package's copy of it."""
    news = recorder.any_news()
    properties: dict[str, Any] = {}

    def make_property(name: str) -> Any:
        if name not in properties:
            scope = {"news": news, "used": used}
            # Under our file's name, so that its frames count as ours.
            code = compile(_TEMPLATE.format(name=name), __file__, "exec")
            exec(code, scope)  # noqa: S102 - as the original does
            properties[name] = scope[name]
        return properties[name]

    array = module.SynchronizedArray
    get_item, set_item = array.__getitem__, array.__setitem__

    # As `with self:` does it, in which a program that has its own lock would be seen twice.
    @functools.wraps(get_item)
    def getitem(self: Any, i: Any) -> Any:
        self.acquire()
        try:
            value = self._obj[i]
        finally:
            self.release()
        if news:
            used(self, False, value)
        return value

    @functools.wraps(set_item)
    def setitem(self: Any, i: Any, value: Any) -> None:
        self.acquire()
        try:
            self._obj[i] = value
        finally:
            self.release()
        if news:
            used(self, True, value)

    rebuild, get_obj = module.rebuild_ctype, module.SynchronizedBase.get_obj

    @functools.wraps(rebuild)
    def rebuild_ctype(type_: Any, wrapper: Any, length: Any) -> Any:
        track = memory.track_of(reach.uid_of(wrapper))
        if track is not None and not track.type:
            track.type = str(getattr(type_, "__name__", ""))
            if track.told:
                recorder.record("memory.typed", uid=track.uid, type=track.type)
            _note_module_level(track)
        return rebuild(type_, wrapper, length)

    @functools.wraps(get_obj)
    def watched_get_obj(self: Any) -> Any:
        uid = _uid_of(self)
        if uid and not recorder.made_here(uid) and (False, -1) not in _told.get(uid, ()):
            _told.setdefault(uid, set()).add((False, -1))
            recorder.record("memory.raw", uid=uid)
        return get_obj(self)

    recorder.on_fork(_forget_in_child)
    return [
        replace(module, "make_property", make_property),
        replace(module, "rebuild_ctype", rebuild_ctype),
        replace(module.SynchronizedBase, "get_obj", watched_get_obj),
        replace(module.Synchronized, "value", make_property("value")),
        replace(module.SynchronizedString, "value", make_property("value")),
        replace(module.SynchronizedString, "raw", make_property("raw")),
        replace(array, "__getitem__", getitem),
        replace(array, "__setitem__", setitem),
    ]


def used(shared: Any, write: bool, value: object) -> None:
    """Something was accessed, and something was dropped: is it the same?"""
    wrapper = getattr(shared._obj, "_wrapper", None)
    if wrapper is not None:
        used_memory(wrapper, write=write, value=value)


def used_memory(wrapper: Any, *, write: bool, value: object) -> None:
    """The same for the memory of anything; called by a watch that is called by the program."""
    global _seen_news, _dropped
    uid = reach.uid_of(wrapper)
    if not uid:
        return
    if uid in _fresh:
        del _fresh[uid]
        recorder.any_news().fresh = bool(_fresh)
        track = memory.track_of(uid)
        if track is not None:
            memory.tell(track)
            recorder.record("memory.touched", uid=uid, write=write, stack=recorder.stack())
    current = recorder.news()[0]
    if current != _seen_news:
        _seen_news = current
        _dropped = recorder.dropped()
    if uid not in _dropped or recorder.made_here(uid):
        return
    looked = _looked[uid] = _looked.get(uid, 0) + 1
    told = _told.setdefault(uid, set())
    if looked > MOST_LOOKED_AT or len(told) >= MOST_TOLD:
        return
    stack = recorder.stack()
    if (write, stack) not in told:
        told.add((write, stack))
        shown = repr(value) if type(value) in _PLAIN else ""
        recorder.record("memory.used", uid=uid, write=write, value=shown, stack=stack)


def _uid_of(shared: Any) -> int:
    wrapper = getattr(shared._obj, "_wrapper", None)
    return 0 if wrapper is None else reach.uid_of(wrapper)


def _note_module_level(track: memory.Track) -> None:
    """An object that a module makes when it is imported is made again in a spawned child."""
    if recorder.made_by_module(track.stack) and len(_fresh) < 1000:
        _fresh[track.uid] = None
        recorder.any_news().fresh = True


def _forget_in_child() -> None:
    """A forked child has its own story; what it inherited is its parent's."""
    _told.clear()
    _looked.clear()
    _fresh.clear()
    recorder.any_news().fresh = False
