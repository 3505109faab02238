"""Pools: tasks that nobody finishes; and pools that are left in order."""

from __future__ import annotations

import pytest

from tests.sanitizer.programs import METHODS, watched, watched_together

HEAD = """
import multiprocessing, os, signal, sys, time
from concurrent.futures import ProcessPoolExecutor
from conditions import blocked, until

pool = None

def double(number):
    return number * 2

def never(number):
    time.sleep(60)

def die(number):
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number

def leave(number):
    if number == 2:
        os._exit(3)
    return number
"""
FRAME = (
    HEAD
    + """
def main():
    global pool
    {main}

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    main()
"""
)


def program(main):
    return FRAME.format(main="\n    ".join(main.strip().splitlines()))


LEFT = {
    "apply_async": "pool.apply_async(never, (4,))",
    "map_async": "pool.map_async(never, range(8))",
    "imap": "results = pool.imap(never, range(8))",
    "close without join": "pool.apply_async(never, (4,)); pool.close()",
}


@pytest.mark.parametrize(
    ("method", "work"),
    [("spawn", LEFT["apply_async"]), ("forkserver", LEFT["apply_async"]),
     *(("fork", work) for work in LEFT.values())],
)  # fmt: skip
def test_program_that_ends_with_tasks_outstanding(tmp_path, method, work):
    text = program(f"pool = multiprocessing.Pool(2)\n{work}")
    finding = watched(tmp_path, text, method, status=1).only("HF501")
    assert "MainProcess ends while `" in finding.message
    assert "pool.join()" in finding.fix
    assert finding.place.source == work


IN_ORDER = {
    "joined": "pool = multiprocessing.Pool(2)\npool.apply_async(double, (4,))\n"
    "pool.close()\npool.join()",
    "asked": "pool = multiprocessing.Pool(2)\nprint(pool.apply_async(double, (4,)).get())",
    "terminated": "pool = multiprocessing.Pool(2)\npool.apply_async(never, (4,))\n"
    "pool.terminate()\npool.join()",
    "with": "with multiprocessing.Pool(2) as pool:\n    pool.map_async(never, range(8))",
    "mapped": "with multiprocessing.Pool(2) as pool:\n    print(pool.map(double, range(3)))",
    "kept by its result": "print(multiprocessing.Pool(1).apply_async(double, (1,)).get())",
    "executor dropped": "print(ProcessPoolExecutor(1).submit(double, 1).result())",
    "maxtasksperchild": "with multiprocessing.Pool(1, maxtasksperchild=1) as pool:\n"
    "    print(pool.map(double, range(3), 1))",
    "imap read": "with multiprocessing.Pool(2) as pool:\n    print(list(pool.imap(double, [1])))",
}


def test_pool_that_is_left_in_order_is_silent(tmp_path):
    bodies = {
        name: "def main():\n    global pool\n    " + "\n    ".join(main.splitlines())
        for name, main in IN_ORDER.items()
    }
    for name, seen in watched_together(tmp_path, HEAD, bodies, "fork").items():
        assert seen.findings == (), (name, seen)
        assert seen.status == 0, seen


def test_program_that_dies_of_an_exception_says_so_itself(tmp_path):
    main = "pool = multiprocessing.Pool(1)\npool.apply_async(never, (4,))\nraise ValueError"
    assert not watched(tmp_path, program(main), "fork", status=1).findings


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("die", ["die", "leave"])
def test_worker_that_dies_with_its_task(tmp_path, method, die):
    main = f"""
with multiprocessing.Pool(2) as pool:
    workers = list(pool._pool)
    results = [pool.apply_async({die}, (number,)) for number in range(4)]
    until(lambda: pool._pool != workers)  # it has buried the dead one
"""
    finding = watched(tmp_path, program(main), method, status=1).only("HF502")
    assert f"pool.apply_async({die}, (number,))" in finding.message
    assert "ProcessPoolExecutor" in finding.fix


def test_worker_that_dies_in_a_map_that_waits_for_ever(tmp_path):
    main = "with multiprocessing.Pool(2) as pool:\n    pool.map(die, range(4), 1)"
    seen = watched(tmp_path, program(main), "fork", options=("--hang", "1"), status=1)
    assert "pool.map(die, range(4), 1)" in seen.only("HF502").message


def test_executor_tells_of_a_dead_worker_itself(tmp_path):
    main = """
try:
    ProcessPoolExecutor(1).submit(die, 2).result()
except Exception as error:
    print(type(error).__name__)
"""
    seen = watched(tmp_path, program(main), "fork", status=0)
    assert not seen.findings
    assert seen.lines == ["BrokenProcessPool"]
