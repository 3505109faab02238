"""What the functions and methods of the libraries do to the things of a program.

What it keeps true: each function here says for one call what the standard library's code does
with references: what is kept, by whom, until when. A call that is not known here is somebody
else's, who may keep whatever he is given.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from holdfast.lint.events import Argument, Call
from holdfast.lint.machine import closers, reflection, weak
from holdfast.lint.machine.expressions import element_key
from holdfast.lint.machine.state import ALIVE, ENDED, KILLED, NEW, RUNNING, TOLD, UNSURE, Handed
from holdfast.lint.machine.things import NOTHING, Bound, Const, Function, Refs, Thing, only_name
from holdfast.lint.machine.views import CLOSED, TRUE, VIEW_METHODS, VIEWERS, Views
from holdfast.lint.program import catalogue
from holdfast.lint.program.catalogue import (
    CONTAINER,
    FUTURE,
    MAKERS,
    OUTSIDE,
    PROGRESS,
    PROXY,
    Kind,
    Named,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.lint.machine.state import State
    from holdfast.lint.machine.things import Value

# A stranger with such a name may well wait for the processes that it is given.
MAY_JOIN = re.compile(
    r"join|wait|stop|kill|term|shut|clean|reap|close|finish|end|monitor|watch|supervis|collect|"
    r"gather|result|run|drain|exit|teardown|destroy",
    re.IGNORECASE,
)

_ADDING = {"append", "add", "insert", "appendleft", "push", "put", "extend", "update", "setdefault"}
_TAKING = {"pop", "popleft", "popitem", "get", "setdefault"}
_SENDING = {"put", "put_nowait", "send"}
# Roles of what carries messages.
_CHANNELS = {"shared", "connection"}
_WAITING = {"get", "wait", "recv", "recv_bytes", "acquire", "result", "poll", "__enter__"}
# Positions of the parameters that matter.
_PROCESS = {"target": 1, "args": 3, "kwargs": 4}
_EXECUTOR = {"initializer": 2, "initargs": 3}
_POOL = {"initializer": 1, "initargs": 2}
# What has a number, or bytes, to read.
_NUMBERED = {"Value", "RawValue", "Array", "RawArray"}
_LOST_AT_START = {"_target", "_args", "_kwargs"}
# How many rows of a zip, of an enumeration or of the items of a dictionary are told apart.
_MOST_ROWS = 8
PARTIAL = Kind("partial", "partial")


class Library(Views):
    """The part of the machine that knows the libraries."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.partials: dict[Thing, tuple[Refs, tuple[Argument, ...]]] = {}
        self.executor_of: dict[Thing, Thing] = {}
        self.peer: dict[Thing, Thing] = {}
        # Whether the receivers of the call at hand are meant one and all.
        self.surely = True

    def peer_of(self, end: Thing) -> Thing | None:
        """The other end of a pipe."""
        return self.peer.get(end)

    # ---- functions ------------------------------------------------------------------------------

    def call_named(
        self, name: Named, node: ast.Call, arguments: Sequence[Argument], state: State, mark: int
    ) -> Refs | None:
        """What a call of a library's function gives; None if it is a stranger's."""
        call = Call(node, name.name, None, tuple(arguments))
        kind = MAKERS.get(name.name)
        if kind is not None:
            result: Refs | None = self.made(kind, name, call, state, mark)
        elif name.name in _FUNCTIONS:
            result = _FUNCTIONS[name.name](self, name, call, state)
        elif name.name in VIEWERS or name.name.startswith("numpy."):
            result = self.view_call(name, call, state)
        elif catalogue.forgets(name):
            result = NOTHING
        else:
            result = None
        told = Call(node, name.name, None, tuple(arguments), result or NOTHING)
        self.tell_call(told, state)
        return result

    def made(self, kind: Kind, name: Named, call: Call, state: State, mark: int) -> Refs:
        """A constructor of a library makes a thing."""
        assert call.node is not None
        if kind.name == "Connection" and name.name == "mp.Pipe":
            return self._pipe(kind, name, call.node, state)
        thing = self.make(kind, call.node, state)
        thing.library, thing.method, thing.text = name.library, name.method, kind.name
        self.set_up(thing, call, state, mark)
        return frozenset({thing})

    def set_up(self, thing: Thing, call: Call, state: State, mark: int) -> None:
        """A thing gets the arguments of its constructor."""
        role = thing.kind.role
        if role == "process":
            daemon = call.argument("daemon")
            if daemon is not None:
                state.put(thing, "daemon", daemon.refs)
            self.given(thing, call, _PROCESS, state, mark)
        elif role in {"executor", "pool"}:
            self._context_of(thing, call, state)
            self.given(thing, call, _EXECUTOR if role == "executor" else _POOL, state, mark)
        elif role == "thread":
            for argument in call.arguments:
                state.put(thing, "*", argument.refs, add=True)
        elif role == "shared":
            self._shared(thing, call, state)
        elif role == "segment":
            self.set_up_segment(thing, call, state)

    def _shared(self, thing: Thing, call: Call, state: State) -> None:
        lock = call.argument("lock")
        if lock is not None:
            thing.lockless = Const(False) in lock.refs
            held = frozenset(each for each in lock.refs if isinstance(each, Thing))
            thing.lockless = thing.lockless or bool(held)
            state.put(thing, "_lock", held)
        elif thing.text == "Condition":
            first = call.argument("lock", 0)
            if first is not None:
                state.put(thing, "_lock", first.refs)
        context = call.argument("ctx")
        for each in context.refs if context else ():
            if isinstance(each, Named) and each.method:
                thing.method = each.method

    def _context_of(self, thing: Thing, call: Call, state: State) -> None:
        del state
        context = call.argument("mp_context", 1) or call.argument("context")
        for each in context.refs if context else ():
            if isinstance(each, Named) and each.name in {"mp.Context", "mp"}:
                thing.method = each.method or thing.method

    def _pipe(self, kind: Kind, name: Named, node: ast.Call, state: State) -> Refs:
        ends = [self.make(kind, node, state, tag) for tag in ("first", "second")]
        for end, other in zip(ends, reversed(ends), strict=False):
            end.library, end.method, end.text = name.library, name.method, "Connection"
            self.peer[end] = other
        both = self.make(CONTAINER, node, state, "pipe")
        for number, end in enumerate(ends):
            state.put(both, f"[{number}", frozenset({end}))
        return frozenset({both})

    # ---- what a process is given ----------------------------------------------------------------

    def given(
        self, process: Thing, call: Call, parameters: dict[str, int], state: State, mark: int
    ) -> None:
        """A process, executor or pool gets what its constructor is given."""
        state.own(process)
        if process not in state.status:
            state.status[process] = frozenset({NEW})
        later = self.temporaries[-1][mark:]
        del self.temporaries[-1][mark:]
        kept = self.kept(state)
        kept.discard(process)
        kept = kept - state.reach([process]) | self._kept_without(process, state)
        self.temporaries[-1].extend(later)
        items: list[Handed] = []
        for name, position in parameters.items():
            argument = call.argument(name, position)
            if argument is None:
                continue
            self.keep(argument.refs)
            state.put(process, "_" + name, argument.refs, add=True)
            for node, refs in self._pieces(argument, state):
                items += self._handed(process, name, node, refs, kept, state)
        for argument in call.arguments:
            if argument.name in {"*", "**"}:
                state.put(process, "_args", argument.refs, add=True)
                items += self._handed(process, "args", argument.node, argument.refs, kept, state)
        if process.kind.role == "process" and self.method(process) == "fork":
            known = {each.thing for each in items}
            items += [
                each for each in self._by_name(process, call, state) if each.thing not in known
            ]
        if items:
            old = state.handed.get(process, ())
            state.handed[process] = old + tuple(items)
        if not self.silent:
            self.state = state
            for rule in self.listeners["on_process"]:
                self.tell(rule.on_process(process, call, self))  # type: ignore[arg-type]

    def _by_name(self, process: Thing, call: Call, state: State) -> Iterator[Handed]:
        """What the target of a forked process uses of its module's variables."""
        target = call.argument("target", 1)
        self.state = state
        for value in target.refs if target is not None else ():
            function = value.function if isinstance(value, Bound) else value
            if target is None or not isinstance(function, Function) or function.frame is not None:
                continue
            spots = self.spots(target.node)
            for _, thing in self.globals_used(function):
                for part, owner, path in self.parts(thing, state):
                    yield Handed(part, process, target.node, "global", False, owner, path, spots)

    def _kept_without(self, process: Thing, state: State) -> set[Thing]:
        """What is kept if a process's arguments do not count; what it stores on itself does."""
        fields = state.own(process)
        own = {} if process.kind.role != "process" else fields
        state.heap[process] = {k: v for k, v in own.items() if k not in _LOST_AT_START}
        try:
            return (self.kept(state) | state.reach([process])) - {process}
        finally:
            state.heap[process] = fields

    @staticmethod
    def _pieces(argument: Argument, state: State) -> Iterator[tuple[ast.expr, Refs]]:
        """The expressions in an argument, each with what it stands for."""
        node = argument.node
        things = [each for each in argument.refs if isinstance(each, Thing)]
        if isinstance(node, (ast.Tuple, ast.List)) and len(things) == 1:
            starred = any(isinstance(item, ast.Starred) for item in node.elts)
            if not starred:
                for number, item in enumerate(node.elts):
                    yield item, state.get(things[0], f"[{number}")
                return
        yield node, argument.refs

    def _handed(
        self,
        process: Thing,
        name: str,
        node: ast.expr,
        refs: Refs,
        kept: set[Thing],
        state: State,
    ) -> Iterator[Handed]:
        for value in refs:
            via = name if name in {"args", "kwargs", "initargs"} else "target"
            if isinstance(value, Thing) and value.kind is PARTIAL:
                via = "args"
            closure = via == "target" and isinstance(value, Function) and value.frame is not None
            for thing, owner, path in self.parts(value, state):
                yield Handed(
                    thing,
                    process,
                    node,
                    "closure" if closure else via,
                    thing not in kept and thing not in state.layer.heap,
                    owner,
                    path,
                    self.spots(node),
                )

    @staticmethod
    def parts(value: Value, state: State) -> Iterator[tuple[Thing, Thing, str]]:
        """The things of libraries that a value leads to: thing, what it is a part of, and how."""
        seen: set[Thing] = set()
        rest: list[tuple[Value, Thing | None, str]] = [(value, None, "")]
        while rest:
            each, owner, path = rest.pop(0)
            if isinstance(each, Bound):
                path += ".name" if only_name(each) else ""
                each = each.receiver
            if isinstance(each, Function) and each.frame is not None:
                rest += [(inner, None, "") for inner in state.captured(each)]
            if not isinstance(each, Thing) or each in seen or len(seen) > 200:
                continue
            seen.add(each)
            # A container is nobody's own; an object with attributes is what people think of.
            mine = None if owner is None and each.kind.role in {"container", "partial"} else owner
            mine = each if mine is None and each.kind.role not in {"container", "partial"} else mine
            if each.kind.role not in {"container", "instance", "outside", "thread", "partial"}:
                yield each, mine or each, path
            for name, inner in state.fields(each).items():
                step = "" if mine is None else f".{name}" if name.isidentifier() else "[...]"
                rest += [(one, mine, path + step) for one in inner]
            if each.base is not None:
                rest.append((each.base, mine, path))

    # ---- methods --------------------------------------------------------------------------------

    def library_attribute(self, owner: Thing, name: str, node: ast.AST, state: State) -> Refs:
        """An attribute of a thing of a library: a method, or a part."""
        if name == "buf" and owner.kind.role == "segment":
            return self.view(owner, node, state)
        if name == "shm" and owner.kind.name == "ShareableList":
            return frozenset({owner})  # stands for the segment in which it lies
        if owner.kind.role == "view":
            return self.attribute_of_view(owner, name, node, state)
        if name == "value" and owner.kind.role == "shared":
            self.tell_call(Call(None, name, owner, ()), state)
        if name in {"value", "raw"} and owner.kind.name in _NUMBERED:
            return NOTHING
        return frozenset({Bound(owner, name)})

    def call_method(
        self,
        receiver: Thing,
        name: str,
        node: ast.Call,
        arguments: Sequence[Argument],
        state: State,
    ) -> Refs:
        """What a call of a library's method gives."""
        call = Call(node, name, receiver, tuple(arguments))
        handler = _METHODS.get(receiver.kind.role, Library.method_of_stranger)
        result = handler(self, receiver, call, state)
        self.tell_call(Call(node, name, receiver, tuple(arguments), result), state)
        return result

    def method_of_process(self, process: Thing, call: Call, state: State) -> Refs:
        """Process: start, join, terminate, kill, close."""
        if call.name == "start":
            self.keep(NOTHING.union(*state.fields(process).values()))
            state.start(process)
        elif call.name == "join":
            self._arrived(ENDED if without_limit(call) else TOLD, state)
            if without_limit(call):
                state.note([process], ENDED, surely=self.surely)
            elif state.status.get(process, frozenset()) & ALIVE:
                state.status[process] |= {RUNNING}
        elif call.name in {"terminate", "kill"}:
            state.note([process], KILLED, surely=self.surely)
        elif call.name == "close":
            state.note([process], ENDED, surely=self.surely)
        return NOTHING

    def method_of_executor(self, executor: Thing, call: Call, state: State) -> Refs:
        """ProcessPoolExecutor: submit, map, shutdown."""
        assert call.node is not None
        if call.name in {"submit", "map"}:
            state.status[executor] = frozenset({RUNNING})
            future = self.make(FUTURE, call.node, state)
            self.executor_of[future] = executor
            return frozenset({future})
        if call.name == "shutdown":
            wait = call.argument("wait", 0)
            if wait is None or Const(False) not in wait.refs:
                state.note([executor], ENDED, surely=self.surely)
        return NOTHING

    def method_of_future(self, future: Thing, call: Call, state: State) -> Refs:
        """Future: result, exception."""
        if call.name in {"result", "exception", "get", "wait", "ready", "done"}:
            self.finished(frozenset({future}), state)
        return NOTHING

    def finished(self, futures: Refs, state: State) -> None:
        """The work behind some futures is done."""
        for each in futures:
            if isinstance(each, Thing) and each.kind.role == "future":
                executor = self.executor_of.get(each)
                if executor is not None:
                    state.note([executor], ENDED, surely=True)

    def method_of_pool(self, pool: Thing, call: Call, state: State) -> Refs:
        """Pool: keeps its arguments, so nothing of it is dropped."""
        assert call.node is not None
        if call.name in {"apply_async", "map_async", "starmap_async", "imap", "imap_unordered"}:
            state.status[pool] = frozenset({RUNNING})
            self._sent(pool, call.arguments[1:], state)
            future = self.make(FUTURE, call.node, state)
            future.text = "AsyncResult"
            self.executor_of[future] = pool
            return frozenset({future})
        if call.name == "join":
            state.note([pool], ENDED, surely=self.surely)
        elif call.name == "terminate":
            state.note([pool], KILLED, surely=self.surely)
        return NOTHING

    def _sent(self, carrier: Thing, arguments: Sequence[Argument], state: State) -> bool:
        """Proxies go into a pool, a queue or a pipe, which does not keep them: any named ones?"""
        if "proxy" not in self.roles:
            return False
        self.state = state
        kept = self.kept_by_names()
        items: list[Handed] = []
        for argument in arguments:
            for node, refs in self._pieces(argument, state):
                items += self._handed(carrier, "args", node, refs, kept, state)
        named = [e for e in items if not e.inline and e.thing.kind.role in {"proxy", "manager"}]
        state.handed[carrier] = (*state.handed.get(carrier, ()), *named)
        return bool(named)

    @staticmethod
    def _arrived(word: str, state: State) -> None:
        """The program has waited for somebody: what was sent has probably been received."""
        for each in list(state.alive()):
            if each.kind.role in _CHANNELS:
                state.note([each], word, surely=True)

    def method_of_shared(self, thing: Thing, call: Call, state: State) -> Refs:
        """Locks, queues, values: what waits for another process tells something about it."""
        assert call.node is not None
        if call.name in _WAITING:
            self.told(thing, state)
        elif call.name in _SENDING and self._sent(thing, call.arguments[:1], state):
            state.status[thing] = frozenset({RUNNING})
        elif call.name == "join":
            self._arrived(ENDED, state)
        if call.name in VIEW_METHODS:
            return self.view(thing, call.node, state)
        if call.name == "close":
            state.put(thing, CLOSED, TRUE)
        return frozenset({thing}) if call.name == "get_lock" else NOTHING

    def told(self, thing: Thing, state: State) -> None:
        """The program has waited for a message through a thing: those who have it have worked."""
        self._arrived(TOLD, state)
        others = {thing, self.peer.get(thing, thing)}
        for process in list(state.alive()):
            given = {each.thing for each in state.handed.get(process, ())}
            if given & others or others & state.reach([process]):
                state.note([process], TOLD, surely=True)

    def method_of_manager(self, manager: Thing, call: Call, state: State) -> Refs:
        """Manager: its methods make proxies, which keep it alive in their own process."""
        assert call.node is not None
        if call.name in {"SharedMemory", "ShareableList"}:
            kind = MAKERS[f"mp.{call.name}"]
            thing = self.make(kind, call.node, state)
            self.executor_of[thing] = manager
            return frozenset({thing})
        if call.name in {"start", "shutdown", "connect", "register", "join", "get_server"}:
            return NOTHING
        proxy = self.make(PROXY, call.node, state)
        proxy.text = f"proxy of a {call.name}"
        proxy.base = manager
        return frozenset({proxy})

    def method_of_proxy(self, proxy: Thing, call: Call, state: State) -> Refs:
        """A proxy: what is put into it is pickled, not kept."""
        if call.name in {"get", "wait", "acquire"}:
            self.told(proxy, state)
        return NOTHING

    def method_of_packer(self, packer: Thing, call: Call, state: State) -> Refs:
        """struct.Struct: keeps nothing."""
        del packer, call, state
        return NOTHING

    def method_of_thread(self, thread: Thing, call: Call, state: State) -> Refs:
        """Thread: keeps its arguments while it runs."""
        if call.name == "start":
            state.escape([thread])
            state.put(thread, "-started", TRUE)
        elif call.name in {"join", "cancel"}:
            state.escaped.discard(thread)
            state.put(thread, "-started", NOTHING)
            # It has done what it does: it may have joined the processes that it was given.
            state.note(state.reach([thread]), UNSURE, surely=True)
        return NOTHING

    def method_of_container(self, container: Thing, call: Call, state: State) -> Refs:
        """Lists, dictionaries, sets, and what may be one."""
        assert call.node is not None
        if call.name in _ADDING:
            for argument in call.arguments:
                refs = argument.refs
                if call.name in {"extend", "update"} and argument.name == "":
                    refs = self.elements_of(refs, state)
                state.put(container, "*", refs, add=True)
            if call.name != "setdefault":
                return NOTHING
        elements = state.elements(container)
        if call.name == "clear":
            state.heap[container] = {}
        elif call.name in _TAKING:
            return self._taken(container, call, elements, state)
        elif call.name in {"values", "copy", "__iter__", "keys"}:
            held = NOTHING if call.name == "keys" else elements
            return self.container(call.node, held, state)
        elif call.name == "items":
            return self.pairs(call.node, [None, container], state)
        return NOTHING

    def _taken(self, container: Thing, call: Call, elements: Refs, state: State) -> Refs:
        first = call.arguments[0] if call.arguments else None
        key = element_key(first.node) if first is not None and not first.name else ""
        found = state.get(container, key) if key else NOTHING
        if found:
            if call.name == "pop":
                state.put(container, key, NOTHING)
            return found
        return elements

    def pairs(self, node: ast.AST, columns: list[Thing | None], state: State) -> Refs:
        """A container of tuples with one element of each column, for zip, enumerate, items."""
        tuples: set[Value] = set()
        for position, column in enumerate(columns):
            if column is None:
                continue
            elements = state.elements(column)
            rows: list[Refs] = [frozenset({e}) for e in elements if isinstance(e, Thing)]
            if len(rows) > _MOST_ROWS or all(is_outside(each) for each in rows):
                rows = [elements]
            for number, refs in enumerate(rows if elements else ()):
                row = self.make(CONTAINER, node, state, f"{position}/{number}")
                for other, beside in enumerate(columns):
                    if other == position:
                        state.put(row, f"[{other}", refs)
                    elif beside is not None:
                        state.put(row, f"[{other}", state.elements(beside))
                tuples.add(row)
        return self.container(node, frozenset(tuples), state)

    def method_of_stranger(self, receiver: Thing, call: Call, state: State) -> Refs:
        """A method that nobody knows: what it is given it may keep."""
        if receiver.kind.role == "outside" and call.name in _ADDING | _TAKING | {
            "values",
            "items",
            "copy",
            "clear",
        }:
            result = self.method_of_container(receiver, call, state)
            state.escape(value for each in call.arguments for value in each.refs)
            if result or call.name in _ADDING:
                return result
        if call.name == "enter_context":
            return closers.entered(receiver, call, state)
        self.to_stranger(call.name, [frozenset({receiver})], call.arguments, state)
        if receiver.kind.role in {"outside", "instance"} and call.node is not None:
            result = frozenset({self.thing(OUTSIDE, (receiver, call.name, "()"), call.node)})
            for each in result:
                state.own(each)  # type: ignore[arg-type]
                if call.name in _TAKING:  # it was there before, and its owner is a stranger
                    state.escape([each])
            return result
        return NOTHING

    def to_stranger(
        self, name: str, receivers: Sequence[Refs], arguments: Sequence[Argument], state: State
    ) -> None:
        """Code that the checker does not see gets these."""
        for argument in arguments:
            state.escape(argument.refs)
            if self.executor_of:
                # He goes through the results, as a progress bar does, or waits for them.
                self.finished(frozenset(state.reach(argument.refs)), state)
            for each in argument.refs:  # stack.callback(process.join), to_thread(process.join)
                if isinstance(each, Bound) and each.name == "join":
                    state.note([each.receiver], UNSURE, surely=True)
        if not MAY_JOIN.search(name):
            return
        values = [each for refs in receivers for each in refs]
        values += [each for argument in arguments for each in argument.refs]
        for thing in state.reach(values):
            if thing in state.status:
                state.note([thing], UNSURE, surely=True)


