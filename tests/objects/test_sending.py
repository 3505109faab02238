"""Objects travel by anything that pickles, arrive when their sender is dead, and never lie."""

from __future__ import annotations

import concurrent.futures
import ctypes
import multiprocessing
import multiprocessing.reduction
import os
import pickle
import signal
import subprocess
import sys

import billiard
import cloudpickle
import dill
import joblib
import loky
import multiprocess
import pytest

import holdfast
from holdfast import Array, Lock, RawArray, RawValue, RLock, Value, _native
from holdfast.errors import ForgedPickleError, LifetimeError
from tests.objects import children


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_double)]


# name -> (how to make one, the bytes behind it: what sharing is tested by)
KINDS = {
    "Value": lambda: Value("i", 5),
    "RawValue": lambda: RawValue("d", 1.5),
    "Array": lambda: Array("h", [1, 2, 3]),
    "RawArray": lambda: RawArray("c", b"abc"),
    "Value of a Structure": lambda: Value(Point, 1, 2.5),
    "RawValue of a Structure": lambda: RawValue(Point, 1, 2.5),
    "Array of Structures": lambda: Array(Point, 3),
    "ndarray": lambda: holdfast.copy([1.0, 2.0]),
    "Block": lambda: _native.Block(100),
}
PICKLERS = {
    "pickle": pickle.dumps,
    "pickle in Python": lambda thing: _python_dumps(thing),
    "ForkingPickler": multiprocessing.reduction.ForkingPickler.dumps,
    "cloudpickle": cloudpickle.dumps,
    "dill": dill.dumps,
}


def _python_dumps(thing):
    import io

    out = io.BytesIO()
    pickle._Pickler(out).dump(thing)
    return out.getvalue()


def memory(thing):
    """The bytes of a shared object, as a writable view."""
    return memoryview(thing.get_obj() if hasattr(thing, "get_obj") else thing).cast("B")


def flip(thing):
    """Change the first byte; returns what it is then."""
    view = memory(thing)
    view[0] ^= 0xFF
    return view[0]


@pytest.mark.parametrize("pickler", PICKLERS)
def test_every_pickler_names_the_memory(pickler):
    for name, make in KINDS.items():
        thing = make()
        same = pickle.loads(PICKLERS[pickler](thing))
        assert type(same) is type(thing), name
        assert bytes(memory(same)) == bytes(memory(thing)), name
        assert flip(same) == memory(thing)[0], name
    for kind in (Lock, RLock):
        lock = kind()
        lock.acquire()
        assert pickle.loads(PICKLERS[pickler](lock)).locked()


def test_as_arguments_of_a_process(context):
    for name, make in KINDS.items():
        thing = make()
        assert children.run(context, flip, thing) == memory(thing)[0], name


def test_back_and_forth_through_a_pipe(context):
    for name, make in KINDS.items():
        thing = make()
        same = children.run(context, children.identity, thing)
        assert flip(same) == memory(thing)[0], name


def test_through_a_queue(context):
    queue = context.Queue()
    value = Value("i", 5)
    process = children.start(context, put_what_comes, queue, value)
    came = queue.get(timeout=children.PATIENCE)
    came.add(1)
    assert value.load() == 6
    children.end(process)
    queue.close()
    queue.join_thread()


def put_what_comes(queue, thing):
    queue.put(thing)
    queue.close()
    queue.join_thread()


def test_through_a_pool(context):
    with context.Pool(2) as pool:
        values = [Value("i", number) for number in range(20)]
        assert pool.starmap(children.call, [(each, "add", 1) for each in values]) == list(range(20))
        assert [each.load() for each in values] == list(range(1, 21))
        made = pool.map(make_value, range(20))
        assert [each.load() for each in made] == list(range(20))
        pool.close()
        pool.join()


def make_value(number):
    return Value("i", number)


def test_through_an_executor(context):
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
        value = Value("i")
        for job in [executor.submit(children.add_many, value, 500) for _ in range(4)]:
            job.result(children.PATIENCE)
        assert value.load() == 2000
        assert executor.submit(make_value, 7).result(children.PATIENCE).load() == 7


def test_through_loky_and_joblib():
    # Elsewhere, because their trackers live as long as the process.
    children.fresh(use_loky_and_joblib)


