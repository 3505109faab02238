"""Hazards and findings: what the sanitizer, the checker and the reports have in common.

A *hazard* is a class of fault, with a code (`HF101`), a slug (`inline-args`) and a page. A
*finding* is one occurrence of a hazard, seen at run time or in source. What detects fills plain
records; what reports prints them; neither knows the other.

What it keeps true: a code never changes its meaning and is never used again; every hazard has a
page, `hazards/<code>.md`, with the same sections (a test under tests/house reads them all).
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Confidence = Literal["low", "medium", "high"]
CONFIDENCES: tuple[Confidence, ...] = ("low", "medium", "high")

# What a step of a story is about, in the order in which a reader wants them.
Role = Literal["created", "handed", "dropped", "used", "victim", "noted"]

_PAGES = Path(__file__).resolve().parent / "hazards"


@dataclass(frozen=True, slots=True)
class Hazard:
    """A class of fault.

    Attributes:
        code: `HF` and three digits; the first says the group.
        slug: The name that people use, as in `# holdfast: allow inline-args because ...`.
        title: What it is, in one line.
        seen: Who can see it: "run" (the sanitizer), "source" (the checker).
    """

    code: str
    slug: str
    title: str
    seen: tuple[Literal["run", "source"], ...] = ("run", "source")

    def page(self) -> str:
        """The page that `holdfast explain` prints, Markdown."""
        return (_PAGES / f"{self.code}.md").read_text(encoding="utf-8")


_RUN: tuple[Literal["run", "source"], ...] = ("run",)
_SOURCE: tuple[Literal["run", "source"], ...] = ("source",)

GROUPS = {
    "HF0": "comments that allow a finding",
    "HF1": "shared memory that is given to somebody else",
    "HF2": "names that vanish before they are opened",
    "HF3": "SharedMemory segments, views and mapped files",
    "HF4": "managers and proxies",
    "HF5": "pools and executors",
    "HF6": "pipes, queues and descriptors",
    "HF7": "owners and waiters that died, and hangs",
    "HF8": "fork, threads and the end of a process",
}

# fmt: off
HAZARDS = (
    Hazard("HF001", "allow-without-reason", "a comment allows without saying what or why", _SOURCE),
    Hazard("HF002", "allow-unused", "a comment allows what is not there", _SOURCE),
    Hazard("HF101", "inline-args", "a shared object exists only in the arguments of a process"),
    Hazard("HF102", "local-dropped", "a shared object dies with its scope while in use"),
    Hazard("HF103", "attr-of-temporary", "the object behind a process's target is a temporary"),
    Hazard("HF104", "rebound-in-loop", "a name is rebound while its old object is in use"),
    Hazard("HF105", "closure-target", "only a closure that start() drops keeps a shared object"),
    Hazard("HF106", "executor-initargs", "an executor is dropped while its workers are busy"),
    Hazard("HF107", "grandchild-outlives", "a grandchild uses what was dropped after a join", _RUN),
    Hazard("HF108", "inherited-dropped", "a forked process uses what its parent has dropped", _RUN),
    Hazard("HF109", "raw-address", "an address or view that does not keep the memory alive", _RUN),
    Hazard("HF110", "silent-copy", "an array over shared memory is sent as a private copy"),
    Hazard("HF111", "module-global-by-name", "a module-level object is another one in the child"),
    Hazard("HF112", "torn-pack", "struct.pack_into on shared memory is not atomic", _SOURCE),
    Hazard("HF201", "semaphore-gone", "a semaphore is unlinked before the child has opened it"),
    Hazard("HF202", "exit-without-join", "a process ends while its children open what it made"),
    Hazard("HF203", "mixed-contexts", "a lock of one start method is sent to another's", _RUN),
    Hazard("HF301", "shm-view-escapes", "a view outlives the SharedMemory that it looks into"),
    Hazard("HF302", "shm-close-under-view", "a SharedMemory is closed under a view that is in use"),
    Hazard("HF303", "shm-inline-buf", "the buffer of a temporary SharedMemory", _SOURCE),
    Hazard("HF304", "shm-attach-tracked", "who only attaches a segment unlinks it at its exit"),
    Hazard("HF305", "shm-creator-exits", "a segment ends with its creator while wanted", _RUN),
    Hazard("HF306", "shm-unlink-early", "a segment is unlinked before the others have attached it"),
    Hazard("HF307", "shm-unlinked-by-other", "a process unlinks another one's segment", _RUN),
    Hazard("HF308", "shm-failed-attach", "a failed attach has unlinked the owner's segment", _RUN),
    Hazard("HF309", "shm-never-unlinked", "a segment that nobody unlinks"),
    Hazard("HF310", "shm-name-reused", "one name for two segments, old users in the old"),
    Hazard("HF311", "tracker-unregister", "a workaround takes the owner's entry from the tracker"),
    Hazard("HF312", "mapped-file-rewritten", "a file is truncated while it is mapped", _RUN),
    Hazard("HF401", "manager-dropped", "a manager is dropped while its proxies are in use"),
    Hazard("HF402", "proxy-last-use", "a proxy in flight keeps nothing alive"),
    Hazard("HF403", "proxy-without-manager", "a proxy in a child cannot make proxies", _RUN),
    Hazard("HF501", "pool-result-after-exit", "a program ends with tasks of a pool outstanding"),
    Hazard("HF502", "pool-worker-killed", "a pool's worker died with a task", _RUN),
    Hazard("HF503", "temporary-owner", "a temporary owns what it has started", _SOURCE),
    Hazard("HF601", "pipe-reader-gone", "a pipe's reader was dropped before its writer", _RUN),
    Hazard("HF602", "pipe-end-kept", "an end of a pipe stays open where nobody uses it"),
    Hazard("HF603", "connection-sender-gone", "a connection's sender ended too early", _RUN),
    Hazard("HF604", "listener-gone", "a Listener was dropped whose address is in use", _RUN),
    Hazard("HF605", "descriptor-reused", "a descriptor's number outlives its owner", _RUN),
    Hazard("HF611", "queue-dropped", "a queue is dropped that a process still writes to", _RUN),
    Hazard("HF612", "queue-join-before-drain", "a process is joined before its queue is drained"),
    Hazard("HF613", "queue-exit-loss", "a process ended with items that it had not flushed", _RUN),
    Hazard("HF614", "queue-put-mutated", "an object was changed after it had been put on a queue"),
    Hazard("HF615", "queue-reader-killed", "a process died with a queue's lock", _RUN),
    Hazard("HF616", "task-done-missing", "a consumer died before task_done()", _RUN),
    Hazard("HF701", "kill-holding-lock", "a process died holding a lock"),
    Hazard("HF702", "waiter-killed", "a process died waiting for an event or condition", _RUN),
    Hazard("HF703", "barrier-party-killed", "a party of a barrier died", _RUN),
    Hazard("HF704", "hang", "processes wait for each other, or for one that is dead", _RUN),
    Hazard("HF801", "fork-with-threads", "a fork copies a lock that another thread holds"),
    Hazard("HF802", "daemon-killed", "a daemon process is terminated at its work", _RUN),
    Hazard("HF803", "daemon-orphan", "a daemon process outlives its killed parent", _RUN),
    Hazard("HF804", "fork-finalizer", "a forked child runs its parent's finalizer", _RUN),
    Hazard("HF805", "fork-connection", "a forked child ends its parent's connection", _RUN),
    Hazard("HF806", "fork-buffered-file", "a forked child writes its parent's buffer again", _RUN),
)
# fmt: on

_BY_NAME = {name: hazard for hazard in HAZARDS for name in (hazard.code, hazard.slug)}


def hazard_of(name: str) -> Hazard:
    """The hazard with this code or slug.

    Raises:
        KeyError: There is none.
    """
    return _BY_NAME[name.upper() if name[:2].lower() == "hf" else name]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in source: of a finding, or one frame of a stack.

    Attributes:
        file: The path as the program or the user named it.
        line: From 1; 0 if unknown.
        column: From 1, in characters; 0 if unknown.
        end_line: The last line of the range; 0 if unknown.
        end_column: One past the last character; 0 if unknown.
        function: The qualified name of the function; "" if unknown.
        source: The text of the line, without its indentation; "" if unknown.
        own: Whether the frame is the program's own: not the standard library's, not ours.
    """

    file: str
    line: int
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    function: str = ""
    source: str = ""
    own: bool = True


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the family that was watched.

    Attributes:
        pid: Its number.
        name: What multiprocessing calls it.
        start_method: "main", "fork", "spawn", "forkserver", "os.fork", "loky" or "subprocess".
        parent_pid: Of the process that started it; 0 for the main process.
        started_ns: CLOCK_MONOTONIC.
        ended_ns: The same; None if it was alive when the watch ended.
        end: How it ended: "exit status 1", "SIGKILL"; "" if it lives or nobody knows.
    """

    pid: int
    name: str
    start_method: str
    parent_pid: int
    started_ns: int
    ended_ns: int | None = None
    end: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a finding is about.

    Attributes:
        kind: `Value`, `RawArray`, `Lock`, `SharedMemory`, `Manager`, `Pool`, ...
        text: What it is, for people: "Value('d'), 8 bytes".
        names: What the program calls it, the best first: ("self.id1", "worker.id1").
        size_bytes: Of the memory concerned; None where there is none.
    """

    kind: str
    text: str
    names: tuple[str, ...] = ()
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One event of the story that a finding tells.

    Attributes:
        role: What happened to the subject.
        text: One sentence without a full stop, that reads on from the role: "handed to Process-1".
        pid: The process in which it happened; None if unknown.
        at_ns: When, CLOCK_MONOTONIC; None if unknown.
        stack: Innermost frame first; empty if unknown.
    """

    role: Role
    text: str
    pid: int | None = None
    at_ns: int | None = None
    stack: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One occurrence of a hazard.

    Attributes:
        code: Of the hazard.
        message: What happens here, in one sentence and in the program's own names.
        place: Where a reader looks first, and where a suppression of a line applies.
        fix: What to write instead, in the program's own names; "" if there is no better advice
            than the hazard's page.
        subject: What it is about; None if the message says all.
        steps: The story, in order of time. Empty for what was found in source.
        confidence: How sure the detector is.
        count: How many occurrences with the same code, place and subject this one stands for.
    """

    code: str
    message: str
    place: Place
    fix: str = ""
    subject: Subject | None = None
    steps: tuple[Step, ...] = ()
    confidence: Confidence = "high"
    count: int = 1

    @property
    def hazard(self) -> Hazard:
        """The class of fault."""
        return hazard_of(self.code)

    @property
    def fingerprint(self) -> str:
        """The same for the same fault in another run, also when lines above it have moved."""
        parts = (self.code, self.place.file, self.place.function, self.place.source, self.message)
        return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run of a tool has found: what the formats print, and what a saved one holds.

    Attributes:
        tool: "run", "pytest" or "check".
        version: Of holdfast.
        program: The command line that was watched, or the paths that were checked.
        findings: In the order in which they are to be read.
        processes: Those that were watched, in the order of their start.
        began_ns: When the watch began, CLOCK_MONOTONIC; 0 for a check.
        ended_ns: When it ended.
        notes: What the reader should know of the watch itself: records lost, files skipped.
        suppressed: How many findings the user does not want to see.
    """

    tool: str
    version: str
    program: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    processes: tuple[Process, ...] = ()
    began_ns: int = 0
    ended_ns: int = 0
    notes: tuple[str, ...] = ()
    suppressed: int = 0
    python: str = field(default="")


# ---- records as data ----------------------------------------------------------------------------

# The version of the form that `as_data` gives and `report_of` reads.
SCHEMA_VERSION = 1


def as_data(report: Report) -> dict[str, Any]:
    """A report as JSON-ready data; `report_of` reads it back.

    Each finding has its slug and its fingerprint as well, for readers that are not ours.
    """
    data: dict[str, Any] = {"schema": SCHEMA_VERSION, **dataclasses.asdict(report)}
    for finding, written in zip(report.findings, data["findings"], strict=True):
        written["slug"] = finding.hazard.slug
        written["fingerprint"] = finding.fingerprint
    return data


def report_of(data: dict[str, Any]) -> Report:
    """A report from what `as_data` gave.

    Raises:
        ValueError: It is no such data, or of a newer version; the text says which.
    """
    version: object = data.get("schema")
    if version != SCHEMA_VERSION:
        raise ValueError(
            f"not a holdfast report of version {SCHEMA_VERSION}: its schema is {version!r}"
        )
    try:
        return Report(
            tool=data["tool"],
            version=data["version"],
            python=data["python"],
            program=tuple(data["program"]),
            findings=tuple(_finding(each) for each in data["findings"]),
            processes=tuple(Process(**each) for each in data["processes"]),
            began_ns=data["began_ns"],
            ended_ns=data["ended_ns"],
            notes=tuple(data["notes"]),
            suppressed=data["suppressed"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a holdfast report: {error!r}") from error


def _finding(data: dict[str, Any]) -> Finding:
    if data["code"] not in codes():
        raise ValueError(f"this version of holdfast knows no hazard {data['code']!r}")
    subject = data["subject"]
    known: dict[str, Any] = {
        **{name: data[name] for name in data if name not in {"slug", "fingerprint"}},
        "place": Place(**data["place"]),
        "steps": tuple(map(_step, data["steps"])),
    }
    if subject is not None:
        about: dict[str, Any] = {**subject, "names": tuple(subject["names"])}
        known["subject"] = Subject(**about)
    return Finding(**known)


def _step(data: dict[str, Any]) -> Step:
    known: dict[str, Any] = {**data, "stack": tuple(Place(**each) for each in data["stack"])}
    return Step(**known)


@functools.cache
def codes() -> tuple[str, ...]:
    """All codes, in order."""
    return tuple(hazard.code for hazard in HAZARDS)
