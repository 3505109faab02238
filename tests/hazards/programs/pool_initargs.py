"""Row A13: initargs of a Pool. Not a hazard, because a Pool keeps them: must stay right."""

import multiprocessing as mp

from harness import run, verdict

value = None


def start(shared):
    global value
    value = shared


def task(_):
    return value.value


def main():
    with mp.Pool(2, initializer=start, initargs=(mp.Value("i", 7),)) as pool:
        later = [mp.Value("i", 999) for _ in range(4)]
        read = pool.map(task, range(4))
        del later
    verdict(set(read) != {7} and f"tasks read {read}, expected 7")


if __name__ == "__main__":
    run(main)
