"""For every test: a time limit, and nothing left behind.

The heap's invariant checker walks the heap after each test as well: a test that passes on a heap
which it has damaged has not passed. There are no retries.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from hypothesis import settings

from tests.support import leftovers, watchdog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

_before = pytest.StashKey[leftovers.Snapshot]()

settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("watchdog_seconds", "Seconds that one phase of a test may take.", default="120")


def pytest_configure() -> None:
    # A folder of this run's own for temporary files, of its children too: what is left in it can
    # only be ours. Its name is short, because a Unix socket's path may have 108 bytes at most.
    folder = tempfile.mkdtemp(prefix="hf-")
    os.environ["TMPDIR"] = folder
    tempfile.tempdir = folder
    # After multiprocessing has removed its own folder in it, which it does at priority -100.
    Finalize(None, shutil.rmtree, args=(folder, True), exitpriority=-200)


def pytest_unconfigure() -> None:
    leftovers.stop_forkservers()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    item.stash[_before] = leftovers.snapshot()
    with _watched(item, "setup"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with _watched(item, "call"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    with _watched(item, "teardown"):
        result = yield
        leftovers.stop_forkservers()
        before = item.stash[_before]
        del item.stash[_before]  # it may be large, and pytest keeps all items
        complaints = leftovers.remaining(before)
        if complaints:
            leftovers.remove(before)
        complaints += leftovers.heap_complaints()
        if complaints:
            pytest.fail("\n".join(["after the test:", *complaints]), pytrace=False)
        return result


def _watched(item: pytest.Item, phase: str) -> AbstractContextManager[None]:
    marker = item.get_closest_marker("watchdog")
    seconds = float(marker.args[0] if marker else item.config.getini("watchdog_seconds"))
    what = f"{phase} of {item.nodeid}"
    return watchdog.limit(seconds, what, item.config.stash[fault_handler_stderr_fd_key])
