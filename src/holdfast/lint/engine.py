"""Checks one file: which of its functions are followed, and what becomes of the findings.

What it keeps true: every function that mentions something of a library, or another such function,
is followed on its own, whoever calls it; and the module itself, from its first statement to its
last. One fault is reported once, by the first of the rules that see it.
"""

from __future__ import annotations

import ast
import re
import sys
from typing import TYPE_CHECKING

from holdfast.findings import CONFIDENCES
from holdfast.lint.base import BudgetError
from holdfast.lint.calls import decorators
from holdfast.lint.machine import Machine, calm
from holdfast.lint.rules import RULES
from holdfast.lint.things import Class, Function

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.findings import Finding
    from holdfast.lint.modules import Module, Project
    from holdfast.lint.options import Options
    from holdfast.lint.state import State
    from holdfast.lint.things import Definition, Thing

# Whoever holds none of these words has no process and no shared memory of its own.
HINTS = re.compile(
    rb"multiprocess|billiard|loky|concurrent\.futures|concurrent import futures|shared_memory"
    rb"|os\.fork\b|\bfork\(\)"
)

# A program that chooses its start method.
START_METHOD = re.compile(
    rb"set_start_method\(\s*(?:method\s*=\s*)?[\"'](fork|spawn|forkserver)[\"']"
)

# Words that make a function worth following, whatever is imported under whatever name.
_WORDS = (
    r"\w*Process\w*|Value|Array|Raw(?:Value|Array)|\w*Lock|\w*Semaphore|Event|Condition|Barrier"
    r"|\w*Queue|Pipe|\w*Pool|\w*Executor|\w*Manager|SharedMemory|ShareableList|get_context|fork"
    r"|pack_into|\w*shm\w*|buf|multiprocess\w*|mp|ctx|context|Listener"
)

# Frames that following a function may take: a call in the program is about ten of them.
DEEPEST = 5000

# Findings about the same place: the first of these tells it best.
_ORDER = (
    "HF503", "HF103", "HF101", "HF105", "HF106", "HF104", "HF201", "HF102", "HF202",
)  # fmt: skip


def check_module(module: Module, project: Project, options: Options) -> list[Finding]:
    """All findings in a module, in the order of its lines; nothing is left out yet."""
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
        _follow_all(module, machine)
    finally:
        sys.setrecursionlimit(limit)
    return distinct([each for each in machine.findings if each.place.file == module.file])


def _follow_all(module: Module, machine: Machine) -> None:
    try:
        machine.follow_module(module)
    except (BudgetError, RecursionError):
        machine.abandon()
    base = machine.load(module)
    if base is None:
        return
    for function, cls in _worth_following(module, machine.words_of(base)):
        state = base.copy()
        try:
            receiver = None
            if cls is not None:
                receiver = _prepared(machine, cls, function, state)
            machine.follow_function(function, state, receiver)
        except (BudgetError, RecursionError):
            machine.abandon()


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
    return receiver


def _worth_following(module: Module, more: set[str]) -> Iterator[tuple[Function, Class | None]]:
    """The functions and methods that mention what matters, or others that do."""
    definitions = list(_definitions(module))
    imported = "".join(f"|{re.escape(name)}" for name in sorted(more))
    words = re.compile(rf"\b(?:{_WORDS}{imported})\b")
    texts = {node: _text(module, node) for node, _, _ in definitions}
    chosen: set[Definition] = set()
    names = {
        each.name
        for each in module.tree.body
        if isinstance(each, ast.ClassDef) and words.search(_text(module, each))
    }
    for number in range(5):
        before = len(chosen)
        for node, cls, _ in definitions:
            if node not in chosen and words.search(texts[node]):
                chosen.add(node)
                name = getattr(node, "name", "")
                names.add(cls.name if cls is not None and name == "__init__" else name)
        names.discard("")
        if number and len(chosen) == before:
            break
        if not names:
            break
        words = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(names)))})\b")
    for node, cls, name in definitions:
        if node in chosen:
            yield Function(node, module, None, cls, name), cls


def _definitions(module: Module) -> Iterator[tuple[Definition, Class | None, str]]:
    """Functions and methods, those under `if` and `try` too; not those inside functions."""
    rest: list[tuple[ast.stmt, Class | None]] = [(each, None) for each in module.tree.body]
    while rest:
        node, cls = rest.pop(0)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node, cls, f"{cls.name}.{node.name}" if cls is not None else node.name
        elif isinstance(node, ast.ClassDef):
            name = f"{cls.name}.{node.name}" if cls is not None else node.name
            inner = Class(node, module, None, name)
            rest += [(each, inner) for each in node.body]
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            rest += [
                (each, cls) for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)
            ]
            for handler in getattr(node, "handlers", ()):
                rest += [(each, cls) for each in handler.body]


def _text(module: Module, node: ast.AST) -> str:
    first, last = getattr(node, "lineno", 1), getattr(node, "end_lineno", 1)
    return "\n".join(module.lines[first - 1 : last])


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
