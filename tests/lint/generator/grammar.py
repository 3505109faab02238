"""The grammar: create x pass x keep x join x scope, under a start method.

What it keeps true: each program says with its calls of `step` where other code would run, and is
otherwise as people write it. What `spell` makes of a choice is a whole module with a function
`main`, or code at module level.
"""

from __future__ import annotations

import itertools
import random
import textwrap
from dataclasses import astuple, dataclass

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
SCOPE = ("function", "method", "constructor", "temporary", "loop", "module", "nested")
METHODS = ("fork", "spawn")

IN_CLASS = {"method", "constructor", "temporary"}
INLINE = {"inline", "inline kwargs", "inline list", "inline partial", "inline method"}


@dataclass(frozen=True)
class Choice:
    """One program of the grammar."""

    create: str
    passing: str
    keep: str
    join: str
    scope: str
    method: str

    def __str__(self) -> str:
        return " / ".join(astuple(self))


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
    if choice.keep == "returned" and choice.scope not in {"function", "method", "nested"}:
        return False
    if choice.join == "caller" and choice.scope not in {"function", "method", "nested"}:
        return False
    if choice.scope == "loop" and choice.keep in {"deleted", "replaced", "returned"}:
        return False
    if choice.scope == "module" and choice.join == "sometimes":
        return False
    return not (choice.scope == "loop" and choice.join in {"finally", "sometimes", "told"})


def choices(count: int, seed: int, spawned: float) -> list[Choice]:
    """Different programs, of which a part is for spawn: its processes are slow to start."""
    everything = [
        choice
        for parts in itertools.product(CREATE, PASS, KEEP, JOIN, SCOPE, METHODS)
        if makes_sense(choice := Choice(*parts))
    ]
    chance = random.Random(seed)
    chance.shuffle(everything)
    slow = [each for each in everything if each.method == "spawn"][: int(count * spawned)]
    fast = [each for each in everything if each.method == "fork"][: count - len(slow)]
    return fast + slow


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


def _returned(choice: Choice) -> str:
    name = "self.shared" if choice.passing == "attribute" else "shared"
    return f"return process, {name}" if choice.keep == "returned" else "return process"


def _indented(text: str, depth: int = 1) -> str:
    return textwrap.indent(text, "    " * depth)


_AFTER = "step(last=True)"


def spell(choice: Choice) -> str:
    """The program."""
    launch = _launch(choice)
    result = _returned(choice)
    caller = ""
    if choice.join == "caller":
        pair = choice.keep == "returned"
        caller = f"\n    {'result[0]' if pair else 'result'}.join()"
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
    if choice.scope == "module":
        return f"{head}{launch}\n{_AFTER}\n"
    if choice.scope == "function":
        return (
            f"{head}def launch():\n{_indented(launch)}\n    {result}\n\n\n"
            f"def main():\n    result = launch()\n    {_AFTER}{caller}\n    return result\n"
        )
    if choice.scope == "nested":
        return (
            f"{head}def launch():\n{_indented(launch)}\n    {result}\n\n\n"
            "def begin():\n    return launch()\n\n\n"
            f"def main():\n    result = begin()\n    {_AFTER}{caller}\n    return result\n"
        )
    if choice.scope == "loop":
        return (
            f"{head}def launch():\n    processes = []\n    for number in range(3):\n"
            f"{_indented(launch, 2)}\n        processes.append(process)\n    return processes\n\n\n"
            f"def main():\n    result = launch()\n    {_AFTER}\n    return result\n"
        )
    if choice.scope == "method":
        return (
            f"{head}class Runner:\n    def launch(self):\n{_indented(launch, 2)}\n"
            f"        {result}\n\n\n"
            "def main():\n    runner = Runner()\n    result = runner.launch()\n"
            f"    {_AFTER}{caller}\n    return result, runner\n"
        )
    keeps = "runner = Runner()" if choice.scope == "constructor" else "Runner()"
    back = "return runner" if choice.scope == "constructor" else "return None"
    return (
        f"{head}class Runner:\n    def __init__(self):\n{_indented(launch, 2)}\n\n\n"
        f"def main():\n    {keeps}\n    {_AFTER}\n    {back}\n"
    )
