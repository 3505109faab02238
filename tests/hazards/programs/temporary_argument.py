"""Rows A1 to A6: a shared object that exists only as an argument of Process(...)."""

import ctypes
import multiprocessing as mp
import multiprocessing.sharedctypes as shared

from harness import KIND, RIGHT, Partner, judge, run, write_then_read


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_int)]


MAKERS = {
    "value": lambda: mp.Value("i", 0),
    "array": lambda: mp.Array("i", 4),
    "structure": lambda: mp.Value(Point, 0, 0),
    "rawvalue": lambda: mp.RawValue("i", 0),
    "rawarray": lambda: mp.RawArray("i", 4),
    "rawstructure": lambda: shared.RawValue(Point, 0, 0),
}


def main():
    make, kept, partners = MAKERS[KIND], [], []
    for wanted in (111, 222):
        partner = Partner(wanted)
        if RIGHT:
            kept.append(make())
            process = mp.Process(target=write_then_read, args=(kept[-1], wanted, partner.theirs))
        else:
            process = mp.Process(target=write_then_read, args=(make(), wanted, partner.theirs))
        partners.append(partner.started(process))
    judge(partners)


if __name__ == "__main__":
    run(main)
