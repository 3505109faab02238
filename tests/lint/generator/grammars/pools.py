"""Pools and their results: task x fetch x end x where x what the workers are given.

What it keeps true: a program gives a pool three tasks. It is at fault if one of them, which nobody
has given up, is not done when the program is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lint.generator.program import HERE, indented

if TYPE_CHECKING:
    from tests.lint.generator.program import Choice

CODES = ("HF101", "HF102", "HF106", "HF401", "HF402", "HF501")

# What a pool is given to do, and whether it comes back before that is done.
TASKS = {
    "apply_async": "result = pool.apply_async(do, (task,))",
    "apply_async keywords": "result = pool.apply_async(do, kwds={'task': task})",
    "apply_async callback": "result = pool.apply_async(do, (task,), callback=DONE.append)",
    "apply_async lambda": "result = pool.apply_async(do, (task,), callback=lambda x: print(x))",
    "apply_async errors": "result = pool.apply_async(do, (task,), error_callback=print)",
    "apply": "result = pool.apply(do, (task,))",
    "map_async": "result = pool.map_async(do, tasks(3))",
    "map_async callback": "result = pool.map_async(do, tasks(3), callback=DONE.extend)",
    "starmap_async": "result = pool.starmap_async(do, [(each,) for each in tasks(3)])",
    "map": "result = pool.map(do, tasks(3))",
    "starmap": "result = pool.starmap(do, [(each,) for each in tasks(3)])",
    "imap": "result = pool.imap(do, tasks(3))",
    "imap chunks": "result = pool.imap(do, tasks(3), chunksize=2)",
    "imap_unordered": "result = pool.imap_unordered(do, tasks(3))",
    "with a proxy": "result = pool.apply_async(do, (task, MANAGER.dict()))",
    "with a named proxy": "item = MANAGER.dict()\nresult = pool.apply_async(do, (task, item))",
    "apply with a proxy": "result = pool.apply(do, (task, MANAGER.dict()))",
}
_ITERATORS = {"imap", "imap chunks", "imap_unordered"}
_WAITING = {"apply", "map", "starmap", "apply with a proxy"}
# What is done with the results inside the block or right behind the tasks.
FETCHES = {
    "none": "",
    "get": "result.get()",
    "get of all": "for each in results:\n    each.get()",
    "get by comprehension": "values = [each.get() for each in results]",
    "wait": "result.wait()",
    "wait of all": "[each.wait() for each in results]",
    "gone through": "for each in result:\n    print(each)",
    "list": "values = list(result)",
    "sorted": "values = sorted(result)",
    "next": "first = next(result)\ngiven_up()",
    "helper": "gather(results)",
    "ready": "while not result.ready():\n    step(last=True)",
    "get with a limit": "step(last=True)\nresult.get(timeout=10)",
    "unpacked": "a, b, c = result",
    "enumerated": "for number, each in enumerate(result):\n    print(number, each)",
    "joined text": 'text = ", ".join(str(each) for each in result)',
    "dict": "table = {each: True for each in result}",
    "stored": "KEPT.append(result)",
}
_OF_ONE = {"get", "wait", "ready", "get with a limit", "stored"}
_OF_ALL = {"get of all", "get by comprehension", "wait of all", "helper"}
_OF_ITERATORS = {
    "gone through", "list", "sorted", "next", "unpacked", "enumerated", "joined text", "dict",
    "stored",
}  # fmt: skip
ENDS = ("with", "with close", "with close and join", "close", "close and join", "none",
        "terminate", "finally", "closing", "join after with", "stack")  # fmt: skip
WHERE = ("function", "method", "script", "main block", "returned", "attribute")
GIVEN = ("nothing", "inline", "named", "proxy")
PARTS = {
    "task": TASKS,
    "fetch": FETCHES,
    "end": ENDS,
    "where": WHERE,
    "given": GIVEN,
    "method": ("fork", "spawn", "forkserver"),
}
_WITH = {"with", "with close", "with close and join", "join after with"}


def makes_sense(choice: Choice) -> bool:
    """Whether a choice is a program at all."""
    if choice.fetch in _OF_ONE | _OF_ALL and choice.task in _WAITING:
        return False
    if choice.task in _ITERATORS and choice.fetch not in _OF_ITERATORS | {"none"}:
        return False
    if choice.task not in _ITERATORS and choice.fetch in _OF_ITERATORS - {"stored"}:
        return False
    if choice.fetch in _OF_ALL and "map" in choice.task:
        return False
    if choice.where == "returned" and (choice.end != "none" or choice.task in _WAITING):
        return False
    if choice.where == "attribute" and (choice.end in _WITH or choice.end in {"stack", "closing"}):
        return False
    if choice.where in {"script", "main block"} and choice.method != "fork":
        return False  # a script is not to be run again by its children
    # Of the last task, and the others may be lost.
    return choice.fetch not in _OF_ONE - {"stored"} or "apply" not in choice.task


def _tasks(choice: Choice, pool: str) -> str:
    task = TASKS[choice.task].replace("pool.", f"{pool}.")
    lines = [f"{line}{HERE}" for line in task.split("\n")]
    if "task," not in task and "task}" not in task:
        return "\n".join(lines)
    body = [*lines, *(["results.append(result)"] if choice.fetch in _OF_ALL else [])]
    loop = "for task in tasks(3):\n" + indented("\n".join(body))
    return f"results = []\n{loop}" if choice.fetch in _OF_ALL else loop


def _launch(choice: Choice) -> str:
    pool = "self.pool" if choice.where == "attribute" else "pool"
    before, given = {
        "nothing": ("", ""),
        "inline": ("", 'ctx.Value("d", 0)'),
        "named": ('shared = ctx.Value("d", 0)\n', "shared"),
        "proxy": ("shared = MANAGER.list()\n", "shared"),
    }[choice.given]
    made = f"ctx.Pool(2, begin, (go, {given}))" if given else "ctx.Pool(2, begin, (go,))"
    body = f"{_tasks(choice, pool)}\n{FETCHES[choice.fetch]}".rstrip("\n")
    if choice.end in _WITH or choice.end == "closing":
        close = {
            "with close": "\npool.close()",
            "with close and join": "\npool.close()\npool.join()",
        }.get(choice.end, "")
        opened = f"closing({made})" if choice.end == "closing" else made
        after = "\npool.join()" if choice.end == "join after with" else ""
        return f"{before}with {opened} as pool:{HERE}\n{indented(body + close)}{after}"
    if choice.end == "stack":
        entered = f"pool = stack.enter_context({made})"
        return f"{before}with ExitStack() as stack:{HERE}\n{indented(entered)}\n{indented(body)}"
    if choice.end == "finally":
        return (
            f"{before}{pool} = {made}\ntry:\n{indented(body)}\n"
            f"finally:\n    {pool}.close()\n    {pool}.join()"
        )
    end = {
        "close": f"\n{pool}.close()",
        "close and join": f"\n{pool}.close()\n{pool}.join()",
        "terminate": f"\ngiven_up()\n{pool}.terminate()\n{pool}.join()",
    }.get(choice.end, "")
    return f"{before}{pool} = {made}\n{body}{end}"


def spell(choice: Choice) -> str:
    """The program."""
    launch = _launch(choice)
    manager = "proxy" in choice.task or choice.given == "proxy"
    head = (
        "import multiprocessing as mp\n"
        "from contextlib import ExitStack, closing\n\n"
        "from gate import gate, given_up, program_ends, step, tasks\n"
        "from targets import begin, do\n\n"
        f'ctx = mp.get_context("{choice.method}")\n'
        f'go = gate("{choice.method}")\n'
        + ("MANAGER = None\n" if manager else "")
        + "KEPT = []\nDONE = []\n\n\n"
        "def gather(results):\n    return [each.get() for each in results]\n\n\n"
    )
    manager_made = "    global MANAGER\n    MANAGER = ctx.Manager()\n" if manager else ""
    if choice.where == "script":
        made = "MANAGER = ctx.Manager()\n" if manager else ""
        return f"{head}{made}{launch}\nprogram_ends()\n"
    if choice.where == "main block":
        return (
            f"{head}def main():\n{manager_made}{indented(launch)}\n    program_ends()\n\n\n"
            'if __name__ == "__main__":\n    main()\n'
        )
    if choice.where in {"function", "returned"}:
        back = "\n    return result" if choice.where == "returned" else ""
        return (
            f"{head}def launch():\n{indented(launch)}{back}\n\n\n"
            f"def main():\n{manager_made}    result = launch()\n    step(last=True)\n"
            "    return result\n"
        )
    return (
        f"{head}class Runner:\n    def launch(self):\n{indented(launch, 2)}\n\n\n"
        f"def main():\n{manager_made}    runner = Runner()\n    runner.launch()\n"
        "    step(last=True)\n    return runner\n"
    )
