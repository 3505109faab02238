"""Row B1: every object with a semaphore, as a temporary: its name is gone before it is opened."""

import multiprocessing as mp

from harness import PATIENCE, RIGHT, run, verdict

KINDS = [
    "Lock", "RLock", "Semaphore", "BoundedSemaphore", "Event", "Condition", "Barrier",
    "Queue", "SimpleQueue", "JoinableQueue",
]  # fmt: skip


def child(shared):
    del shared


def make(kind):
    return mp.Barrier(2) if kind == "Barrier" else getattr(mp, kind)()


def main():
    kept, processes = [], []
    for kind in KINDS:
        if RIGHT:
            kept.append(make(kind))
            process = mp.Process(target=child, args=(kept[-1],), name=kind)
        else:
            process = mp.Process(target=child, args=(make(kind),), name=kind)
        process.start()
        processes.append(process)
    for process in processes:
        process.join(PATIENCE)
    died = [process.name for process in processes if process.exitcode != 0]
    verdict(died and f"child died for {', '.join(died)}")


if __name__ == "__main__":
    run(main)
