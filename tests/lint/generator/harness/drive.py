"""Runs generated programs, each in a forked child of its own, and prints what became of each.

    python drive.py SECONDS NAME...

One line of JSON for each program: its name, and why it is faulty; "" if it is not.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import pathlib
import select
import signal
import sys


def execute(name):
    """Run a module and its function `main`, or a script; its variables, and what it returns."""
    text = pathlib.Path(f"{name}.py").read_text()
    if "def main" in text and "__main__" not in text:
        program = importlib.import_module(name)
        return program, program.main()
    variables = {"__name__": "__main__"}
    try:
        exec(compile(text, f"{name}.py", "exec"), variables)
    except SystemExit:
        pass
    return variables, None


def run(name, write):
    """In a process of its own: run a program to its end."""
    os.setsid()
    # A spawned child is not to import this file again.
    main = sys.modules["__main__"]
    main.__spec__ = None
    del main.__file__
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    import gate
    import slow

    os.environ["MARKS"] = os.path.join(os.getcwd(), f"marks_{name}")
    os.mkdir(os.environ["MARKS"])
    try:
        program, result = execute(name)
        why = gate.verdict()
        del program, result
    except BaseException as error:
        why = f"raised {error!r}"
    slow.let_begin()
    os.write(write, f"{why[:4000]}\n".encode())
    os._exit(0)


class SharedForkserver:
    """One forkserver for all programs that want one.

    It dies when a program is ended in the middle of asking it (what it then reads is no request),
    so it is looked after before each of them.
    """

    def __init__(self):
        import multiprocessing
        from multiprocessing import forkserver

        self._server = server = forkserver._forkserver
        server.set_forkserver_preload(["targets", "multiprocessing.managers"])
        self._ensure_running = server.ensure_running
        server.ensure_running = lambda: None  # it is no child of the programs that ask
        self.look_after()
        multiprocessing.context._default_context._actual_context = None  # theirs to set

    def look_after(self):
        """Start it if it does not run."""
        self._ensure_running()


def wants_forkserver(names):
    """Whether any of the programs does."""
    return any("forkserver" in pathlib.Path(f"{name}.py").read_text() for name in names)


def adopt_orphans():
    """Whoever loses its parent, a forkserver that has died, becomes a child of this process."""
    set_child_subreaper = 36  # from sys/prctl.h
    if ctypes.CDLL(None, use_errno=True).prctl(set_child_subreaper, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def end_children(but):
    """End all children, and theirs; but one, which ends by itself."""
    own = pathlib.Path(f"/proc/self/task/{os.getpid()}/children")
    while others := {int(each) for each in own.read_text().split()} - {but}:
        for each in others:
            os.kill(each, signal.SIGKILL)
            os.waitpid(each, 0)  # its children are ours now


def main(seconds, names):
    """Run the programs one after the other."""
    import multiprocessing
    import multiprocessing.context
    import multiprocessing.managers
    import multiprocessing.pool
    import multiprocessing.popen_fork
    import multiprocessing.popen_forkserver
    import multiprocessing.popen_spawn_posix
    import multiprocessing.sharedctypes
    import multiprocessing.synchronize  # noqa: F401
    from multiprocessing import resource_tracker

    import gate  # noqa: F401
    import targets  # noqa: F401

    # One tracker for all programs: their own would be killed with them, and the names of their
    # semaphores would stay for ever.
    resource_tracker.ensure_running()
    adopt_orphans()
    server = SharedForkserver() if wants_forkserver(names) else None
    for name in names:
        if server is not None:
            server.look_after()
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            run(name, write)
        os.close(write)
        said, _, _ = select.select([read], [], [], seconds)
        why = os.read(read, 4096).decode().rstrip("\n") if said else "took too long"
        os.close(read)
        try:
            os.killpg(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) != signal.SIGKILL:
            why = f"died of signal {os.WTERMSIG(status)}"
        print(json.dumps({"name": name, "why": why}), flush=True)
    end_children(but=resource_tracker._resource_tracker._pid)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
