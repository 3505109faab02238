"""Which functions and classes are worth following.

What it keeps true: a function that mentions something of a library by whatever name, or another
function that does, in its own module or in one of the project that it imports from, is worth
following. This is found out from the text, before anything is followed; a function that is not
worth it is followed only for what it is given.
"""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.lint.machine.things import Class, Function
from holdfast.lint.program import catalogue
from holdfast.lint.program.catalogue import STAR_NAMES
from holdfast.lint.program.modules import absolute_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from holdfast.lint.machine.things import Definition
    from holdfast.lint.program.modules import Module, Project

# What makes a function worth following, whatever is imported under whatever name: something that
# only libraries of processes have, or that they have and the call is not of another library.
_PARTS = ("multiprocess", "shm", "ProcessPoolExecutor", "SharedMemory", "pack_into")
_METHOD = re.compile(
    r"\.(?:(?:Process|Value|Array|RawValue|RawArray|Barrier|ShareableList|Pool|Manager"
    r"|JoinableQueue|SimpleQueue|get_context|Listener|buf)\b"
    r"|(?<!threading\.)(?<!asyncio\.)(?<!queue\.)(?:Lock|RLock|Event|Queue|Condition|Semaphore"
    r"|Pipe|BoundedSemaphore)\()"
)
_FORK = re.compile(r"\bfork\b")
_WORD = re.compile(r"\w+")
_IMPORT_INSIDE = re.compile(
    r"^[ \t]+((?:from[ \t]+[\w.]+[ \t]+)?import[ \t]+[^(\\\n]+)$", re.MULTILINE
)

# An attribute that is made of what rules want to know more of than that it is there.
_ATTRIBUTE = re.compile(
    r"^[ \t]+self\.(\w+)(?:[ \t]*:[^=\n]+)?[ \t]*=[ \t]*"
    r"(?!queue\.|asyncio\.)[\w.]*\b(?:Queue|JoinableQueue|SharedMemory)\(",
    re.MULTILINE,
)

# Names of other libraries that matter by themselves.
_ALONE = {"futures.ProcessPoolExecutor", "os.fork", "struct.pack_into"}

# How often what is chosen makes others of the same module be chosen.
_ROUNDS = 5

# How far names are looked for through modules that import from modules that import.
_FARTHEST = 4


@dataclass(frozen=True)
class Worth:
    """What of a module is worth following.

    Attributes:
        nodes: The definitions of functions, methods and classes.
        names: What functions and classes are called, to those who import them.
        functions: The functions and methods, with the class of a method.
    """

    nodes: frozenset[ast.AST]
    names: frozenset[str]
    functions: tuple[tuple[Function, Class | None], ...]


_NOTHING = Worth(frozenset(), frozenset(), ())


def of(module: Module, project: Project, depth: int = 0) -> Worth:
    """What of a module is worth following; asked again it is the same."""
    if module.worth is None:
        module.worth = _NOTHING  # for those who ask in a circle
        module.worth = _found(module, project, depth)
    return module.worth


def offers(module: Module, name: str, project: Project) -> bool:
    """Whether what a module has under a name may matter to those who import it."""
    return name in of(module, project).names or module.hinted


def _found(module: Module, project: Project, depth: int) -> Worth:
    if depth > _FARTHEST or module.is_namespace:
        return _NOTHING
    imported = _imported(module, project, depth)
    if not module.hinted and not imported:
        return _NOTHING
    imported |= _renamed(module, imported)
    definitions = list(_definitions(module))
    texts: dict[ast.AST, str] = {node: _text(module, node) for node, _, _ in definitions}
    texts |= {e: _head(module, e) for e in module.tree.body if isinstance(e, ast.ClassDef)}
    words = {node: frozenset(_WORD.findall(text)) for node, text in texts.items()}
    classes: dict[ast.AST, Class | None] = {node: cls for node, cls, _ in definitions}
    chosen = set(_users_of_attributes(definitions, texts))
    names: set[str] = set()
    methods: set[str] = set()
    more = [e for e, text in texts.items() if _has_library(text) or words[e] & imported]
    for _ in range(_ROUNDS):
        chosen.update(more)
        new_names, new_methods = _known_by(more, classes)
        new_names -= names
        new_methods -= methods
        names |= new_names
        methods |= new_methods
        more = [
            each
            for each, text in texts.items()
            if each not in chosen
            and (
                not new_names.isdisjoint(words[each])
                or any(f".{name}(" in text for name in new_methods & words[each])
            )
        ]
        if not more:
            break
    functions = tuple(
        (Function(node, module, None, cls, name), cls)
        for node, cls, name in definitions
        if node in chosen
    )
    return Worth(frozenset(chosen), frozenset(names | imported), functions)


def _users_of_attributes(
    definitions: list[tuple[Definition, Class | None, str]], texts: dict[ast.AST, str]
) -> Iterator[ast.AST]:
    """The methods that use a queue or segment which the constructor of their class has made."""
    owned: dict[ast.AST, re.Pattern[str]] = {}
    for node, cls, name in definitions:
        if cls is not None and name.endswith("__init__"):
            made = set(_ATTRIBUTE.findall(texts[node]))
            if made:
                owned[cls.node] = re.compile(rf"\bself\.(?:{'|'.join(sorted(made))})\b")
    for node, cls, _ in definitions if owned else ():
        if cls is not None and cls.node in owned and owned[cls.node].search(texts[node]):
            yield node


