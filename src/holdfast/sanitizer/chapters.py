"""Chapters: a long watch, told in parts, each with what the past says about what it is about.

What it keeps true: a chapter costs what happened in it, however long the watch has been; and of
what it mentions, an object or a process, its story has *all* events, from whatever chapter, so that
a detector that looks for what never happened is not misled by a beginning that was cut off.

An event is filed under what it mentions: ids of objects, names in the system, and processes. A
story has the events of the chapter, those of the past that are filed under the same objects, and
what is known of all processes that occur in either.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from holdfast.sanitizer.story import Event, Member, Story, place_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from holdfast.findings import Place
    from holdfast.sanitizer.capture import Reader

    Key = tuple[Hashable, ...]

# Ids of objects are larger than any pid, number of a process, size or count; see recorder.py.
_LEAST_ID = 1 << 39
# Texts that name something in the system.
_NAMES = ("name", "address", "ident", "path")
# Told by a parent of its child.
_OF_CHILD = ("process.started", "process.reaped")
_OF_START = ("process.starting", "process.started", "process.handed")
# Of what is mentioned in every chapter, such as an object of a whole module: so many of the first
# events, and of the last.
_FIRST, _LAST = 64, 192


class Chapters:
    """A watch as it goes on: read, tell the story, turn the page."""

    def __init__(self, reader: Reader, settings: dict[str, Any]) -> None:
        self._reader = reader
        self._settings = settings
        self._frames: dict[tuple[int, int], Place] = {}
        self._stacks: dict[tuple[int, int], tuple[int, ...]] = {}
        self._pids: dict[int, int] = {}
        self._past: dict[Key, list[Event]] = defaultdict(list)
        # Parent's number and the child's pid: the child's numbers.
        self._children: dict[tuple[int, int], list[int]] = defaultdict(list)
        # The events of this chapter.
        self.events: list[Event] = []
        # The numbers of the processes that were heard of for the first time, since it was emptied.
        self.heard: set[int] = set()

    @property
    def torn(self) -> int:
        """How many records were not whole."""
        return self._reader.torn

    @property
    def lost(self) -> int:
        """About how many records found no room."""
        return self._reader.lost

    def pid_of(self, number: int) -> int:
        """The pid of a process that was heard of; 0 of another."""
        return self._pids.get(number, 0)

    def read(self) -> bool:
        """Take in what is new; whether there was anything."""
        before = len(self.events)
        for number, pid, (kind, at_ns, data) in self._reader.records():
            if kind == "frame":
                self._frames[number, data["id"]] = place_of(data["frame"])
            elif kind == "stack":
                self._stacks[number, data["id"]] = tuple(data["frames"])
            else:
                if number not in self._pids:
                    self._pids[number] = pid
                    self.heard.add(number)
                self.events.append(Event(kind, at_ns, number, data))
                if kind == "process.begin":
                    self._children[data["parent"], data["pid"]].append(number)
        return len(self.events) > before

    def story(self) -> Story:
        """The story of this chapter."""
        chosen = _Chosen()
        chosen.add(self.events)
        for key in {key for event in self.events for key in _objects(event)}:
            chosen.add(self._recall(key))
        for event in chosen:  # which grows meanwhile
            for key in self._processes(event):
                chosen.add(self._recall(key))
        return self._told(chosen)

    def turn(self) -> None:
        """The chapter is over: what comes now belongs to the next one."""
        for event in self.events:
            for key in (*_objects(event), *_own_keys(event)):
                self._past[key].append(event)
        self.events = []

    def _recall(self, key: Key) -> list[Event]:
        found = self._past.get(key, [])
        if len(found) > _FIRST + _LAST:
            return [*found[:_FIRST], *found[-_LAST:]]
        return found

    def _processes(self, event: Event) -> Iterator[Key]:
        """Under what the events are that say more about the processes of an event."""
        yield "process", event.number
        if event.kind == "process.begin":
            yield "child", event["parent"], event["pid"]
            yield "process", event["parent"]
        if event.kind in _OF_START:
            yield "start", event.number, event["token"]
        if event.kind in _OF_CHILD:
            yield "child", event.number, event["pid"]
            for number in self._children.get((event.number, event["pid"]), ()):
                yield "process", number

    def _told(self, events: Iterable[Event]) -> Story:
        story = Story(settings=self._settings, _frames=self._frames, _stacks=self._stacks)
        told = list(events)
        for event in told:
            number = event.number
            pid = self._pids.get(number, 0)
            story.members.setdefault(number, Member(number, pid, began_ns=event.at_ns))
        story.add(told)
        story.states = list(self._reader.states(story.members))
        return story


class _Chosen:
    """Events in the order in which they were chosen, each once; may grow under an iteration."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._known: set[int] = set()

    def add(self, events: Iterable[Event]) -> None:
        for event in events:
            if id(event) not in self._known:
                self._known.add(id(event))
                self._events.append(event)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)


def _own_keys(event: Event) -> Iterator[Key]:
    """Under what an event is filed for the sake of its processes."""
    if event.kind in _OF_START:
        yield "start", event.number, event["token"]
    if event.kind in _OF_CHILD:
        yield "child", event.number, event["pid"]
    elif event.kind not in _OF_START:
        named = next(_objects(event), None)
        if named is None or event.kind.startswith("process."):
            yield "process", event.number


def _objects(event: Event) -> Iterator[Key]:
    """The objects that an event mentions."""
    of_process = event.kind.startswith("process.")
    for name, value in event.data.items():
        if name.endswith(("_ns", "stack")) or name == "stacks":
            continue
        if isinstance(value, int | list | tuple):
            for number in _ids(value):
                yield "id", number
        elif isinstance(value, str) and value and name in _NAMES and not of_process:
            yield "name", value


def _ids(value: Any) -> Iterator[int]:
    if isinstance(value, int):
        if value > _LEAST_ID:
            yield value
    elif isinstance(value, list | tuple):
        each: Any
        for each in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _ids(each)
