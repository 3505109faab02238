"""The watched program cannot tell: lifetimes, their order, references, output."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

TIME_LIMIT = 60.0

PROGRAMS = {
    "order of finalizers": """
        import gc, weakref
        import multiprocessing as mp
        from multiprocessing.util import Finalize

        class Noisy:
            def __init__(self, name):
                self.name, self.value = name, mp.Value("i", 0)
                Finalize(self, print, ("finalize", name), exitpriority=5)
                weakref.finalize(self, print, "weakref.finalize", name)
                weakref.finalize(self.value, print, "the value of", name)
            def __del__(self):
                print("del", self.name, self.value.value)

        def scope():
            first, second = Noisy("first"), Noisy("second")
            ring = [Noisy("third")]
            ring.append(ring)
            del first
            print("end of scope")

        if __name__ == "__main__":
            gc.disable()
            scope()
            print("collected", gc.collect() > 0)
            kept = Noisy("kept")
            print("end")
    """,
    "references and their counts": """
        import gc, sys, weakref
        import multiprocessing as mp

        def child(value):
            value.value = 3

        if __name__ == "__main__":
            makers = [
                lambda: mp.Value("d", 1), lambda: mp.Array("i", 3), lambda: mp.RawArray("i", 3),
                lambda: mp.RawValue("c", b"x"), mp.Lock, mp.Event, lambda: mp.Barrier(2), mp.Queue,
            ]
            for make in makers:
                thing = make()
                print(sys.getrefcount(thing), len(gc.get_referrers(thing)))
                gone = weakref.ref(thing)
                del thing
                print(gone() is None)
            value = mp.Value("i", 0)
            process = mp.Process(target=child, args=(value,))
            process.start(); process.join()
            print(value.value, sys.getrefcount(value), sys.getrefcount(value.get_obj()))
            print(process.exitcode)
            print([type(each).__name__ for each in gc.get_referrers(value)])
            gone = weakref.ref(process)
            del process
            gc.collect()
            print(gone() is None)
    """,
    "what is dropped by start()": """
        import multiprocessing as mp, weakref

        class Thing:
            def __del__(self):
                print("gone", flush=True)
            def work(self):
                pass

        if __name__ == "__main__":
            process = mp.Process(target=Thing().work, args=(Thing(), [Thing()]))
            print("start", flush=True)
            process.start()
            print("started", flush=True)
            process.join()
    """,
    "errors": """
        import multiprocessing as mp

        if __name__ == "__main__":
            for act in (
                lambda: mp.RawArray("i", -1), lambda: mp.Value("no"), lambda: mp.Value("i", "x"),
                lambda: mp.Array("i", 3)[7], lambda: mp.Process(target=1).start(1),
                lambda: mp.Process(None, None, None, 5), lambda: mp.Value("i", 0, lock=3),
                lambda: mp.Array("c", b"abc").value, lambda: mp.Value("d", 2.5).value,
            ):
                try:
                    print(repr(act()))
                except Exception as error:
                    print(type(error).__name__, error)
    """,
    "names and documentation": """
        import ctypes, inspect, multiprocessing as mp, os, pickle
        from multiprocessing import heap, process, sharedctypes, synchronize, util
        print(sharedctypes.rebuild_ctype.__qualname__, sharedctypes.rebuild_ctype.__module__)
        print(mp.Process.start.__doc__, mp.Process.__init__.__name__, os._exit.__name__)
        print(pickle.loads(pickle.dumps(sharedctypes.rebuild_ctype)) is sharedctypes.rebuild_ctype)
        print(repr(mp.Value("i", 4)), repr(mp.Lock()), mp.Value("i", 4).get_lock())
        print(ctypes.addressof.__doc__, ctypes.sizeof(mp.RawValue("d")))
        print(isinstance(vars(sharedctypes.Synchronized)["value"], property))
    """,
    "a fork that exits as a program": """
        import multiprocessing as mp, os, sys
        value = mp.Value("i", 0)
        pid = os.fork()
        if not pid:
            print("child", value.value, flush=True)
            sys.exit(5)
        print("parent", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """,
    "a thread pool of processes": """
        from concurrent.futures import ProcessPoolExecutor

        def square(number):
            return number * number

        if __name__ == "__main__":
            with ProcessPoolExecutor(2) as executor:
                print(list(executor.map(square, range(20))))
    """,
    "subprocesses and signals": """
        import signal, subprocess, sys
        print(subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True).stdout)
        print([s.name for s in signal.pthread_sigmask(signal.SIG_BLOCK, [])])
        print([signal.getsignal(n) for n in (2, 3, 15, 17)])
    """,
}  # fmt: skip


def run(prefix, folder):
    return subprocess.run(
        [sys.executable, *prefix, "app.py"], cwd=folder, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=TIME_LIMIT, start_new_session=True, check=False,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS)
def test_program_cannot_tell(tmp_path, text):
    (tmp_path / "app.py").write_text(textwrap.dedent(text))
    watch = ["-m", "holdfast", "run"]
    with ThreadPoolExecutor(3) as executor:
        plain, *watched = executor.map(
            lambda prefix: run(prefix, tmp_path), ([], watch, [*watch, "--as-is"])
        )
    assert plain.stdout
    for seen in watched:
        assert seen.stdout == plain.stdout
        assert seen.stderr.partition("=" * 80)[0] == plain.stderr
        assert seen.returncode == plain.returncode or "SUMMARY" in seen.stderr
