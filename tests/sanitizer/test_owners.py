"""Who died holding a lock, or waiting; and who waits since: reported. The rest: silent."""

from __future__ import annotations

import pytest

from tests.sanitizer.programs import METHODS, watched

HANG = ("--hang", "1")

LOCKS = {
    "semaphore": "multiprocessing.Semaphore(1)",
    "rlock": "multiprocessing.RLock()",
    "condition": "multiprocessing.Condition()",
}
OWNER = """
    import multiprocessing, sys, time

    def hold(door, told):
        door.acquire()
        told.send("taken")
        time.sleep(60)

    def main():
        multiprocessing.set_start_method(sys.argv[1])
        door = {make}
        here, there = multiprocessing.Pipe()
        worker = multiprocessing.Process(target=hold, args=(door, there))
        worker.start()
        here.recv()
        worker.{end}()
        worker.join()
        {wants}

    if __name__ == "__main__":
        main()
"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", LOCKS.values(), ids=LOCKS)
def test_dead_owner_is_named_to_who_asks_in_vain(tmp_path, make, method):
    text = OWNER.format(make=make, end="kill", wants="print(door.acquire(timeout=1))")
    finding = watched(tmp_path, text, method, status=1).only("HF701")
    assert "Process-1 was killed by SIGKILL holding door, taken at app.py:5" in finding.message
    assert finding.subject.names == ("door",)


def test_wait_for_a_dead_owner_is_a_hang_with_a_reason(tmp_path):
    text = OWNER.format(make="multiprocessing.Lock()", end="terminate", wants="door.acquire()")
    seen = watched(tmp_path, text, "fork", options=HANG, status=1)
    finding = seen.only("HF701")
    assert "killed by SIGTERM" in finding.message
    assert "MainProcess" in seen.errors
    assert "waits for door (a Lock)" in seen.errors
    assert "Process-1 has it, taken at app.py:5, and was killed by SIGTERM" in seen.errors


@pytest.mark.parametrize("method", METHODS)
def test_locked_read_that_waits_for_a_dead_owner_is_found(tmp_path, method):
    text = """
        import multiprocessing, sys, time

        class Account:
            def __init__(self):
                self.balance = multiprocessing.Value("d", 0)

            def book(self, told):
                with self.balance.get_lock():
                    told.send("in")
                    time.sleep(60)

        def main():
            multiprocessing.set_start_method(sys.argv[1])
            account = Account()
            here, there = multiprocessing.Pipe()
            clerk = multiprocessing.Process(target=account.book, args=(there,))
            clerk.start()
            here.recv()
            clerk.terminate()
            clerk.join()
            print(account.balance.value)

        if __name__ == "__main__":
            main()
    """
    finding = watched(tmp_path, text, method, options=HANG, status=1).only("HF701")
    assert "taken at app.py:9" in finding.message
    assert finding.subject.kind == "Value"


@pytest.mark.parametrize("method", METHODS)
def test_killed_process_that_holds_nothing_is_silent(tmp_path, method):
    text = OWNER.format(
        make="multiprocessing.Lock()", end="kill", wants="print(door.acquire(timeout=1))"
    ).replace('told.send("taken")', 'door.release(); told.send("x")')
    seen = watched(tmp_path, text, method, status=0)
    assert not seen.findings
    assert seen.lines == ["True"]


def test_lock_that_nobody_wants_any_more_is_silent(tmp_path):
    text = OWNER.format(make="multiprocessing.Lock()", end="kill", wants="print('end')")
    assert not watched(tmp_path, text, "fork", status=0).findings


def test_contention_between_living_processes_is_silent(tmp_path):
    text = """
        import multiprocessing

        def work(door, counter):
            for _ in range(200):
                with door:
                    counter.value += 1
            while not door.acquire(timeout=0.001):
                pass
            door.release()

        if __name__ == "__main__":
            multiprocessing.set_start_method("fork")
            door, counter = multiprocessing.Lock(), multiprocessing.Value("i")
            workers = [
                multiprocessing.Process(target=work, args=(door, counter)) for _ in range(3)
            ]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            print(counter.value, door.acquire(False), door.acquire(False))
    """
    seen = watched(tmp_path, text, status=0)
    assert not seen.findings
    assert seen.lines == ["600 True False"]


def test_lock_that_another_process_releases_has_no_owner(tmp_path):
    text = """
        import multiprocessing

        def take(door):
            door.acquire()

        if __name__ == "__main__":
            multiprocessing.set_start_method("spawn")
            door = multiprocessing.Lock()
            taker = multiprocessing.Process(target=take, args=(door,))
            taker.start()
            taker.join()
            door.release()
            door.acquire()
            print(door.acquire(timeout=0.1))
    """
    assert not watched(tmp_path, text, status=0).findings


def test_signalling_semaphore_that_its_consumer_took_is_silent(tmp_path):
    text = """
        import multiprocessing, time

        def take(signal):
            signal.acquire()

        if __name__ == "__main__":
            multiprocessing.set_start_method("fork")
            signal = multiprocessing.Semaphore(0)
            taker = multiprocessing.Process(target=take, args=(signal,))
            taker.start()
            signal.release()
            taker.join()
            print(signal.acquire(timeout=0.8))
    """
    assert not watched(tmp_path, text, status=0).findings


# ---- sleepers and parties ------------------------------------------------------------------------

SLEEPER = """
    import multiprocessing, sys, time
    from conditions import blocked

    def sleep(bell, told):
        told.send("ready")
        {sleep}

    def main():
        multiprocessing.set_start_method(sys.argv[1])
        bell = {make}
        here, there = multiprocessing.Pipe()
        sleeper = multiprocessing.Process(target=sleep, args=(bell, there))
        sleeper.start()
        here.recv()
        {rest}
        sleeper.kill()
        sleeper.join()
        {wake}
        print("end")

    if __name__ == "__main__":
        main()
