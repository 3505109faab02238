"""`holdfast run` is the interpreter, as far as a program can tell: all that holds under the guard.

The tests are those of `holdfast run --guard`, run once more under the sanitizer.
"""

from __future__ import annotations

import pytest

from tests.guard import test_run
from tests.guard.test_run import *  # noqa: F403 - every test of it, and its fixtures


@pytest.fixture(autouse=True)
def watched_instead_of_guarded(monkeypatch):
    monkeypatch.setattr(test_run, "GUARD", ["-m", "holdfast", "run"])
