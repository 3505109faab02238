"""Proxies that are sent: channel x message x keep x what comes after.

What it keeps true: the manager and the channel live on, and the receiver takes its time; so it is
the sender's last proxy that decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lint.generator.program import HERE
from tests.lint.generator.scopes import IN_CLASS, RETURNING, place

if TYPE_CHECKING:
    from tests.lint.generator.program import Choice

CODES = ("HF401", "HF402", "HF503")

# Statements that make the channel, its end for the receiver, and how something is sent.
CHANNELS = {
    "Queue": ("queue = ctx.Queue()", "queue", "queue.put({})"),
    "Queue, put_nowait": ("queue = ctx.Queue()", "queue", "queue.put_nowait({})"),
    "SimpleQueue": ("queue = ctx.SimpleQueue()", "queue", "queue.put({})"),
    "Pipe": ("reader, writer = ctx.Pipe(duplex=False)", "reader", "writer.send({})"),
    "duplex Pipe": ("reader, writer = ctx.Pipe()", "reader", "writer.send({})"),
}
# The message, where {} is what makes a proxy.
MESSAGES = {
    "inline": ("", "{}"),
    "inline in a list": ("", "[{}]"),
    "inline in a dict": ("", "{{'x': {}}}"),
    "named": ("item = {}\n", "item"),
    "named in a list": ("item = {}\n", "[item]"),
    "in another proxy": ("item = MANAGER.dict()\nitem['x'] = {}\n", "item"),
    "in another proxy, inline": (
        "outer = MANAGER.list()\nouter.append({})\nitem = outer\n",
        "outer",
    ),
    "appended": ("items = []\nitem = {}\nitems.append(item)\n", "items"),
    "plain": ("item = {}\n", "dict(item)"),
    "no proxy": ("item = None\n", "[1, 2]"),
}
PROXIES = {"dict": "MANAGER.dict()", "list": "MANAGER.list()", "Value": 'MANAGER.Value("i", 0)',
           "Event": "MANAGER.Event()"}  # fmt: skip
KEEPS = (
    "returned", "global", "self", "joined", "joined in finally", "process", "nothing", "deleted",
    "replaced", "with a limit", "sometimes",
)  # fmt: skip
PARTS = {
    "channel": CHANNELS,
    "message": MESSAGES,
    "proxy": PROXIES,
    "keep": KEEPS,
    "scope": ("function", "method", "nested"),
    "method": ("fork", "spawn", "forkserver"),
}


def makes_sense(choice: Choice) -> bool:
    """Whether a choice is a program at all."""
    if choice.message == "plain" and choice.proxy != "dict":
        return False
    inline = choice.message.startswith("inline")
    if inline and choice.keep not in {"joined", "joined in finally", "nothing", "with a limit"}:
        return False  # there is nothing to keep it by
    if choice.message == "appended" and choice.keep in {"deleted", "replaced"}:
        return False  # it is still in the list
    if choice.keep == "self":
        return choice.scope in IN_CLASS
    return choice.keep != "returned" or choice.scope in RETURNING


def spell(choice: Choice) -> str:
    """The program."""
    made, end, sending = CHANNELS[choice.channel]
    before, message = (each.format(PROXIES[choice.proxy]) for each in MESSAGES[choice.message])
    lines = [
        "global MANAGER, CHANNEL",
        "MANAGER = ctx.Manager()",
        made,
        f"CHANNEL = {'queue' if end == 'queue' else '(reader, writer)'}",
        f"process = ctx.Process(target=work_on_message, args=({end}, go))",
        "process.start()",
        f"{before}{sending.format(message)}{HERE}",
    ]
    lines += {
        "global": ["KEPT.append(item)"],
        "self": ["self.kept = item"],
        "process": ["process.kept = item"],
        "deleted": ["del item"],
        "replaced": ["item = None"],
        "with a limit": ["process.join(0.001)"],
        "sometimes": ["if wanted():\n    process.join()"],
        "joined": ["process.join()"],
        "joined in finally": ["try:\n    step()\nfinally:\n    process.join()"],
    }.get(choice.keep, [])
    head = (
        "import multiprocessing as mp\n\n"
        "from gate import gate, step, wanted\n"
        "from targets import work_on_message\n\n"
        f'ctx = mp.get_context("{choice.method}")\n'
        f'go = gate("{choice.method}")\n'
        "KEPT = []\n\n\n"
    )
    result = "process, item" if choice.keep == "returned" else "process"
    return place(head, "\n".join(lines), choice.scope, result)
