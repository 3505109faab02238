"""HF112 torn-pack: struct.pack_into on shared memory is not atomic.

## What it does

Finds `struct.pack_into` (and `Struct.pack_into`) into memory that other processes see: the `buf` of
a `SharedMemory`, a shared `Array` or `RawArray`, a view of these, an `mmap`.

## Why is this bad?

`pack_into` first sets the whole range to zero and then writes it byte by byte. A reader in another
process sees zeros and mixtures of the old and the new number: measured, 16 to 33 of 100 reads of
a number that was written all the time were torn.

## Example

    struct.pack_into("<d", shm.buf, 0, price)

## Use instead

    view = shm.buf.cast("d")
    view[0] = price                          # one aligned store

or hold a lock that the readers take, too.

## When it is safe

While nobody else can see the memory (before the first process is started or told the name), under
a lock that all take, before an event for which the readers wait, once in a process for whose end
they wait, and for formats of a single byte. Writes of aligned numbers through ctypes, NumPy scalars
and `memoryview.cast` are not torn.

## References

CPython, Modules/_struct.c, s_pack_into(): memset, then pack.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from holdfast.findings import Subject
from holdfast.lint import words
from holdfast.lint.events import Rule
from holdfast.lint.machine.things import Const, Thing
from holdfast.lint.machine.views import CREATED, FALSE
from holdfast.lint.program.around import in_loop

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from holdfast.findings import Confidence, Finding
    from holdfast.lint.events import Call, Scene

_ONE_BYTE = re.compile(r"[@=<>!]?1?[cbB?x]")
# What has others wait: a lock, or an event that says that all is written.
_LOCKING = re.compile(
    r"lock(?!less|\s*=\s*(?:False|None))|mutex|semaphore|condition|\.acquire\(|\.set\(\)|\.wait\(",
    re.IGNORECASE,
)


class TornPack(Rule):
    """See the module."""

    code = "HF112"
    hears = frozenset({"", "packer"})

    def on_call(self, call: Call, scene: Scene) -> Iterator[Finding]:
        """Something is packed into a buffer."""
        packer = call.receiver
        if call.node is None or call.name not in {"struct.pack_into", "pack_into"}:
            return
        if packer is not None and packer.kind.role != "packer":
            return
        buffer = call.argument("buffer", 1 if packer is None else 0)
        memory = self._shared(call, scene) if buffer is not None else None
        if buffer is None or memory is None or self._guarded(call, scene):
            return
        confidence: Confidence = "medium"
        if self._new(memory, scene) or _is_last_word(call.node, memory, scene):
            confidence = "low"
        name = scene.module.segment(buffer.node)
        yield self.found(
            scene,
            call.node,
            f"pack_into writes byte by byte into {name} ({words.a(memory.text)}): another process "
            "may read half of the old number and half of the new one",
            fix="write through memoryview.cast, ctypes or a NumPy scalar, or under a lock that the "
            "readers take",
            subject=Subject(memory.kind.name, words.a(memory.text), (name,)),
            confidence=confidence,
        )

    @staticmethod
    def _shared(call: Call, scene: Scene) -> Thing | None:
        del scene
        buffer = call.argument("buffer", 1 if call.receiver is None else 0)
        for each in buffer.refs if buffer is not None else ():
            if not isinstance(each, Thing):
                continue
            memory = each.base if each.kind.role == "view" and each.base is not None else each
            if memory.kind.role in {"segment", "mapping"} or memory.memory:
                return memory
        return None

    @staticmethod
    def _guarded(call: Call, scene: Scene) -> bool:
        """Whether a lock is held, or a single byte is written."""
        if call.receiver is None:
            format_ = call.argument("format", 0)
            for each in format_.refs if format_ is not None else ():
                if isinstance(each, Const) and _ONE_BYTE.fullmatch(str(each.value)):
                    return True
        if any(isinstance(e, Thing) and e.semaphore for refs in scene.withs for e in refs):
            return True
        assert call.node is not None
        around = scene.function_text(call.node)
        return bool(_LOCKING.search(around))

    @staticmethod
    def _new(memory: Thing, scene: Scene) -> bool:
        """Whether the memory was made in this very function, and nobody runs who was given it."""
        if memory.kind.role == "segment" and _is_another_ones(memory, scene):
            return False
        if memory.module is not scene.module:
            return False
        # What a constructor has made, itself or by another one, nobody knows before it is over.
        making = scene.function.rpartition(".")[2] in {"__init__", "__new__"}
        if memory.function != scene.function and not making:
            return False
        return not any(
            each.thing is memory
            for process in scene.state.alive()
            for each in scene.state.handed.get(process, ())
        )


def _is_last_word(node: ast.AST, memory: Thing, scene: Scene) -> bool:
    """Whether a process writes once what it has attached, in a module that joins its processes."""
    text, name = scene.module.text, scene.function.rpartition(".")[2]
    return (
        ".join(" in text
        and memory.function == scene.function
        and re.search(rf"target\s*=\s*(?:\w+\.)*{re.escape(name)}\b", text) is not None
        and in_loop(scene.module.tree, node) is None
    )


def _is_another_ones(memory: Thing, scene: Scene) -> bool:
    """Whether a segment is another one's, who has it already."""
    return scene.state.get(memory, CREATED) == FALSE
