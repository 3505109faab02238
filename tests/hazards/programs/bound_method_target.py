"""Row A8: the Value is an attribute of an object that only the target, its method, refers to."""

import multiprocessing as mp

from harness import RIGHT, Partner, judge, run, write_then_read


class Worker:
    def __init__(self, wanted, turn):
        self.value = mp.Value("i", 0)
        self.wanted = wanted
        self.turn = turn

    def work(self):
        write_then_read(self.value, self.wanted, self.turn)


def main():
    kept, partners = [], []
    for wanted in (111, 222):
        partner = Partner(wanted)
        worker = Worker(wanted, partner.theirs)
        if RIGHT:
            kept.append(worker)
        process = mp.Process(target=worker.work)
        del worker
        partners.append(partner.started(process))
    judge(partners)


if __name__ == "__main__":
    run(main)
