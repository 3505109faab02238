"""What may be true at one point of the program: who refers to whom, and which processes run.

What it keeps true: an object is *kept* exactly if it can be reached from a root: the variables of
the calls that are being followed, what has escaped to places that the checker does not see, a
running process object (multiprocessing keeps those), and what an expression is just using. A
state is copied where the program branches and merged where it joins, by union: what may be kept
counts as kept, what may be running counts as running.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from holdfast.lint.machine.things import NOTHING, Bound, Const, Function, Refs, Thing, only_name
from holdfast.lint.program.catalogue import KEEPS_ARGUMENTS
from holdfast.lint.program.functions import facts

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable, Iterator

    from holdfast.lint.machine.things import Value
    from holdfast.lint.program.modules import Module

# What may be said of a process, an executor, a pool. "told": it has been waited for by a message
# (an event, a queue), so it has probably done its work. "unsure": something that the checker does
# not see may have joined it.
NEW, RUNNING, TOLD, KILLED, UNSURE, ENDED = "new", "running", "told", "killed", "unsure", "ended"
ALIVE = frozenset({RUNNING, TOLD, KILLED, UNSURE})


# Roles of what is kept while it runs: started processes by multiprocessing, pools with tasks by
# the tasks.
_LASTING = {"process", "pool"}

# Roles of things that no library has made.
PLAIN = {"container", "instance", "outside", "partial", "weak"}

# Variables, attributes or elements.
Names = dict[str, Refs]
_NONE: Names = {}
_Key = TypeVar("_Key", int, Thing)


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a function of the program."""

    module: Module
    function: str
    node: ast.AST


@dataclass(frozen=True, slots=True)
class Handed:
    """An object in what a process was given.

    Attributes:
        thing: The object.
        process: The process.
        node: The expression in the call that made the process by which it was given.
        via: "args", "kwargs", "target", "closure", "initargs" or "global", by its name.
        inline: Nothing but the arguments refers to it.
        owner: The object given, of which `thing` is a part; the same as `thing` if it is itself.
        path: How the object given leads to it: `.id1`; "" if it is itself.
        spots: Where it was given, in each of the functions that were being followed, outermost
            first: the calls that led to the last of them, and there `node`.
    """

    thing: Thing
    process: Thing
    node: ast.AST
    via: str
    inline: bool
    owner: Thing
    path: str
    spots: tuple[Spot, ...]


@dataclass(slots=True)
class Layer:
    """What the modules that have been imported have made: below every state, never changed by one.

    Attributes:
        frames: Number of a module's frame: its variables at the end of the module.
        heap: Thing: its attributes then.
        rooted: The things that a module's variables, or strangers, lead to.
    """

    frames: dict[int, Names] = field(default_factory=dict[int, Names])
    heap: dict[Thing, Names] = field(default_factory=dict[Thing, Names])
    rooted: set[Thing] = field(default_factory=set[Thing])