def is_outside(refs: Refs) -> bool:
    """Whether nothing is known of these."""
    return all(isinstance(each, Thing) and each.kind.role == "outside" for each in refs)


def without_limit(call: Call) -> bool:
    """Whether a join waits as long as it takes."""
    timeout = call.argument("timeout", 0)
    return timeout is None or timeout.refs == frozenset({Const(None)})


# ---- functions of libraries that do something to things -----------------------------------------


def _get_context(machine: Library, name: Named, call: Call, state: State) -> Refs:
    del machine, state
    method = call.argument("method", 0)
    for each in method.refs if method else ():
        if isinstance(each, Const) and isinstance(each.value, str):
            how = "spawn" if each.value.startswith("loky") else each.value
            return frozenset({Named("mp.Context", name.library, how)})
    return frozenset({Named("mp.Context", name.library, name.method)})


def _active_children(machine: Library, name: Named, call: Call, state: State) -> Refs:
    del name
    assert call.node is not None
    running = frozenset(each for each in state.alive() if each.kind.role == "process")
    return machine.container(call.node, running, state)


def _wait(machine: Library, name: Named, call: Call, state: State) -> Refs:
    del name
    values = [each for argument in call.arguments for each in argument.refs]
    for thing in state.reach(values):
        if thing.kind.role == "process":
            state.note([thing], TOLD, surely=True)
        elif thing.kind.role in {"connection", "shared"}:
            machine.told(thing, state)
    return NOTHING


