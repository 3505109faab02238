"""What the test suites of other projects do, is no fault, and looked like one once."""

from __future__ import annotations

import pytest

from tests.sanitizer.programs import METHODS, watched


@pytest.mark.parametrize("method", METHODS)
def test_number_of_a_dead_sentinel_that_is_the_next_process_own(tmp_path, method):
    text = """
        import multiprocessing, sys
        from multiprocessing.connection import wait

        def work():
            pass

        if __name__ == "__main__":
            context = multiprocessing.get_context(sys.argv[1])
            first = context.Process(target=work)
            first.start()
            number = first.sentinel
            wait([number])
            first.join()
            first.close()
            del first
            second = context.Process(target=work)
            second.start()
            second.join(30)
            print(second._popen.sentinel == number)
    """
    seen = watched(tmp_path, text, method, status=0)
    assert not seen.findings
    assert seen.lines == ["True"]


def test_sentinel_of_the_parent_in_a_child_that_inherits_numbers(tmp_path):
    text = """
        import multiprocessing
        from multiprocessing.connection import wait

        def work():
            pass

        def look():
            print(wait([multiprocessing.parent_process().sentinel], 0))

        if __name__ == "__main__":
            context = multiprocessing.get_context("fork")
            numbers = set()
            for _ in range(3):
                process = context.Process(target=work)
                process.start()
                numbers.add(process.sentinel)
                process.join()
                del process
            child = context.Process(target=look)
            child.start()
            child.join()
    """
    seen = watched(tmp_path, text, status=0)
    assert not seen.findings
    assert seen.lines == ["[]"]


def test_item_that_cannot_be_pickled_is_told_by_its_feeder(tmp_path):
    text = """
        import multiprocessing

        if __name__ == "__main__":
            channel = multiprocessing.Queue()
            channel.put(lambda: None)
            channel.put(1)
            print(channel.get())
    """
    seen = watched(tmp_path, text, status=0)
    assert not seen.findings
    assert seen.lines == ["1"]
    assert "PicklingError" in seen.errors or "AttributeError" in seen.errors


@pytest.mark.parametrize("method", METHODS)
def test_executor_whose_worker_is_killed_tells_its_futures(tmp_path, method):
    text = """
        import multiprocessing, os, signal, sys
        from concurrent.futures import ProcessPoolExecutor
        from concurrent.futures.process import BrokenProcessPool

        def die(number):
            os.kill(os.getpid(), signal.SIGKILL)

        if __name__ == "__main__":
            context = multiprocessing.get_context(sys.argv[1])
            with ProcessPoolExecutor(1, mp_context=context) as executor:
                try:  # the pool may be broken before all is submitted
                    futures = [executor.submit(die, number) for number in range(20)]
                    futures[0].result()
                except BrokenProcessPool:
                    print("broken")
    """
    seen = watched(tmp_path, text, method, status=0)
    assert not seen.findings
    assert seen.lines == ["broken"]


def test_program_that_is_ended_by_a_signal_with_items_in_its_buffer(tmp_path):
    text = """
        import multiprocessing, os, signal

        if __name__ == "__main__":
            channel = multiprocessing.Queue()
            for _ in range(4):
                channel.put(bytes(1_000_000))
            os.kill(os.getpid(), signal.SIGTERM)
    """
    assert not watched(tmp_path, text, status=-15).findings


def test_child_that_inherited_the_writing_end_writes_late(tmp_path):
    text = """
        import multiprocessing, time

        context = multiprocessing.get_context("fork")
        reader, writer = context.Pipe(duplex=False)

        def work():
            time.sleep(1)
            writer.send("late")

        if __name__ == "__main__":
            process = context.Process(target=work)
            process.start()
            writer.close()
            print(reader.recv())
            process.join()
    """
    seen = watched(tmp_path, text, status=0)
    assert not seen.findings
    assert seen.lines == ["late"]


def test_proxy_in_flight_that_its_sender_still_has(tmp_path):
    text = """
        import multiprocessing

        if __name__ == "__main__":
            context = multiprocessing.get_context("spawn")
            with context.Manager() as manager:
                channel = context.SimpleQueue()
                kept = manager.dict(answer=42)
                channel.put(kept)
                print(channel.get()["answer"])
    """
    seen = watched(tmp_path, text, status=0)
    assert not seen.findings
    assert seen.lines == ["42"]


@pytest.mark.parametrize("renewed", ["os.pipe()[1]", "os.dup(1)"])
def test_number_of_a_dead_file_that_was_given_out_anew(tmp_path, renewed):
    text = f"""
        import multiprocessing, os

        def work(number):
            os.write(number, b"all right\\n")

        if __name__ == "__main__":
            number = open(__file__, "rb", buffering=0).fileno()
            again = {renewed}
            context = multiprocessing.get_context("fork")
            process = context.Process(target=work, args=(again,))
            process.start()
            process.join()
            print(number in (again, again - 1), process.exitcode)
    """
    seen = watched(tmp_path, text, status=0)
    assert not seen.findings
    assert seen.lines[-1] == "True 0"


def test_number_of_a_dead_file_that_is_a_living_ones(tmp_path):
    text = """
        import multiprocessing, os

        def work(number):
            print(os.read(number, 3))

        if __name__ == "__main__":
            number = open(os.devnull, "rb", buffering=0).fileno()
            with open(__file__, "rb", buffering=0) as file:
                context = multiprocessing.get_context("fork")
                process = context.Process(target=work, args=(file.fileno(),))
                process.start()
                process.join()
                print(number == file.fileno())
    """
    seen = watched(tmp_path, text, status=0)
    assert not seen.findings
    assert seen.lines[-1] == "True"


@pytest.mark.parametrize("method", METHODS)
def test_barrier_that_is_dropped_when_all_parties_have_left(tmp_path, method):
    text = """
        import multiprocessing, sys

        def work(barrier, writer):
            barrier.wait()
            writer.send("through")

        def meet(context):
            barrier = context.Barrier(2)
            reader, writer = context.Pipe(duplex=False)
            process = context.Process(target=work, args=(barrier, writer))
            process.start()
            barrier.wait()
            print(reader.recv())
            return process

        if __name__ == "__main__":
            meet(multiprocessing.get_context(sys.argv[1])).join()
    """
    seen = watched(tmp_path, text, method, status=0)
    assert not seen.findings
    assert seen.lines == ["through"]


@pytest.mark.parametrize("method", METHODS)
def test_pool_in_the_server_of_a_manager_that_is_shut_down(tmp_path, method):
    text = """
        import multiprocessing, sys, time

        if __name__ == "__main__":
            context = multiprocessing.get_context(sys.argv[1])
            with context.Manager() as manager:
                pool = manager.Pool(2)
                print(pool.map(abs, [-1, 2]))
                time.sleep(1)  # the workers wait for more
    """
    seen = watched(tmp_path, text, method, status=0)
    assert not seen.findings
    assert seen.lines == ["[1, 2]"]
