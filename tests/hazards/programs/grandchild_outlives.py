"""Row A16: the owner drops the Value when its child is joined; a grandchild still uses it."""

import multiprocessing as mp
import os

from harness import RIGHT, Partner, run, verdict, write_then_read


def child(value, own_turn, grandchilds_turn):
    mp.Process(target=write_then_read, args=(value, 111, grandchilds_turn)).start()
    own_turn.recv()
    os._exit(0)  # without joining the grandchild


def main():
    grandchild, partner = Partner(111), Partner(None)
    value = mp.Value("i", 0)
    process = mp.Process(target=child, args=(value, partner.theirs, grandchild.theirs))
    partner.started(process)
    grandchild.theirs.close()
    grandchild.written()
    partner.turn.send("leave")
    process.join()
    if not RIGHT:
        del value  # "all my children are joined"
    later = [mp.Value("i", 999) for _ in range(2)]
    grandchild.turn.send("go on")
    read = grandchild.hear()
    del later
    verdict(read != 111 and f"grandchild wrote 111, later read {read}")


if __name__ == "__main__":
    run(main)