@dataclass(slots=True)
class State:
    """See the module.

    Attributes:
        layer: What is there where this state has nothing of its own.
        frames: Number of a frame: its variables.
        heap: Thing: its attributes; "*" holds the elements of a container.
        escaped: Things that somebody unknown refers to.
        status: Process, pool or executor: what may be said of it.
        handed: Process: what it was given.
        facts: Condition (as text): how it was decided on this path, and the names in it.
        made: Place that makes things: how many it has made.
        exceptional: The path leads through an exception handler.
        dead: The path ends here: what was called never returns.
        serious: Something of a library was made or changed on the path.
        owned: The frames and things whose names no other state shares, so that they can be
            changed: a copy shares all, and each takes what it changes for its own.
    """

    layer: Layer = field(default_factory=Layer)
    frames: dict[int, Names] = field(default_factory=dict[int, Names])
    heap: dict[Thing, Names] = field(default_factory=dict[Thing, Names])
    escaped: set[Thing] = field(default_factory=set[Thing])
    status: dict[Thing, frozenset[str]] = field(default_factory=dict[Thing, frozenset[str]])
    handed: dict[Thing, tuple[Handed, ...]] = field(default_factory=dict[Thing, tuple[Handed, ...]])
    facts: dict[str, tuple[bool, frozenset[str]]] = field(
        default_factory=dict[str, tuple[bool, frozenset[str]]]
    )
    made: dict[object, int] = field(default_factory=dict[object, int])
    exceptional: bool = False
    dead: bool = False
    serious: bool = False
    owned: set[int | Thing] = field(default_factory=set[int | Thing])

    def copy(self) -> State:
        """An independent one."""
        self.owned = set()
        return State(
            self.layer,
            self.frames.copy(),
            self.heap.copy(),
            self.escaped.copy(),
            self.status.copy(),
            self.handed.copy(),
            self.facts.copy(),
            self.made.copy(),
            self.exceptional,
            self.dead,
            self.serious,
        )

    def become(self, other: State) -> None:
        """Take over everything of another one."""
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))

    def merge(self, other: State) -> None:
        """Whatever may be true in either."""
        if other.dead:
            return
        if self.dead:
            self.become(other.copy())
            return
        self._union(self.frames, other.frames, self.layer.frames)
        self._union(self.heap, other.heap, self.layer.heap)
        self.escaped |= other.escaped
        for process, words in other.status.items():
            self.status[process] = self.status.get(process, words) | words
        for process, items in other.handed.items():
            mine = self.handed.get(process, ())
            self.handed[process] = mine + tuple(each for each in items if each not in mine)
        self.facts = {key: how for key, how in self.facts.items() if other.facts.get(key) == how}
        for key, count in other.made.items():
            self.made[key] = max(count, self.made.get(key, 0))
        self.exceptional = self.exceptional and other.exceptional
        self.serious = self.serious or other.serious

    def _union(
        self, mine: dict[_Key, Names], theirs: dict[_Key, Names], below: dict[_Key, Names]
    ) -> None:
        get = mine.get
        for key, other in theirs.items():
            own = get(key)
            if own is other:
                continue
            if own is None:
                own = below.get(key)
                if own is None:
                    mine[key] = other
                    self.owned.discard(key)  # it is the other's
                    continue
            self._join(mine, key, own, other)
        if below:
            for key in mine.keys() - theirs.keys():
                if key in below:
                    self._join(mine, key, mine[key], below[key])

    def _join(self, mine: dict[_Key, Names], key: _Key, own: Names, other: Names) -> None:
        """Let names stand for what they stand for in either."""
        more = [name for name, refs in other.items() if not refs <= own.get(name, NOTHING)]
        if more or key not in mine:
            joined = mine[key] = own.copy()
            self.owned.add(key)
            for name in more:
                joined[name] = joined.get(name, NOTHING) | other[name]

    def same(self, other: State) -> bool:
        """Whether two paths have come to the same, whatever they decided on the way."""
        return (
            self.frames == other.frames
            and self.status == other.status
            and self.heap == other.heap
            and self.escaped == other.escaped
            and self.handed == other.handed
            and self.exceptional == other.exceptional
        )

    # ---- who refers to whom ---------------------------------------------------------------------

    def reach(self, start: Iterable[Value]) -> set[Thing]:
        """All things that can be reached from some values."""
        seen: set[Thing] = set()
        functions: set[Function] = set()
        heap, below = self.heap, self.layer.heap
        rest = list(start)
        while rest:
            value = rest.pop()
            if isinstance(value, Thing):
                if value in seen:
                    continue
                seen.add(value)
                fields = heap.get(value)
                if fields is None:
                    fields = below.get(value, _NONE)
                for refs in fields.values():
                    rest += refs
                base = value.base
                if base is not None and base.kind.role != "segment":
                    rest.append(base)  # a view of a SharedMemory does not keep it
            elif isinstance(value, Bound):
                if only_name(value):
                    continue
                if value.function is not None:
                    rest.append(value.function)
                rest.append(value.receiver)
            elif isinstance(value, Function):
                if value.frame is not None and value not in functions:
                    functions.add(value)
                    rest.extend(self.captured(value))
        return seen

    def captured(self, function: Function) -> Iterator[Value]:
        """What the variables that a function closes over stand for now."""
        variables = self.frames.get(function.frame or 0, {})
        for name in facts(function.node).free:
            yield from variables.get(name, NOTHING)

    def kept(self, frames: Iterable[int], temporaries: Iterable[Value]) -> set[Thing]:
        """All things that are kept: see the module."""
        roots: list[Value] = [*temporaries, *self.escaped]
        rooted = self.layer.rooted
        if rooted:
            roots += self.heap.keys() & rooted
        below = self.layer.heap
        if below:
            roots += [e.thing for items in self.handed.values() for e in items if e.thing in below]
        for number in frames:
            for refs in self.frames.get(number, {}).values():
                roots.extend(refs)
        for thing, words in self.status.items():
            if thing.kind.role in _LASTING and words & ALIVE:
                roots.append(thing)
        return self.reach(roots)

    def escape(self, values: Iterable[Value]) -> None:
        """Somebody unknown refers to these from now on."""
        for value in values:
            if isinstance(value, Thing):
                self.escaped.add(value)
                if value.kind.role not in PLAIN:
                    self.serious = True
            elif isinstance(value, Bound):
                if only_name(value):
                    self.put(value.receiver, "-named", frozenset({Const(True)}))
                else:
                    self.escaped.add(value.receiver)
            elif isinstance(value, Function) and value.frame is not None:
                self.escaped.update(t for t in self.captured(value) if isinstance(t, Thing))

    # ---- attributes and elements ----------------------------------------------------------------

    def fields(self, thing: Thing) -> Names:
        """The attributes of a thing, to be read only."""
        found = self.heap.get(thing)
        return self.layer.heap.get(thing, _NONE) if found is None else found

    def own(self, thing: Thing) -> Names:
        """The attributes of a thing, to be changed; it is there from now on."""
        found = self.heap.get(thing)
        if found is None or thing not in self.owned:
            old = self.layer.heap.get(thing, _NONE) if found is None else found
            found = self.heap[thing] = old.copy()
            self.owned.add(thing)
            if thing.kind.role not in PLAIN:
                self.serious = True
        return found

    def names(self, frame: int) -> Names:
        """The variables of a frame, to be changed."""
        found = self.frames.get(frame)
        if found is None or frame not in self.owned:
            found = self.frames[frame] = {} if found is None else found.copy()
            self.owned.add(frame)
        return found

    def get(self, thing: Thing, name: str) -> Refs:
        """What an attribute may stand for."""
        return self.fields(thing).get(name, NOTHING)

    def put(self, thing: Thing, name: str, refs: Refs, *, add: bool = False) -> None:
        """Set an attribute; with `add`, it may also still be what it was."""
        fields = self.own(thing)
        new = fields.get(name, NOTHING) | refs if add else refs
        if new:
            fields[name] = new
        else:
            fields.pop(name, None)

    def elements(self, thing: Thing) -> Refs:
        """What a container may hold, under any key."""
        fields = self.fields(thing)
        return NOTHING.union(*(refs for key, refs in fields.items() if key[:1] in "*["))

    def sweep(self, temporaries: Iterable[Value]) -> None:
        """Forget objects of no library that nobody can reach any more."""
        roots: list[Value] = [*temporaries, *self.escaped, *self.status]
        for names in self.frames.values():
            for refs in names.values():
                roots.extend(refs)
        for items in self.handed.values():
            for each in items:
                roots += (each.thing, each.owner, each.process)
        roots += [each for each in self.heap if each.kind.role not in PLAIN]
        roots += [each for each in self.heap if each in self.layer.rooted]
        kept = self.reach(roots)
        for thing in [each for each in self.heap if each not in kept]:
            del self.heap[thing]

    # ---- age ------------------------------------------------------------------------------------

    def age(self, young: Thing, old: Thing) -> None:
        """The place of `young` makes another one: what it was until now is an older one."""
        old_fields = self.heap.pop(young, None)
        for number, variables in list(self.frames.items()):
            self._age_names(variables, number, young, old)
        for thing, fields in list(self.heap.items()):
            self._age_names(fields, thing, young, old)
        if old_fields is not None:
            mine = self.own(old)
            for name, refs in old_fields.items():
                mine[name] = mine.get(name, NOTHING) | _replaced(refs, young, old)
        if young in self.escaped:
            self.escaped.discard(young)
            self.escaped.add(old)
        if young in self.status:
            words = self.status.pop(young)
            # All those before must be known to have ended before the older ones count as ended.
            self.status[old] = self.status.get(old, frozenset()) | words
        self._age_handed(young, old)

    def _age_names(self, names: Names, of: int | Thing, young: Thing, old: Thing) -> None:
        for name, refs in list(names.items()):
            new = _replaced(refs, young, old)
            if new is not refs:
                mine = self.own(of) if isinstance(of, Thing) else self.names(of)
                mine[name] = new

    def _age_handed(self, young: Thing, old: Thing) -> None:
        def aged(each: Handed) -> Handed:
            if young not in (each.thing, each.process, each.owner):
                return each
            new = {young: old}
            return Handed(
                new.get(each.thing, each.thing),
                new.get(each.process, each.process),
                each.node,
                each.via,
                each.inline,
                new.get(each.owner, each.owner),
                each.path,
                each.spots,
            )

        for process, items in list(self.handed.items()):
            changed = tuple(map(aged, items))
            if process is young:
                del self.handed[process]
                mine = self.handed.get(old, ())
                self.handed[old] = mine + tuple(each for each in changed if each not in mine)
            elif changed != items:
                self.handed[process] = changed

    # ---- processes ------------------------------------------------------------------------------

    def start(self, process: Thing) -> None:
        """A process starts: from now on it alone has what only its arguments referred to."""
        self.status[process] = frozenset({RUNNING})
        self.serious = True
        if process.library not in KEEPS_ARGUMENTS:
            fields = self.own(process)
            for name in ("_target", "_args", "_kwargs"):
                fields.pop(name, None)

    def note(self, processes: Iterable[Thing], word: str, *, surely: bool) -> None:
        """Something is known of processes from now on; of which one exactly, if `surely`."""
        for process in processes:
            old = self.status.get(process)
            if old is None or not (old & ALIVE):
                continue
            if word == ENDED and surely:
                self.status[process] = frozenset({ENDED})
            elif surely:
                self.status[process] = frozenset({word if each in ALIVE else each for each in old})
            else:
                self.status[process] = old | {word}

    def alive(self) -> Iterator[Thing]:
        """Those that may be running."""
        for process, words in self.status.items():
            if words & ALIVE:
                yield process


def _replaced(refs: Refs, young: Thing, old: Thing) -> Refs:
    for value in refs:
        if value is young or (isinstance(value, Bound) and value.receiver is young):
            return frozenset(
                old
                if each is young
                else Bound(old, each.name, each.function, each.base_of)
                if isinstance(each, Bound) and each.receiver is young
                else each
                for each in refs
            )
    return refs


# Things of these roles may be empty, None or anything else.
_DOUBTFUL = {"outside", "container", "instance", "view"}


def truths(refs: Refs) -> set[bool]:
    """Which truth values an expression may have; both if nothing is known."""
    if not refs:
        return {True, False}
    found: set[bool] = set()
    for each in refs:
        if isinstance(each, Const):
            found.add(bool(each.value))
        elif isinstance(each, Thing) and each.kind.role in _DOUBTFUL:
            return {True, False}
        else:
            found.add(True)
    return found
