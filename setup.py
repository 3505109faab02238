"""Builds the native modules: the border over the C11 core, and the sanitizer's notes.

Everything else about the package is declared in pyproject.toml. The core is Linux only; on any
other system, or with HOLDFAST_PURE=1 in the environment, the package installs without it, since
the package can be imported anywhere, and says why the rest does not work.
"""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

PACKAGE = Path("src/holdfast")
BORDER = PACKAGE / "_native.pyx"
NOTES = PACKAGE / "sanitizer" / "_notes.pyx"
CORE = PACKAGE / "_core"


def extensions() -> list[Extension]:
    """The list of native modules for this system; none where there can be none."""
    if sys.platform != "linux" or os.environ.get("HOLDFAST_PURE") == "1" or not BORDER.exists():
        return []
    from Cython.Build import cythonize

    compile_flags = [
        "-std=gnu11",
        "-D_GNU_SOURCE",
        "-O3",  # lets the conversions melt into the methods: v.add(1) is a tenth faster
        "-fvisibility=hidden",
        "-fno-strict-overflow",
        "-Wall",
        "-Wextra",
        "-Wundef",
        # What Cython generates has these by design; the core itself is built with -Werror by
        # `make core`.
        "-Wno-unused-parameter",
        "-Wno-missing-field-initializers",
        "-pthread",
    ]
    if platform.machine() in {"x86_64", "AMD64"}:
        compile_flags.append("-mcx16")  # 16-byte compare-and-swap
    native = Extension(
        "holdfast._native",
        sources=[str(BORDER), *sorted(str(path) for path in CORE.glob("*.c"))],
        include_dirs=[str(PACKAGE)],
        depends=[
            "setup.py",
            *sorted(str(path) for path in [*CORE.glob("*.h"), *PACKAGE.glob("*.p[xy][dxi]")]),
        ],
        extra_compile_args=compile_flags,
        extra_link_args=["-pthread"],
    )
    notes = Extension(
        "holdfast.sanitizer._notes",
        sources=[str(NOTES)],
        depends=["setup.py", *sorted(str(path) for path in NOTES.parent.glob("*.p[xy][dxi]"))],
        extra_compile_args=compile_flags,
    )
    # One folder for each interpreter, so that builds for several can run side by side.
    generated = Path("build") / f"cython-{sysconfig.get_config_var('SOABI')}"
    folders = [str(PACKAGE), str(NOTES.parent)]
    return list(
        cythonize([native, notes], build_dir=str(generated), include_path=folders, quiet=True)
    )


setup(ext_modules=extensions())
