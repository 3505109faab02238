"""How processes come to the heap of their family, and what others learn of them."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
import threading

import pytest

import holdfast
from holdfast import Lock, Value, _family, _native
from holdfast.errors import OwnerDiedError
from tests.objects import children

SPAWNING = ("spawn", "forkserver")


def run_program(text, *arguments, folder=None, **environment):
    """A program of its own in a fresh interpreter; returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text), *arguments],
        capture_output=True, text=True, check=False, timeout=children.PATIENCE, cwd=folder,
        env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


def path_line():
    return f"import sys; sys.path[:0] = {sys.path!r}\n"


def test_nothing_is_opened_before_it_is_needed():
    program = path_line() + textwrap.dedent("""
        import os, holdfast
        holdfast.errors.HeapFullError
        print('holdfast._native' in sys.modules)
        from holdfast import Value, _native
        holdfast.statistics(), holdfast.trim(), _native.check(), _native.reap()
        print(_native.is_open(), _native.serial())
        Value('i')
        print(_native.is_open())
    """)
    assert run_program(program) == ["False", "False", "0", "True"]


def test_the_heap_is_there_before_the_first_child():
    program = path_line() + textwrap.dedent("""
        import os, holdfast
        r, w = os.pipe()
        if os.fork() == 0:
            from holdfast import Value
            import pickle
            os.write(w, pickle.dumps(Value('i', 5)))
            os._exit(0)
        os.wait()
        import pickle
        print(pickle.loads(os.read(r, 4096)).value)
    """)
    assert run_program(program) == ["5"]


@pytest.mark.parametrize("method", SPAWNING)
def test_children_find_the_package_by_their_parent_s_path(method, tmp_path):
    """The preparation data arrives before the child has the parent's sys.path."""
    program = tmp_path / "program.py"
    program.write_text(
        path_line()
        + textwrap.dedent(f"""
            import multiprocessing
            from holdfast import Value

            def child(value):
                value.add(1)

            if __name__ == "__main__":
                value = Value("i", 5)
                context = multiprocessing.get_context("{method}")
                process = context.Process(target=child, args=(value,))
                process.start()
                process.join()
                print(process.exitcode, value.value)
        """)
    )
    done = subprocess.run(
        [sys.executable, "-I", program], capture_output=True, text=True, timeout=children.PATIENCE,
        check=True,
    )  # fmt: skip
    assert (done.stdout.split(), done.stderr) == (["0", "6"], "")


def who_am_i():
    return multiprocessing.current_process().name, _native.family(), _native.check()


def test_a_child_is_of_the_family_and_has_a_name(context):
    name, token, faults = children.run(context, who_am_i)
    assert token == _native.family()
    assert faults == []
    lock = Lock()
    process = context.Process(target=children.acquire_and_die, args=(lock,), name="Käthe")
    process.start()
    process.join(children.PATIENCE)
    with pytest.raises(OwnerDiedError) as caught:
        lock.acquire()
    assert caught.value.owner_name == "Käthe"
    assert name != "MainProcess"


def test_a_grandchild_is_of_the_family(context):
    value = Value("i", 5)
    assert children.run(context, in_a_grandchild, value) == 5
    assert value.load() == 6


def in_a_grandchild(value):
    multiprocessing.current_process()._config["daemon"] = False
    return children.run(multiprocessing.get_context("fork"), children.call, value, "add", 1)


def note_that_it_ran():
    os.environ["HOLDFAST_TEST_FIRST"] = str(_native.is_open())


class NotesWhetherItRan:
    """Looks, when it is unpickled, whether the first call has been made."""

    def __reduce__(self):
        return os.getenv, ("HOLDFAST_TEST_FIRST",)


@pytest.mark.parametrize("method", SPAWNING)
def test_first_calls_come_before_anything_else_is_unpickled(method):
    context = multiprocessing.get_context(method)
    _family.on_child(note_that_it_ran)
    _family.on_child(note_that_it_ran)
    try:
        assert children.run(context, children.identity, NotesWhetherItRan()) == "True"
    finally:
        _family.no_more_on_child(note_that_it_ran)
    _family.no_more_on_child(note_that_it_ran)
    assert children.run(context, children.identity, NotesWhetherItRan()) is None


