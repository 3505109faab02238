"""Fixes of shapes that people write: each comes out as they would have written it right."""

from __future__ import annotations

import textwrap

import pytest

from holdfast.lint import Options, check_source
from holdfast.lint.fixes import fix_source

HEADER = """\
import multiprocessing as mp
import sys
from multiprocessing.shared_memory import SharedMemory

import numpy as np
import torch


def work(*given):
    for each in given:
        each.put(each)


"""
OPTIONS = Options(start_method="fork", target=(3, 13))

SAFE = {
    "what is made in a list is hoisted with it": (
        """
        def launch():
            process = mp.Process(target=work, args=([mp.Value("i", 0), mp.RawValue("i", 1)],))
            process.start()
            process.join()
        """,
        """
        def launch():
            shared = [mp.Value("i", 0), mp.RawValue("i", 1)]
            process = mp.Process(target=work, args=(shared,))
            process.start()
            process.join()
        """,
    ),
    "what is put together is hoisted as a whole": (
        """
        def launch(first):
            process = mp.Process(target=work, args=(first, *[mp.RawValue("i", 1)]))
            process.start()
            process.join()
        """,
        """
        def launch(first):
            args = (first, *[mp.RawValue("i", 1)])
            process = mp.Process(target=work, args=args)
            process.start()
            process.join()
        """,
    ),
    "what is made for a function that starts the process": (
        """
        def start(function, *args):
            process = mp.Process(target=function, args=args)
            process.start()
            return process


        def launch():
            process = start(work, mp.Value("i", 0))
            process.join()
        """,
        """
        def start(function, *args):
            process = mp.Process(target=function, args=args)
            process.start()
            return process


        def launch():
            value = mp.Value("i", 0)
            process = start(work, value)
            process.join()
        """,
    ),
    "a process that is appended gets a name": (
        """
        def launch():
            processes = []
            for number in range(3):
                processes.append(mp.Process(target=work, args=(mp.Value("i", number),)))  # each
                processes[-1].start()
            return processes
        """,
        """
        def launch():
            processes = []
            for number in range(3):
                value = mp.Value("i", number)
                process = mp.Process(target=work, args=(value,))
                process.value = value
                processes.append(process)  # each
                processes[-1].start()
            return processes
        """,
    ),
    "a process that is returned gets a name": (
        """
        def build():
            value = mp.Value("i", 0)
            return mp.Process(target=work, args=[value])
        """,
        """
        def build():
            value = mp.Value("i", 0)
            process = mp.Process(target=work, args=[value])
            process.value = value
            return process
        """,
    ),
    "the list of an element, in the constructor's own block": (
        """
        class Crew:
            def __init__(self):
                cells = [mp.Value("i", 0) for _ in range(2)]
                for number in range(2):
                    process = mp.Process(target=work, args=(cells[number],))
                    process.start()
        """,
        """
        class Crew:
            def __init__(self):
                cells = [mp.Value("i", 0) for _ in range(2)]
                self._cells = cells
                for number in range(2):
                    process = mp.Process(target=work, args=(cells[number],))
                    process.start()
        """,
    ),
    "a writer that several processes have": (
        """
        def read():
            reader, writer = mp.Pipe(duplex=False)
            processes = [mp.Process(target=work, args=(writer,)) for _ in range(2)]
            for each in processes:
                each.start()
            while True:
                try:
                    print(reader.recv())
                except EOFError:
                    break
        """,
        """
        def read():
            reader, writer = mp.Pipe(duplex=False)
            processes = [mp.Process(target=work, args=(writer,)) for _ in range(2)]
            for each in processes:
                each.start()
            writer.close()
            while True:
                try:
                    print(reader.recv())
                except EOFError:
                    break
        """,
    ),
    "a writer that the child's object has": (
        '''
        class Log:
            def __init__(self):
                self.reader, self.writer = mp.Pipe(duplex=False)
                self.process = mp.Process(target=self._drain)
                self.process.start()

            def _drain(self):
                """Print all."""
                while True:
                    try:
                        print(self.reader.recv())
                    except EOFError:
                        return
        ''',
        '''
        class Log:
            def __init__(self):
                self.reader, self.writer = mp.Pipe(duplex=False)
                self.process = mp.Process(target=self._drain)
                self.process.start()

            def _drain(self):
                """Print all."""
                self.writer.close()
                while True:
                    try:
                        print(self.reader.recv())
                    except EOFError:
                        return
        ''',
    ),
    "what a comprehension goes through": (
        """
        class Crew:
            def __init__(self):
                cells = [mp.Value("i", 0) for _ in range(2)]
                self.processes = [mp.Process(target=work, args=(each,)) for each in cells]
                for process in self.processes:
                    process.start()
        """,
        """
        class Crew:
            def __init__(self):
                cells = [mp.Value("i", 0) for _ in range(2)]
                self._cells = cells
                self.processes = [mp.Process(target=work, args=(each,)) for each in cells]
                for process in self.processes:
                    process.start()
        """,
    ),
    "a process in a dictionary": (
        """
        def launch(names):
            cells, processes = {}, {}
            for name in names:
                cells[name] = mp.Value("i", 0)
                processes[name] = mp.Process(target=work, args=(cells[name],))
                processes[name].start()
            return processes
        """,
        """
        def launch(names):
            cells, processes = {}, {}
            for name in names:
                cells[name] = mp.Value("i", 0)
                processes[name] = mp.Process(target=work, args=(cells[name],))
                processes[name].start()
                processes[name].cells = cells
            return processes
        """,
    ),
    "segments that a loop closes": (
        """
        def export(sizes):
            segments = []
            for size in sizes:
                shm = SharedMemory(create=True, size=size)
                segments.append(shm)
            total = sum(each.buf[0] for each in segments)
            for shm in segments:
                shm.close()
            return total
        """,
        """
        def export(sizes):
            segments = []
            for size in sizes:
                shm = SharedMemory(create=True, size=size)
                segments.append(shm)
            total = sum(each.buf[0] for each in segments)
            for shm in segments:
                shm.close()
                shm.unlink()
            return total
        """,
    ),
    "a part of a view that a finally closes": (
        """
        def some(name, low, high):
            shm = SharedMemory(name=name, track=False)
            try:
                array = np.ndarray((100,), buffer=shm.buf)
                return array[low:high]
            finally:
                shm.close()
        """,
        """
        def some(name, low, high):
            shm = SharedMemory(name=name, track=False)
            try:
                array = np.ndarray((100,), buffer=shm.buf)
                return array[low:high].copy()
            finally:
                shm.close()
        """,
    ),
    "a tensor has another word for it": (
        """
        def load(name):
            shm = SharedMemory(name=name, track=False)
            array = np.ndarray((4,), buffer=shm.buf)
            return torch.from_numpy(array)
        """,
        """
        def load(name):
            shm = SharedMemory(name=name, track=False)
            array = np.ndarray((4,), buffer=shm.buf)
            return torch.from_numpy(array).clone()
        """,
    ),
    "a copy of what has one": (
        """
        def send(queue=None):
            queue = mp.Queue()
            frame = bytearray(100)
            while True:
                frame[0] += 1
                queue.put(frame)
        """,
        """
        def send(queue=None):
            queue = mp.Queue()
            frame = bytearray(100)
            while True:
                frame[0] += 1
                queue.put(frame.copy())
        """,
    ),
}

