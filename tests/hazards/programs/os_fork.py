"""Row A17: os.fork without multiprocessing.Process; the parent drops what the child inherited."""

import multiprocessing as mp
import os

from harness import RIGHT, Partner, run, verdict, write_then_read


def main():
    partner = Partner(111)
    value = mp.Value("i", 0)
    pid = os.fork()
    if pid == 0:
        write_then_read(value, 111, partner.theirs)
        os._exit(0)
    partner.theirs.close()
    partner.written()
    if not RIGHT:
        del value
    later = [mp.Value("i", 222) for _ in range(2)]
    partner.turn.send("go on")
    read = partner.hear()
    os.waitpid(pid, 0)
    del later
    verdict(read != 111 and f"child wrote 111, later read {read}")


if __name__ == "__main__":
    run(main)
