"""Rows A14 and A15: initargs of an executor that is dropped while its work goes on.

KIND is `early` (dropped at once: A14) or `late` (dropped when the worker has the Value: A15).
"""

import gc
import multiprocessing as mp
import os
import time
import weakref
from concurrent.futures import ProcessPoolExecutor

from harness import KIND, METHOD, PATIENCE, RIGHT, Partner, run, verdict

value = turn = None
KEPT = []
GONE = []


def start(shared, connection):
    global value, turn
    value, turn = shared, connection


def task():
    turn.send("started")
    turn.recv()
    return value.value


def submit(partner):
    executor = ProcessPoolExecutor(
        1, mp.get_context(METHOD), initializer=start, initargs=(mp.Value("i", 7), partner.theirs)
    )
    GONE.append(weakref.ref(executor._initargs[0].get_obj()._wrapper))
    future = executor.submit(task)
    if RIGHT:
        KEPT.append(executor)
    if KIND == "late":
        partner.written()
    return future


def wait_until_gone():
    """The executor's own thread may have hold of it for a moment, and drop it then."""
    deadline = time.monotonic() + PATIENCE
    while GONE[0]() is not None and time.monotonic() < deadline:
        os.sched_yield()


def main():
    partner = Partner(7)
    future = submit(partner)
    gc.collect()
    if not RIGHT:
        wait_until_gone()
    later = [mp.Value("i", 999) for _ in range(4)]
    partner.turn.send("go on")
    try:
        read = future.result(PATIENCE)
    except Exception as error:
        read = f"{type(error).__name__}: {error}"
    del later
    verdict(read != 7 and f"task read {read}, expected 7")


if __name__ == "__main__":
    run(main)
