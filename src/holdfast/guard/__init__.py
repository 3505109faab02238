"""The guard: makes the standard library's shared objects safe in place, in an unchanged program.

`guard()` lets `multiprocessing` (and `multiprocess`, `billiard`, loky) take memory and semaphores
from Holdfast's heap, where nothing is reused while some process can still reach it. The map:

    switch.py        on, off, and how often: what guard() returns
    heap.py          multiprocessing.heap: the memory of Value, Array, RawValue, RawArray, Barrier
    synchronize.py   multiprocessing.synchronize: the semaphores of locks, conditions and queues
    sending.py       what is pickled for a child, and taken back if the child never takes it
    reduction.py     multiprocessing.reduction: tells of NumPy arrays that travel as copies
"""

from holdfast.guard.reduction import SharedCopyWarning
from holdfast.guard.switch import Guard, guard

__all__ = ["Guard", "SharedCopyWarning", "guard"]
