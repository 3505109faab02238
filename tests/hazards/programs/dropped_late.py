"""Row A7: the Value is dropped when the child has it already; data alias, locks do not."""

import multiprocessing as mp

from harness import RIGHT, Partner, run, verdict


def child(value, turn):
    value.value = 111
    turn.send("written")
    turn.recv()
    got_lock = value.get_lock().acquire(block=False)
    turn.send((value.value, got_lock))


def main():
    partner = Partner(111)
    value = mp.Value("i", 0)
    partner.started(mp.Process(target=child, args=(value, partner.theirs)))
    partner.hear()
    if not RIGHT:
        del value
    new = mp.Value("i", 0)
    with new.get_lock():
        new.value = 222
        partner.turn.send("go on")
        read, got_lock = partner.hear()
    verdict(read != 111 and f"child wrote 111, later read {read}; took its lock: {got_lock}")


if __name__ == "__main__":
    run(main)
