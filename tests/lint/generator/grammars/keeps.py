"""Places that keep an object, or seem to: create x keep x join.

What it keeps true: the process is given a name that refers to the object, and the statement of
`KEEPS` is all else that could keep it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lint.generator.program import HERE, indented

if TYPE_CHECKING:
    from tests.lint.generator.program import Choice

CODES = ("HF101", "HF102", "HF103", "HF104", "HF105", "HF201", "HF503")

CREATE = {
    "Value": 'ctx.Value("d", 0)',
    "RawValue": 'ctx.RawValue("d", 0)',
    "Array": 'ctx.Array("i", 2)',
    "Lock": "ctx.Lock()",
    "Event": "ctx.Event()",
}
# Statements between making the object and starting the process; lines after "started" come behind.
KEEPS = {
    "nothing": "",
    "cached": "",
    "cached method": "",
    "property": "",
    "cached property": "",
    "generator kept": "",
    "generator dropped": "",
    "generator gone through": "",
    "dataclass local": "holder = Holder(shared)",
    "dataclass on self": "self.holder = Holder(shared)",
    "dataclass on process": "process.holder = Holder(shared)",
    "dataclass returned": "holder = Holder(shared)",
    "named tuple returned": "holder = Pair(process, shared)",
    "namespace on self": "self.holder = SimpleNamespace(shared=shared)",
    "attribute of the process": "process.shared_object = shared",
    "setattr on self": 'setattr(self, "kept", shared)',
    "vars of self": 'vars(self)["kept"] = shared',
    "globals": 'globals()["kept"] = shared',
    "global statement": "global KEPT_ONE\nKEPT_ONE = shared",
    "list entry": "KEPT.append(shared)",
    "list entry in a tuple": "KEPT.append((process, shared))",
    "list extended": "KEPT.extend([shared])",
    "list added": "KEPT[len(KEPT):] = [shared]",
    "dict entry": "TABLE[process] = shared",
    "dict entry replaced": 'TABLE["x"] = shared\nstarted\nTABLE["x"] = None',
    "dict entry deleted": 'TABLE["x"] = shared\nstarted\ndel TABLE["x"]',
    "dict setdefault": 'TABLE.setdefault("x", []).append(shared)',
    "dict update": "TABLE.update(kept=shared)",
    "set entry": "SEEN.add(shared)",
    "list cleared": "KEPT.append(shared)\nstarted\nKEPT.clear()",
    "local list": "kept = [shared]",
    "local dict": "kept = {'x': shared}",
    "list on self": "self.kept = []\nself.kept.append(shared)",
    "dict on self": "self.table = {}\nself.table['x'] = shared",
    "class attribute": "Runner.kept = shared",
    "function attribute": "remember.kept = shared",
    "default argument": "remember(shared)",
    "closure": "KEPT.append(lambda: shared)",
    "partial": "KEPT.append(partial(print, shared))",
    "bound method": "KEPT.append(shared.__class__ and shared.__repr__)",
    "weak reference": "KEPT.append(weakref.ref(shared))",
    "id": "KEPT.append(id(shared))",
    "text": "KEPT.append(str(shared))",
    "atexit": "atexit.register(remember, shared)",
    "deque": "LAST.append(shared)",
    "inner object": "self.inner = Inner(self, shared)",
    "registry": "Registry().add(shared)",
    "global registry": "REGISTRY.add(shared)",
}
JOINS = ("none", "helper", "caller", "list joined", "active children", "sentinel", "timeout")
PARTS = {
    "create": CREATE,
    "keep": KEEPS,
    "join": JOINS,
    "scope": ("function", "method", "temporary"),
    "method": ("fork", "spawn", "forkserver"),
}


def makes_sense(choice: Choice) -> bool:
    """Whether a choice is a program at all."""
    if choice.keep == "set entry" and choice.create == "RawValue":
        return False  # it has no hash
    if "self" in choice.keep or choice.keep in {"class attribute", "inner object"}:
        return choice.scope in {"method", "temporary"} and choice.join != "caller"
    if "generator" in choice.keep:
        return choice.scope == "function" and choice.join in {"none", "timeout"}
    if choice.keep in {"cached method", "property", "cached property"}:
        return choice.scope in {"method", "temporary"} and choice.join != "caller"
    return choice.join != "caller" or choice.scope != "temporary"


_HEAD = """\
import atexit
import multiprocessing as mp
import weakref
from collections import deque
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from multiprocessing import connection
from types import SimpleNamespace
from typing import NamedTuple