def use_loky_and_joblib():
    executor = loky.ProcessPoolExecutor(2)
    try:
        value = Value("i")
        for job in [executor.submit(children.add_many, value, 500) for _ in range(4)]:
            job.result(children.PATIENCE)
        assert value.load() == 2000
        assert executor.submit(make_value, 7).result(children.PATIENCE).load() == 7
    finally:
        executor.shutdown(wait=True, kill_workers=True)
    value = Value("i")
    jobs = (joblib.delayed(children.add_many)(value, 500) for _ in range(4))
    joblib.Parallel(2)(jobs)
    assert value.load() == 2000
    joblib.externals.loky.get_reusable_executor().shutdown(wait=True, kill_workers=True)


def test_through_the_relatives_of_multiprocessing():
    children.fresh(use_multiprocess)
    children.fresh(use_billiard)


def use_multiprocess():
    for method in multiprocess.get_all_start_methods():
        use_relative(multiprocess.get_context(method))


def use_billiard():
    # Its forkserver does not run on Python 3.11 and later, with or without shared objects.
    for method in ("fork", "spawn"):
        use_relative(billiard.get_context(method))


def use_relative(context):
    value = Value("i", 5)
    queue = context.Queue()
    process = context.Process(target=add_and_put, args=(value, queue))
    process.start()
    assert queue.get(timeout=children.PATIENCE).load() == 6
    process.join(children.PATIENCE)
    assert process.exitcode == 0
    assert value.load() == 6
    queue.close()
    queue.join_thread()


def add_and_put(value, queue):
    value.add(1)
    queue.put(value)


def test_to_a_plain_subprocess_of_the_family():
    value = Value("i", 5)
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "import pickle\n"
        "value = pickle.load(sys.stdin.buffer)\n"
        "value.add(10)\n"
        "sys.stdout.buffer.write(pickle.dumps(value))\n"
        "import holdfast; other = holdfast.Value('i', 99)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps(value),
        stdout=subprocess.PIPE,
        check=True,
        timeout=children.PATIENCE,
    )
    assert value.load() == 15
    same = pickle.loads(done.stdout)
    assert same.add(1) == 15
    assert value.load() == 16


# ---- senders that are gone -----------------------------------------------------------------------


def test_it_arrives_when_its_sender_was_killed(context):
    queue = context.Queue()
    for name, kind, arguments in (("Value", Value, ("i", 41)), ("Array", Array, ("i", [4, 1]))):
        process = children.start(context, children.make_put_and_die, queue, kind, arguments)
        children.end(process, -signal.SIGKILL)
        # Others take memory meanwhile, which must not be the message's.
        del [Value("i", 99) for _ in range(2000)][:]
        came = queue.get(timeout=children.PATIENCE)
        others = [Value("i", 98) for _ in range(2000)]
        assert list(came) == [4, 1] if name == "Array" else came.value == 41
        del others
    queue.close()
    queue.join_thread()


def test_an_object_of_the_parent_comes_back_from_a_killed_child(context):
    queue, value = context.Queue(), Value("i", 41)
    process = children.start(context, children.put_and_die, queue, value)
    children.end(process, -signal.SIGKILL)
    same = queue.get(timeout=children.PATIENCE)
    same.add(1)
    assert value.load() == 42
    queue.close()
    queue.join_thread()


def test_it_arrives_when_its_sender_dropped_it():
    data = pickle.dumps(Value("i", 41))
    del [Value("i", 99) for _ in range(2000)][:]
    value = pickle.loads(data)
    others = [Value("i", 98) for _ in range(2000)]
    assert value.load() == 41
    del others


def test_a_process_may_be_started_from_temporaries(context):
    """The fault that this project began with: the arguments are all that keeps the value."""
    here, there = context.Pipe()
    process = context.Process(target=write_and_wait, args=(Value("i", 0), there))
    process.start()
    assert here.recv() == "written"
    values = [Value("i", 222) for _ in range(500)]
    here.send("go on")
    assert here.recv() == 111
    process.join(children.PATIENCE)
    assert all(value.value == 222 for value in values)
    process.close()
    here.close()
    there.close()


def write_and_wait(value, connection):
    value.value = 111
    connection.send("written")
    connection.recv()
    connection.send(value.value)


# ---- pickles that mean nothing any more ----------------------------------------------------------


def test_a_second_load_works_while_somebody_has_the_object():
    value = Value("i", 5)
    data = pickle.dumps(value)
    first, second = pickle.loads(data), pickle.loads(data)
    first.add(1)
    assert second.load() == value.load() == 6


