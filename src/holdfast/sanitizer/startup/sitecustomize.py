"""The first thing that a Python subprocess of a watched program runs: joins it to the family.

What it keeps true: the subprocess sees nothing of this. Its environment, `sys.path` and
`sys.modules` are what they would be, and the `sitecustomize` that it has anyway is run in place of
this one. See watch/subprocesses.py, which leads here.
"""

from __future__ import annotations

import importlib
import json
import os
import sys

_VARIABLE = "HOLDFAST_SUBPROCESS"


def _begin() -> None:
    folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - loads slowly
    told = os.environ.pop(_VARIABLE, "")
    sys.path[:] = [entry for entry in sys.path if entry != folder]
    sys.path_importer_cache.pop(folder, None)
    if not told:
        return
    way, python_path, name = json.loads(told)
    if python_path is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = python_path
    package = os.path.dirname(os.path.dirname(os.path.dirname(folder)))  # noqa: PTH120
    before = sys.path[:]
    sys.path.append(package)
    try:
        from holdfast.sanitizer import recorder
    except ImportError:
        return  # another interpreter, for which it was not built
    finally:
        sys.path[:] = before
    address, settings, parent = way
    recorder.attach_subprocess(tuple(address), settings, parent, name)


_begin()
_this = sys.modules.pop("sitecustomize")
try:
    importlib.import_module("sitecustomize")
finally:
    # The import system wants to find one; if the program has none, the error says so to site.py.
    sys.modules.setdefault("sitecustomize", _this)
