"""Hypothesis plays with values, arrays, pickles and copies; a dict remembers what must be there."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

import holdfast
from holdfast import Array, RawArray, RawValue, Value, _native
from holdfast.errors import LifetimeError
from tests.objects import children

RANGES = {
    "b": (-(2**7), 2**7 - 1), "B": (0, 2**8 - 1), "h": (-(2**15), 2**15 - 1), "H": (0, 2**16 - 1),
    "i": (-(2**31), 2**31 - 1), "I": (0, 2**32 - 1), "q": (-(2**63), 2**63 - 1),
    "Q": (0, 2**64 - 1),
}  # fmt: skip


def numbers(code):
    low, high = RANGES[code]
    edges = st.sampled_from([low, high, 0, 1])
    return st.one_of(edges, st.integers(low, high))


def wrap(number, code):
    low, high = RANGES[code]
    return (number - low) % (high - low + 1) + low


codes = st.sampled_from(sorted(RANGES))
operations = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "and_": lambda a, b: a & b,
    "or_": lambda a, b: a | b, "xor": lambda a, b: a ^ b, "max": max, "min": min,
    "exchange": lambda a, b: b,
}  # fmt: skip


@dataclass
class Pickled:
    """Bytes that name a memory, and whether they were loaded before."""

    name: int
    data: bytes
    loaded: bool = False


class Playing(RuleBasedStateMachine):
    """Names are numbers; `truth` is what each named memory must contain, `handles` who names it."""

    names = Bundle("names")
    pickles = Bundle("pickles")

    def __init__(self):
        super().__init__()
        self.truth = {}
        self.handles = {}
        self.code = {}
        self.next = 0
        self.before = holdfast.statistics().own_blocks

    def keep(self, thing, code, content):
        self.next += 1
        self.truth[self.next] = content
        self.handles[self.next] = [thing]
        self.code[self.next] = code
        return self.next

    @rule(target=names, data=st.data(), code=codes, make=st.sampled_from([Value, RawValue]))
    def make_value(self, data, code, make):
        number = data.draw(numbers(code))
        return self.keep(make(code, number), code, number)

    @rule(target=names, data=st.data(), code=codes, make=st.sampled_from([Array, RawArray]))
    def make_array(self, data, code, make):
        content = data.draw(st.lists(numbers(code), max_size=20))
        return self.keep(make(code, content), code, content)

    @rule(name=names, data=st.data())
    def operate(self, name, data):
        if isinstance(self.truth[name], list):
            return
        code, operation = self.code[name], data.draw(st.sampled_from(sorted(operations)))
        handle = data.draw(st.sampled_from(self.handles[name]))
        number = data.draw(numbers(code))
        assert getattr(handle, operation)(number) == self.truth[name]
        self.truth[name] = wrap(operations[operation](self.truth[name], number), code)

    @rule(name=names, data=st.data())
    def assign(self, name, data):
        handle = data.draw(st.sampled_from(self.handles[name]))
        truth, code = self.truth[name], self.code[name]
        if not isinstance(truth, list):
            handle.value = self.truth[name] = data.draw(numbers(code))
            return
        part = data.draw(st.slices(len(truth)))
        count = len(truth[part])
        new = data.draw(st.lists(numbers(code), min_size=count, max_size=count))
        handle[part] = new
        truth[part] = new

    @rule(name=names, data=st.data())
    def write_in_a_child(self, name, data):
        handle = data.draw(st.sampled_from(self.handles[name]))
        truth, code = self.truth[name], self.code[name]
        if isinstance(truth, list):
            if truth:
                truth[0] = data.draw(numbers(code))
                assert children.forked(handle.__setitem__, 0, truth[0]) == 0
        else:
            self.truth[name] = data.draw(numbers(code))
            assert children.forked(setattr, handle, "value", self.truth[name]) == 0

    @rule(name=names, data=st.data())
    def copy_the_handle(self, name, data):
        handle = data.draw(st.sampled_from(self.handles[name]))
        self.handles[name].append(data.draw(st.sampled_from([copy.copy, copy.deepcopy]))(handle))

    @rule(target=names, name=names)
    def copy_the_memory(self, name):
        code, truth = self.code[name], self.truth[name]
        content = list(truth) if isinstance(truth, list) else truth
        return self.keep(holdfast.copy(self.handles[name][0]), code, content)

    @rule(target=pickles, name=names, protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
    def dump(self, name, protocol):
        return Pickled(name, pickle.dumps(self.handles[name][0], protocol))

    @rule(pickled=pickles, keep=st.booleans())
    def load(self, pickled, keep):
        """The first load always works, also when every handle was dropped since; a further one
        while there are handles. Else it may be an error, but never another's memory.
        """
        try:
            handle = pickle.loads(pickled.data)
        except LifetimeError:
            assert pickled.loaded
            assert not self.handles[pickled.name]
            return
        pickled.loaded = True
        self.see(pickled.name, handle)
        if keep:
            self.handles[pickled.name].append(handle)

    @rule(name=names, data=st.data())
    def view(self, name, data):
        handle = data.draw(st.sampled_from(self.handles[name]))
        assert np.asarray(handle).tolist() == self.truth[name]

    @rule(name=consumes(names))
    def drop(self, name):
        self.handles[name].clear()

    def see(self, name, handle):
        truth = self.truth[name]
        assert (handle[:] if isinstance(truth, list) else handle.value) == truth

    @invariant()
    def everything_is_as_it_was_left(self):
        for name, handles in self.handles.items():
            for handle in handles:
                self.see(name, handle)

    def teardown(self):
        self.handles.clear()
        assert _native.check() == []


TestPlaying = Playing.TestCase
TestPlaying.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
