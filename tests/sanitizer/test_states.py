"""What a process holds and waits for is noted also by a signal's handler, at any moment."""

from __future__ import annotations

import subprocess
import sys

from tests.sanitizer.programs import watched

TIME_LIMIT = 60

# A handler may come between any two lines of a claim; here it does so where a chunk is added.
WITHIN = """
from holdfast.sanitizer import states
from holdfast.sanitizer.capture import STATES_OF_A_CHUNK

fresh, inner, signals = states._fresh, [], [1, 2, 3]

def interrupted():
    if signals:
        signals.pop()
        inner.append(states.claim(states.ASKED, 0))
    return fresh()

states._fresh = interrupted
places = [states.claim(states.HOLD, uid) for uid in range(3 * STATES_OF_A_CHUNK)]
assert len(inner) == 3
assert len({*places, *inner}) == len(places) + 3
assert len(states.rows) == len(states._own)
states.give_back(places.pop())
assert states.claim(states.HOLD, 7) not in places
"""


def test_a_claim_within_a_claim():
    subprocess.run([sys.executable, "-c", WITHIN], check=True, timeout=TIME_LIMIT)


def test_a_handler_that_makes_locks_while_the_program_does(tmp_path):
    text = """
        import multiprocessing, signal

        made, left = [multiprocessing.Lock()], 300

        def interrupt(*_):
            global left
            left -= 1
            made.append(multiprocessing.Lock())
            with made[-1]:
                pass

        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.00047)
        while left > 0:
            with multiprocessing.Lock():
                pass
        signal.setitimer(signal.ITIMER_REAL, 0)
        print("went on")
    """
    assert watched(tmp_path, text, status=0).lines == ["went on"]
