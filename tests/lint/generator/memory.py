"""The grammar of segments: view x keep x close.

What it keeps true: each program is a module with a function `main`, in which a view of a segment is
made by one function and read by another, as people write it.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import astuple, dataclass

VIEWS = {
    "buf": "shm.buf",
    "slice": "shm.buf[:8]",
    "memoryview": "memoryview(shm.buf)",
    "cast": 'shm.buf.cast("b")',
    "ndarray": 'np.ndarray(8, "u1", buffer=shm.buf)',
    "part": 'np.ndarray(8, "u1", buffer=shm.buf)[2:]',
    "reshaped": 'np.ndarray((2, 4), "u1", buffer=shm.buf).reshape(8)',
    "over a slice": 'np.ndarray(8, "u1", buffer=shm.buf[:8])',
    "frombuffer": 'np.frombuffer(shm.buf, "u1")',
    "listed": '[np.ndarray(8, "u1", buffer=shm.buf)][0]',
    "copy": 'np.ndarray(8, "u1", buffer=shm.buf).copy()',
    "sum": 'np.ndarray(8, "u1", buffer=shm.buf) + 1',
    "bytes": "bytes(shm.buf[:8])",
    "list": "shm.buf.tolist()",
}
VIEW_KEEPS = ("view", "both", "dict", "record", "bare record", "global", "name", "attribute")
CLOSES = ("none", "before", "with", "unlink", "caller", "after")


@dataclass(frozen=True)
class View:
    """A program about a view of a segment."""

    view: str
    keep: str
    close: str

    def __str__(self) -> str:
        return " / ".join(astuple(self))

    def makes_sense(self) -> bool:
        """Whether it is a program at all."""
        reaches = self.keep in {"both", "dict", "record", "global"}
        return reaches or self.close not in {"caller", "after"}

    def spell(self) -> str:
        """The program."""
        kept = {
            "view": "view",
            "both": "view, shm",
            "dict": '{"view": view, "shm": shm}',
            "record": "Record(view, shm)",
            "bare record": "Record(view, None)",
            "global": "view",
            "name": "view, shm.name",
            "attribute": "keeper",
        }[self.keep]
        view, shm = {
            "both": ("result[0]", "result[1]"),
            "dict": ('result["view"]', 'result["shm"]'),
            "record": ("result.view", "result.shm"),
            "bare record": ("result.view", ""),
            "global": ("result", "KEPT[-1]"),
            "name": ("result[0]", ""),
            "attribute": ("result.view", ""),
        }.get(self.keep, ("result", ""))
        inside = [f"view = {VIEWS[self.view]}"]
        if self.keep == "global":
            inside.append("KEPT.append(shm)")
        if self.keep == "attribute":
            inside += ["keeper = Keeper()", "keeper.view = view"]
        if self.close == "before":
            inside.append("shm.close()")
        if self.close == "unlink":
            inside.append("shm.unlink()")
        body = ["shm = SharedMemory(create=True, size=64)"]
        if self.close == "with":
            body += ["with closing(shm):", *(f"    {each}" for each in inside)]
        else:
            body += inside
        main = ["result = make()"]
        main += [f"{shm}.close()"] if self.close == "caller" else []
        main += [f"print({view}[0])"]
        main += [f"{shm}.close()"] if self.close == "after" else []
        lines = [
            "from contextlib import closing",
            "from dataclasses import dataclass",
            "from multiprocessing.shared_memory import SharedMemory",
            "",
            "import numpy as np",
            "",
            "KEPT = []",
            "",
            "",
            "@dataclass",
            "class Record:",
            "    view: object",
            "    shm: object",
            "",
            "",
            "class Keeper:",
            "    pass",
            "",
            "",
            "def make():",
            *(f"    {each}" for each in body),
            f"    return {kept}",
            "",
            "",
            "def main():",
            *(f"    {each}" for each in main),
            "    return None" if self.close == "after" else "    return result",
            "",
        ]
        return "\n".join(lines)


def programs(count: int, seed: int) -> list[View]:
    """Different programs."""
    views = [
        each
        for parts in itertools.product(VIEWS, VIEW_KEEPS, CLOSES)
        if (each := View(*parts)).makes_sense()
    ]
    random.Random(seed).shuffle(views)
    return views[:count]
