"""Views of segments: view x keep x close.

What it keeps true: each program is a module with a function `main`, in which a view of a segment is
made by one function and read by another, as people write it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lint.generator.program import HERE

if TYPE_CHECKING:
    from tests.lint.generator.program import Choice

CODES = ("HF301", "HF302", "HF303")

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
KEEPS = ("view", "both", "dict", "record", "bare record", "global", "name", "attribute")
CLOSES = ("none", "before", "with", "unlink", "caller", "after")
PARTS = {"view": VIEWS, "keep": KEEPS, "close": CLOSES}


def makes_sense(choice: Choice) -> bool:
    """Whether a choice is a program at all."""
    reaches = choice.keep in {"both", "dict", "record", "global"}
    return reaches or choice.close not in {"caller", "after"}


def spell(choice: Choice) -> str:
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
    }[choice.keep]
    view, shm = {
        "both": ("result[0]", "result[1]"),
        "dict": ('result["view"]', 'result["shm"]'),
        "record": ("result.view", "result.shm"),
        "bare record": ("result.view", ""),
        "global": ("result", "KEPT[-1]"),
        "name": ("result[0]", ""),
        "attribute": ("result.view", ""),
    }.get(choice.keep, ("result", ""))
    inside = [f"view = {VIEWS[choice.view]}"]
    if choice.keep == "global":
        inside.append("KEPT.append(shm)")
    if choice.keep == "attribute":
        inside += ["keeper = Keeper()", "keeper.view = view"]
    if choice.close == "before":
        inside.append("shm.close()")
    if choice.close == "unlink":
        inside.append("shm.unlink()")
    body = ["shm = SharedMemory(create=True, size=64)"]
    if choice.close == "with":
        body += ["with closing(shm):", *(f"    {each}" for each in inside)]
    else:
        body += inside
    main = ["result = make()"]
    main += [f"{shm}.close()"] if choice.close == "caller" else []
    main += [f"print({view}[0])"]
    main += [f"{shm}.close()"] if choice.close == "after" else []
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
        *(f"    {each}{HERE}" for each in body),
        f"    return {kept}{HERE}",
        "",
        "",
        "def main():",
        *(f"    {each}{HERE}" for each in main),
        ("    return None" if choice.close == "after" else "    return result") + HERE,
        "",
    ]
    return "\n".join(lines)
