"""Every way by which a program starts processes: the guard is there, and what it sends arrives."""

from __future__ import annotations

import pytest

from tests.guard.programs import GUARD, run_program

METHODS = ["fork", "spawn", "forkserver"]

# What a process of any kind says of itself: whether new objects there are the guard's.
LOOK = """
import multiprocessing.heap, multiprocessing.synchronize, os, sys

def look(*_):
    made = multiprocessing.heap.BufferWrapper, multiprocessing.synchronize.SemLock
    return {each.__init__.__module__.partition(".")[0] for each in made} == {"holdfast"}
"""


@pytest.fixture
def program(tmp_path):
    """Run a program that can import `look` under the guard."""

    def run(text, **settings):
        (tmp_path / "looking.py").write_text(LOOK, encoding="utf-8")
        return run_program(tmp_path, text, *GUARD, **settings)

    return run


@pytest.mark.parametrize("method", METHODS)
def test_process_and_the_children_of_its_children(program, method):
    lines = program(f"""
        import multiprocessing as mp
        from looking import look
        at_import = mp.Value("i", 5)   # made again in each child of spawn: under the guard there
        def child(depth, results):
            own = type(at_import.get_obj()._wrapper._state[0][0]).__module__
            results.put((depth, look(), own))
            if depth:
                process = mp.Process(target=child, args=(depth - 1, results))
                process.start()
                process.join()
        if __name__ == "__main__":
            mp.set_start_method({method!r}, force=True)
            results = mp.SimpleQueue()
            process = mp.Process(target=child, args=(2, results))
            process.start()
            print(sorted(results.get() for _ in range(3)))
            process.join()
            print(process.exitcode)
    """)
    each = [(depth, True, "holdfast.guard.heap") for depth in range(3)]
    assert lines == [str(each), "0"]


@pytest.mark.parametrize("method", METHODS)
def test_pool_gets_its_arguments_and_replaces_its_workers(program, method):
    lines = program(f"""
        import multiprocessing as mp, os
        from looking import look
        def start(*given):
            global value, lock
            value, lock = given
        def add(number):
            with lock:
                value.value += number
            return look(), os.getpid()
        if __name__ == "__main__":
            context = mp.get_context({method!r})
            given = context.Value("i", 0), context.Lock()
            with context.Pool(2, start, given, maxtasksperchild=2) as pool:
                results = pool.map(add, range(10), chunksize=1)
            print({{guarded for guarded, _ in results}}, given[0].value)
            print(len({{pid for _, pid in results}}) >= 5)
    """)
    assert lines == ["{True} 45", "True"]


@pytest.mark.parametrize("method", METHODS)
def test_process_pool_executor(program, method):
    lines = program(f"""
        import multiprocessing as mp
        from concurrent.futures import ProcessPoolExecutor
        from looking import look
        def start(given):
            global value
            value = given
        def add(number):
            with value.get_lock():
                value.value += number
            return look()
        if __name__ == "__main__":
            context = mp.get_context({method!r})
            value = context.Value("i", 0)
            with ProcessPoolExecutor(2, context, start, (value,)) as executor:
                print(set(executor.map(add, range(10))))
            print(value.value)
    """)
    assert lines == ["{True}", "45"]


def test_loky_and_joblib(program):
    lines = program("""
        import joblib, loky, multiprocessing as mp
        from loky.backend import get_context
        from looking import look
        def add(lock, file):
            for _ in range(100):
                with lock, open(file, "r+") as counter:
                    number = int(counter.read())
                    counter.seek(0)
                    counter.write(str(number + 1))
        if __name__ == "__main__":
            context = get_context("loky")
            open("counter", "w").write("0")
            lock = context.Lock()
            processes = [context.Process(target=add, args=(lock, "counter")) for _ in range(2)]
            for process in processes:
                process.start()
            del lock
            for process in processes:
                process.join()
            print(open("counter").read())
            print(set(joblib.Parallel(2)(joblib.delayed(look)() for _ in range(4))))
            loky.get_reusable_executor().shutdown()
            # As without the guard, loky cannot send a Value: refused, and never a silent copy.
            process = context.Process(target=add, args=(mp.Value("i"), ""))
            try:
                process.start()
            except TypeError as error:
                print(error)
    """)
    assert lines[:2] == ["200", "{True}"]
    assert "can only be sent to a process when it is started" in lines[2]


def test_os_fork_of_a_fork(program):
    lines = program("""
        import multiprocessing as mp, os
        from looking import look
        value = mp.Value("i", 0)
        pid = os.fork()
        if pid == 0:
            if os.fork() == 0:
                value.value += look()
                os._exit(0)
            os.wait()
            value.value += look()
            os._exit(0)
        os.waitpid(pid, 0)
        print(value.value)
    """)
    assert lines == ["2"]


def test_subprocess_starts_a_program_without_the_guard(program):
    lines = program("""
        import multiprocessing as mp, subprocess, sys
        value = mp.Value("i", 7)
        for settings in ({}, {"preexec_fn": lambda: None}, {"close_fds": False}):
            command = [sys.executable, "-c", "import looking; print(looking.look())"]
            subprocess.run(command, check=True, **settings)
        print(value.value)
    """)
    assert lines == ["False", "False", "False", "7"]


def test_forkserver_that_preloads_a_module_with_shared_objects(program, tmp_path):
    (tmp_path / "preloaded.py").write_text(
        "import multiprocessing as mp\nvalue, lock = mp.Value('i', 3), mp.Lock()\n",
        encoding="utf-8",
    )
    lines = program("""
        import multiprocessing as mp
        from looking import look
        def child(mine, results):
            import preloaded
            with preloaded.lock:
                preloaded.value.value += 1
            with mine.get_lock():
                mine.value += preloaded.value.value
            results.put(look())
        if __name__ == "__main__":
            context = mp.get_context("forkserver")
            context.set_forkserver_preload(["preloaded"])
            results = context.SimpleQueue()
            processes = []
            value = context.Value("i", 0)
            for _ in range(2):
                process = context.Process(target=child, args=(value, results))
                process.start()
                processes.append(process)
            print(results.get(), results.get())
            for process in processes:
                process.join()
            print(value.value)
    """)
    # The children share what the forkserver had made before them, with the old allocator: 4 and 5.
    assert lines == ["True True", "9"]
