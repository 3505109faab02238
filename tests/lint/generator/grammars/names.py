"""Names under which a library's functions come: form x create x keep x scope.

What it keeps true: a form says how `Process` and the constructors are reached; what becomes of the
object is the same in all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lint.generator.program import HERE
from tests.lint.generator.scopes import IN_CLASS, RETURNING, place

if TYPE_CHECKING:
    from tests.lint.generator.program import Choice

CODES = ("HF101", "HF102", "HF103", "HF104", "HF105", "HF201", "HF503")

# At the top of the module, at the beginning of the function, before the names of the library.
FORMS = {
    "import as": ("import multiprocessing as mp", "", "mp."),
    "import": ("import multiprocessing", "", "multiprocessing."),
    "import of a part": ("import multiprocessing.sharedctypes", "", "multiprocessing."),
    "from import": (
        "from multiprocessing import Array, Barrier, Event, Lock, Process, RawValue, Value",
        "",
        "",
    ),
    "from import as": (
        "from multiprocessing import Array as A, Barrier as B, Event as E, Lock as L, "
        "Process as P, RawValue as R, Value as V",
        "",
        "short",
    ),
    "star": ("from multiprocessing import *", "", ""),
    "local import": ("", "import multiprocessing as mp", "mp."),
    "local from import": (
        "",
        "from multiprocessing import Array, Barrier, Event, Lock, Process, RawValue, Value",
        "",
    ),
    "module alias": ("import multiprocessing\n\nmp = multiprocessing", "", "mp."),
    "name alias": (
        "import multiprocessing\n\nP = multiprocessing.Process\nV = multiprocessing.Value\n"
        "A = multiprocessing.Array\nR = multiprocessing.RawValue\nB = multiprocessing.Barrier\n"
        "L = multiprocessing.Lock\nE = multiprocessing.Event",
        "",
        "short",
    ),
    "try import": (
        "try:\n    import torch.multiprocessing as mp\n"
        "except ImportError:\n    import multiprocessing as mp",
        "",
        "mp.",
    ),
    "context": (
        'import multiprocessing\n\ncontext = multiprocessing.get_context("{method}")', "",
        "context.",
    ),
    "context by name": (
        'import multiprocessing\n\nMETHOD = "{method}"\n'
        "context = multiprocessing.get_context(METHOD)", "",
        "context.",
    ),
    "context by keyword": (
        'import multiprocessing\n\ncontext = multiprocessing.get_context(method="{method}")', "",
        "context.",
    ),
    "local context": (
        "from multiprocessing import get_context", 'context = get_context("{method}")',
        "context.",
    ),
    "context of self": (
        "import multiprocessing as mp", 'self.context = mp.get_context("{method}")',
        "self.context.",
    ),
    "context of the class": ("", "", "Contexts.context."),
    "context from a function": ("", "", "context_of()."),
    "context by alternative": (
        "import multiprocessing as mp",
        'context = mp.get_context("{method}") if go else None',
        "context.",
    ),
    "imported from the project": ("", "from targets import contexts", 'contexts["{method}"].'),
    "set start method": ('import multiprocessing as mp\n\nmp.set_start_method("{method}")', "",
        "mp.",),
    "set start method of main": ("import multiprocessing as mp", "", "mp."),
    "context's class": ("from multiprocessing.context import {Method}Process as Process", "", ""),
    "context class": ("from multiprocessing.context import {Method}Context\n\n"
        "context = {Method}Context()", "", "context."),
}  # fmt: skip
_SHORT = {
    "Process": "P", "Value": "V", "Array": "A", "RawValue": "R", "Barrier": "B", "Lock": "L",
    "Event": "E",
}  # fmt: skip
_CLASSES = {"fork": "Fork", "spawn": "Spawn", "forkserver": "ForkServer"}
CREATE = {
    "Value": ("Value", '"d", 0'),
    "RawValue": ("RawValue", '"d", 0'),
    "Array": ("Array", '"i", 2'),
    "Barrier": ("Barrier", "2"),
    "Lock": ("Lock", ""),
    "Event": ("Event", ""),
}
KEEPS = ("nothing", "inline", "returned", "joined", "global", "self")
PARTS = {
    "form": FORMS,
    "create": CREATE,
    "keep": KEEPS,
    "scope": ("function", "method", "constructor", "temporary", "nested"),
    "method": ("fork", "spawn", "forkserver"),
}
# Those of which the start method is a part.
_CHOOSING = {each for each in FORMS if "context" in each or "set" in each or "project" in each}


def makes_sense(choice: Choice) -> bool:
    """Whether a choice is a program at all."""
    if choice.form not in _CHOOSING and choice.method != "fork":
        return False
    if "self" in (choice.keep, *choice.form.split()) and choice.scope not in IN_CLASS:
        return False
    if choice.form == "context's class" and choice.create != "RawValue":
        return False  # locks would be of the other context
    return choice.keep != "returned" or choice.scope in RETURNING


def spell(choice: Choice) -> str:
    """The program."""
    top, inside, prefix = (each.format(method=choice.method, Method=_CLASSES[choice.method])
                           if "{method}" in each or "{Method}" in each else each
                           for each in FORMS[choice.form])  # fmt: skip
    name, arguments = CREATE[choice.create]
    process = "Process"
    if prefix == "short":
        prefix, name, process = "", _SHORT[name], _SHORT[process]
    maker = f"{prefix}{name}"
    if choice.form == "context's class":
        top += "\nfrom multiprocessing import RawValue"
    made = f"{maker}({arguments})"
    lines = [inside] if inside else []
    given = made if choice.keep == "inline" else "shared"
    if choice.keep != "inline":
        lines.append(f"shared = {made}")
    lines.append(f"process = {prefix}{process}(target=work, args=({given}, go)){HERE}")
    if choice.keep == "global":
        lines.append("KEPT.append(shared)")
    if choice.keep == "self":
        lines.append("self.shared = shared")
    lines.append("process.start()")
    if choice.keep == "joined":
        lines.append("process.join()")
    more = {
        "context of the class": "import multiprocessing\n\n\nclass Contexts:\n"
        f'    context = multiprocessing.get_context("{choice.method}")\n',
        "context from a function": "import multiprocessing\n\n\ndef context_of():\n"
        f'    return multiprocessing.get_context("{choice.method}")\n',
    }.get(choice.form, top)
    head = (
        f"{more}\n\nfrom gate import gate, step\nfrom targets import work\n\n"
        f'go = gate("{choice.method}")\nKEPT = []\n\n\n'
    )
    result = "process, shared" if choice.keep == "returned" else "process"
    text = place(head, "\n".join(lines), choice.scope, result)
    if choice.form == "set start method of main":
        text = text.replace(
            "def main():\n", f'def main():\n    mp.set_start_method("{choice.method}")\n'
        )
    return text
