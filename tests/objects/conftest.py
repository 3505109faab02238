"""Fixtures: a start method, or any way at all of getting an object into another process."""

from __future__ import annotations

import multiprocessing

import pytest

METHODS = ("fork", "spawn", "forkserver")


@pytest.fixture(params=METHODS)
def context(request):
    """A multiprocessing context, one test for each start method."""
    return multiprocessing.get_context(request.param)
