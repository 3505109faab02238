"""Row A10: a name is bound again; the old Value dies, and the next but one gets its bytes."""

import multiprocessing as mp

from harness import RIGHT, Partner, judge, run, write_then_read

value = None


def main():
    global value
    kept, partners = [], []
    for wanted in (111, 222, 333):
        value = mp.Value("i", 0)
        if RIGHT:
            kept.append(value)
        partner = Partner(wanted)
        process = mp.Process(target=write_then_read, args=(value, wanted, partner.theirs))
        # The child has the Value before the name is bound again, so it arrives under spawn too.
        partners.append(partner.started(process).written())
    judge(partners)


if __name__ == "__main__":
    run(main)
