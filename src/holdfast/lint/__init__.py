"""The checker: finds lifetime hazards between processes in Python source.

Its rooms: `files/` (which files, by how many processes), `program/` (what a text says by itself),
`machine/` (what happens when it runs), `rules/` and `fixes/`. engine.py checks one module;
events.py is what machine and rules tell each other.

It follows the program on paper. The *machine* (statements.py, which builds on base.py,
expressions.py, views.py, library.py, pruning.py, calls.py, conditions.py) goes through the
statements of a module, and then of each function that is worth it, as the interpreter would, the
project's own functions and modules included. In place of memory it has a *state* (state.py): who
refers to whom, which processes may be running, and what each was given. Few words say everything:

* A **thing** (things.py) is an object: of a library (`program/catalogue.py` says which), or of the
  project.
* A **kept** thing can be reached from a variable of a call that is being followed, from what
  escaped to code that is not seen, from a running process object. Storing on `self`, in a list, on
  the process, in a global, in a closure: it is all reachability, nothing is a special case.
* A process has a **status**: a set of new, running, told (waited for by a message), killed,
  unsure (a stranger may have joined it), ended.
* What a process was **handed** is taken down when it is made. When a handed thing is not kept any
  more while its process may run, that is a **drop**, and the rules are told.

It is as fast as what it need not do. A file is parsed only if its imports lead to a library
(`files/scan.py`), a function is followed only if its words do (`program/relevance.py`), a call only
if something of a library can come of it (`machine/pruning.py`), and two ways through a function are
one until something of a library is touched (`machine/ways.py`).

Nothing here imports multiprocessing or the native core; any platform that has Python will do.

Writing a rule
--------------
1. `rules/<slug_with_underscores>.py` holds one class, a subclass of `events.Rule`, with the `code`
   of its hazard (add the hazard to findings.py if there is none). It overrides those of the
   methods that it needs, each of which is given what happened and the `Scene`, and returns or
   yields findings: `on_process` (a process, executor or pool was made), `on_drop`, `on_call` (a
   method of a library's object, or a function of a library, was called; what a `with` does at its
   end is the method `__exit__`), `on_store` (something is assigned), `on_view`, `on_use`,
   `on_dangling` (a view of a segment is made, is read after the segment was closed, or outlives it;
   views.py), `on_return` (a function is about to return), `on_end` (the main module has ended). A
   rule object lives for one module and may keep
   notes on itself, but it sees all ways through a function one after the other, the same statement
   more than once: what is true *here* is in `scene.state`, never in its own notes.
2. Ask the scene: `state.reach(values)`, `state.get(thing, "attribute")`, `state.status`,
   `kept()`, `method(process)` (the start method), `withs` (the `with` blocks around),
   `name_of(thing)`, `globals_used(function)`. `thing.kind.role` says what a thing is, `.base`
   what a view looks into, `.node`, `.module` and `.function` where it was made.
3. Make findings with `self.found(scene, node or spot, message, fix=..., subject=...,
   confidence=...)`. High: the fault happens as soon as the code runs. Medium: it happens on some
   way through. Low: a guess. Prefer silence to a false alarm.
4. If a library does something that the machine does not know, teach it: a constructor is a line in
   `catalogue.MAKERS`, a function one in `library._FUNCTIONS`, a method belongs to the
   `Library.method_of_...` of its role.
5. The docstring of the file is the rule's documentation, with these sections: What it does; Why
   is this bad?; Example; Use instead; When it is safe; References. (A test reads them.)
6. List the class in `rules/__init__.py`.
7. `tests/lint/fixtures/<slug_with_underscores>.py`: programs whose lines end in `# expect: HF101`
   where the rule must speak, and near misses, which must have no finding at all. A first line
   `# start-method: spawn` chooses the method (fork otherwise), `# min-confidence: low` the rest;
   several codes are separated by blanks. A finding counts at the line where it begins.
8. A file is looked at only if what it imports has one of the words of `modules.HINTS`, or it forks.

Version: 0.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.lint import allow
from holdfast.lint.engine import check_module
from holdfast.lint.files.tree import Outcome, check_paths
from holdfast.lint.options import Options
from holdfast.lint.program.modules import Module, Project, UnreadableError

if TYPE_CHECKING:
    from holdfast.findings import Finding

__all__ = ["Options", "Outcome", "UnreadableError", "check_paths", "check_source"]


def check_source(text: str, file: str, options: Options | None = None) -> list[Finding]:
    """Find the hazards in one source text.

    Modules that it imports are read from the folders around `file`, if they are there. Comments
    that allow a finding are honoured.

    Args:
        text: The source.
        file: The path that findings name, and from which imports are resolved; it need not exist.
        options: How to check.

    Returns:
        The findings that the options ask for, in the order of their lines.

    Raises:
        UnreadableError: The text cannot be parsed.
    """
    chosen = options or Options()
    module = Module(file, text)
    project = Project()
    project.add(module)
    found, _ = allow.apply(
        module, check_module(module, project, chosen), unused=chosen.unused_allows
    )
    return [
        each
        for each in found
        if chosen.sure_enough(each.confidence) and chosen.wants(each.code, each.hazard.slug)
    ]
