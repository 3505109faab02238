"""CPython's own cases for Value, Array, sharedctypes and Lock, with Holdfast's objects in them.

The cases take their objects from attributes of the class (`self.Value`, `self.Lock`), which the
standard library's mixin fills with `multiprocessing`'s; here Holdfast's come before it. The cases
for sharedctypes use a name of their module as well, which is set for the time of the test.

Run by run.py as `python -m unittest tests.compat.drop_ins`, with the start method in the
environment variable START_METHOD.
"""

from __future__ import annotations

import multiprocessing
import os
import unittest
from unittest import mock

from test import _test_multiprocessing as cpython

import holdfast

METHOD = os.environ.get("START_METHOD", "spawn")


class HoldfastMixin:
    """Holdfast's objects where the standard library's mixin has multiprocessing's."""

    Value = staticmethod(holdfast.Value)
    Array = staticmethod(holdfast.Array)
    RawValue = staticmethod(holdfast.RawValue)
    RawArray = staticmethod(holdfast.RawArray)
    Lock = staticmethod(holdfast.Lock)
    RLock = staticmethod(holdfast.RLock)


def setUpModule():
    multiprocessing.set_start_method(METHOD, force=True)


class DropInValue(HoldfastMixin, cpython._TestValue, cpython.ProcessesMixin, unittest.TestCase):
    """Every case of _TestValue."""


class DropInArray(HoldfastMixin, cpython._TestArray, cpython.ProcessesMixin, unittest.TestCase):
    """Every case of _TestArray."""


class DropInLock(HoldfastMixin, cpython._TestLock, cpython.ProcessesMixin, unittest.TestCase):
    """Every case of _TestLock."""


class DropInSharedCTypes(
    HoldfastMixin, cpython._TestSharedCTypes, cpython.ProcessesMixin, unittest.TestCase
):
    """Every case of _TestSharedCTypes."""

    def setUp(self):
        super().setUp()
        patch = mock.patch.object(cpython, "Value", holdfast.Value)
        patch.start()
        self.addCleanup(patch.stop)


if __name__ == "__main__":
    unittest.main()
