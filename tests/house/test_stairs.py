"""Layers import downward only.

The table is the rule. Every import statement of the package is compared with it, those inside
functions and under TYPE_CHECKING too, and every #include of the core.
"""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from tests.house import tree

if TYPE_CHECKING:
    from pathlib import Path

# Which layer a module of the package belongs to, by the first part of its name.
LAYER = {
    "": "package",
    "errors": "errors",
    "findings": "findings",
    "_toml": "findings",
    "_core": "core",
    "_family": "border",
    "_forkserver": "border",
    "_arrivals": "border",
    "_ndarray": "objects",
    "_ports": "objects",
    "_native": "border",
    "_spawn": "border",
    "arrays": "objects",
    "cells": "objects",
    "locks": "objects",
    "processes": "objects",
    "queues": "objects",
    "statistics": "objects",
    "structs": "objects",
    "guard": "guard",
    "sanitizer": "sanitizer",
    "lint": "lint",
    "report": "report",
    "cli": "tools",
    "pytest_plugin": "tools",
    "pytest_watch": "tools",
    "__main__": "tools",
}

# The parts that _native.pyx is put together from have no module of their own.
BORDER_SUFFIXES = {".pyx", ".pxd", ".pxi"}

# What a layer may import besides itself. `package` is __init__.py: the public names.
MAY_IMPORT = {
    "errors": set(),
    "findings": {"errors"},
    "core": set(),
    "border": {"core", "errors"},
    "objects": {"border", "errors"},
    "guard": {"objects", "border", "errors", "findings"},
    "sanitizer": {"guard", "objects", "border", "errors", "findings"},
    "lint": {"errors", "findings"},
    "report": {"errors", "findings"},
    "package": {"guard", "objects", "border", "errors", "findings"},
    "tools": {
        "package", "sanitizer", "guard", "objects", "border", "lint", "report", "errors", "findings"
    },
}  # fmt: skip

_IMPORT = re.compile(
    r"^\s*(?:from\s+(?P<source>[.\w]+)\s+c?import\s+\(?(?P<names>[^#\n]*)|c?import\s+(?P<plain>[^#\n]+))"
)


def modules() -> list[Path]:
    return [
        path
        for path in tree.files()
        if tree.PACKAGE in path.parents and path.suffix in {".py", ".pyi"} | BORDER_SUFFIXES
    ]


def dotted(path: Path) -> list[str]:
    """The module's name below `holdfast`, in parts."""
    parts = list(path.relative_to(tree.PACKAGE).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(path: Path) -> set[str]:
    """Modules below `holdfast` that a file imports, by the first part of their names."""
    text = path.read_text()
    found: set[tuple[str, tuple[str, ...]]] = set()
    if path.suffix in {".py", ".pyi"}:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                found |= {(alias.name, ()) for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                source = "." * node.level + (node.module or "")
                found.add((source, tuple(alias.name for alias in node.names)))
    else:
        for line in text.splitlines():
            match = _IMPORT.match(line)
            if match and match["source"]:
                names = re.findall(r"(\w+)(?:\s+as\s+\w+)?\s*(?:,|\)|$)", match["names"])
                found.add((match["source"], tuple(names)))
            elif match:
                found |= {(name.split()[0], ()) for name in match["plain"].split(",")}
    return {first for source, names in found for first in _below(path, source, names)}


def _below(path: Path, source: str, names: tuple[str, ...]) -> set[str]:
    if source.startswith("."):
        level = len(source) - len(source.lstrip("."))
        inside = dotted(path)
        package = inside if path.stem == "__init__" else inside[:-1]
        base = package[: len(package) - (level - 1)]
        parts = [*base, *[part for part in source.lstrip(".").split(".") if part]]
    elif source == "holdfast" or source.startswith("holdfast."):
        parts = source.split(".")[1:]
    else:
        return set()
    if parts:
        return {parts[0]}
    # `from holdfast import x`: a module, or else one of the public names of the package.
    return {each if _is_module(each) else "" for each in names} or {""}


def _is_module(name: str) -> bool:
    return name in LAYER or (tree.PACKAGE / f"{name}.py").exists()


def test_every_module_has_a_layer():
    unknown = {tree.name(path) for path in modules() if _first(path) not in LAYER}
    assert not unknown, f"add these to the table LAYER in {__file__}: {sorted(unknown)}"
    assert set(LAYER.values()) == set(MAY_IMPORT)


def test_layers_import_downward_only():
    wrong = [
        f"{tree.name(path)} ({layer}) imports holdfast.{target} ({LAYER[target]})"
        for path in modules()
        if (layer := LAYER.get(_first(path))) is not None
        for target in sorted(imports(path))
        # A stub only names types, of records that the objects layer gives it to fill; it is
        # never executed.
        if path.suffix != ".pyi"
        and LAYER.get(target, layer) != layer
        and LAYER[target] not in MAY_IMPORT[layer]
    ]
    assert not wrong, "\n".join(wrong)


def test_the_table_itself_goes_one_way():
    TopologicalSorter(MAY_IMPORT).prepare()


def test_this_test_sees_imports_of_every_form(tmp_path):
    source = tree.PACKAGE / "guard" / "invented.py"
    assert _below(source, "..locks", ("Lock",)) == {"locks"}
    assert _below(source, ".heap", ("x",)) == {"guard"}
    assert _below(source, "holdfast.cells", ("Value",)) == {"cells"}
    assert _below(source, "holdfast", ("cells", "Value")) == {"cells", ""}
    assert _below(source, "multiprocessing", ("heap",)) == set()
    border = tmp_path / "border.pyx"
    border.write_text(
        "from holdfast._core cimport (\n    x)\n"
        "cimport holdfast.cells\nfrom holdfast import errors\n"
    )
    assert imports(border) == {"_core", "cells", "errors"}


def test_the_core_includes_itself_and_the_system_only():
    wrong: list[str] = []
    graph: dict[str, set[str]] = {}
    headers = {path.name for path in tree.CORE.glob("*.h")}
    for path in [*tree.CORE.glob("*.c"), *tree.CORE.glob("*.h")]:
        text = path.read_text()
        ours = set(re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.MULTILINE))
        system = set(re.findall(r"^\s*#\s*include\s+<([^>]+)>", text, re.MULTILINE))
        wrong += [f'{tree.name(path)}: "{name}"' for name in sorted(ours - headers)]
        wrong += [f"{tree.name(path)}: <{name}>" for name in sorted(system) if "ython" in name]
        graph[path.name] = ours
    assert not wrong, "\n".join(wrong)
    TopologicalSorter(graph).prepare()  # CycleError names a circle


def _first(path: Path) -> str:
    if path.suffix in BORDER_SUFFIXES and path.parent == tree.PACKAGE:
        return "_native"
    parts = dotted(path)
    return parts[0] if parts else ""