from gate import gate, step
from targets import work

ctx = mp.get_context("{method}")
go = gate("{method}")
KEPT = []
TABLE = {{}}
SEEN = set()
LAST = deque(maxlen=9)


@dataclass
class Holder:
    shared: object


class Pair(NamedTuple):
    process: object
    shared: object


class Inner:
    def __init__(self, owner, shared):
        self.owner = owner
        self.shared = shared


class Registry:
    def __init__(self):
        self.items = []

    def add(self, item):
        self.items.append(item)


REGISTRY = Registry()


def remember(shared, into=[]):
    into.append(shared)


@lru_cache
def cached():
    return {create}


def join_all(processes):
    for each in processes:
        each.join()


"""


def _body(choice: Choice) -> str:
    made = {
        "cached": "cached()",
        "cached method": "self.cached()",
        "property": "self.fresh",
        "cached property": "self.lasting",
    }.get(choice.keep, CREATE[choice.create])
    before, _, after = KEEPS[choice.keep].partition("started\n")
    lines = [
        f"shared = {made}",
        f"process = ctx.Process(target=work, args=(shared, go)){HERE}",
        before.rstrip("\n"),
        "process.start()",
        after,
        {
            "helper": "join_all([process])",
            "list joined": "processes = [process]\nfor each in processes:\n    each.join()",
            "active children": "for each in mp.active_children():\n    each.join()",
            "sentinel": "step(last=True)\nconnection.wait([process.sentinel])",
            "timeout": "process.join(0.001)",
        }.get(choice.join, ""),
    ]
    return "\n".join(each for each in lines if each)


_METHODS = """
    @lru_cache
    def cached(self):
        return {create}

    @property
    def fresh(self):
        return {create}

    @cached_property
    def lasting(self):
        return {create}
"""


def spell(choice: Choice) -> str:
    """The program."""
    create = CREATE[choice.create]
    head = _HEAD.format(method=choice.method, create=create)
    body = _body(choice)
    if "generator" in choice.keep:
        return head + _generator(choice, body)
    result = {
        "dataclass returned": "process, holder",
        "named tuple returned": "holder",
    }.get(choice.keep, "process")
    first = {"process": "result", "holder": "result.process"}.get(result, "result[0]")
    caller = f"\n    {first}.join()" if choice.join == "caller" else ""
    if choice.scope == "function":
        return (
            f"{head}def launch():\n{indented(body)}\n    return {result}\n\n\n"
            f"def main():\n    result = launch(){HERE}\n    step(last=True){caller}\n"
            "    return result\n"
        )
    methods = _METHODS.format(create=create)
    if choice.scope == "method":
        return (
            f"{head}class Runner:\n    def launch(self):\n{indented(body, 2)}\n"
            f"        return {result}\n{methods}\n\n"
            f"def main():\n    runner = Runner()\n    result = runner.launch(){HERE}\n"
            f"    step(last=True){caller}\n    return result, runner\n"
        )
    return (
        f"{head}class Runner:\n    def __init__(self):\n{indented(body, 2)}\n{methods}\n\n"
        f"def main():\n    Runner(){HERE}\n    step(last=True)\n"
    )


def _generator(choice: Choice, body: str) -> str:
    """The statements in a generator, which the caller keeps, drops or goes through."""
    use = {
        "generator kept": "steps = launch()\nresult = next(steps)",
        "generator dropped": f"result = next(launch()){HERE}",
        "generator gone through": "result = list(launch())",
    }[choice.keep]
    kept = choice.keep == "generator kept"
    back = "result, steps" if kept else "result"
    ways = (
        "    while True:\n        yield process" if kept else f"    yield process{HERE}\n    step()"
    )
    return (
        f"def launch():\n{indented(body)}\n{ways}\n\n\n"
        f"def main():\n{indented(use)}\n    step(last=True)\n    return {back}\n"
    )
