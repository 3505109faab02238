"""Where the code in question stands: in a function, a method, a constructor, a loop, a module.

What it keeps true: `place` makes of statements that start a process a whole module, in which other
code runs behind them (`step`), and the caller keeps what he is given.
"""

from __future__ import annotations

from tests.lint.generator.program import HERE, indented

SCOPES = ("function", "method", "constructor", "temporary", "loop", "module", "nested")
# Whose statements have a `self`.
IN_CLASS = {"method", "constructor", "temporary"}
# That return something to a caller.
RETURNING = {"function", "method", "nested"}

_AFTER = "step(last=True)"


def place(head: str, launch: str, scope: str, result: str, caller: str = "") -> str:
    """The program.

    Args:
        head: What stands above: imports, and other definitions.
        launch: The statements.
        scope: One of `SCOPES`.
        result: What they give back, an expression.
        caller: What the caller then does with `result`, a statement.
    """
    after = f"\n    {caller}" if caller else ""
    if scope == "module":
        return f"{head}{launch}\n{_AFTER}\n"
    if scope == "function":
        return (
            f"{head}def launch():\n{indented(launch)}\n    return {result}\n\n\n"
            f"def main():\n    result = launch(){HERE}\n    {_AFTER}{after}\n    return result\n"
        )
    if scope == "nested":
        return (
            f"{head}def launch():\n{indented(launch)}\n    return {result}\n\n\n"
            f"def begin():\n    return launch(){HERE}\n\n\n"
            f"def main():\n    result = begin(){HERE}\n    {_AFTER}{after}\n    return result\n"
        )
    if scope == "loop":
        return (
            f"{head}def launch():\n    processes = []\n    for number in range(3):\n"
            f"{indented(launch, 2)}\n        processes.append(process)\n    return processes\n\n\n"
            f"def main():\n    result = launch()\n    {_AFTER}\n    return result\n"
        )
    if scope == "method":
        return (
            f"{head}class Runner:\n    def launch(self):\n{indented(launch, 2)}\n"
            f"        return {result}\n\n\n"
            f"def main():\n    runner = Runner()\n    result = runner.launch(){HERE}\n"
            f"    {_AFTER}{after}\n    return result, runner\n"
        )
    keeps = "runner = Runner()" if scope == "constructor" else "Runner()"
    back = "return runner" if scope == "constructor" else "return None"
    return (
        f"{head}class Runner:\n    def __init__(self):\n{indented(launch, 2)}\n\n\n"
        f"def main():\n    {keeps}{HERE}\n    {_AFTER}\n    {back}\n"
    )
