"""Source files of the checked tree, and how one of them finds another.

What it keeps true: whatever a file holds, reading it ends in a `Module` or in an `UnreadableError`
that says in one line why not, never in anything else. Modules are found as the import system would
find them from where the importing file stands, and only files of the tree or beside them are read.
"""

from __future__ import annotations

import ast
import io
import os
import re
import sys
import tokenize
import warnings
from typing import TYPE_CHECKING, TypeVar

from holdfast.errors import HoldfastError
from holdfast.findings import Place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.lint.program.relevance import Worth


_Shared = TypeVar("_Shared")

# Characters of modules that are kept for those that import them, and what was learnt of them.
_MOST_KEPT = 8 << 20

# Bytes of a file that are asked for at a time: more than nearly all have.
_AT_ONCE = 1 << 18
_FOR_READING = os.O_RDONLY | getattr(os, "O_BINARY", 0)  # some systems change line ends else

# Whoever holds none of these words has no process and no shared memory of its own.
HINTS = (
    b"multiprocess",
    b"ProcessPoolExecutor",
    b"shared_memory",
    b"billiard",
    b"loky",
)

# A program that chooses its start method.
START_METHOD = re.compile(
    rb"set_start_method\(\s*(?:method\s*=\s*)?[\"'](fork|spawn|forkserver)[\"']"
)


def hinted(data: bytes) -> bool:
    """Whether a file may hold a hazard by itself."""
    return any(word in data for word in HINTS) or forks(data)


def forks(data: bytes) -> bool:
    """Whether a file may fork its process itself."""
    return b"fork" in data and (b"os.fork" in data or b"fork()" in data)


class UnreadableError(HoldfastError, ValueError):
    """A file cannot be checked.

    Cause: it is no Python source of the interpreter that runs the checker, its encoding is not
    what it says, or it cannot be read at all. Cure: what the text says; or leave the file out with
    `exclude`.

    Attributes:
        file: The path.
        line: Where, from 1; 0 if the whole file is meant.
        why: What is wrong with it.
    """

    file: str
    line: int
    why: str

    def __init__(self, *, file: str, line: int, why: str) -> None:
        self.file = file
        self.line = line
        self.why = why
        where = f"{file}:{line}" if line else file
        super().__init__(f"{where}: not checked: {why}")


