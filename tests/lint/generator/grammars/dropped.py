"""Objects that are dropped while a process uses them: create x pass x keep x join x scope.

What it keeps true: each program says with its calls of `step` where other code would run, and is
otherwise as people write it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lint.generator.program import marked
from tests.lint.generator.scopes import IN_CLASS, RETURNING, SCOPES, place

if TYPE_CHECKING:
    from tests.lint.generator.program import Choice

CODES = ("HF101", "HF102", "HF103", "HF104", "HF105", "HF201", "HF503")

CREATE = {
    "Value": 'ctx.Value("d", 0)',
    "lockless": 'ctx.Value("i", 0, lock=False)',
    "RawValue": 'ctx.RawValue("d", 0)',
    "Array": 'ctx.Array("i", 2)',
    "RawArray": 'ctx.RawArray("i", 2)',
    "Barrier": "ctx.Barrier(2)",
    "Lock": "ctx.Lock()",
    "Semaphore": "ctx.Semaphore(1)",
    "Event": "ctx.Event()",
    "SimpleQueue": "ctx.SimpleQueue()",
    "Worker": "Worker(ctx)",
    "Heir": "Heir(ctx)",
}
OWNERS = {"Worker", "Heir"}
PASS = (
    "args", "positional", "kwargs", "inline", "inline kwargs", "list", "inline list", "dict",
    "partial", "inline partial", "method", "inline method", "closure", "lambda", "keeping",
    "passing", "tuple", "attribute",
)  # fmt: skip
KEEP = ("nothing", "self", "global", "process", "returned", "table", "deleted", "replaced")
JOIN = ("none", "join", "timeout", "finally", "told", "caller", "sometimes")
METHODS = ("fork", "spawn", "forkserver")
PARTS = {
    "create": CREATE,
    "passing": PASS,
    "keep": KEEP,
    "join": JOIN,
    "scope": SCOPES,
    "method": METHODS,
}

INLINE = {"inline", "inline kwargs", "inline list", "inline partial", "inline method"}


def makes_sense(choice: Choice) -> bool:
    """Whether a choice is a program at all."""
    if ("method" in choice.passing) and choice.create not in OWNERS:
        return False
    if choice.passing in {"closure", "lambda"} and choice.method != "fork":
        return False
    if choice.passing in {"keeping", "passing"} and choice.method != "fork":
        return False  # of the default context
    if choice.passing in {"keeping", "passing"} and choice.join == "told":
        return False
    if choice.passing in INLINE and choice.keep != "nothing":
        return False  # there is nothing to call it by
    if choice.keep == "self" and choice.scope not in IN_CLASS:
        return False
    if choice.passing == "attribute" and choice.scope not in IN_CLASS:
        return False
    if choice.passing == "attribute" and choice.keep not in {"nothing", "process"}:
        return False
    if choice.keep == "returned" and choice.scope not in RETURNING:
        return False
    if choice.join == "caller" and choice.scope not in RETURNING:
        return False
    if choice.scope == "loop" and choice.keep in {"deleted", "replaced", "returned"}:
        return False
    if choice.scope == "module" and choice.join == "sometimes":
        return False
    return not (choice.scope == "loop" and choice.join in {"finally", "sometimes", "told"})


# ---- spelling -----------------------------------------------------------------------------------


def _process(choice: Choice, name: str) -> tuple[str, str]:
    """Lines before the call, and the call, that make the process with an object of that name."""
    made = CREATE[choice.create]
    told = ", ready" if choice.join == "told" else ""
    plain = f"ctx.Process(target=work, args=({name}, go{told}))"
    calls = {
        "args": plain,
        "attribute": plain,
        "positional": f"ctx.Process(None, work, None, ({name}, go{told}))",
        "kwargs": f"ctx.Process(target=work_with, args=(go{told},), kwargs={{'shared': {name}}})",
        "inline": f"ctx.Process(target=work, args=({made}, go{told}))",
        "inline kwargs": f"ctx.Process(target=work_with, args=(go{told},), "
        f"kwargs={{'shared': {made}}})",
        "list": f"ctx.Process(target=work, args=([{name}], go{told}))",
        "inline list": f"ctx.Process(target=work, args=[[{made}], go{told}])",
        "dict": f"ctx.Process(target=work, args=({{'x': {name}}}, go{told}))",
        "partial": f"ctx.Process(target=partial(work, {name}, go{told}))",
        "inline partial": f"ctx.Process(target=partial(work, {made}, go{told}))",
        "method": f"ctx.Process(target={name}.run, args=(go{told},))",
        "inline method": f"ctx.Process(target={made}.run, args=(go{told},))",
        "closure": "ctx.Process(target=run)",
        "lambda": f"ctx.Process(target=lambda: work({name}, go{told}))",
        "keeping": f"Keeping({name}, go)",
        "passing": f"Passing({name}, go)",
        "tuple": "ctx.Process(target=work, args=given)",
    }
    before = {
        "closure": f"def run():\n    work({name}, go{told})",
        "tuple": f"given = ({name}, go{told})",
    }
    return before.get(choice.passing, ""), calls[choice.passing]


def _launch(choice: Choice) -> str:
    """The statements that make, pass, start and join."""
    name = "self.shared" if choice.passing == "attribute" else "shared"
    before, call = _process(choice, name)
    lines: list[str] = []
    if choice.passing not in INLINE:
        lines.append(f"{name} = {CREATE[choice.create]}")
    if before:
        lines.append(before)
    lines.append(f"process = {call}")
    keep = {
        "self": f"self.kept = {name}",
        "global": f"KEPT.append({name})",
        "table": f"TABLE['x', len(TABLE)] = {name}",
        "process": f"process.shared_object = {name}",
    }
    if choice.keep in keep and choice.passing not in INLINE:
        lines.append(keep[choice.keep])
    lines.append("process.start()")
    gone = {"deleted": f"del {name}", "replaced": f"{name} = None"}
    if choice.keep in gone:
        lines.append(gone[choice.keep])
    join = {
        "join": "step(last=True)\nprocess.join()",
        "timeout": "process.join(0.001)",
        "finally": "try:\n    step(last=True)\nfinally:\n    process.join()",
        "told": "ready.wait(5)",
        "sometimes": "if wanted():\n    step(last=True)\n    process.join()",
    }
    if choice.join in join:
        lines.append(join[choice.join])
    return "\n".join(lines)


def spell(choice: Choice) -> str:
    """The program."""
    head = (
        "import multiprocessing as mp\n"
        "from functools import partial\n\n"
        "from gate import gate, ready as ready_of, step, wanted\n"
        "from targets import Heir, Keeping, Passing, Worker, work, work_with\n\n"
        f'ctx = mp.get_context("{choice.method}")\n'
        f'go = gate("{choice.method}")\n'
        f'ready = ready_of("{choice.method}")\n'
        "KEPT = []\nTABLE = {}\n\n\n"
    )
    name = "self.shared" if choice.passing == "attribute" else "shared"
    pair = choice.keep == "returned"
    result = f"process, {name}" if pair else "process"
    caller = f"{'result[0]' if pair else 'result'}.join()" if choice.join == "caller" else ""
    launch = marked(_launch(choice), lambda line: line.startswith(("process =", "given =")))
    return place(head, launch, choice.scope, result, caller)
