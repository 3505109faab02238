"""subprocess: Python programs that the program starts belong to its family.

What it keeps true: only an interpreter of the same installation is led to the family, by a
`sitecustomize` that its PYTHONPATH finds first and that removes all traces of itself before
anything else runs. Whatever else is started has the environment that the program gave it. An
interpreter that is told not to look there (-I, -E, -S) is left alone.

Segments of shared memory are known by name to programs that share nothing else: who attaches,
unlinks, or has a resource tracker that does, may be such a program.

Source: CPython, Lib/subprocess.py (Popen._execute_child), Lib/site.py (execsitecustomize).
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, cast

from holdfast._arrivals import replace
from holdfast.sanitizer import recorder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from holdfast._arrivals import Undo

# See startup/sitecustomize.py.
VARIABLE = "HOLDFAST_SUBPROCESS"
_FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "startup")  # noqa: PTH118, PTH120
# Options of the interpreter whose value may be the next word.
_WITH_VALUE = "WX"
_NOT_LOOKING = set("IES")


def make_watched(module: ModuleType) -> list[Undo]:
    """Watch `subprocess`."""
    popen = module.Popen
    execute, ended = popen._execute_child, popen._handle_exitstatus
    parameters = list(inspect.signature(execute).parameters)
    needed: tuple[str, ...] = ("args", "executable", "env", "shell", "preexec_fn")
    if not set(needed) <= set(parameters):
        return []
    args_at, executable_at, env_at, shell_at, preexec_at = (
        parameters.index(name) - 1 for name in needed
    )

    @functools.wraps(execute)
    def _execute_child(self: Any, *given: Any) -> Any:
        # What runs in the child before exec may change the environment that it would inherit.
        if recorder.active() and not given[shell_at] and given[preexec_at] is None:
            name = _program_of(given[args_at], given[executable_at])
            environment = _led(given[env_at], name) if name else None
            if environment is not None:
                given = (*given[:env_at], environment, *given[env_at + 1 :])
        return execute(self, *given)

    @functools.wraps(ended)
    def _handle_exitstatus(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = ended(self, *args, **kwargs)
        recorder.record("process.reaped", pid=self.pid, status=self.returncode)
        return result

    return [
        replace(popen, "_execute_child", _execute_child),
        replace(popen, "_handle_exitstatus", _handle_exitstatus),
    ]


def _program_of(args: Any, executable: Any) -> str:
    """What to call a Python program that is about to be started; "" if it is something else."""
    try:
        alone = isinstance(args, (str, bytes, os.PathLike))
        given: list[Any] = [args] if alone else list(args)
        words = [os.fsdecode(word) for word in given]
        program = os.fsdecode(executable) if executable is not None else words[0]
    except (TypeError, IndexError):
        return ""
    if "python" not in os.path.basename(program).lower():  # noqa: PTH119 - of any kind of path
        return ""
    found = program if os.sep in program else shutil.which(program)
    real = os.path.realpath
    if found is None or real(found) != real(sys.executable):
        return ""
    return _name_of(words[1:])


def _name_of(words: Sequence[str]) -> str:
    skip = False
    for index, word in enumerate(words):
        if skip or word == "--":
            skip = False
        elif not word.startswith("-") or word == "-":
            return word.rpartition("/")[2]
        elif not word.startswith("--"):
            for at, letter in enumerate(word[1:], 2):
                if letter in _NOT_LOOKING:
                    return ""
                if letter == "c":
                    return "python -c"
                if letter == "m":
                    module = word[at:] or "".join(words[index + 1 : index + 2])
                    # Our own commands watch what they are told to watch.
                    return "" if module == "holdfast" else f"python -m {module}"
                if letter in _WITH_VALUE:
                    skip = not word[at:]
                    break
    return "python"


def _led(env: Any, name: str) -> dict[Any, Any] | None:
    """The environment that brings a subprocess to the family; None if it cannot be brought."""
    way = recorder.way()
    if way is None:
        return None
    given = cast("Mapping[Any, Any]", os.environ if env is None else env)
    environment = dict(given)
    key: Any = "PYTHONPATH"
    if b"PYTHONPATH" in environment:
        return None  # rare, and nobody could tell which of two keys counts
    before = environment.get(key)
    if VARIABLE in environment or not isinstance(before, (str, type(None))):
        return None
    environment[key] = f"{_FOLDER}{os.pathsep}{before}" if before else _FOLDER
    environment[VARIABLE] = json.dumps((way, before, name))
    return environment