def _imported(module: Module, project: Project, depth: int) -> set[str]:
    """The names that a module has of libraries, and of what is worth following elsewhere."""
    found: set[str] = set()
    for node in _imports(module):
        for alias in node.names:
            if isinstance(node, ast.Import):
                name = alias.asname or alias.name.partition(".")[0]
                known = catalogue.named(alias.name)
                other = project.find(alias.name, module)
                if known.library:
                    found.add(name)
                elif other is not None and other is not module:
                    found |= of(other, project, depth + 1).names
                continue
            found |= _imported_from(node, alias, module, project, depth)
    return found


def _renamed(module: Module, imported: set[str]) -> set[str]:
    """The names that the module itself gives to what it has of libraries: `V = mp.Value`.

    Also several at once: `P, V = mp.Process, mp.Value`.
    """

    def has_library(text: str) -> bool:
        return _has_library(text) or not imported.isdisjoint(_WORD.findall(text))

    pairs: list[tuple[ast.expr, ast.expr]] = []
    for node in module.tree.body:
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs += zip(target.elts, node.value.elts, strict=False)
            else:
                pairs.append((target, node.value))
    return {
        target.id
        for target, value in pairs
        if isinstance(target, ast.Name)
        and isinstance(value, (ast.Attribute, ast.Name))
        and has_library(module.segment(value))
    }


def _imported_from(
    node: ast.ImportFrom, alias: ast.alias, module: Module, project: Project, depth: int
) -> set[str]:
    source = absolute_name(node, module)
    if not node.level:
        known = catalogue.named(f"{source}.{alias.name}")
        if alias.name == "*" and known.library:
            return set(STAR_NAMES)
        if known.library or known.name in _ALONE:
            return {alias.asname or alias.name} if catalogue.matters(known) else set()
    inner = project.find(f"{source}.{alias.name}" if source else alias.name, module)
    if inner is not None and inner is not module:
        return set(of(inner, project, depth + 1).names)
    other = project.find(source, module) if source else None
    if other is None or other is module:
        return set()
    names = of(other, project, depth + 1).names
    if alias.name == "*":
        return set(names)
    return {alias.asname or alias.name} if alias.name in names else set()


def _imports(module: Module) -> Iterator[ast.Import | ast.ImportFrom]:
    rest: list[ast.stmt] = list(module.tree.body)
    while rest:
        node = rest.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, (ast.If, ast.Try)):
            rest += [e for e in ast.iter_child_nodes(node) if isinstance(e, ast.stmt)]
            for handler in getattr(node, "handlers", ()):
                rest += handler.body
    for match in _IMPORT_INSIDE.finditer(module.text):
        yield from _import_line(match[1].strip())


@functools.lru_cache(maxsize=1024)
def _import_line(line: str) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """The imports of a line; none if it is one of a text that looks like an import."""
    try:
        body = ast.parse(line).body
    except (SyntaxError, ValueError):
        return ()
    return tuple(each for each in body if isinstance(each, (ast.Import, ast.ImportFrom)))


def _definitions(module: Module) -> Iterator[tuple[Definition, Class | None, str]]:
    """Functions and methods, those under `if` and `try` too; not those inside functions."""
    rest: list[tuple[ast.stmt, Class | None]] = [(each, None) for each in module.tree.body]
    rest.reverse()
    while rest:
        node, cls = rest.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node, cls, f"{cls.name}.{node.name}" if cls is not None else node.name
        elif isinstance(node, ast.ClassDef):
            name = f"{cls.name}.{node.name}" if cls is not None else node.name
            inner = Class(node, module, None, name)
            rest += [(each, inner) for each in reversed(node.body)]
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            rest += [
                (each, cls) for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)
            ]
            for handler in getattr(node, "handlers", ()):
                rest += [(each, cls) for each in handler.body]


def _known_by(
    nodes: Iterable[ast.AST], classes: dict[ast.AST, Class | None]
) -> tuple[set[str], set[str]]:
    """The names by which classes and functions are used, and those of methods."""
    names: set[str] = set()
    methods: set[str] = set()
    for node in nodes:
        name, cls = getattr(node, "name", ""), classes.get(node)
        if cls is None:
            names.add(name)
        elif name == "__init__":
            names.add(cls.name)
        if cls is not None and not name.startswith("__"):
            methods.add(name)
    return names, methods


def _has_library(text: str) -> bool:
    """Whether a text has something of a library in it, as all call it."""
    # Parts of words first, and a pattern that begins with one character: these are fast.
    return (
        any(part in text for part in _PARTS)
        or _METHOD.search(text) is not None
        or ("fork" in text and _FORK.search(text) is not None)
    )


def _head(module: Module, node: ast.ClassDef) -> str:
    """A class without its methods: its bases, and what its body assigns."""
    parts = [module.lines[node.lineno - 1]]
    parts += [module.segment(base, 200) for base in node.bases]
    for each in node.body:
        if isinstance(each, (ast.Assign, ast.AnnAssign)):
            parts.append(_text(module, each))
    return "\n".join(parts)


def _text(module: Module, node: ast.AST) -> str:
    first, last = getattr(node, "lineno", 1), getattr(node, "end_lineno", 1)
    return "\n".join(module.lines[first - 1 : last])
