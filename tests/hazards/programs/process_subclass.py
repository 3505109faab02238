"""Row A12: a subclass of Process gives the Value to super().__init__ and does not keep it."""

import multiprocessing as mp

from harness import RIGHT, Partner, judge, run, write_then_read


class Worker(mp.Process):
    def __init__(self, wanted, turn):
        value = mp.Value("i", 0)
        if RIGHT:
            self.value = value
        super().__init__(target=write_then_read, args=(value, wanted, turn))


def main():
    partners = [Partner(wanted) for wanted in (111, 222)]
    for partner in partners:
        partner.started(Worker(partner.wanted, partner.theirs))
    judge(partners, and_then=lambda: [mp.Value("i", 999) for _ in range(4)])


if __name__ == "__main__":
    run(main)
