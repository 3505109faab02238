"""The public names: each has one path and a docstring, and importing them costs nothing."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

import holdfast

# Where a user finds names. Other modules are reached through these.
PUBLIC_MODULES = ("holdfast", "holdfast.errors")


def public() -> dict[str, object]:
    found: dict[str, object] = {}
    for module_name in PUBLIC_MODULES:
        module = importlib.import_module(module_name)
        found |= {f"{module_name}.{name}": getattr(module, name) for name in module.__all__}
    return found


def test_every_public_name_has_exactly_one_path():
    paths: dict[int, list[str]] = {}
    for path, thing in public().items():
        paths.setdefault(id(thing), []).append(path)
    assert not [where for where in paths.values() if len(where) > 1]


def test_every_public_name_has_a_docstring():
    bare = []
    for path, thing in public().items():
        if not (callable(thing) or inspect.ismodule(thing)):
            continue
        if not inspect.getdoc(thing):
            bare.append(path)
        if inspect.isclass(thing):
            bare += [
                f"{path}.{name}"
                for name, member in vars(thing).items()
                if not name.startswith("_")
                and (callable(member) or isinstance(member, property))
                and not inspect.getdoc(member)
            ]
    assert not bare, bare


def test_dir_lists_every_public_name():
    assert set(holdfast.__all__) <= set(dir(holdfast))
    assert list(holdfast.__all__) == sorted(holdfast.__all__)


def test_an_unknown_name_is_an_ordinary_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = holdfast.no_such_name


def test_importing_the_package_loads_no_native_part_and_no_multiprocessing():
    program = (
        "import sys; before = set(sys.modules); import holdfast; "
        "print(*sorted(set(sys.modules) - before))"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {program}"],
        check=True,
        capture_output=True,
        text=True,
    )
    loaded = result.stdout.split()
    assert "holdfast" in loaded
    heavy = {"holdfast._native", "multiprocessing", "ctypes", "numpy", "holdfast.cli", "asyncio"}
    assert not heavy & set(loaded)


def test_the_version_is_the_one_of_the_metadata():
    from importlib.metadata import version

    assert holdfast.__version__ == version("holdfast")
