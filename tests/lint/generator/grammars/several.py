"""Several objects and processes: made x given x keep x join.

What it keeps true: three objects go to three processes, one each, in lists, rows and dictionaries
as people have them. A program is at fault if any of the three is dropped too early.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lint.generator.program import HERE, indented

if TYPE_CHECKING:
    from tests.lint.generator.program import Choice

CODES = ("HF101", "HF102", "HF103", "HF104", "HF105", "HF201", "HF503")

CREATE = {
    "Value": 'ctx.Value("d", 0)',
    "RawArray": 'ctx.RawArray("i", 2)',
    "Lock": "ctx.Lock()",
    "Worker": "Worker(ctx)",
}
# Statements that bind `objects`, and the head of a loop in which `each` is one of them.
MADE = {
    "in the loop": ("objects = []", "for number in range(3):\n    each = {made}"),
    "in the loop, appended": (
        "objects = []",
        "for number in range(3):\n    each = {made}\n    objects.append(each)",
    ),
    "in the loop, inserted": (
        "objects = {{}}",
        "for number in range(3):\n    each = {made}\n    objects[number] = each",
    ),
    "comprehension": ("objects = [{made} for _ in range(3)]", "for each in objects:"),
    "display": ("objects = [{made}, {made}, {made}]", "for each in objects:"),
    "tuple": ("objects = ({made}, {made}, {made})", "for each in objects:"),
    "repeated call": ("objects = [made() for _ in range(3)]", "for each in objects:"),
    "enumerated": (
        "objects = [{made} for _ in range(3)]",
        "for number, each in enumerate(objects):",
    ),
    "zipped": (
        "objects = [{made} for _ in range(3)]",
        'for each, name in zip(objects, "abc"):',
    ),
    "by index": (
        "objects = [{made} for _ in range(3)]",
        "for number in range(3):\n    each = objects[number]",
    ),
    "reversed": ("objects = [{made} for _ in range(3)]", "for each in reversed(objects):"),
    "sliced": ("objects = [{made} for _ in range(4)]", "for each in objects[1:]:"),
    "dictionary": (
        "objects = {{number: {made} for number in range(3)}}",
        "for number, each in objects.items():",
    ),
    "values": ("objects = {{name: {made} for name in 'abc'}}", "for each in objects.values():"),
    "by key": (
        "objects = {{name: {made} for name in 'abc'}}",
        "for name in objects:\n    each = objects[name]",
    ),
    "rows": ("objects = [({made}, number) for number in range(3)]", "for each, number in objects:"),
    "copied": ("objects = list({made} for _ in range(3))", "for each in list(objects):"),
    "function of rows": ("objects = rows()", "for each, number in objects:"),
}
PASSES = {
    "args": "ctx.Process(target=work, args=(each, go))",
    "list": "ctx.Process(target=work, args=([each], go))",
    "all of them": "ctx.Process(target=work, args=(objects, go))",
    "method": "ctx.Process(target=each.run, args=(go,))",
}
KEEPS = {
    "nothing": "processes",
    "objects returned": "processes, objects",
    "copy returned": "processes, list(objects)",
    "pairs returned": "list(zip(processes, objects))",
    "each with its process": "together",
    "last returned": "processes, each",
    "record returned": "Holder(processes, objects)",
    "on self": "processes",
    "global": "processes",
}
JOINS = {
    "none": "",
    "all": "for process in processes:\n    process.join()",
    "in the round": "",
    "by index": "for number in range(len(processes)):\n    processes[number].join()",
    "popped": "while processes:\n    processes.pop().join()",
    "zipped": "for process, number in zip(processes, range(3)):\n    process.join()",
    "last only": "process.join()",
    "mapped": "list(map(join, processes))",
    "reversed": "for process in reversed(processes):\n    process.join()",
    "until dead": "while any(process.is_alive() for process in processes):\n    step(last=True)",
    "handled": "try:\n    step()\nfinally:\n    for process in processes:\n        process.join()",
    "dictionary": "table = {process.pid: process for process in processes}\n"
    "for process in table.values():\n    process.join()",
    "while alive": "for process in processes:\n    if process.is_alive():\n        process.join()",
    "with a limit": "for process in processes:\n    process.join(timeout=0.001)",
}
PARTS = {
    "create": CREATE,
    "made": MADE,
    "passing": PASSES,
    "keep": KEEPS,
    "join": JOINS,
    "scope": ("function", "method"),
    "method": ("fork", "spawn", "forkserver"),
}


def makes_sense(choice: Choice) -> bool:
    """Whether a choice is a program at all."""
    if (choice.passing == "method") != (choice.create == "Worker"):
        return False
    if choice.keep == "on self" and choice.scope != "method":
        return False
    if choice.made == "in the loop" and choice.passing == "all of them":
        return False
    if choice.keep in {"copy returned", "pairs returned"} and MADE[choice.made][0].startswith(
        "objects = {"
    ):
        return False  # of the keys
    return choice.join != "popped" or choice.keep == "nothing"


def spell(choice: Choice) -> str:
    """The program."""
    made = CREATE[choice.create]
    bind, loop = (each.format(made=made) for each in MADE[choice.made])
    if ":\n" not in loop:
        loop += "\n"
    body = [f"process = {PASSES[choice.passing]}{HERE}", "process.start()"]
    body += ["processes.append(process)"]
    body += ["together.append((process, each))"] if choice.keep == "each with its process" else []
    body += ["process.join()"] if choice.join == "in the round" else []
    result = KEEPS[choice.keep]
    lines = [bind, "processes = []"]
    lines += ["together = []"] if "together" in result else []
    lines += [f"{line}{HERE}" for line in loop.rstrip("\n").split("\n")]
    lines.append(indented("\n".join(body)))
    lines += ["self.objects = objects"] if choice.keep == "on self" else []
    lines += ["KEPT.append(objects)"] if choice.keep == "global" else []
    lines.append(JOINS[choice.join])
    launch = "\n".join(each for each in lines if each)
    head = (
        "import multiprocessing as mp\n"
        "from dataclasses import dataclass\n\n"
        "from gate import gate, step\n"
        "from targets import Worker, work\n\n"
        f'ctx = mp.get_context("{choice.method}")\n'
        f'go = gate("{choice.method}")\n'
        "KEPT = []\n\n\n"
        "@dataclass\nclass Holder:\n    processes: list\n    objects: list\n\n\n"
        f"def made():\n    return {made}\n\n\n"
        f"def rows():\n    return [({made}, number) for number in range(3)]\n\n\n"
        "def join(process):\n    process.join()\n\n\n"
    )
    if choice.scope == "function":
        return (
            f"{head}def launch():\n{indented(launch)}\n    return {result}\n\n\n"
            f"def main():\n    result = launch(){HERE}\n    step(last=True)\n    return result\n"
        )
    return (
        f"{head}class Runner:\n    def launch(self):\n{indented(launch, 2)}\n"
        f"        return {result}\n\n\n"
        f"def main():\n    runner = Runner()\n    result = runner.launch(){HERE}\n"
        "    step(last=True)\n    return result, runner\n"
    )
