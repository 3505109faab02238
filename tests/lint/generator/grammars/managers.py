"""Managers and proxies: manager x proxy x passing x keep x join x end x scope.

What it keeps true: there is one manager that makes the proxy in question, and whatever else a
program has of managers is kept. A proxy keeps its manager in the process that made it; so what is
kept of the two decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lint.generator.program import HERE, indented
from tests.lint.generator.scopes import IN_CLASS, RETURNING, place

if TYPE_CHECKING:
    from tests.lint.generator.program import Choice

CODES = ("HF401", "HF402", "HF503")

# How the manager comes to be, and what it is then called; "" if it has no name.
MANAGERS = {
    "named": ("manager = ctx.Manager()", "manager"),
    "temporary": ("", "ctx.Manager()"),
    "inline": ("", "ctx.Manager()"),
    "with": ("", "manager"),
    "sync": ("manager = SyncManager(ctx=ctx)\nmanager.start()", "manager"),
    "own": ("manager = Tallies(ctx=ctx)\nmanager.start()", "manager"),
    "attribute": ("self.manager = ctx.Manager()", "self.manager"),
    "global": ("global MANAGER\nMANAGER = ctx.Manager()", "MANAGER"),
}
PROXIES = {
    "dict": "dict()",
    "list": "list()",
    "Value": 'Value("d", 0)',
    "Namespace": "Namespace()",
    "Event": "Event()",
    "Queue": "Queue()",
    "inline dict": "dict()",
    "inline list": "list()",
}
PASSING = ("args", "kwargs", "list", "dict", "partial", "nested", "keeping")
KEEPS = (
    "nothing", "proxy returned", "manager returned", "both returned", "proxy global",
    "manager global", "proxy on self", "manager on self", "proxy on process", "manager on process",
    "other proxy",
)  # fmt: skip
JOINS = ("none", "join", "finally", "timeout", "caller", "told", "sometimes")
ENDS = ("none", "shutdown", "shutdown after join")
SCOPES = ("function", "method", "constructor", "temporary", "nested")
PARTS = {
    "manager": MANAGERS,
    "proxy": PROXIES,
    "passing": PASSING,
    "keep": KEEPS,
    "join": JOINS,
    "end": ENDS,
    "scope": SCOPES,
    "method": ("fork", "spawn", "forkserver"),
}

_NAMELESS = {"temporary", "inline"}


def _is_inline(choice: Choice) -> bool:
    return choice.manager == "inline" or choice.proxy.startswith("inline")


def makes_sense(choice: Choice) -> bool:
    """Whether a choice is a program at all."""
    keep, manager = choice.keep, choice.manager
    named = "manager" in keep or "other" in keep or "both" in keep or choice.end != "none"
    if manager in _NAMELESS and named:
        return False
    if _is_inline(choice) and ("proxy" in keep or "both" in keep):
        return False
    if _is_inline(choice) and manager == "temporary":
        return False  # that is "inline"
    if "self" in keep and choice.scope not in IN_CLASS:
        return False
    if manager == "attribute" and (choice.scope not in IN_CLASS or "manager" in keep):
        return False
    if manager == "global" and "manager" in keep:
        return False
    if ("returned" in keep or choice.join == "caller") and choice.scope not in RETURNING:
        return False
    if choice.end == "shutdown after join" and choice.join not in {"join", "finally", "sometimes"}:
        return False
    if manager == "with" and choice.end != "none":
        return False
    if manager == "own" and choice.proxy not in {"dict", "inline dict"}:
        return False
    if keep == "manager on process" and choice.method != "fork":
        return False  # it cannot be pickled
    if choice.passing == "nested" and (_is_inline(choice) or manager == "temporary"):
        return False
    # Keeping is of the default context, and tells nothing.
    return choice.passing != "keeping" or (choice.method == "fork" and choice.join != "told")


def _launch(choice: Choice) -> str:
    made, name = MANAGERS[choice.manager]
    proxy = f"{name}.{PROXIES[choice.proxy]}"
    if choice.manager == "own":
        proxy = f"{name}.Tally()"
    told = ", ready" if choice.join == "told" else ""
    lines: list[str] = []
    given = "shared"
    if _is_inline(choice):
        given = proxy
    else:
        lines.append(f"shared = {proxy}")
    if choice.passing == "nested":
        lines += [f"outer = {name}.{'Tally' if choice.manager == 'own' else 'dict'}()"]
        lines += ['outer["inner"] = shared']
        given = "outer"
    call = {
        "args": f"ctx.Process(target=work, args=({given}, go{told}))",
        "nested": f"ctx.Process(target=work, args=({given}, go{told}))",
        "kwargs": f"ctx.Process(target=work_with, args=(go{told},), kwargs={{'shared': {given}}})",
        "list": f"ctx.Process(target=work, args=([{given}], go{told}))",
        "dict": f"ctx.Process(target=work, args=({{'x': {given}}}, go{told}))",
        "partial": f"ctx.Process(target=partial(work, {given}, go{told}))",
        "keeping": f"Keeping({given}, go)",
    }[choice.passing]
    lines.append(f"process = {call}{HERE}")
    lines += {
        "proxy global": [f"KEPT.append({given})"],
        "manager global": [f"KEPT.append({name})"],
        "proxy on self": [f"self.kept = {given}"],
        "manager on self": [f"self.kept = {name}"],
        "proxy on process": [f"process.kept = {given}"],
        "manager on process": [f"process.kept = {name}"],
        "other proxy": [
            f"other = {name}.{'Tally' if choice.manager == 'own' else 'list'}()",
            "KEPT.append(other)",
        ],
    }.get(choice.keep, [])
    lines.append("process.start()")
    if choice.end == "shutdown":
        lines.append(f"{name}.shutdown(){HERE}")
    lines += {
        "join": ["process.join()"],
        "finally": ["try:\n    step()\nfinally:\n    process.join()"],
        "timeout": ["process.join(0.001)"],
        "told": ["ready.wait(5)"],
        "sometimes": ["if wanted():\n    process.join()"],
    }.get(choice.join, [])
    if choice.end == "shutdown after join":
        lines.append(f"{name}.shutdown(){HERE}")
    text = "\n".join(lines)
    if choice.manager == "with":
        return f"with ctx.Manager() as manager:{HERE}\n{indented(text)}"
    return f"{made}\n{text}" if made else text


def spell(choice: Choice) -> str:
    """The program."""
    head = (
        "import multiprocessing as mp\n"
        "from functools import partial\n"
        "from multiprocessing.managers import SyncManager\n\n"
        "from gate import gate, ready as ready_of, step, wanted\n"
        "from targets import Keeping, Tallies, work, work_with\n\n"
        f'ctx = mp.get_context("{choice.method}")\n'
        f'go = gate("{choice.method}")\n'
        f'ready = ready_of("{choice.method}")\n'
        "KEPT = []\n\n\n"
    )
    name = MANAGERS[choice.manager][1]
    given = "outer" if choice.passing == "nested" else "shared"
    result = {
        "proxy returned": f"process, {given}",
        "manager returned": f"process, {name}",
        "both returned": f"process, {given}, {name}",
    }.get(choice.keep, "process")
    first = "result[0]" if "," in result else "result"
    caller = f"{first}.join()" if choice.join == "caller" else ""
    return place(head, _launch(choice), choice.scope, result, caller)
