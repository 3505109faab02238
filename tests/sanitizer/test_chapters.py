"""A long watch in parts: each has the whole past of what it mentions, and nothing else."""

from __future__ import annotations

from holdfast.sanitizer.chapters import Chapters

ONE, TWO = (1 << 39) + 1, (1 << 39) + 2
MAIN, CHILD = 1, 2


class Told:
    """What a Reader gives, by hand."""

    torn = lost = 0

    def __init__(self):
        self.at_ns = 0
        self.news = []

    def tell(self, number, kind, **data):
        self.at_ns += 1
        self.news.append((number, 100 + number, (kind, self.at_ns, data)))

    def records(self):
        news, self.news = self.news, []
        return iter(news)

    def states(self, numbers):
        return iter(
            [(number, (1, 2, 3, 0, 0, 0, 0, 0)) for number in (CHILD, 9) if number in numbers]
        )


def begun():
    told = Told()
    told.tell(MAIN, "process.begin", pid=101, parent=0, method="main", name="MainProcess")
    chapters = Chapters(told, {})
    chapters.read()
    chapters.turn()
    return told, chapters


def start_child(told):
    told.tell(MAIN, "process.starting", token=7, name="Process-1", handed=[(ONE, ["args"])])
    told.tell(CHILD, "process.begin", pid=102, parent=MAIN, method="os.fork", name="")
    told.tell(MAIN, "process.started", token=7, pid=102, name="Process-1", method="fork")


def kinds(story):
    return [event.kind for event in story.events]


def test_a_chapter_has_what_happened_in_it():
    told, chapters = begun()
    told.tell(MAIN, "memory.new", uid=ONE, size=8)
    assert chapters.read()
    assert not chapters.read()
    assert kinds(chapters.story()) == ["process.begin", "memory.new"]


def test_what_it_mentions_has_its_past_and_the_processes_that_have_it():
    told, chapters = begun()
    told.tell(MAIN, "memory.new", uid=ONE, size=8)
    told.tell(MAIN, "memory.new", uid=TWO, size=8)
    start_child(told)
    told.tell(MAIN, "memory.dropped", uid=ONE)
    chapters.read()
    chapters.turn()
    told.tell(CHILD, "memory.used", uid=ONE, write=True)
    chapters.read()
    story = chapters.story()
    assert kinds(story) == [
        "process.begin", "memory.new", "process.starting", "process.begin", "process.started",
        "memory.dropped", "memory.used",
    ]  # fmt: skip
    child = story.member(CHILD)
    assert (child.name, child.parent, child.method) == ("Process-1", MAIN, "fork")
    assert child.start is story.of("process.starting")[0]
    assert [number for number, _ in story.states] == [CHILD]


def test_what_is_not_mentioned_costs_nothing():
    told, chapters = begun()
    for number in range(1000):
        told.tell(MAIN, "memory.new", uid=TWO + number, size=8)
        chapters.read()
        chapters.turn()
    told.tell(MAIN, "memory.new", uid=ONE, size=8)
    chapters.read()
    assert len(chapters.story().events) == 2


def test_what_is_mentioned_always_is_remembered_within_bounds():
    told, chapters = begun()
    for _ in range(1000):
        told.tell(MAIN, "shm.opened", uid=ONE, name="always", created=True)
        chapters.read()
        chapters.turn()
    told.tell(MAIN, "shm.unlinked", uid=ONE, name="always")
    chapters.read()
    events = chapters.story().events
    assert len(events) < 300
    assert events[1].at_ns == 2
    assert events[-1].kind == "shm.unlinked"


def test_names_in_the_system_are_mentioned_as_well():
    told, chapters = begun()
    told.tell(MAIN, "shm.opened", uid=ONE, name="psm_1", created=True)
    chapters.read()
    chapters.turn()
    told.tell(CHILD, "shm.failed", name="psm_1", error=2)
    chapters.read()
    assert "shm.opened" in kinds(chapters.story())


def test_a_process_is_heard_of_once():
    told, chapters = begun()
    start_child(told)
    chapters.read()
    assert chapters.heard == {MAIN, CHILD}
    assert chapters.pid_of(CHILD) == 102
    assert chapters.pid_of(3) == 0