def _futures(machine: Library, name: Named, call: Call, state: State) -> Refs:
    assert call.node is not None
    values = [each for argument in call.arguments for each in argument.refs]
    futures = frozenset(t for t in state.reach(values) if t.kind.role == "future")
    limited = call.argument("timeout", 1) or call.argument("return_when", 2)
    if limited and name.name == "futures.wait" and not machine.in_loop():
        known = (machine.executor_of.get(each) for each in futures)
        state.note([each for each in known if each is not None], TOLD, surely=True)
    else:
        machine.finished(futures, state)
    return machine.container(call.node, futures, state)


def _partial(machine: Library, name: Named, call: Call, state: State) -> Refs:
    del name
    assert call.node is not None
    if not call.arguments:
        return NOTHING
    thing = machine.make(PARTIAL, call.node, state)
    machine.partials[thing] = (call.arguments[0].refs, call.arguments[1:])
    for argument in call.arguments:
        state.put(thing, "*", argument.refs, add=True)
    return frozenset({thing})


def _copied(machine: Library, name: Named, call: Call, state: State) -> Refs:
    """list(x), tuple(x), sorted(x), dict(x, k=v), map(f, x): a container of the elements."""
    del name
    assert call.node is not None
    held = NOTHING
    for argument in call.arguments:
        held |= argument.refs if argument.name else machine.elements_of(argument.refs, state)
    machine.finished(held, state)
    return machine.container(call.node, held, state)


