"""Ways to write the arguments of processes: create x way x keep x join.

What it keeps true: a program makes a list `processes`, starts them and waits for them, or has its
caller do so. In the ways named "... named" the object has a name of its own, in the others nothing
but the arguments refers to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lint.generator.program import HERE
from tests.lint.generator.scopes import place

if TYPE_CHECKING:
    from tests.lint.generator.program import Choice

CODES = ("HF101", "HF102", "HF103", "HF104", "HF105", "HF201", "HF503")

CREATE = {
    "Value": 'ctx.Value("d", 0)',
    "RawArray": 'ctx.RawArray("i", 2)',
    "Array": 'ctx.Array("i", 2)',
    "Barrier": "ctx.Barrier(2)",
    "Lock": "ctx.Lock()",
    "Event": "ctx.Event()",
    "SimpleQueue": "ctx.SimpleQueue()",
}
# Statements that make `processes`; {} is the object, `made()` makes one.
_ONE = "ctx.Process(target=work, args=({}, go))"
WAYS = {
    "args": f"processes = [{_ONE}]",
    "list": "processes = [ctx.Process(target=work, args=([{}], go))]",
    "deep list": "processes = [ctx.Process(target=work, args=([[{}], []], go))]",
    "dict": "processes = [ctx.Process(target=work, args=({{'x': [{}]}}, go))]",
    "dict call": "processes = [ctx.Process(target=work, args=(dict(x={}), go))]",
    "list args": "processes = [ctx.Process(target=work, args=[{}, go])]",
    "tuple call": "processes = [ctx.Process(target=work, args=tuple([{}, go]))]",
    "sum of tuples": "processes = [ctx.Process(target=work, args=({},) + (go,))]",
    "partial nested": "processes = [ctx.Process(target=partial(partial(work, {}), go))]",
    "partial keyword": "processes = [ctx.Process(target=partial(work_with, go, shared={}))]",
    "start at once": f"processes = []\n{_ONE}.start()",
    "appended": f"processes = []\nprocesses.append({_ONE})",
    "added": f"processes = []\nprocesses += [{_ONE}]",
    "stored": f"table = {{{{}}}}\ntable['x'] = {_ONE}\nprocesses = list(table.values())",
    "comprehension": f"processes = [{_ONE} for _ in range(2)]",
    "generator": f"processes = list({_ONE} for _ in range(2))",
    "conditional": "processes = [ctx.Process(target=work, args=({} if wanted() else {}, go))]",
    "starred": "processes = [ctx.Process(target=work, args=(*[{}], go))]",
    "unpacked call": "given = {{'target': work, 'args': ({}, go)}}\n"
    "processes = [ctx.Process(**given)]\ndel given",
    "made by a call": "processes = [ctx.Process(target=work, args=(made(), go))]",
    "begun by a call": "processes = [process_with({})]",
    "super inline": "processes = [Inline()]",
    "super kept": "processes = [Kept()]",
    "subclass that runs": "processes = [Running({})]",
    "subclass that passes": "processes = [Handing({})]",
    "walrus": "processes = [ctx.Process(target=work, args=((shared := {}), go))]",
    "tuple assignment": f"shared, other = {{}}, None\nprocesses = [{_ONE.format('shared')}]",
    "conditional named": "shared = {} if wanted() else {}\n"
    f"processes = [{_ONE.format('shared')}]",
    "appended named": f"shared = {{}}\nprocesses = []\nprocesses.append({_ONE.format('shared')})",
    "comprehension named": f"shared = {{}}\n"
    f"processes = [{_ONE.format('shared')} for _ in range(2)]",
    "starred named": "shared = {}\ngiven = [shared, go]\n"
    "processes = [ctx.Process(target=work, args=(*given,))]",
    "begun by a call named": "shared = {}\nprocesses = [process_with(shared)]",
    "two names": f"first = second = {{}}\nprocesses = [{_ONE.format('first')}]\nshared = second\n"
    "del first",
    "subclass named": "shared = {}\nprocesses = [Running(shared)]",
}
NAMED = {each for each in WAYS if "named" in each} | {"walrus", "tuple assignment", "two names"}
KEEPS = ("nothing", "returned", "global", "processes global")
JOINS = (
    "none", "join", "comprehension", "helper", "caller", "caller's helper", "while alive",
    "stack", "last only", "timeout",
)  # fmt: skip
SCOPES = ("function", "method", "nested")
PARTS = {
    "create": CREATE,
    "way": WAYS,
    "keep": KEEPS,
    "join": JOINS,
    "scope": SCOPES,
    "method": ("fork", "spawn", "forkserver"),
}


def makes_sense(choice: Choice) -> bool:
    """Whether a choice is a program at all."""
    if choice.keep in {"returned", "global"} and choice.way not in NAMED:
        return False
    # A thing that nobody has started, or has no name, cannot be joined.
    return choice.way != "start at once" or choice.join == "none"


# What some of the ways need above them, by a word in them.
_DEFINED = {
    "made()": "def made():\n    return {create}\n",
    "process_with(": "def process_with(shared):\n"
    "    return ctx.Process(target=work, args=(shared, go)){here}\n",
    "Inline()": "class Inline(ctx.Process):\n    def __init__(self):\n"
    "        super().__init__(target=work, args=({create}, go)){here}\n",
    "Kept()": "class Kept(ctx.Process):\n    def __init__(self):\n        self.shared = {create}\n"
    "        super().__init__(target=work, args=(self.shared, go)){here}\n",
    "Running(": "class Running(ctx.Process):\n    def __init__(self, shared):\n"
    "        super().__init__()\n        self.shared = shared\n        self.go = go\n\n"
    "    def run(self):\n        work(self.shared, self.go)\n",
    "Handing(": "class Handing(ctx.Process):\n    def __init__(self, shared):\n"
    "        super().__init__(target=work, args=(shared, go)){here}\n",
}
_WAIT_FOR = "def wait_for(processes):\n    for each in processes:\n        each.join()\n"


def spell(choice: Choice) -> str:
    """The program."""
    create = CREATE[choice.create]
    head = (
        "import multiprocessing as mp\n"
        "from contextlib import ExitStack\n"
        "from functools import partial\n\n"
        "from gate import gate, step, wanted\n"
        "from targets import work, work_with\n\n"
        f'ctx = mp.get_context("{choice.method}")\n'
        f'go = gate("{choice.method}")\n'
        "KEPT = []\n\n\n"
    )
    way = WAYS[choice.way]
    defined = [text for word, text in _DEFINED.items() if word in way]
    defined += [_WAIT_FOR] if "helper" in choice.join else []
    head += "".join(f"{each.format(create=create, here=HERE)}\n\n" for each in defined)
    made = way.format(*[create] * 2)
    lines = [f"{line}{HERE}" for line in made.split("\n")]
    if choice.keep == "global":
        lines.append("KEPT.append(shared)")
    if choice.keep == "processes global":
        lines.append("KEPT.extend(processes)")
    join = {
        "join": "for each in processes:\n    each.join()",
        "comprehension": "[each.join() for each in processes]",
        "helper": "wait_for(processes)",
        "while alive": "for each in processes:\n    while each.is_alive():\n"
        "        step(last=True)\n        each.join(0.1)",
        "last only": "processes[-1].join()",
        "timeout": "for each in processes:\n    each.join(0.001)",
    }.get(choice.join, "")
    if choice.join == "stack":
        lines.append(
            "with ExitStack() as stack:\n    for each in processes:\n        each.start()\n"
            "        stack.callback(each.join)"
        )
    elif choice.way != "start at once":
        lines.append("for each in processes:\n    each.start()")
    if join:
        lines.append(join)
    pair = choice.keep == "returned"
    result = "processes, shared" if pair else "processes"
    first = "result[0]" if pair else "result"
    caller = {
        "caller": f"[each.join() for each in {first}]",
        "caller's helper": f"wait_for({first})",
    }.get(choice.join, "")
    return place(head, "\n".join(lines), choice.scope, result, caller)
