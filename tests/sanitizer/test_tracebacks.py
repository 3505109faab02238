"""What a watched program and its children show of exceptions has no frames of ours."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap

import pytest

from tests.sanitizer.programs import RUN

METHODS = ("fork", "spawn", "forkserver")


def shown(folder, text, *arguments):
    """What a program prints, bare and watched, without what differs from run to run."""
    path = folder / "app.py"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    found = []
    for words in ((sys.executable,), RUN):
        result = subprocess.run(
            [*words, str(path), *arguments], capture_output=True, text=True, check=False, cwd=folder
        )
        output = re.sub(
            r"0x[0-9a-f]+|psm_\w+|\(pid \d+\)|Task-\d+", "...", result.stdout + result.stderr
        )
        found.append(f"{output}\n{result.returncode}")
    return found


FAILS = """
    import multiprocessing, sys
    from multiprocessing.shared_memory import SharedMemory

    def work():
        SharedMemory("there_is_none_of_this_name")

    def caused():
        try:
            work()
        except OSError as error:
            raise ValueError("no") from error
"""


@pytest.mark.parametrize("method", METHODS)
def test_child_that_raises(method, tmp_path):
    bare, watched = shown(
        tmp_path,
        FAILS
        + """
    if __name__ == "__main__":
        multiprocessing.set_start_method(sys.argv[1])
        child = multiprocessing.Process(target=caused)
        child.start()
        child.join()
        print(child.exitcode)
    """,
        method,
    )
    assert "there_is_none_of_this_name" in bare
    assert watched == bare


def test_worker_of_a_pool_or_an_executor_that_raises(tmp_path):
    bare, watched = shown(
        tmp_path,
        FAILS
        + """
    import concurrent.futures, traceback

    def tried(call):
        try:
            call()
        except Exception as error:
            traceback.print_exception(type(error), error, error.__traceback__)
            print(len(traceback.extract_tb(error.__traceback__)))

    if __name__ == "__main__":
        multiprocessing.set_start_method("fork")
        with multiprocessing.Pool(1) as pool:
            tried(lambda: pool.apply(caused))
        with concurrent.futures.ProcessPoolExecutor(1) as pool:
            tried(lambda: pool.submit(caused).result())
    """,
    )
    assert "RemoteTraceback" in bare
    assert watched == bare


def test_threads_logs_and_loops(tmp_path):
    bare, watched = shown(
        tmp_path,
        FAILS
        + """
    import asyncio, logging, threading, traceback

    async def main():
        task = asyncio.create_task(asyncio.to_thread(caused))
        await asyncio.wait([task])
        del task

    class Odd(threading.Thread):
        def run(self):
            caused()

    def stack():
        traceback.print_stack()
        print(len(traceback.extract_stack()), len(traceback.format_stack(limit=2)))

    if __name__ == "__main__":
        for thread in (threading.Thread(target=caused, name="one"), Odd(name="two")):
            thread.start()
            thread.join()
        try:
            caused()
        except ValueError:
            logging.exception("failed")
            print(traceback.format_exc(), traceback.format_exc(limit=1))
        asyncio.run(main())
        multiprocessing.set_start_method("fork")
        stack()
        child = multiprocessing.Process(target=stack)
        child.start()
        child.join()
    """,
    )
    assert "Exception in thread one" in bare
    assert "never retrieved" in bare
    assert watched == bare


def test_import_of_a_watched_module_that_fails(tmp_path):
    package = tmp_path / "billiard"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "heap.py").write_text("import math\nmath.no_such_thing\n")
    bare, watched = shown(
        tmp_path,
        """
        import traceback

        try:
            import billiard.heap
        except AttributeError:
            traceback.print_exc()
        import billiard.heap
        """,
    )
    assert "no_such_thing" in bare
    assert watched == bare