def _element(machine: Library, name: Named, call: Call, state: State) -> Refs:
    """next(x), min(x), max(a, b)."""
    del name
    found = NOTHING
    for argument in call.arguments:
        found |= machine.elements_of(argument.refs, state)
    return found


def _rows(machine: Library, name: Named, call: Call, state: State) -> Refs:
    """enumerate(x), zip(x, y): tuples."""
    assert call.node is not None
    columns: list[Thing | None] = [None] if name.name == "builtins.enumerate" else []
    for argument in call.arguments:
        things = [each for each in argument.refs if isinstance(each, Thing)]
        columns.append(things[0] if things else None)
    for column in columns:
        if column is not None:
            machine.elements_of(frozenset({column}), state)
    return machine.pairs(call.node, columns, state)


def _ends(machine: Library, name: Named, call: Call, state: State) -> Refs:
    """sys.exit(), os._exit(): nothing comes after."""
    del call
    if name.name != "os._exit" and machine.stack[0].is_module:
        machine.tell_end(state)
    state.dead = True
    return NOTHING


def _signalled(machine: Library, name: Named, call: Call, state: State) -> Refs:
    """os.kill(process.pid, ...), os.waitpid(process.pid, 0)."""
    del machine
    first = call.argument("pid", 0)
    for each in first.refs if first is not None else ():
        if isinstance(each, Bound) and each.name in {"pid", "ident"}:
            word = ENDED if name.name == "os.waitpid" else KILLED
            state.note([each.receiver], word, surely=True)
    return NOTHING


