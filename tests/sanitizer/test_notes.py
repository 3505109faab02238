"""Locks with a native note of their owner do what they did, and the note is right."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

from tests.sanitizer.programs import RUN, watched

METHODS = ("fork", "spawn", "forkserver")


def both(folder, text, **options):
    """Run a program as it is, and watched."""
    path = folder / "app.py"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return [
        subprocess.run(
            [*words, str(path)], capture_output=True, text=True, check=False, cwd=folder, **options
        )
        for words in ((sys.executable,), RUN)
    ]


def test_a_lock_takes_and_refuses_what_it_did_before(tmp_path):
    bare, seen = both(
        tmp_path,
        """
        import multiprocessing

        CALLS = (
            (), (True,), (False,), (1,), (0,), (True, 0.01), (True, 0), (False, 5), (True, None),
            (True, -1), (True, "soon"), ("yes",), ([],), (True, 1, 2), (True, 10 ** 400), (None,),
        )
        NAMED = (
            dict(block=False), dict(timeout=0.01), dict(block=True, timeout=0.01), dict(wait=True),
            dict(timeout="soon"), dict(timeout=float("nan")),
            dict(block=False, timeout=float("inf")),
        )

        def tried(function, *values, **named):
            try:
                return function(*values, **named)
            except Exception as error:
                return type(error).__name__, str(error)

        for make in ("Lock", "RLock", "Semaphore", "BoundedSemaphore"):
            for taken in (0, 1):
                for values, named in [(c, {}) for c in CALLS] + [((), n) for n in NAMED]:
                    lock = getattr(multiprocessing, make)()
                    if taken:
                        lock.acquire()
                        if not values and not named or len(values) == 1 or values == (True, None):
                            if make != "RLock":
                                continue  # it would wait for ever
                    try:
                        print(make, taken, values, named, tried(lock.acquire, *values, **named))
                    except ValueError:
                        print(make, taken, "a long number", named)
                    print(lock, tried(lock.release), tried(lock.release), tried(lock.release))
                    print(tried(lock.__enter__), tried(lock.__exit__), tried(lock.__exit__))
                    print(tried(lock.__exit__, 1, 2, 3), tried(lock.__exit__, 1, 2, 3, 4))
                    print(tried(lock.release, 1), tried(lock.__enter__, 1))
        """,
    )
    assert bare.returncode == 0, bare.stderr
    assert seen.stdout.replace("Owner.", "SemLock.").splitlines() == bare.stdout.splitlines()
    assert (seen.returncode, seen.stderr) == (bare.returncode, bare.stderr)


def test_what_a_lock_raises_has_no_frame_of_ours(tmp_path):
    bare, seen = both(
        tmp_path,
        """
        import multiprocessing, traceback

        for make in (multiprocessing.Lock, multiprocessing.RLock, multiprocessing.BoundedSemaphore):
            lock = make()
            for call in (lock.release, lambda: lock.__exit__(None, None, None)):
                try:
                    call()
                    call()
                except Exception:
                    print(traceback.format_exc())
        lock = multiprocessing.Lock()
        with lock:
            lock.release()
        """,
    )
    assert seen.stdout == bare.stdout
    assert "attempt to release recursive lock" in bare.stdout
    assert seen.stderr == bare.stderr
    assert "__exit__" in bare.stderr


@pytest.mark.parametrize("how", ["with lock: pass", "lock.acquire()"])
def test_ctrl_c_in_a_wait_raises_there_and_leaves_the_lock_alone(how, tmp_path):
    text = f"""
        import multiprocessing, signal, sys, threading

        signal.signal(signal.SIGINT, signal.default_int_handler)
        lock = multiprocessing.Lock()
        lock.acquire()
        main, task = threading.get_ident(), threading.get_native_id()

        def waits():
            if sys._current_frames()[main].f_lineno < 22:
                return False
            with open(f"/proc/self/task/{{task}}/stat") as file:
                return file.read().rpartition(")")[2].split()[0] == "S"

        def interrupt():
            while not all(waits() for _ in range(100)):
                pass
            signal.pthread_kill(main, signal.SIGINT)

        threading.Thread(target=interrupt).start()
        try:
            {how}
        finally:
            lock.release()
            print(lock.acquire(False), lock.acquire(False))
    """
    bare, seen = both(tmp_path, text)
    assert bare.stdout == seen.stdout == "True False\n"
    assert seen.stderr == bare.stderr
    assert seen.returncode == bare.returncode == -signal.SIGINT


def test_ctrl_c_at_any_moment_leaves_no_lock_without_a_note(tmp_path):
    """What is taken is noted, and what is not is not: no bytecode runs in between."""
    text = """
        import multiprocessing, signal
        from holdfast.sanitizer import states

        lock, left, armed = multiprocessing.Lock(), 200, True
        note = lock.acquire.__self__

        def interrupt(*_):
            global armed
            if armed:
                armed = False  # here, as the next signal may come before any line of the program
                raise KeyboardInterrupt

        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.00037)
        wrong = 0
        while left:
            try:
                armed = True
                while True:
                    lock.acquire()
                    lock.release()
            except KeyboardInterrupt:
                left -= 1
            taken = not note.take(False)
            wrong += taken != bool(states.rows[note.chunk][note.word])
            (lock.release if taken else note.give)()
        signal.setitimer(signal.ITIMER_REAL, 0)
        print("wrong:", wrong)
    """
    assert watched(tmp_path, text, status=0).lines == ["wrong: 0"]


WAIT = """
    import multiprocessing, sys, time

    def first(thing, told):
        with thing:
            told.send("first")

    def second(thing, told):
        {take}
            told.send("second")
            time.sleep(60)

    def work(thing, told):
        first(thing, told)
        second(thing, told)

    def main():
        multiprocessing.set_start_method(sys.argv[1])
        thing = {make}
        here, there = multiprocessing.Pipe()
        worker = multiprocessing.Process(target=work, args=(thing, there))
        worker.start()
        print(here.recv(), here.recv())
        worker.kill()
        worker.join()
        {wants}

    if __name__ == "__main__":
        main()