class Module:
    """One parsed file.

    Attributes:
        file: The path as the user named it.
        path: The same, absolute.
        name: Its dotted name, as far as the folders with an `__init__.py` tell.
        text: The source.
        lines: Its lines, without line ends.
        tree: The syntax tree.
        worth: What of it is worth following; None before anybody has asked.
        hinted: It has one of the words of `HINTS`.
        is_namespace: It is a package that matters for the modules in it only.
    """

    def __init__(
        self, file: str, data: bytes | str, path: str = "", *, is_namespace: bool = False
    ) -> None:
        self.file = file
        self.path = path or os.path.abspath(file)
        self.is_package = os.path.basename(self.path) == "__init__.py"
        self.name = _dotted(self.path)
        self.text = data if isinstance(data, str) else _decoded(file, data)
        self.is_namespace = is_namespace
        self.hinted = not is_namespace and hinted(self.text.encode())
        self.tree = ast.Module([], []) if is_namespace else _parsed(file, self.text)
        self.worth: Worth | None = None
        self._lines: list[str] | None = None

    @property
    def lines(self) -> list[str]:
        """The lines as the parser counts them: form feeds and the like end none."""
        if self._lines is None:
            unified = self.text.replace("\r\n", "\n").replace("\r", "\n")
            self._lines = unified.split("\n")
        return self._lines

    @property
    def package(self) -> str:
        """The package that a relative import starts from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    def place(self, node: ast.AST, function: str = "") -> Place:
        """Where a node stands, in characters."""
        line = getattr(node, "lineno", 1)
        end_line = getattr(node, "end_lineno", None) or line
        return Place(
            file=self.file,
            line=line,
            column=self._column(line, getattr(node, "col_offset", 0)) + 1,
            end_line=end_line,
            end_column=self._column(end_line, getattr(node, "end_col_offset", None) or 0) + 1,
            function=function,
            source=self._line(line).strip(),
        )

    def segment(self, node: ast.AST, longest: int = 40) -> str:
        """The text of an expression on one line, shortened for a message."""
        place = self.place(node)
        lines = [self._line(number) for number in range(place.line, place.end_line + 1)]
        lines[-1] = lines[-1][: place.end_column - 1]
        lines[0] = lines[0][place.column - 1 :]
        text = " ".join(" ".join(lines).split())
        return text if len(text) <= longest else text[: longest - 3].rstrip() + "..."

    def _line(self, number: int) -> str:
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def _column(self, number: int, offset: int) -> int:
        line = self._line(number)
        if line.isascii():
            return offset
        return len(line.encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "ignore"))


def _dotted(path: str) -> str:
    folder, name = os.path.split(path)
    package = _package(folder)
    if name == "__init__.py":
        return package
    stem = os.path.splitext(name)[0]
    return f"{package}.{stem}" if package else stem


def _package(folder: str) -> str:
    """The dotted name of a folder with an `__init__.py`; "" for any other."""
    above, name = os.path.split(folder)
    if above == folder or not os.path.exists(os.path.join(folder, "__init__.py")):
        return ""
    outer = _package(above)
    return f"{outer}.{name}" if outer else name


def _decoded(file: str, data: bytes) -> str:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        why = getattr(error, "msg", None) or str(error)
        raise UnreadableError(file=file, line=1, why=f"its encoding: {why}") from None
    return text


def _parsed(file: str, text: str) -> ast.Module:
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UnreadableError(file=file, line=line, why="it holds a NUL byte")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the program's own doubtful escapes
            return ast.parse(text)
    except SyntaxError as error:
        raise UnreadableError(file=file, line=error.lineno or 0, why=str(error.msg)) from None
    except (RecursionError, MemoryError):
        why = "it is nested more deeply than the parser can follow"
        raise UnreadableError(file=file, line=0, why=why) from None
    except (ValueError, OverflowError) as error:
        raise UnreadableError(file=file, line=0, why=str(error)) from None


def read(file: str) -> bytes:
    """The bytes of a file.

    Raises:
        UnreadableError: It cannot be read.
    """
    try:
        number = os.open(file, _FOR_READING)
        try:
            return _everything(number)
        finally:
            os.close(number)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UnreadableError(file=file, line=0, why=why) from None


def _everything(number: int) -> bytes:
    """What can be read from a descriptor; nearly all files come at once."""
    parts: list[bytes] = []
    while part := os.read(number, _AT_ONCE):
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_or_nothing(file: str) -> bytes:
    """The same; of a file that cannot be read, nothing: it is told when it is that file's turn."""
    try:
        return read(file)
    except UnreadableError:
        return b""


