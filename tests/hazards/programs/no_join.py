"""Rows B2 and B3: a process ends without joining its child, to which it has given a Value.

KIND is `main` (the main program ends: B2) or `middle` (a child with a child of its own: B3).
The verdict is the last process's, since nobody else is there to give it.
"""

import multiprocessing as mp

from harness import KIND, RIGHT, run


def last(value, lock):
    with lock:
        value.value += 1
    print("OK" if value.value == 8 else f"HAZARD read {value.value}, expected 8", flush=True)


KEPT = []


def middle():
    value, lock = mp.Value("i", 7), mp.Lock()
    KEPT.append((value, lock))  # which does not help: exit handlers remove the semaphores' names
    process = mp.Process(target=last, args=(value, lock))
    process.start()
    if RIGHT:
        process.join()


def main():
    if KIND == "main":
        middle()
        return
    process = mp.Process(target=middle)
    process.start()
    process.join()


if __name__ == "__main__":
    run(main)
