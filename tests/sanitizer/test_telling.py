"""Detectors on stories that are made by hand: what is not over yet, and what is half known."""

from __future__ import annotations

from holdfast.findings import Place
from holdfast.sanitizer import detect
from holdfast.sanitizer.detect import telling
from holdfast.sanitizer.story import Event, Story

MAIN, CHILD = 1, 2


def story(*events):
    """A story of a main process and its child, with these events in addition."""
    made = Story()
    made.add(
        [
            Event("process.begin", 1, MAIN, {
                "pid": 10, "parent": 0, "method": "main", "name": "Main",
            }),
            Event("process.starting", 10, MAIN, {
                "token": 1, "name": "Child", "handed": [(7, ["args", "[0]"])],
            }),
            Event("process.begin", 12, CHILD, {
                "pid": 20, "parent": MAIN, "method": "os.fork", "name": "",
            }),
            Event("process.started", 13, MAIN, {
                "token": 1, "pid": 20, "name": "Child", "method": "fork",
            }),
            *events,
        ]
    )  # fmt: skip
    return made


def codes(made):
    found = detect.findings_of(made)
    assert not made.failures
    return [finding.code for finding in found]


NEW = Event("memory.new", 5, MAIN, {"uid": 7, "size": 4, "type": "c_int", "made_ns": 5})


def dropped(at_ns):
    return Event("memory.dropped", at_ns, MAIN, {"uid": 7, "operation": "DELETE_FAST"})


def used(at_ns, number=CHILD):
    return Event("memory.used", at_ns, number, {"uid": 7, "write": True, "value": "3"})


def test_drop_under_a_process_at_work_that_uses_it():
    assert codes(story(NEW, dropped(20), used(30))) == ["HF102"]


def test_drop_after_the_process_is_done():
    done = Event("process.done", 15, CHILD, {})
    assert codes(story(NEW, dropped(20), done)) == []


def test_drop_after_the_process_was_killed():
    reaped = Event("process.reaped", 16, MAIN, {"pid": 20, "status": -9})
    made = story(NEW, dropped(20), reaped)
    assert codes(made) == []
    assert made.member(CHILD).end == "SIGKILL"


def test_a_process_that_is_heard_of_late_is_one_process():
    made = Story()
    early = [event for event in story().events if event.number == MAIN]
    late = [event for event in story().events if event.number == CHILD]
    made.add(early)
    assert [member.pid for member in made.members.values()] == [10, 20]
    made.add(late)
    made.add([Event("process.reaped", 30, MAIN, {"pid": 20, "status": 0})])
    assert [member.pid for member in made.members.values()] == [10, 20]
    assert made.member(CHILD).end == "exit status 0"
    assert made.member(CHILD).start is early[1]


def test_use_by_the_creator_itself_is_no_use():
    value = Event("memory.new", 5, MAIN, {"uid": 9, "size": 4, "type": "c_int", "made_ns": 5})
    gone = Event("memory.dropped", 20, MAIN, {"uid": 9, "operation": ""})
    own = Event("memory.used", 30, MAIN, {"uid": 9, "write": True, "value": ""})
    assert codes(story(value, gone, own)) == []


def test_inherited_and_used_is_told_of_without_a_hand_over():
    value = Event("memory.new", 5, MAIN, {"uid": 9, "size": 4, "type": "c_int", "made_ns": 5})
    gone = Event("memory.dropped", 20, MAIN, {"uid": 9, "operation": ""})
    by = Event("memory.used", 30, CHILD, {"uid": 9, "write": False, "value": ""})
    assert codes(story(value, gone)) == []
    assert codes(story(value, gone, by)) == ["HF108"]


def test_what_nobody_knows_how_it_was_made_is_told_of_all_the_same():
    (finding,) = detect.findings_of(story(dropped(20), used(30)))
    assert finding.code == "HF102"
    assert finding.subject.text == "shared memory"


def test_same_fault_twice_is_one_finding_that_counts():
    other = [
        Event("memory.new", 40, MAIN, {"uid": 8, "size": 4, "type": "c_int", "made_ns": 40}),
        Event("process.starting", 41, MAIN, {
            "token": 2, "name": "Other", "handed": [(8, ["args", "[0]"])]}),
        Event("process.begin", 42, 3, {"pid": 30, "parent": MAIN, "method": "os.fork", "name": ""}),
        Event("process.started", 43, MAIN, {
            "token": 2, "pid": 30, "name": "Other", "method": "fork"}),
        Event("memory.dropped", 50, MAIN, {"uid": 8, "operation": ""}),
        Event("memory.used", 60, 3, {"uid": 8, "write": True, "value": ""}),
        Event("memory.reused", 70, MAIN, {"uid": 8, "by": 11}),
    ]  # fmt: skip
    (finding,) = detect.findings_of(story(NEW, dropped(20), used(30), *other))
    assert finding.count == 2
    assert finding.steps[-1].role == "victim"  # of the one that knows it


def test_events_may_come_in_any_order():
    events = [NEW, dropped(20), used(30)]
    assert codes(story(*events)) == codes(story(*reversed(events)))
    late = story(NEW, dropped(20))
    late.add([used(30)])
    assert codes(late) == ["HF102"]


def test_what_was_made_is_named_by_who_made_it():
    """Also where a library calls multiprocessing, and the program only the library."""
    lib = "/lib/python3.13"

    def frame(file, function):
        return Place(f"{lib}/{file}", 1, function=function, own=False)

    made = [
        frame("multiprocessing/heap.py", "BufferWrapper.__init__"),
        frame("multiprocessing/synchronize.py", "Barrier.__init__"),
        frame("multiprocessing/context.py", "BaseContext.Barrier"),
    ]
    program = Place("app.py", 9, function="<module>")
    library = [
        frame("site-packages/multiprocess/tests/__init__.py", "T.setUp"),
        frame("unittest/main.py", "TestProgram.__init__"),
    ]
    pool = [
        *made,
        frame("multiprocessing/pool.py", "Pool.__init__"),
        frame("multiprocessing/context.py", "BaseContext.Pool"),
    ]
    assert telling.kind_of([*made, program], "memory") == "Barrier"
    assert telling.kind_of([*made, *library, program], "memory") == "Barrier"
    assert telling.kind_of([*pool, program], "memory") == "Pool"
    assert telling.kind_of([program], "memory") == "memory"
    assert telling.kind_of([], "memory") == "memory"