"""


ASLEEP = "blocked(sleeper.pid, seconds=0.3)"


@pytest.mark.parametrize("method", METHODS)
def test_sleeper_that_was_killed_is_named_to_who_wakes_it(tmp_path, method):
    text = SLEEPER.format(
        rest=ASLEEP, make="multiprocessing.Event()", sleep="bell.wait()", wake="bell.set()"
    )
    finding = watched(tmp_path, text, method, options=HANG, status=1).only("HF702")
    assert "Process-1 was killed by SIGKILL waiting for bell: MainProcess at" in finding.message
    assert "bell.is_set()" in finding.fix


def test_condition_whose_sleeper_was_killed_is_found_as_well(tmp_path):
    text = SLEEPER.format(
        rest=ASLEEP,
        make="multiprocessing.Condition()",
        sleep="bell.acquire(); bell.wait(60)",
        wake="bell.acquire(); bell.notify_all()",
    )
    finding = watched(tmp_path, text, "fork", options=HANG, status=1).only("HF702")
    assert finding.subject.kind == "Condition"


def test_sleeper_that_looks_instead_of_waiting_is_silent(tmp_path):
    sleep = "while not bell.is_set(): time.sleep(0.05)"
    text = SLEEPER.format(
        rest="time.sleep(0.3)", make="multiprocessing.Event()", sleep=sleep, wake="bell.set()"
    )
    seen = watched(tmp_path, text, "fork", options=HANG, status=0)
    assert not seen.findings
    assert seen.lines == ["end"]


PARTY = """
    import multiprocessing, sys, time
    from conditions import blocked

    def party(barrier, seconds):
        time.sleep(seconds)
        barrier.wait()

    def main():
        multiprocessing.set_start_method(sys.argv[1])
        barrier = multiprocessing.Barrier(2)
        late = multiprocessing.Process(target=party, args=(barrier, 60 if {late} else 0))
        late.start()
        blocked(late.pid, seconds=0.3)
        late.kill()
        late.join()
        try:
            barrier.wait({timeout})
        except Exception as error:
            print(type(error).__name__)

    if __name__ == "__main__":
        main()
"""


@pytest.mark.parametrize("method", METHODS)
def test_party_that_was_killed_at_the_barrier_is_named(tmp_path, method):
    finding = watched(
        tmp_path, PARTY.format(late=False, timeout=""), method, options=HANG, status=1
    ).only("HF703")
    assert "Process-1 was killed by SIGKILL waiting at barrier" in finding.message


def test_party_that_was_killed_before_it_came_is_named(tmp_path):
    text = PARTY.format(late=True, timeout="")
    finding = watched(tmp_path, text, "fork", options=HANG, status=1).only("HF703")
    assert "before it came to barrier" in finding.message


def test_barrier_with_a_timeout_is_silent(tmp_path):
    text = PARTY.format(late=True, timeout="0.8")
    seen = watched(tmp_path, text, "fork", status=0)
    assert not seen.findings
    assert seen.lines == ["BrokenBarrierError"]
