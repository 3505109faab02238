"""Finds out which of many files are worth parsing.

What it keeps true: a file that cannot hold a hazard costs one reading and a search for a few
words; of what it imports no more is kept than names. A file that uses what a file with such words
defines is worth it too, also through a third one.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.lint.program.catalogue import STAR_NAMES
from holdfast.lint.program.modules import (
    START_METHOD,
    UnreadableError,
    forks,
    hinted,
    read,
    read_or_nothing,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

# The names that modules offer, by the last two parts of the module's dotted name.
Offers = dict[tuple[bytes, bytes], set[bytes]]
# An import: the last two parts of a module's name (the first is empty if there is only one), and
# which names; None for any.
Import = tuple[bytes, bytes, "frozenset[bytes] | None"]

# The same as it stands there: the module's name, empty if it is an `import x`; and what.
Line = tuple[bytes, bytes]

_DEFINED = re.compile(
    rb"^(?:(?:class|def|async[ \t]+def)[ \t]+(\w+)|(\w+)[ \t]*(?::[^=\n]+)?=[^=])", re.MULTILINE
)
_WORD = re.compile(rb"\w+")
_LIBRARY = re.compile(
    rb"multiprocessing\b|multiprocess\b|billiard\b|loky\b|concurrent\b|joblib\.externals\b"
    rb"|torch\b|pathos\.helpers\b"
)
_LEADING = (b"torch", b"concurrent", b"pathos", b"joblib", b"resource_tracker")
# Whoever makes something of a library writes one of these, or has it made by somebody else.
_MAKER = re.compile(
    rb"\b(?:Value|Array|Raw(?:Value|Array)|Barrier|SharedMemory|ShareableList|Pool"
    rb"|JoinableQueue|SimpleQueue|Pipe|Listener|Client|ProcessPoolExecutor|fork"
    rb"|get_reusable_executor|start_processes|unregister)\b"
    rb"|(?<!threading\.)(?<!asyncio\.)(?<!queue\.)\b(?:Lock|RLock|Event|Queue|Condition"
    rb"|Semaphore|BoundedSemaphore|spawn)\b|holdfast:"
)
_ENDING = re.compile(rb"(?:Process|Manager)\b")  # with anything before it
# These are hazards whatever is imported under whatever name.
_BY_ITSELF = re.compile(
    rb"\bos\.fork\(|^from os import .*\bfork\b|\bpack_into\(|resource_tracker\.unregister\(",
    re.MULTILINE,
)
# A class with bases.
_HEIR = re.compile(rb"^class[ \t]+(\w+)[ \t]*\(([^)]*)\)", re.MULTILINE)
# How often names are followed through files that import them from files that import them.
_FARTHEST = 3
_LONGEST_IMPORT = 8000
_ANYTHING = b"*"
_STANDARD = frozenset(map(str.encode, {*sys.stdlib_module_names, "__main__"}))


@dataclass(slots=True)
class Looked:
    """What a look at some files has shown.

    Attributes:
        worth: The files with words that matter.
        offers: What these define that others may want.
        methods: The start methods that they set, tests apart.
        notes: Files that cannot be read.
    """

    worth: list[str] = field(default_factory=list[str])
    offers: Offers = field(default_factory=dict[tuple[bytes, bytes], set[bytes]])
    methods: set[str] = field(default_factory=set[str])
    notes: list[str] = field(default_factory=list[str])

    def add(self, other: Looked) -> None:
        """Take in what a look at other files has shown."""
        self.worth += other.worth
        self.methods |= other.methods
        self.notes += other.notes
        merge(self.offers, other.offers)


class Scanner:
    """Looks at files; keeps for each that may use another one what it imports."""

    def __init__(self) -> None:
        # The words of the import lines, and these: few files need more than a look at the words.
        self._imports: dict[str, tuple[frozenset[bytes], list[Line]]] = {}

    def look(self, files: Iterable[str]) -> Looked:
        """Read files."""
        found = Looked()
        for file in files:
            try:
                data = read(file)
            except UnreadableError as error:
                found.notes.append(str(error))
                continue
            lines = list(_import_lines(data))
            imports = b" ".join([part for line in lines for part in line])
            hint = _may_hold(imports, data)
            if hint and b"set_start_method" in data and "test" not in file.lower():
                found.methods.update(each[1].decode() for each in START_METHOD.finditer(data))
            names = library_names(lines) if hint else set[bytes]()
            if (names and _makes(data)) or (hint and _BY_ITSELF.search(data)):
                found.worth.append(file)
                merge(found.offers, {module_key(file): _offered(data, names)})
            elif lines:
                self._imports[file] = frozenset(_WORD.findall(imports)), lines
        return found

    def users(self, offers: Offers) -> dict[str, set[bytes]]:
        """The files that import something of what is offered, and what; each is told once."""
        by_last: dict[bytes, set[bytes]] = {}
        for (_, last), offered in offers.items():
            by_last.setdefault(last, set()).update(offered)
        found: dict[str, set[bytes]] = {}
        for file, (words, lines) in self._imports.items():
            if by_last.keys().isdisjoint(words):
                continue
            used: set[bytes] = set()
            for parent, last, names in _imported(file, lines):
                if last in by_last:
                    mine = offers.get((parent, last), set()) if parent else by_last[last]
                    used |= mine & names if names is not None else _mentioned(file, mine)
            if used:
                found[file] = used
        for file in found:
            del self._imports[file]  # it is told
        return found


def _may_hold(imports: bytes, data: bytes) -> bool:
    """Whether a file may hold a hazard by itself: what it imports says so, or it forks.

    All that it says is asked only if it imports what has processes under some other name.
    """
    if hinted(imports) or forks(data):
        return True
    return any(word in imports for word in _LEADING) and hinted(data)


def _makes(data: bytes) -> bool:
    """Whether a file may make something of a library."""
    return _ENDING.search(data) is not None or _MAKER.search(data) is not None


def follow(looked: Looked, ask: Callable[[Offers], dict[str, set[bytes]]]) -> list[str]:
    """The files that use what those with the words define."""
    found: list[str] = []
    offers = looked.offers
    for _ in range(_FARTHEST):
        users = ask(offers)
        if not users:
            break
        found += users
        offers = dict[tuple[bytes, bytes], set[bytes]]()
        for file, names in users.items():
            merge(offers, {module_key(file): names | _built_on(file, names)})
    return found


def _built_on(file: str, names: set[bytes]) -> set[bytes]:
    """The classes of a file that inherit from what it imports."""
    data = read_or_nothing(file) if names else b""
    words = _any_of(names) if data else None
    return {
        name for name, bases in _HEIR.findall(data) if words is not None and words.search(bases)
    }


def merge(into: Offers, more: Offers) -> None:
    """Take in more offers."""
    for key, names in more.items():
        if names:
            into.setdefault(key, set()).update(names)


def _mentioned(file: str, names: set[bytes]) -> set[bytes]:
    data = read_or_nothing(file) if names else b""
    return {each for each in names if each in data}


def library_names(lines: Iterable[Line]) -> set[bytes]:
    """The names by which a file knows libraries of processes and what it has of them."""
    found: set[bytes] = set()
    for source, imported in lines:
        if not source:
            for part in imported.split(b","):
                words = part.split()
                if words and _LIBRARY.match(words[0]):
                    found.add(words[2] if len(words) == 3 else words[0].partition(b".")[0])
        elif _LIBRARY.match(source) or hinted(imported):
            for part in imported.split(b","):
                words = _WORD.findall(part)
                found.add(words[-1] if words else _ANYTHING)
    return found


def _offered(data: bytes, names: Collection[bytes]) -> set[bytes]:
    """What a file defines that has to do with some names, also through another of these."""
    matches = list(_DEFINED.finditer(data))
    ends = [*(match.start() for match in matches[1:]), len(data)]
    parts = [
        (match[1] or match[2], match.start(), end if match[1] else data.find(b"\n", match.start()))
        for match, end in zip(matches, ends, strict=False)
    ]
    found: set[bytes] = set()
    new = set(names)
    for _ in range(_FARTHEST):
        if not new:
            break
        words = _any_of(new)
        new = {
            name
            for name, start, end in parts
            if name not in found and name[:2] != b"__" and words.search(data, start, end)
        }
        found |= new
    return found


def _any_of(names: Collection[bytes]) -> re.Pattern[bytes]:
    if _ANYTHING in names:
        names = {*names, *map(str.encode, STAR_NAMES)} - {_ANYTHING}
    return re.compile(rb"\b(?:%s)\b" % b"|".join(map(re.escape, sorted(names))))


def module_key(file: str) -> tuple[bytes, bytes]:
    """The last two parts of the dotted name that a file has as a module."""
    folder, name = os.path.split(file)
    stem = name.rpartition(".")[0]
    if stem == "__init__":
        folder, stem = os.path.split(folder or os.getcwd())
    return os.fsencode(os.path.basename(folder or os.getcwd())), os.fsencode(stem)


def _imported(file: str, lines: Iterable[Line]) -> Iterator[Import]:
    """The imports of a file, wherever in it they stand."""
    for source, imported in lines:
        if source:
            yield from _from(file, source, imported)
            continue
        for part in imported.split(b","):
            words = part.split()
            if words:
                parent, _, last = words[0].rpartition(b".")
                if words[0].partition(b".")[0] not in _STANDARD:
                    yield parent.rpartition(b".")[2], last, None


def _import_lines(data: bytes) -> Iterator[Line]:
    """For each `import x` (b"", what), for each `from x import y` (x, y)."""
    at = data.find(b"import ")
    while at >= 0:
        start = data.rfind(b"\n", 0, at) + 1
        end = data.find(b"\n", at)
        end = end if end >= 0 else len(data)
        before = data[start:at].strip()
        if not before:
            yield b"", data[at + 7 : end].partition(b"#")[0].partition(b";")[0]
        elif before.startswith(b"from"):
            imported = data[at + 7 : end]
            if b"(" in imported and b")" not in imported:
                close = data.find(b")", at, at + _LONGEST_IMPORT)
                imported = data[at + 7 : close if close >= 0 else end]
            elif imported.rstrip().endswith(b"\\"):
                imported = b"*"
            yield before[4:].strip(), imported
        at = data.find(b"import ", end)


def _from(file: str, source: bytes, imported: bytes) -> Iterator[Import]:
    names = frozenset(_WORD.findall(imported))
    package = source.lstrip(b".")
    if len(package) < len(source):  # relative
        folder = os.path.dirname(file) or os.getcwd()
        for _ in range(len(source) - len(package) - 1):
            folder = os.path.dirname(folder)
        above = os.fsencode(os.path.basename(folder))
    elif package.partition(b".")[0] in _STANDARD:
        return  # not the project's, also for those who check the library itself
    else:
        above = b""
    parent, _, last = package.rpartition(b".")
    parent = parent.rpartition(b".")[2] or above
    if last:
        yield parent, last, None if b"*" in imported else names
    for name in names:  # a module of a package
        yield last or above, name, None