def test_threads_that_fork_and_make_values_do_not_disturb_each_other():
    failures = []

    def work(number):
        try:
            for _ in range(20):
                values = [Value("i", number) for _ in range(50)]
                status = children.forked(see_that_all_are, values, number)
                assert status == 0
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert _native.check() == []


def see_that_all_are(values, number):
    assert all(value.load() == number for value in values)
    mine = [Value("i", -number) for _ in range(50)]
    assert all(value.load() == number for value in values)
    assert all(value.load() == -number for value in mine)


def test_a_forkserver_that_has_loaded_the_program_is_of_the_family(tmp_path):
    """As it is by default from Python 3.14 on: the main module is loaded there, too."""
    (tmp_path / "premade.py").write_text("from holdfast import Value\nshared = Value('i', 7)\n")
    program = tmp_path / "program.py"
    program.write_text(
        path_line()
        + textwrap.dedent("""
            import multiprocessing, os, pickle
            from holdfast import Value, _native

            def child(value, queue):
                import premade
                queue.put((value.add(1), premade.shared, _native.family(), dict(os.environ)))

            if __name__ == "__main__":
                multiprocessing.set_forkserver_preload(["premade"])
                context = multiprocessing.get_context("forkserver")
                value, queue = Value("i", 5), context.Queue()
                for _ in range(2):
                    process = context.Process(target=child, args=(value, queue))
                    process.start()
                    before, shared, token, environment = queue.get()
                    process.join()
                    print(before, shared.value, token == _native.family(), process.exitcode)
                    assert not [name for name in environment if "HOLDFAST_FAMILY" in name]
        """)
    )
    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, timeout=children.PATIENCE,
        check=False, env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["5 7 True 0", "6 7 True 0"]


def test_forks_made_by_c_libraries_count():
    libc = ctypes.PyDLL(None)
    values = [Value("i", number) for number in range(100)]
    done, tell = os.pipe()
    goes_on, go_on = os.pipe()
    pid = libc.fork()
    if pid == 0:
        os.read(goes_on, 1)
        os.write(tell, bytes(value.load() for value in values))
        os._exit(0)
    del values
    others = [Value("i", 255) for _ in range(3000)]
    os.write(go_on, b"!")
    assert os.read(done, 200) == bytes(range(100))
    assert os.waitpid(pid, 0)[1] == 0
    for descriptor in (done, tell, goes_on, go_on):
        os.close(descriptor)
    assert all(other.load() == 255 for other in others)


def test_forks_within_forks_keep_everything():
    values = [Value("i", number) for number in range(100)]

    def generation(left):
        assert [value.load() for value in values] == list(range(100))
        if left:
            assert children.forked(generation, left - 1) == 0

    generation(5)
    assert holdfast.statistics().forks_pinned == 0


def test_a_subprocess_with_a_function_before_exec():
    value = Value("i")
    subprocess.run(["true"], check=True, preexec_fn=lambda: value.add(1))
    subprocess.run(["true"], check=True)
    assert value.load() == 1
    assert _native.check() == []


def test_the_dead_are_cleared_away():
    before = holdfast.statistics()
    for _ in range(20):
        children.forked(lambda: [Value("i") for _ in range(100)])
    _native.reap()
    after = holdfast.statistics()
    assert after.live_slots == before.live_slots
    assert after.dead_slots == 0
    assert after.deaths >= before.deaths + 20
    assert after.blocks <= before.blocks
    assert after.reclaimed_bytes > before.reclaimed_bytes


def test_a_child_that_could_not_join_says_why_when_it_matters():
    program = path_line() + textwrap.dedent("""
        from holdfast import _family, Value
        from holdfast.errors import LifetimeError
        _family.join(-1, 'child')
        for _ in range(2):
            try: Value('i')
            except LifetimeError as error: print(error.reason)
    """)
    assert run_program(program) == ["unreachable"] * 2


def test_names_are_kept_short_and_whole():
    for name in ("x" * 100, "\N{SNOWMAN}" * 40, "a\0b", ""):
        _native.set_name(name)
    with pytest.raises(TypeError):
        _native.set_name(None)
    _native.set_name("MainProcess")


def test_a_process_joins_one_heap():
    Value("i")
    _native.open_heap()
    _native.join_heap(_native.heap_fd())
    assert pickle.loads(pickle.dumps(Value("i", 3))).value == 3
