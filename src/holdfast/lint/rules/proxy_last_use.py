"""HF402 proxy-last-use: a proxy in flight keeps nothing alive.

## What it does

Finds a manager's proxy that exists only where it is sent: in the arguments of a process, in
`queue.put(...)`, `connection.send(...)` or in the arguments of a pool's asynchronous method, while
the manager lives on; and a proxy that is dropped while the process that was given it starts, or
before anybody has waited for who it was sent to.

## Why is this bad?

The manager deletes an object when the last proxy of it goes. A proxy that is being pickled or lies
in a queue does not count, and the receiver's counts only from when it has been unpickled. So the
sender's last proxy goes first, and the receiver gets a `RemoteError` with a `KeyError`, always
under spawn, now and then under fork. In a pool the worker fails while it unpickles the task, and
the result never arrives.

## Example

    queue.put(manager.list())

## Use instead

    items = manager.list()
    queue.put(items)
    ...                       # keep items until the receiver has it

## When it is safe

If the sender keeps a proxy of the object until the receiver has its own. An executor keeps its
arguments until the result is there, and so do the methods of a pool that wait. A proxy stored in
another proxy (`table["x"] = manager.list()`) is kept by the manager.

## References

python/cpython#119937, python/cpython#103136.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint import words
from holdfast.lint.events import Rule
from holdfast.lint.rules.manager_dropped import running
from holdfast.lint.rules.temporary_owner import temporary_owner

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from holdfast.findings import Confidence, Finding
    from holdfast.lint.events import Call, Drop, Scene
    from holdfast.lint.machine.state import Spot
    from holdfast.lint.machine.things import Thing

_SENDING = {"put", "put_nowait", "send"}
_TASKS = {"apply_async", "map_async", "starmap_async", "imap", "imap_unordered"}


class ProxyLastUse(Rule):
    """See the module."""

    code = "HF402"
    hears = frozenset({"connection", "pool", "shared"})

    def on_process(self, process: Thing, call: Call, scene: Scene) -> Iterator[Finding]:
        """A proxy that exists only in the arguments; its manager lives on."""
        del call
        if process.kind.role != "process":
            return
        items = scene.state.handed.get(process, ())
        gone = {each.thing for each in items if each.inline}
        for each in items:
            if each.inline and each.thing.kind.role == "proxy" and each.thing.base not in gone:
                spawned = scene.method(process) in words.SPAWNING
                yield self._about(
                    each.spots[-1],
                    each.thing,
                    "exists only in the arguments of the process: when start() returns, the "
                    "manager deletes the object, and the child gets a RemoteError (KeyError)",
                    "high" if spawned else "medium",
                    scene,
                )

    def on_drop(self, drop: Drop, scene: Scene) -> Iterator[Finding]:
        """The last proxy here goes while the process may not have its own yet."""
        handed = drop.handed
        manager = handed.thing.base
        if handed.thing.kind.role != "proxy" or handed.inline or temporary_owner(drop, scene):
            return
        if manager is None or manager not in scene.kept():
            return
        sure = running(drop, scene)
        who = "the process that was given it starts"
        if handed.process.kind.role == "pool":
            who = "a task that was given it waits for a worker"
        elif handed.process.kind.role != "process":
            who = "it is on its way to another process"
        yield self._about(
            drop.spot,
            handed.thing,
            f"is dropped here while {who}: if its last proxy goes first, the manager deletes the "
            "object (RemoteError, KeyError)",
            "medium" if sure == "high" else "low",
            scene,
        )

    def on_call(self, call: Call, scene: Scene) -> Iterator[Finding]:
        """A proxy is sent that nothing keeps."""
        owner = call.receiver
        if owner is None or call.node is None:
            return
        sends = owner.kind.role in {"shared", "connection"} and call.name in _SENDING
        if not sends and not (owner.kind.role == "pool" and call.name in _TASKS):
            return
        first = 0 if sends else 1
        for argument in call.arguments[first:]:
            for thing in scene.state.reach(argument.refs):
                if thing.kind.role == "proxy" and thing not in scene.kept_by_names():
                    yield self._about(
                        scene.spots(argument.node)[-1],
                        thing,
                        "exists only here: when it has been sent, the manager deletes the object, "
                        "and the receiver gets a RemoteError (KeyError)",
                        "high" if sends else "medium",
                        scene,
                    )

    def _about(
        self, at: ast.AST | Spot, proxy: Thing, what: str, sure: Confidence, scene: Scene
    ) -> Finding:
        return self.found(
            scene,
            at,
            f"this {proxy.text} {what}",
            fix="bind the proxy to a name that lives until the receiver has it",
            subject=Subject("proxy", words.a(proxy.text)),
            confidence=sure,
        )
