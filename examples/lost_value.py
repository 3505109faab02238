"""A Value changes although nobody writes to it."""

import multiprocessing as mp


def work(value, go):
    go.wait()
    value.value = 1111


if __name__ == "__main__":
    go = mp.Event()
    process = mp.Process(target=work, args=(mp.Value("d", 0), go))
    process.start()  # drops its arguments: that Value dies here, its 8 bytes are free
    flag = mp.Value("d", -1)  # ... and the next Value gets them, while the child still has them
    go.set()
    process.join()
    print("flag:", flag.value)
