"""What the tests run in other processes, and how they wait for it.

Functions stand at the top of this module so that children of spawn find them by name. A child
reports through a pipe; what it raises is raised in the test with its traceback.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import traceback

# Seconds after which a child counts as hanging. Much less than the watchdog of the test.
PATIENCE = 60.0
# Seconds between two looks at a condition that has no descriptor to wait for.
INTERVAL = 0.002


class ChildError(AssertionError):
    """A child raised something."""


def _report(connection, function, arguments):
    try:
        answer = (True, function(*arguments))
    except BaseException:
        answer = (False, traceback.format_exc())
    connection.send(answer)
    connection.close()


def run(context, function, *arguments):
    """Call the function in a new process; return what it returns."""
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(there, function, arguments))
    process.start()
    there.close()
    try:
        if not here.poll(PATIENCE):
            raise ChildError(f"{function.__name__} hangs")
        good, answer = here.recv()
    except EOFError:
        process.join(PATIENCE)
        raise ChildError(f"{function.__name__} ended with {process.exitcode}") from None
    finally:
        here.close()
        process.join(PATIENCE)
        process.close()
    if not good:
        raise ChildError(answer)
    return answer


def start(context, function, *arguments):
    """Start a process and give it back; `end` it."""
    process = context.Process(target=function, args=arguments)
    process.start()
    return process


def end(process, expected=0):
    """Join a process, and see how it ended."""
    process.join(PATIENCE)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
    process.close()
    assert code == expected


def wait_until(condition):
    """Wait for something that another process does."""
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(INTERVAL)


def forked(function, *arguments):
    """Run the function in a child of os.fork, which ends without clean-up; return its status."""
    pid = os.fork()
    if pid == 0:
        code = 1
        with contextlib.suppress(BaseException):
            function(*arguments)
            code = 0
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def fresh(function):
    """Call a function, found by its name, in a fresh interpreter that ends in good order."""
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}; "
        f"from {function.__module__} import {function.__name__} as run; run()"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout


# ---- what children do ---------------------------------------------------------------------------


def call(thing, method, *arguments):
    """Call a method of something and return the result."""
    return getattr(thing, method)(*arguments)


def read(thing):
    """The value of a Value."""
    return thing.value


def write(thing, value):
    """Set the value of a Value; returns what it was."""
    before = thing.value
    thing.value = value
    return before


def write_item(thing, index, value):
    """Set an element, or slice; returns what it was."""
    before = thing[index]
    thing[index] = value
    return before


def add_many(thing, times):
    """Atomic increments."""
    for _ in range(times):
        thing.add(1)


def increment_many_locked(thing, times):
    """Increments under the lock."""
    for _ in range(times):
        with thing.get_lock():
            thing.value += 1


def acquire_and_die(lock, ready=None):
    """Die with a lock."""
    lock.acquire()
    if ready is not None:
        ready.value = 1
    os.kill(os.getpid(), signal.SIGKILL)


def acquire_and_wait(lock, ready, stop):
    """Have a lock until told to let go."""
    with lock:
        ready.value = 1
        wait_until(lambda: stop.value)


def put_and_die(queue, thing):
    """Send something, make sure that it left, and be killed."""
    queue.put(thing)
    queue.close()
    queue.join_thread()
    os.kill(os.getpid(), signal.SIGKILL)


def make_put_and_die(queue, maker, arguments):
    """As put_and_die, with something that only the dead one ever had."""
    put_and_die(queue, maker(*arguments))


def identity(thing):
    """Hand something back."""
    return thing
