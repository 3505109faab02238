"""Row B4: a Barrier keeps its state in a block of the heap; Values of the parent overwrite it."""

import multiprocessing as mp

from harness import PATIENCE, RIGHT, Partner, run, verdict


def child(barrier, turn):
    turn.send("written")
    turn.recv()
    try:
        barrier.wait(timeout=PATIENCE / 4)
        turn.send("passed")
    except Exception as error:
        turn.send(f"{type(error).__name__} {error}")


def main():
    barrier = mp.Barrier(2)
    partners = [Partner("passed"), Partner("passed")]
    for partner in partners:
        partner.started(mp.Process(target=child, args=(barrier, partner.theirs))).written()
    if not RIGHT:
        del barrier
    later = [mp.Value("q", 12345) for _ in range(4)]
    for partner in partners:
        partner.turn.send("go on")
    heard = [partner.hear() for partner in partners]
    values = [value.value for value in later]
    verdict(
        (heard != ["passed"] * 2 or values != [12345] * 4)
        and f"children at the barrier: {heard}; Values of 12345 read {values}"
    )


if __name__ == "__main__":
    run(main)
