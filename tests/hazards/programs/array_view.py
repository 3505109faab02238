"""Row A18: a NumPy view of a RawArray as argument: recycled under fork, copied under spawn."""

import multiprocessing as mp

import numpy as np
from harness import METHOD, RIGHT, Partner, run, verdict


def child(shared, turn):
    view = np.frombuffer(shared) if RIGHT else shared
    view[0] = 111.0
    turn.send("written")
    turn.recv()
    turn.send(view[0])


def main():
    partner = Partner(111)
    raw = mp.RawArray("d", 4)
    view = np.frombuffer(raw)
    partner.started(mp.Process(target=child, args=(raw if RIGHT else view, partner.theirs)))
    partner.written()
    if METHOD != "fork":
        partner.turn.send("go on")
        verdict(view[0] != 111.0 and f"child wrote 111, parent sees {view[0]}: a copy travelled")
    if not RIGHT:
        del raw, view
    later = np.frombuffer(mp.RawArray("d", 4))
    later[:] = 999.0
    partner.turn.send("go on")
    read = partner.hear()
    verdict(read != 111.0 and f"child wrote 111, later read {read}")


if __name__ == "__main__":
    run(main)
