"""Scripts that end: create x keep x wait x end.

What it keeps true: a program's module starts a process and comes to its end, at which the names of
semaphores and the managers go before the children are waited for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lint.generator.program import HERE, indented

if TYPE_CHECKING:
    from tests.lint.generator.program import Choice

CODES = ("HF101", "HF102", "HF201", "HF202", "HF401", "HF402")

CREATE = {
    "Value": 'ctx.Value("d", 0)',
    "RawValue": 'ctx.RawValue("d", 0)',
    "Lock": "ctx.Lock()",
    "Event": "ctx.Event()",
    "SimpleQueue": "ctx.SimpleQueue()",
    "Barrier": "ctx.Barrier(2)",
    "dict of a manager": "MANAGER.dict()",
    "Event of a manager": "MANAGER.Event()",
}
GIVES = {
    "args": "ctx.Process(target=work, args=(shared, go))",
    "kwargs": "ctx.Process(target=work_with, args=(go,), kwargs={'shared': shared})",
    "list": "ctx.Process(target=work, args=([shared], go))",
    "daemon": "ctx.Process(target=work, args=(shared, go), daemon=True)",
    "set daemon": "ctx.Process(target=work, args=(shared, go))",
}
WAITS = {
    "none": "",
    "join": "process.join()",
    "join in finally": "try:\n    step()\nfinally:\n    process.join()",
    "helper": "wait_for([process])",
    "children": "for each in mp.active_children():\n    each.join()",
    "with a limit": "process.join(0.001)",
    "sometimes": "if wanted():\n    process.join()",
    "while alive": "while process.is_alive():\n    step(last=True)",
    "status": "step(last=True)\nwhile process.exitcode is None:\n    process.join(0.1)",
}
ENDS = ("nothing", "exit", "exit with a status", "raise SystemExit")
WHERE = ("script", "main block", "function", "function with return")
PARTS = {
    "create": CREATE,
    "given": GIVES,
    "wait": WAITS,
    "end": ENDS,
    "where": WHERE,
    "method": ("fork", "spawn", "forkserver"),
}


def makes_sense(choice: Choice) -> bool:
    """Whether a choice is a program at all."""
    if "daemon" in choice.given and choice.where == "function":
        return False  # it is over before anybody can tell
    # The server of a manager is a child that nobody ends.
    return choice.wait != "children" or "manager" not in choice.create


def spell(choice: Choice) -> str:
    """The program."""
    lines = ["MANAGER = ctx.Manager()"] if "manager" in choice.create else []
    lines += [f"shared = {CREATE[choice.create]}", f"process = {GIVES[choice.given]}{HERE}"]
    lines += ["process.daemon = True"] if choice.given == "set daemon" else []
    lines += ["process.start()", WAITS[choice.wait]]
    if choice.where == "function with return":
        lines.append("return process, shared")
    launch = "\n".join(each for each in lines if each)
    head = (
        "import multiprocessing as mp\nimport sys\n\n"
        "from gate import gate, program_ends, step, wanted\n"
        "from targets import work, work_with\n\n"
        f'ctx = mp.get_context("{choice.method}")\n'
        f'go = gate("{choice.method}")\n\n\n'
        "def wait_for(processes):\n    for each in processes:\n        each.join()\n\n\n"
    )
    end = {
        "nothing": "",
        "exit": "sys.exit()\n",
        "exit with a status": "sys.exit(0)\n",
        "raise SystemExit": "raise SystemExit\n",
    }[choice.end]
    if choice.where == "script":
        return f"{head}{launch}\nprogram_ends()\n{end}"
    if choice.where == "main block":
        inside = indented(f"{launch}\nprogram_ends()\n{end}")
        return f'{head}if __name__ == "__main__":\n{inside}'
    call = f"{'kept = ' if 'return' in choice.where else ''}launch(){HERE}"
    inside = indented(f"{call}\nprogram_ends()\n{end}")
    return f'{head}def launch():\n{indented(launch)}\n\n\nif __name__ == "__main__":\n{inside}'