class Project:
    """The modules that have been read, each once.

    Args:
        matter: Files that are known to have something to do with processes.
        looked_at: Files that are known to have nothing to do with them, unless they are among
            those.
    """

    def __init__(self, matter: Iterable[str] = (), looked_at: Iterable[str] = ()) -> None:
        self._matters: dict[str, bool] = dict.fromkeys(map(_absolute, looked_at), False)
        self._namespaces: set[str] = set()
        for file in matter:
            path = _absolute(file)
            self._matters[path] = True
            self._namespaces.add(os.path.join(os.path.dirname(path), "__init__.py"))
        self._namespaces = {each for each in self._namespaces if self._matters.get(each) is False}
        self._matters.update((each, True) for each in self._namespaces)
        self._by_path: dict[str, Module | None] = {}
        self._found: dict[tuple[str, str], str | None] = {}
        self._around: dict[str, tuple[str, ...]] = {}
        self._listed: dict[str, frozenset[str]] = {}
        self._uses: dict[str, set[str]] = {}
        self._shared: dict[type[object], object] = {}
        self._size = 0

    def shared(self, kind: type[_Shared]) -> _Shared:
        """The one object of a class that all who work on the project share."""
        found = self._shared.get(kind)
        if not isinstance(found, kind):
            found = self._shared[kind] = kind()
        return found

    def add(self, module: Module) -> None:
        """A module that has been read already."""
        self._by_path[module.path] = module
        self._size += len(module.text)

    def forget(self) -> bool:
        """Forget what was read, and what was learnt of it, if that has become much.

        Returns:
            Whether it had.
        """
        if self._size <= _MOST_KEPT:
            return False
        self._by_path.clear()
        self._shared.clear()
        self._uses.clear()
        self._found.clear()
        self._size = 0
        return True

    def find(self, name: str, of: Module) -> Module | None:
        """The module that `import name` in a file means.

        Returns:
            None if it is not the project's, or has nothing to do with what is looked for.
        """
        key = (os.path.dirname(of.path), name)
        if key not in self._found:
            self._found[key] = self._search(name, of)
        path = self._found[key]
        if path is None or path == of.path or not self._may_matter(path):
            return None
        self._uses.setdefault(of.path, set()).add(path)
        return self._load(path)

    def is_only_in(self, of: Module, text: str) -> bool:
        """Whether no other file of the project says this; False if no others were looked at."""
        others = [path for path, matters in self._matters.items() if matters and path != of.path]
        self._uses.setdefault(of.path, set()).update(others)
        word = text.encode()
        return bool(self._matters) and not any(word in read_or_nothing(path) for path in others)

    def _may_matter(self, path: str) -> bool:
        """Whether a file has something to do with processes, or passes on what has."""
        known = self._matters.get(path)
        if known is None:
            known = any(map(self._hinted, _siblings(path)))
            self._matters[path] = known
        return known

    @staticmethod
    def _hinted(path: str) -> bool:
        return hinted(read_or_nothing(path))

    def used_by(self, module: Module) -> tuple[str, ...]:
        """The files that a module imports, and those that these import, as far as was looked."""
        found: set[str] = set()
        rest = [module.path]
        while rest:
            for each in self._uses.get(rest.pop(), ()):
                if each not in found:
                    found.add(each)
                    rest.append(each)
        return tuple(sorted(found - {module.path}))

    def _search(self, name: str, of: Module) -> str | None:
        if name.partition(".")[0] in sys.stdlib_module_names:
            return None  # of the standard library, also for those who check that itself
        relative = name.replace(".", os.sep)
        for base in self._bases(of):
            stem = f"{base}{os.sep}{relative}"
            for path in (f"{stem}{os.sep}__init__.py", f"{stem}.py"):
                if self._is_file(path):
                    return path
        return None

    def _bases(self, of: Module) -> tuple[str, ...]:
        """The folders in which the top of a dotted name may lie, as seen from a module."""
        folder = os.path.dirname(of.path)
        for _ in range(of.name.count(".") + (1 if of.is_package else 0)):
            folder = os.path.dirname(folder)
        found = self._around.get(folder)
        if found is None:
            found = self._around[folder] = _around(folder)
        return found

    def _is_file(self, path: str) -> bool:
        """Whether there is such a file; each folder is read once."""
        folder, _, name = path.rpartition(os.sep)
        names = self._listed.get(folder)
        if names is None:
            try:
                names = frozenset(os.listdir(folder))
            except OSError:
                names = frozenset[str]()
            self._listed[folder] = names
        return name in names and os.path.isfile(path)

    def _load(self, path: str) -> Module | None:
        if path not in self._by_path:
            try:
                named_only = path in self._namespaces
                data = b"" if named_only else read(path)
                self.add(Module(_shown(path), data, path, is_namespace=named_only))
            except UnreadableError:  # it is told when it is that file's turn
                self._by_path[path] = None
        return self._by_path[path]


def _siblings(path: str) -> list[str]:
    """The files that a file may stand for: for a package all that lie in its folder."""
    folder, name = os.path.split(path)
    if name != "__init__.py":
        return [path]
    try:
        return [os.path.join(folder, each) for each in os.listdir(folder) if each.endswith(".py")]
    except OSError:
        return [path]


def _around(folder: str) -> tuple[str, ...]:
    found = [folder, os.path.join(folder, "src")]
    above = os.path.dirname(folder)
    exists = os.path.exists
    if os.path.join(above, "src") == folder or not exists(os.path.join(above, ".git")):
        found.append(above)
    up = folder
    for _ in range(4):
        up = os.path.dirname(up)
        if exists(os.path.join(up, "pyproject.toml")) or exists(os.path.join(up, "setup.py")):
            found += [up, os.path.join(up, "src")]
            break
    return tuple(found)


def _absolute(file: str) -> str:
    """The absolute path; of thousands of files most have one already."""
    clean = file[:1] == os.sep and f"{os.sep}." not in file and os.sep * 2 not in file
    return file if clean else os.path.abspath(file)


def _shown(path: str) -> str:
    here = os.path.join(os.getcwd(), "")
    return path.removeprefix(here)


def absolute_name(node: ast.ImportFrom, of: Module) -> str:
    """The dotted name that `from ... import` names, relative ones resolved."""
    if not node.level:
        return node.module or ""
    parts = of.package.split(".") if of.package else []
    keep = parts[: len(parts) - (node.level - 1)] if node.level > 1 else parts
    return ".".join([*keep, *([node.module] if node.module else [])])