"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("make", "wants"),
    {
        "multiprocessing.Value('i')": "thing.get_lock().acquire(timeout=0.5)",
        "multiprocessing.Condition()": "thing.acquire(timeout=0.5)",
        "multiprocessing.Lock()": "thing.acquire(timeout=0.5)",
    }.items(),
)
def test_places_are_told_apart_also_through_the_standard_library(make, wants, method, tmp_path):
    text = WAIT.format(make=make, wants=wants, take="with thing:")
    finding = watched(tmp_path, text, method, status=1).only("HF701")
    assert "taken at app.py:9" in finding.message


def test_a_recursive_lock_was_taken_where_it_was_taken_first(tmp_path):
    text = WAIT.format(
        make="multiprocessing.RLock()",
        wants="thing.acquire(timeout=0.5)",
        take="thing.acquire(); thing.acquire(); thing.release()\n        if True:",
    )
    finding = watched(tmp_path, text, "fork", status=1).only("HF701")
    assert "taken at app.py:9" in finding.message


def test_a_lock_dies_when_it_did_and_nobody_refers_to_it(tmp_path):
    bare, seen = both(
        tmp_path,
        """
        import gc, multiprocessing, sys, weakref

        for make in ("Lock", "RLock", "Semaphore", "Condition", "Event"):
            lock = getattr(multiprocessing, make)()
            with getattr(lock, "_cond", lock):
                pass
            print(make, sys.getrefcount(lock), len(gc.get_referrers(lock)))
            print(sys.getrefcount(getattr(lock, "_semlock", None) and lock.acquire.__self__) > 0)
            weakref.finalize(lock, print, "gone", make)
            del lock
            print("after", make)
        acquire = multiprocessing.Lock().acquire
        print(acquire(), acquire(False))
        """,
    )
    assert seen.stdout == bare.stdout
    assert seen.returncode == bare.returncode == 0


def test_a_forked_child_holds_nothing_of_its_parents(tmp_path):
    text = """
        import multiprocessing, os

        lock, recursive, several = (
            multiprocessing.Lock(), multiprocessing.RLock(), multiprocessing.Semaphore(2))
        lock.acquire(), recursive.acquire(), several.acquire()
        pid = os.fork()
        if not pid:
            os.kill(os.getpid(), 9)
        os.waitpid(pid, 0)
        print(lock.acquire(timeout=0.1), recursive.acquire(timeout=0.1), several.acquire(False))
        lock.release(), recursive.release(), several.release()
    """
    seen = watched(tmp_path, text, status=0)
    assert not seen.findings
    assert seen.lines == ["False True True"]


def test_threads_that_fight_for_locks_lose_no_count(tmp_path):
    text = """
        import multiprocessing, sys, threading

        sys.setswitchinterval(1e-6)
        locks = [multiprocessing.Lock(), multiprocessing.RLock(), multiprocessing.Semaphore(1)]
        counts = [0, 0, 0]

        def work():
            for _ in range(300):
                for index, lock in enumerate(locks):
                    with lock:
                        before = counts[index]
                        counts[index] = before + 1
                    multiprocessing.Lock().acquire()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(*counts)
    """
    seen = watched(tmp_path, text, status=0)
    assert seen.lines == ["1200 1200 1200"]
    assert not seen.findings


def test_more_places_than_are_remembered_are_told_as_well(tmp_path):
    text = """
        import multiprocessing, os

        def main():
            lock = multiprocessing.Lock()
            for index in range(5000):
                exec(f"with lock: pass\\nn = {index}")
            pid = os.fork()
            if not pid:
                with lock:
                    os.kill(os.getpid(), 9)
            os.waitpid(pid, 0)
            print(lock.acquire(timeout=0.2))

        main()
    """
    finding = watched(tmp_path, text, status=1).only("HF701")
    assert "taken at app.py:10" in finding.message


def test_stacks_are_those_of_the_interpreter():
    from holdfast.sanitizer import _notes
    from holdfast.sanitizer.stacks import Stacks

    def here():
        frame = sys._getframe()
        expected = []
        positions = []
        whole = _notes.stack()
        while frame is not None and len(expected) < 60:
            expected.append(id(frame.f_code))
            positions.append(frame.f_lasti)
            frame = frame.f_back
        found = memoryview(whole).cast("Q").tolist()
        assert found[::2] == expected
        assert found[3::2] == positions[1:]
        assert _notes.stack_of(sys._getframe(1)) == _notes.stack(1)
        assert _notes.stack_of(None) == b""
        with pytest.raises(TypeError):
            _notes.stack_of("a frame")

    here()
    stacks = Stacks()

    def deep(depth):
        return deep(depth - 1) if depth else stacks.take()

    number = deep(200)
    assert len(stacks.frames(number)) == 60
    assert stacks.frames(number)[0][5].endswith("deep")
    assert deep(200) != 0


def test_an_owner_without_sense_is_refused():
    from holdfast.sanitizer import _notes

    with pytest.raises(AttributeError):
        _notes.Owner(object(), "Lock", 1, 0, 0)
    with pytest.raises(TypeError):
        _notes.managers("no class")
    with pytest.raises(ValueError, match="1 to 4"):
        _notes.add_site(sys._getframe(), 5, 1)
