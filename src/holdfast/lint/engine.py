"""Checks one file: which of its functions are followed, and what becomes of the findings.

What it keeps true: every function that mentions something of a library, or another such function,
is followed on its own, whoever calls it; and the module itself, from its first statement to its
last. One fault is reported once, by the first of the rules that see it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from holdfast.findings import CONFIDENCES
from holdfast.lint import relevance
from holdfast.lint.base import BudgetError
from holdfast.lint.calls import decorators
from holdfast.lint.machine import Machine, calm
from holdfast.lint.modules import START_METHOD
from holdfast.lint.rules import RULES
from holdfast.lint.things import NOTHING
from holdfast.lint.views import CREATED

if TYPE_CHECKING:
    from holdfast.findings import Finding
    from holdfast.lint.modules import Module, Project
    from holdfast.lint.options import Options
    from holdfast.lint.state import State
    from holdfast.lint.things import Class, Function, Thing

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
    for function, cls in relevance.of(module, machine.project).functions:
        state = machine.fresh()
        try:
            receiver = None
            if cls is not None:
                receiver = _prepared(machine, cls, function, state)
            machine.follow_function(function, state, receiver)
        except (BudgetError, RecursionError):
            machine.abandon()
            unfinished.append(function.name)


def _prepared(machine: Machine, cls: Class, function: Function, state: State) -> Thing | None:
    """The object whose method is followed, as its constructor has left it."""
    names = decorators(function.node)
    if names & {"staticmethod", "classmethod"}:
        return None
    receiver = machine.instance(cls, state)
    init = machine.method_of(cls, "__init__", state)
    if init is not None and init.node is not function.node:
        with machine.quiet():
            machine.follow_function(init, state, receiver)
        calm(state)
        for each in list(state.heap):  # by a method that others call, too, when there is none yet
            if each.kind.role == "segment" and each.function != init.name:
                state.put(each, CREATED, NOTHING)
    return receiver


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