def _mapped(machine: Library, name: Named, call: Call, state: State) -> Refs:
    """map(f, x): as if each element had been asked for."""
    assert call.node is not None
    if len(call.arguments) < 2:
        return NOTHING
    found = NOTHING
    for element in machine.rounds(call.arguments[1].refs, state):
        for function in call.arguments[0].refs:
            given = [Argument("", call.arguments[1].node, element)]
            found |= machine.call(function, call.node, given, state, 0)
    if name.name == "builtins.filter":
        found = machine.elements_of(call.arguments[1].refs, state)
    return machine.container(call.node, found, state)


def _spawn(machine: Library, name: Named, call: Call, state: State) -> Refs:
    """torch.multiprocessing.spawn(fn, args, nprocs, join): joins its processes unless told not."""
    assert call.node is not None
    process = machine.make(MAKERS["mp.Process"], call.node, state)
    process.library, process.method = name.library, "spawn"
    join = call.argument("join", 3)
    leaves = join is not None and Const(False) in join.refs
    # Who waits in it has the arguments meanwhile.
    mark = 0 if leaves else len(machine.temporaries[-1])
    machine.given(process, call, {"fn": 0, "args": 1}, state, mark)
    if leaves:
        state.start(process)
    else:
        state.status[process] = frozenset({ENDED})
    return frozenset({process})


