"""What the machine knows of views and segments, and tells the rules."""

from __future__ import annotations

import textwrap

import pytest

from holdfast.lint.events import Rule
from holdfast.lint.machine import statements
from holdfast.lint.options import Options
from holdfast.lint.program import modules

HEADER = """
import numpy as np
from contextlib import closing
from multiprocessing.shared_memory import SharedMemory
"""


class Listener(Rule):
    code = "HF301"

    def __init__(self):
        self.heard = []

    def on_view(self, view, scene):
        self.heard.append(("view", view.grip))
        return ()

    def on_use(self, view, node, scene):
        self.heard.append(("use", node.lineno))
        return ()

    def on_dangling(self, view, where, moment, scene):
        self.heard.append(("dangling", view.grip, moment))
        return ()


def heard(body):
    module = modules.Module("x.py", (HEADER + textwrap.dedent(body)).encode())
    project = modules.Project()
    project.add(module)
    listener = Listener()
    statements.Machine(module, project, Options(), [listener]).follow_module(module)
    return listener.heard


def dangling(body):
    return [each[1:] for each in heard(body) if each[0] == "dangling"]


@pytest.mark.parametrize(
    ("expression", "grip"),
    [
        ("shm.buf", "buf"),
        ("shm.buf[:4]", "holds"),
        ("np.ndarray(4, buffer=shm.buf)", "loose"),
        ("np.ndarray(4, buffer=shm.buf)[1:].reshape(3)", "loose"),
        ("np.ndarray(4, buffer=shm.buf[:4])", "loose"),
        ("np.frombuffer(shm.buf)", "holds"),
        ("memoryview(shm.buf).cast('d')", "holds"),
    ],
)
def test_a_view_knows_how_it_holds_the_memory(expression, grip):
    body = f"""
    def make():
        shm = SharedMemory(create=True, size=64)
        return {expression}
    x = make()
    """
    assert dangling(body)[0] == (grip, "scope")


@pytest.mark.parametrize(
    "result",
    [
        "array, shm",
        "array.copy()",
        "array.sum()",
        "array.shape",
        "array[0]",
        "shm",
        "{'array': array, 'owner': shm}",
    ],
)
def test_what_keeps_the_segment_or_copies_is_no_dangling_view(result):
    body = f"""
    def make():
        shm = SharedMemory(create=True, size=64)
        array = np.ndarray(4, buffer=shm.buf)
        return {result}
    x = make()
    """
    assert dangling(body) == []


def test_the_name_of_a_segment_does_not_keep_it():
    body = """
    def make():
        shm = SharedMemory(create=True, size=64)
        array = np.ndarray(4, buffer=shm.buf)
        return shm.name, array
    x = make()
    """
    assert dangling(body) == [("loose", "scope")]


def test_a_view_that_was_only_passed_to_a_stranger_does_not_dangle():
    body = """
    import plotting
    def show():
        shm = SharedMemory(create=True, size=64)
        array = np.ndarray(4, buffer=shm.buf)
        plotting.plot(array, [array])
    show()
    """
    assert dangling(body) == []


def test_reading_a_view_after_the_close_is_told():
    body = """
    shm = SharedMemory(create=True, size=64)
    array = np.ndarray(4, buffer=shm.buf)
    print(array)
    shm.close()
    print(array.shape)
    print(array)
    with closing(SharedMemory(create=True, size=64)) as other:
        array = np.ndarray(4, buffer=other.buf)
        print(array)
    print(array)
    """
    lines = [each[1] for each in heard(body) if each[0] == "use"]
    assert lines == [11, 15]
