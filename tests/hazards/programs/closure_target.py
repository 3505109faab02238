"""Row A9: the Value lives in a cell of the target, a closure (fork only: it cannot be pickled)."""

import multiprocessing as mp

from harness import RIGHT, Partner, judge, run, write_then_read

KEPT = []


def target(partner):
    value = mp.Value("i", 0)
    if RIGHT:
        KEPT.append(value)

    def work():
        write_then_read(value, partner.wanted, partner.theirs)

    return work


def main():
    partners = []
    for wanted in (111, 222):
        partner = Partner(wanted)
        partners.append(partner.started(mp.Process(target=target(partner))))
    judge(partners)


if __name__ == "__main__":
    run(main)