UNSAFE = {
    "the join goes behind what reads": (
        """
        def drain():
            queue = mp.Queue()
            processes = [mp.Process(target=work, args=(queue,)) for _ in range(2)]
            for each in processes:
                each.start()
            # All have to end.
            for each in processes:
                each.join()
            found = []
            for _ in range(10):
                found.append(queue.get())
            return found
        """,
        """
        def drain():
            queue = mp.Queue()
            processes = [mp.Process(target=work, args=(queue,)) for _ in range(2)]
            for each in processes:
                each.start()
            found = []
            for _ in range(10):
                found.append(queue.get())
            # All have to end.
            for each in processes:
                each.join()
            return found
        """,
    ),
    "a copy of what may have one": (
        """
        def send(frame):
            queue = mp.Queue()
            queue.put(frame)
            frame[0] = 1
        """,
        """
        def send(frame):
            queue = mp.Queue()
            queue.put(frame.copy())
            frame[0] = 1
        """,
    ),
    "a pool of the main block is closed there": (
        """
        if __name__ == "__main__":
            pool = mp.Pool()
            for number in range(9):
                pool.apply_async(print, (number,))
        """,
        """
        if __name__ == "__main__":
            pool = mp.Pool()
            for number in range(9):
                pool.apply_async(print, (number,))
            pool.close()
            pool.join()
        """,
    ),
    "a segment that an object owns": (
        """
        class Buffer:
            def __init__(self, size):
                self.shm = SharedMemory(create=True, size=size)

            def close(self):
                self.shm.close()


        if __name__ == "__main__":
            buffer = Buffer(8)
            buffer.close()
        """,
        """
        class Buffer:
            def __init__(self, size):
                self.shm = SharedMemory(create=True, size=size)

            def close(self):
                self.shm.close()
                self.shm.unlink()


        if __name__ == "__main__":
            buffer = Buffer(8)
            buffer.close()
        """,
    ),
    "a join before the program is left": (
        """
        if __name__ == "__main__":
            table = mp.Manager().dict()
            process = mp.Process(target=work, args=(table,))
            process.start()
            sys.exit(0)
        """,
        """
        if __name__ == "__main__":
            table = mp.Manager().dict()
            process = mp.Process(target=work, args=(table,))
            process.start()
            process.join()
            sys.exit(0)
        """,
    ),
    "all are joined that a loop has started": (
        """
        if __name__ == "__main__":
            table = mp.Manager().dict()
            processes = [mp.Process(target=work, args=(table,)) for _ in range(2)]
            for each in processes:
                each.start()
        """,
        """
        if __name__ == "__main__":
            table = mp.Manager().dict()
            processes = [mp.Process(target=work, args=(table,)) for _ in range(2)]
            for each in processes:
                each.start()
            for each in processes:
                each.join()
        """,
    ),
    "who writes into a view gets the segment, not a copy": (
        """
        def attach(name):
            shm = SharedMemory(name=name, track=False)
            array = np.ndarray(4, buffer=shm.buf)
            return array


        def clear(name):
            array = attach(name)
            array[:] = 0
        """,
        """
        def attach(name):
            shm = SharedMemory(name=name, track=False)
            array = np.ndarray(4, buffer=shm.buf)
            return array, shm


        def clear(name):
            array, shm = attach(name)
            array[:] = 0
        """,
    ),
}


def fixed(text, *, unsafe):
    result = fix_source((HEADER + text).encode(), "x.py", OPTIONS, unsafe=unsafe)
    return result.data.decode()[len(HEADER) :]


@pytest.mark.parametrize("name", [*SAFE, *UNSAFE])
def test_a_fix_is_what_a_maintainer_would_write(name):
    pair = SAFE.get(name) or UNSAFE[name]
    before, after = (textwrap.dedent(each).lstrip("\n") for each in pair)
    assert check_source(HEADER + before, "x.py", OPTIONS)
    assert fixed(before, unsafe=name in UNSAFE) == after
    assert not check_source(HEADER + after, "x.py", OPTIONS)


@pytest.mark.parametrize("name", UNSAFE)
def test_what_the_program_might_depend_on_is_not_changed_by_itself(name):
    before = textwrap.dedent(UNSAFE[name][0]).lstrip("\n")
    assert fixed(before, unsafe=False) == before