def test_a_second_load_after_everybody_dropped_it_is_an_error():
    for make in KINDS.values():
        data = pickle.dumps(make())
        pickle.loads(data)
        holdfast.statistics()  # its sender lets go of what was held for used tickets
        others = [make() for _ in range(3000)]  # its place is taken, perhaps several times
        with pytest.raises(LifetimeError, match="the shared object is gone") as caught:
            pickle.loads(data)
        assert caught.value.reason == "died"
        assert isinstance(caught.value, ReferenceError)
        assert caught.value.offset > 0
        del others


def test_a_pickle_of_another_family_is_an_error():
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "import pickle, holdfast\n"
        "value = holdfast.Value('i', 5)\n"
        "sys.stdout.buffer.write(pickle.dumps(value)); sys.stdout.buffer.flush()\n"
        "sys.stdin.read()\n"
    )
    Value("i")  # this process has a heap of its own
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as stranger:
        data = b""
        while not data.endswith(b"."):
            data += os.read(stranger.stdout.fileno(), 4096)
        with pytest.raises(LifetimeError, match="another family") as caught:
            pickle.loads(data)
        stranger.stdin.close()
    assert caught.value.reason == "other family"


def test_a_pickle_of_a_family_that_is_gone_is_an_error():
    data = pickle.dumps(Value("i", 5))
    token = _native.family()
    forged = data.replace(token, bytes(16))
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "import pickle\n"
        "from holdfast.errors import LifetimeError\n"
        "try: pickle.load(sys.stdin.buffer)\n"
        "except LifetimeError as error: print(error.reason)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=forged, capture_output=True, check=True, timeout=children.PATIENCE,
    )  # fmt: skip
    assert done.stdout.split() == [b"unreachable"]
    pickle.loads(data)


def test_truncated_and_forged_pickles_are_errors_and_change_nothing():
    value = Value("i", 5)
    function, (code, wire) = value.__reduce__()
    before = holdfast.statistics()
    for length in range(len(wire)):
        with pytest.raises(ForgedPickleError, match="length is"):
            function(code, wire[:length])
    for wrong in (None, 5, "x" * len(wire), bytearray(wire), wire + b"\0"):
        with pytest.raises(ForgedPickleError):
            function(code, wrong)
    for wrong in (None, "i", 0, -1, 1000, 10**30, ord("z")):
        with pytest.raises(ForgedPickleError, match="typecode"):
            function(wrong, wire)
    for place in range(len(wire)):
        for flip_bits in (0x01, 0x80, 0xFF):
            forged = bytearray(wire)
            forged[place] ^= flip_bits
            try:
                made = function(code, bytes(forged))
            except (ForgedPickleError, LifetimeError):
                continue
            # Hints may differ, and an offset may be that of another living block: never more.
            made.load()
            del made
    after = holdfast.statistics()
    assert (after.blocks, after.own_blocks) == (before.blocks, before.own_blocks)
    assert _native.check() == []
    assert function(code, wire).add(1) == 5
    assert value.load() == 6


def test_a_pickle_cannot_reach_beyond_its_block():
    small = RawArray("c", 64)
    function, (code, length, wire) = small.__reduce__()
    for wrong in (65, 10**6, 2**62, -1):
        with pytest.raises(ForgedPickleError):
            function(code, wrong, wire)
    with pytest.raises(ForgedPickleError):
        function(ord("d"), length, wire)
    block_function, (_, block_wire) = _native.Block(10).__reduce__()
    with pytest.raises(ForgedPickleError):
        block_function(10**9, block_wire)
    with pytest.raises(ForgedPickleError):
        block_function(-1, block_wire)


def test_pickles_name_functions_of_the_public_modules():
    for thing in (Value("i"), RawValue("i"), Array("i", 1), RawArray("i", 1), Lock(), RLock()):
        function = thing.__reduce__()[0]
        assert function.__module__ in {"holdfast.cells", "holdfast.arrays", "holdfast.locks"}
        assert getattr(sys.modules[function.__module__], function.__name__) is function


def test_sending_costs_nothing_that_stays():
    value = Value("i")
    before = holdfast.statistics()
    for _ in range(2000):
        pickle.loads(pickle.dumps(value))
    after = holdfast.statistics()
    assert after.issued_tickets - before.issued_tickets == 2000
    assert after.used_tickets - before.used_tickets == 2000
    assert after.outstanding_tickets == before.outstanding_tickets
    assert after.own_blocks <= before.own_blocks + 64
