"""Rules for the C core: where atomics may stand, and what its symbols are called."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

from tests.house import tree

# Anything by which C11 or the compiler touches memory atomically, or orders it.
RAW_ATOMIC = re.compile(
    r"\b(__atomic_\w+|__sync_\w+|_Atomic|atomic_(?!s\b)\w+|stdatomic\.h|memory_order_\w+"
    r"|atomic_thread_fence)\b"
)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def core_files():
    return [
        path for path in tree.files() if path.parent == tree.CORE and path.suffix in {".c", ".h"}
    ]


def test_atomics_stand_in_one_header():
    wrong = []
    for path in core_files():
        if path.name in {"atomics.h", "cells.h"}:
            continue
        code = COMMENT.sub("", path.read_text())
        wrong += [f"{tree.name(path)}: {found}" for found in sorted(set(RAW_ATOMIC.findall(code)))]
    assert not wrong, "use the functions of atomics.h:\n" + "\n".join(wrong)


def test_no_code_is_included_or_commented_out():
    wrong = []
    for path in core_files():
        text = path.read_text()
        if re.search(r'#\s*include\s+"[^"]+\.c"', text):
            wrong.append(f"{tree.name(path)} includes a .c file")
        if re.search(r"^\s*#\s*if\s+0\b", text, re.MULTILINE):
            wrong.append(f"{tree.name(path)} has an #if 0")
        if re.search(r"^\s*//.*;\s*$", text, re.MULTILINE):
            wrong.append(f"{tree.name(path)} has code that is commented out")
    assert not wrong, "\n".join(wrong)


def test_every_external_symbol_of_the_core_starts_with_hf(tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "no C compiler"
    sources = sorted(path for path in core_files() if path.suffix == ".c")
    objects = [tmp_path / f"{path.stem}.o" for path in sources]
    for source, target in zip(sources, objects, strict=True):
        command = [compiler, "-std=gnu11", "-mcx16", "-c", source, "-o", target]
        if "x86_64" not in sys.implementation._multiarch:
            command.remove("-mcx16")
        subprocess.run(command, check=True)
    listing = subprocess.run(
        ["nm", "--defined-only", "--extern-only", "--format=posix", *objects],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    names = {line.split()[0] for line in listing.splitlines() if len(line.split()) > 1}
    assert names, "the core has no symbols at all"
    assert not [name for name in sorted(names) if not name.startswith("hf_")]


def test_the_native_module_exports_its_init_function_only():
    import holdfast._native

    listing = subprocess.run(
        ["nm", "-D", "--defined-only", "--format=posix", holdfast._native.__file__],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    names = {line.split()[0] for line in listing.splitlines() if line.strip()}
    assert names - {"_init", "_fini", "_edata", "_end", "__bss_start"} == {"PyInit__native"}
