"""Row A11: the Process objects are kept in a list, the Values that were their arguments are not."""

import multiprocessing as mp

from harness import RIGHT, Partner, judge, run, write_then_read


def main():
    partners = [Partner(wanted) for wanted in (1, 2, 3)]
    values = [mp.Value("i", 0) for _ in partners] if RIGHT else None
    processes = [
        mp.Process(
            target=write_then_read,
            args=(values[i] if RIGHT else mp.Value("i", 0), partner.wanted, partner.theirs),
        )
        for i, partner in enumerate(partners)
    ]
    for partner, process in zip(partners, processes, strict=True):
        partner.started(process)
    judge(partners, and_then=lambda: [mp.Value("i", 999) for _ in range(6)])


if __name__ == "__main__":
    run(main)
