"""Checks one file: which of its functions are followed, and what becomes of the findings.

What it keeps true: every function that mentions something of a library, or another such function,
is followed on its own, whoever calls it; and the module itself, from its first statement to its
last. One fault is reported once, by the first of the rules that see it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from holdfast.findings import CONFIDENCES
from holdfast.lint.machine.base import BudgetError
from holdfast.lint.machine.calls import decorators
from holdfast.lint.machine.statements import Machine
from holdfast.lint.machine.things import NOTHING
from holdfast.lint.machine.views import CREATED
from holdfast.lint.machine.ways import calm
from holdfast.lint.program import relevance
from holdfast.lint.program.modules import START_METHOD
from holdfast.lint.rules import RULES

if TYPE_CHECKING:
    from holdfast.findings import Finding
    from holdfast.lint.machine.state import State
    from holdfast.lint.machine.things import Class, Function, Thing
    from holdfast.lint.options import Options
    from holdfast.lint.program.modules import Module, Project

# Frames that following a function may take: a call in the program is about ten of them.
DEEPEST = 5000

# Findings about the same place: the first of these tells it best.
_ORDER = (
    "HF503", "HF103", "HF101", "HF105", "HF106", "HF104", "HF201", "HF102", "HF202",
)  # fmt: skip


def check_module(
    module: Module, project: Project, options: Options, unfinished: list[str] | None = None
) -> list[Finding]:
    """All findings in a module, in the order of its lines; nothing is left out yet.

    Args:
        module: What to check.
        project: Where its imports are looked for.
        options: How to check.
        unfinished: Gets the names of the functions that could not be followed to their ends.
    """
    rules = [rule() for rule in RULES]
    machine = Machine(module, project, options, rules)
    if not options.start_method:
        own = {each[1].decode() for each in START_METHOD.finditer(module.text.encode())}
        if len(own) == 1:
            machine.default_method = own.pop()
            machine.method_said = True
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, DEEPEST))
    try:
        _follow_all(module, machine, [] if unfinished is None else unfinished)
    finally:
        sys.setrecursionlimit(limit)
    return distinct([each for each in machine.findings if each.place.file == module.file])


def _follow_all(module: Module, machine: Machine, unfinished: list[str]) -> None:
    try:
        machine.follow_module(module)
    except (BudgetError, RecursionError):
        machine.abandon()
        unfinished.append("the module itself")
    machine.load(module)
    entries = _Entries(machine)
    for function, cls in relevance.of(module, machine.project).functions:
        if not entries.follow(function, cls):
            unfinished.append(function.name)


class _Entries:
    """Follows functions by themselves; methods on objects as their constructors leave them."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._made: dict[Class, tuple[Thing, State]] = {}

    def follow(self, function: Function, cls: Class | None) -> bool:
        """Follow a function, or a method on such an object; whether it came to the end."""
        try:
            receiver, state = self._of(function, cls)
            self._machine.follow_function(function, state, receiver)
        except (BudgetError, RecursionError):
            self._machine.abandon()
            return False
        return True

    def _of(self, function: Function, cls: Class | None) -> tuple[Thing | None, State]:
        """The object of a method, none of a function; and the state in which it is there."""
        machine = self._machine
        if cls is None or decorators(function.node) & {"staticmethod", "classmethod"}:
            return None, machine.fresh()
        blank = machine.fresh()
        receiver = machine.instance(cls, blank)
        init = machine.method_of(cls, "__init__", blank)
        if init is None or init.node is function.node:
            return receiver, blank
        if cls not in self._made:
            with machine.quiet():
                machine.follow_function(init, blank, receiver)
            calm(blank)
            for each in list(blank.heap):  # by a method that others call, too: there is none yet
                if each.kind.role == "segment" and each.function != init.name:
                    blank.put(each, CREATED, NOTHING)
            self._made[cls] = receiver, blank
        receiver, made = self._made[cls]
        return receiver, made.copy()


def distinct(findings: list[Finding]) -> list[Finding]:
    """Each fault once: of those at one place, the first in order, with the highest confidence."""
    best: dict[tuple[str, int, int], Finding] = {}
    others: dict[tuple[str, str, int, int], Finding] = {}
    for each in findings:
        place = (each.place.file, each.place.line, each.place.column)
        if each.code not in _ORDER:
            key = (each.code, *place)
            if key not in others or _sure(each) > _sure(others[key]):
                others[key] = each
            continue
        old = best.get(place)
        if old is None or _rank(each) < _rank(old):
            best[place] = each
    found = [*best.values(), *others.values()]
    return sorted(found, key=lambda each: (each.place.line, each.place.column, each.code))


def _sure(finding: Finding) -> int:
    return CONFIDENCES.index(finding.confidence)


def _rank(finding: Finding) -> tuple[int, int]:
    return -_sure(finding), _ORDER.index(finding.code)
