"""Executors, and what their workers are given: task x fetch x end x keep x given.

What it keeps true: a program submits three tasks to an executor whose workers use an object that
they were given first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lint.generator.program import HERE, indented

if TYPE_CHECKING:
    from tests.lint.generator.program import Choice

CODES = ("HF101", "HF102", "HF106", "HF201", "HF501")

CREATE = {
    "Value": 'ctx.Value("d", 0)',
    "RawValue": 'ctx.RawValue("d", 0)',
    "Array": 'ctx.Array("i", 2)',
    "Lock": "ctx.Lock()",
    "Event": "ctx.Event()",
    "nothing": "",
}
GIVEN = ("inline", "named", "in a list", "by keyword of the context")
TASKS = {
    "submit": "futures = [executor.submit(do, task) for task in tasks(3)]",
    "submit in a loop": "futures = []\nfor task in tasks(3):\n"
    "    futures.append(executor.submit(do, task))",
    "submit to a dict": "futures = {executor.submit(do, task): task for task in tasks(3)}",
    "map": "values = executor.map(do, tasks(3))",
}
FETCHES = {
    "none": "",
    "result": "for each in futures:\n    each.result()",
    "comprehension": "[each.result() for each in futures]",
    "as_completed": "for each in as_completed(futures):\n    each.result()",
    "wait": "wait(futures)",
    "wait for one": "wait(futures, return_when=FIRST_COMPLETED)",
    "exception": "for each in futures:\n    each.exception()",
    "list": "values = list(values)",
    "gone through": "for each in values:\n    print(each)",
    "callback": "for each in futures:\n    each.add_done_callback(print)",
}
_OF_MAP = {"list", "gone through"}
ENDS = ("with", "with, fetched after", "shutdown", "shutdown without waiting", "none",
        "shutdown without waiting, positional", "cancel", "finally")  # fmt: skip
KEEPS = ("nothing", "executor returned", "executor on self", "executor global", "object returned",
         "object global", "object on self", "deleted", "replaced")  # fmt: skip
PARTS = {
    "create": CREATE,
    "given": GIVEN,
    "task": TASKS,
    "fetch": FETCHES,
    "end": ENDS,
    "keep": KEEPS,
    "scope": ("function", "method"),
    "method": ("fork", "spawn", "forkserver"),
}


def makes_sense(choice: Choice) -> bool:
    """Whether a choice is a program at all."""
    if choice.fetch != "none" and (choice.fetch in _OF_MAP) != (choice.task == "map"):
        return False
    if choice.create == "nothing" and (choice.given != "inline" or "object" in choice.keep):
        return False
    if "object" in choice.keep and choice.given == "inline":
        return False
    if choice.end.startswith("with") and ("executor" in choice.keep or choice.keep == "deleted"):
        return False
    return "self" not in choice.keep or choice.scope == "method"


def _launch(choice: Choice) -> str:
    made = CREATE[choice.create]
    lines: list[str] = []
    given = made
    if choice.given != "inline":
        lines.append(f"shared = {made}")
        given = "[shared]" if choice.given == "in a list" else "shared"
    context = "mp_context=ctx, initializer=begin, "
    if choice.given == "by keyword of the context":
        lines.append("given = (go, shared)")
        initargs = "given"
    else:
        initargs = f"(go, {given})" if made else "(go,)"
    call = f"ProcessPoolExecutor(2, {context}initargs={initargs})"
    body = TASKS[choice.task].split("\n")
    fetch = FETCHES[choice.fetch].split("\n") if choice.fetch != "none" else []
    keep = {
        "executor on self": ["self.executor = executor"],
        "executor global": ["KEPT.append(executor)"],
        "object on self": ["self.shared = shared"],
        "object global": ["KEPT.append(shared)"],
        "deleted": ["del executor"],
        "replaced": ["executor = None"],
    }.get(choice.keep, [])
    if choice.end == "finally":
        inner = "\n".join([*body, *fetch])
        return "\n".join(
            [
                *lines,
                f"executor = {call}{HERE}",
                "try:",
                indented(inner),
                "finally:",
                "    executor.shutdown()",
                *keep,
            ]
        )
    if choice.end.startswith("with"):
        inside = "\n".join(body if "after" in choice.end else [*body, *fetch])
        after = fetch if "after" in choice.end else []
        return "\n".join(
            [*lines, f"with {call} as executor:{HERE}", indented(inside), *after, *keep]
        )
    end = {
        "shutdown": ["executor.shutdown()"],
        "shutdown without waiting": ["executor.shutdown(wait=False)"],
        "shutdown without waiting, positional": ["executor.shutdown(False)"],
        "cancel": ["given_up()", "executor.shutdown(cancel_futures=True)"],
    }.get(choice.end, [])
    return "\n".join([*lines, f"executor = {call}{HERE}", *body, *fetch, *end, *keep])


def spell(choice: Choice) -> str:
    """The program."""
    launch = _launch(choice)
    head = (
        "import multiprocessing as mp\n"
        "from concurrent.futures import FIRST_COMPLETED, as_completed, wait\n"
        "from concurrent.futures import ProcessPoolExecutor\n\n"
        "from gate import gate, given_up, step, tasks\n"
        "from targets import begin, do\n\n"
        f'ctx = mp.get_context("{choice.method}")\n'
        f'go = gate("{choice.method}")\n'
        "KEPT = []\n\n\n"
    )
    work = "values" if choice.task == "map" else "futures"
    result = {
        "executor returned": f"{work}, executor",
        "object returned": f"{work}, shared",
    }.get(choice.keep, work)
    if choice.scope == "function":
        return (
            f"{head}def launch():\n{indented(launch)}\n    return {result}\n\n\n"
            "def main():\n    result = launch()\n    step(last=True)\n    return result\n"
        )
    return (
        f"{head}class Runner:\n    def launch(self):\n{indented(launch, 2)}\n"
        f"        return {result}\n\n\n"
        "def main():\n    runner = Runner()\n    result = runner.launch()\n"
        "    step(last=True)\n    return result, runner\n"
    )