def _record(machine: Library, name: Named, call: Call, state: State) -> Refs:
    """SimpleNamespace(a=x): a thing with attributes."""
    del name
    assert call.node is not None
    thing = machine.make(catalogue.INSTANCE, call.node, state)
    for argument in call.arguments:
        state.put(thing, argument.name or "*", argument.refs, add=True)
    return frozenset({thing})


def _empty(machine: Library, name: Named, call: Call, state: State) -> Refs:
    """defaultdict(list): a container of containers, none of them seen yet."""
    del name
    assert call.node is not None
    return machine.container(call.node, NOTHING, state)


_FUNCTIONS: dict[str, Callable[[Library, Named, Call, State], Refs]] = {
    "contextlib.closing": closers.closing,
    "contextlib.ExitStack": closers.exit_stack,
    "contextlib.AsyncExitStack": closers.exit_stack,
    "mp.get_context": _get_context,
    "mp.Context": _get_context,
    "mp.active_children": _active_children,
    "mp.wait": _wait,
    "mp.spawn": _spawn,
    "mp.start_processes": _spawn,
    "futures.wait": _futures,
    "futures.as_completed": _futures,
    "functools.partial": _partial,
    **{
        f"builtins.{name}": _copied
        for name in ("list", "tuple", "set", "frozenset", "sorted", "reversed", "dict", "iter")
    },
    # Progress bars hand on what they go through.
    **dict.fromkeys(PROGRESS, _copied),
    "builtins.map": _mapped,
    "builtins.filter": _mapped,
    "os.kill": _signalled,
    "os.waitpid": _signalled,
    "collections.deque": _copied,
    "collections.OrderedDict": _copied,
    "itertools.chain": _copied,
    "collections.defaultdict": _empty,
    "types.SimpleNamespace": _record,
    "builtins.next": _element,
    "builtins.min": _element,
    "builtins.max": _element,
    "builtins.enumerate": _rows,
    "builtins.zip": _rows,
    "builtins.getattr": reflection.attribute_of,
    "builtins.setattr": reflection.set_attribute,
    "builtins.globals": reflection.namespace,
    "builtins.locals": reflection.namespace,
    "builtins.vars": reflection.namespace,
    "sys.exit": _ends,
    "os._exit": _ends,
    "builtins.exit": _ends,
    "builtins.quit": _ends,
    "os.abort": _ends,
    "os.execv": _ends,
}


_METHODS: dict[str, Callable[[Any, Thing, Call, State], Refs]] = {
    "process": Library.method_of_process,
    "executor": Library.method_of_executor,
    "future": Library.method_of_future,
    "pool": Library.method_of_pool,
    "shared": Library.method_of_shared,
    "connection": Library.method_of_shared,
    "manager": Library.method_of_manager,
    "proxy": Library.method_of_proxy,
    "segment": Library.method_of_segment,
    "view": Library.method_of_view,
    "thread": Library.method_of_thread,
    "packer": Library.method_of_packer,
    "weak": weak.method,
    "mapping": Library.method_of_segment,
    "container": Library.method_of_container,
}
