"""Pools: tasks that nobody finishes; and pools that are left in order."""

from __future__ import annotations

import pytest

from tests.sanitizer.programs import watched

METHODS = ("fork", "spawn", "forkserver")

FRAME = """
    import multiprocessing, os, signal, sys, time
    from concurrent.futures import ProcessPoolExecutor

    pool = None

    def double(number):
        time.sleep(0.3)
        return number * 2

    def die(number):
        if number == 2:
            {die}
        return number

    def main():
        global pool
        {main}

    if __name__ == "__main__":
        multiprocessing.set_start_method(sys.argv[1])
        main()
"""


def program(main, die="os.kill(os.getpid(), signal.SIGKILL)"):
    return FRAME.format(main="\n        ".join(main.strip().splitlines()), die=die)


LEFT = {
    "apply_async": "pool.apply_async(double, (4,))",
    "map_async": "pool.map_async(double, range(8))",
    "imap": "results = pool.imap(double, range(8))",
    "close without join": "pool.apply_async(double, (4,)); pool.close()",
}


@pytest.mark.parametrize("work", LEFT.values(), ids=LEFT)
def test_program_that_ends_with_tasks_outstanding(tmp_path, work):
    text = program(f"pool = multiprocessing.Pool(2)\n{work}")
    finding = watched(tmp_path, text, "fork", status=1).only("HF501")
    assert "MainProcess ends while `" in finding.message
    assert "pool.join()" in finding.fix
    assert finding.place.line == 19


@pytest.mark.parametrize("method", METHODS)
def test_outstanding_tasks_of_each_start_method(tmp_path, method):
    text = program("pool = multiprocessing.Pool(2)\npool.apply_async(double, (4,))")
    watched(tmp_path, text, method, status=1).only("HF501")


IN_ORDER = {
    "joined": "pool = multiprocessing.Pool(2)\npool.apply_async(double, (4,))\n"
    "pool.close()\npool.join()",
    "asked": "pool = multiprocessing.Pool(2)\nprint(pool.apply_async(double, (4,)).get())",
    "terminated": "pool = multiprocessing.Pool(2)\npool.apply_async(double, (4,))\n"
    "pool.terminate()\npool.join()",
    "with": "with multiprocessing.Pool(2) as pool:\n    pool.map_async(double, range(8))",
    "mapped": "with multiprocessing.Pool(2) as pool:\n    print(pool.map(double, range(3)))",
    "kept by its result": "print(multiprocessing.Pool(1).apply_async(double, (1,)).get())",
    "executor dropped": "print(ProcessPoolExecutor(1).submit(double, 1).result())",
    "maxtasksperchild": "with multiprocessing.Pool(1, maxtasksperchild=1) as pool:\n"
    "    print(pool.map(double, range(3), 1))",
    "imap read": "with multiprocessing.Pool(2) as pool:\n    print(list(pool.imap(double, [1])))",
}


@pytest.mark.parametrize("main", IN_ORDER.values(), ids=IN_ORDER)
def test_pool_that_is_left_in_order_is_silent(tmp_path, main):
    assert not watched(tmp_path, program(main), "fork", status=0).findings


def test_program_that_dies_of_an_exception_says_so_itself(tmp_path):
    main = "pool = multiprocessing.Pool(1)\npool.apply_async(double, (4,))\nraise ValueError"
    assert not watched(tmp_path, program(main), "fork", status=1).findings


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("die", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(3)"])
def test_worker_that_dies_with_its_task(tmp_path, method, die):
    main = """
with multiprocessing.Pool(2) as pool:
    results = [pool.apply_async(die, (number,)) for number in range(4)]
    for result in results:
        result.wait(2)
"""
    finding = watched(tmp_path, program(main, die), method, status=1).only("HF502")
    assert "pool.apply_async(die, (number,))" in finding.message
    assert "ProcessPoolExecutor" in finding.fix


def test_worker_that_dies_in_a_map_that_waits_for_ever(tmp_path):
    main = "with multiprocessing.Pool(2) as pool:\n    pool.map(die, range(4), 1)"
    seen = watched(tmp_path, program(main), "fork", options=("--hang", "2"), status=1)
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
