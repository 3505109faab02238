"""Shares work out among processes that each remember what they have seen.

What it keeps true: every file gets an answer. A process that dies takes one batch of files with it,
which are told as not checked, and another one takes its place. Where no processes can be had, or
there is too little to do for them, the work is done here.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from typing import TYPE_CHECKING, Any

from holdfast.lint.files.checked import Checked, check_path
from holdfast.lint.files.scan import Looked, Scanner
from holdfast.lint.program.modules import Project

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from holdfast.lint.files.scan import Offers
    from holdfast.lint.options import Options

# Below these numbers of files, starting processes costs more than they save.
_WORTH_LOOKING = 600
_WORTH_CHECKING = 24
_PER_MESSAGE = 8


class Hand:
    """What does the work, in a process of its own or here."""

    def __init__(self) -> None:
        self._scanner = Scanner()
        self._project = Project()

    def look(self, files: Sequence[str]) -> Looked:
        """Look at files for the first time."""
        return self._scanner.look(files)

    def users(self, offers: Offers) -> dict[str, set[bytes]]:
        """The files that use what others offer."""
        return self._scanner.users(offers)

    def prepare(self, worth: Sequence[str], everything: Sequence[str]) -> None:
        """Before the first check: which files matter, of which."""
        self._scanner = Scanner()
        self._project = Project(worth, everything)

    def check(self, files: Sequence[str], options: Options) -> list[Checked]:
        """Check files."""
        found: list[Checked] = []
        for file in files:
            if self._project.forget():
                gc.collect()
            found.append(check_path(file, options, self._project))
        return found


class Crew:
    """The hands that share the work out; one, here, if there is too little of it.

    Args:
        jobs: How many processes there may be.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._here = Hand()
        self._members: list[_Member] = []
        # What each hand has been asked to remember: who takes a place has to be told, too.
        self._parts: list[Sequence[str]] = []
        self._prepared: tuple[Sequence[str], Sequence[str]] = ((), ())

    def dismiss(self, *, at_once: bool = False) -> None:
        """Let all processes go; at once, whatever they are doing."""
        for each in self._members:
            if at_once:
                each.process.terminate()
            each.end()

    def look(self, files: Sequence[str]) -> Looked:
        """Look at files for the first time."""
        if len(files) < _WORTH_LOOKING or self._jobs == 1:
            return self._here.look(files)
        self._start(self._jobs)
        # By turns: large files lie side by side.
        count = len(self._members)
        self._parts = [files[at::count] for at in range(count)]
        found = Looked()
        for each in self._ask([("look", part) for part in self._parts]):
            found.add(each)
        return found

    def users(self, offers: Offers) -> dict[str, set[bytes]]:
        """The files that use what others offer; each is told once."""
        if not self._parts:
            return self._here.users(offers)
        found: dict[str, set[bytes]] = {}
        for each in self._ask([("users", offers)] * len(self._parts)):
            found.update(each)
        found.update(self._here.users(offers))
        return found

    def check(
        self, files: Sequence[str], options: Options, worth: Sequence[str], all_: Sequence[str]
    ) -> Iterator[Checked]:
        """Check files; the answers come in any order."""
        if self._jobs == 1 or len(files) < _WORTH_CHECKING:
            self._here.prepare(worth, all_)
            for file in files:
                yield from self._here.check([file], options)
            return
        batches = [list(files[at : at + _PER_MESSAGE]) for at in range(0, len(files), _PER_MESSAGE)]
        self._start(min(self._jobs, len(batches)))
        self._prepared = (worth, all_)
        for each in self._members:
            each.send("prepare", *self._prepared)
            each.receive()
        yield from self._handed_out(batches, options)

    def _handed_out(self, batches: list[list[str]], options: Options) -> Iterator[Checked]:
        from multiprocessing.connection import wait

        batches.reverse()
        busy: dict[Any, tuple[_Member, list[str]]] = {}
        idle = list(self._members)
        while batches or busy:
            while idle and batches:
                member, batch = idle.pop(), batches.pop()
                member.send("check", batch, options)
                busy[member.connection] = (member, batch)
            for connection in wait(list(busy)):
                member, batch = busy.pop(connection)
                answer = member.receive()
                if answer is None:
                    member = self._replaced(member)
                    if len(batch) > 1:
                        batches += [[file] for file in batch]
                    else:
                        yield Checked(
                            batch[0],
                            note=f"{batch[0]}: not checked: holdfast failed: its process died",
                            failed=True,
                        )
                else:
                    yield from answer
                idle.append(member)

    # ---- processes ------------------------------------------------------------------------------

    def _start(self, count: int) -> None:
        # Only here: the checker itself must work where these cannot be had.
        while len(self._members) < count:
            self._members.append(_Member([each.connection for each in self._members]))

    def _ask(self, questions: list[tuple[str, Any]]) -> Iterator[Any]:
        """Ask each of the first members something of its own."""
        for member, question in zip(self._members, questions, strict=False):
            member.send(*question)
        for number, (member, question) in enumerate(zip(self._members, questions, strict=False)):
            answer = member.receive()
            if answer is None:  # it has died: its part is done here
                self._replaced(member)
                looked = self._here.look(self._parts[number])
                answer = looked if question[0] == "look" else dict[str, set[bytes]]()
            yield answer

    def _replaced(self, member: _Member) -> _Member:
        member.end()
        others = [each.connection for each in self._members if each is not member]
        new = _Member(others)
        self._members[self._members.index(member)] = new
        new.send("prepare", *self._prepared)
        new.receive()
        return new


class _Member:
    """A hand in a process of its own."""

    connection: Connection
    process: BaseProcess

    def __init__(self, others: list[Connection]) -> None:
        import multiprocessing

        forks = "fork" in multiprocessing.get_all_start_methods()
        # Of any context: the stubs do not agree on what that has.
        context: Any = multiprocessing.get_context("fork" if forks else "spawn")
        self.connection, theirs = context.Pipe()
        inherited = [*others, self.connection] if forks else []
        self.process = context.Process(target=_serve, args=(theirs, inherited), daemon=True)
        self.process.start()
        theirs.close()

    def send(self, name: str, *arguments: object) -> None:
        """Ask for something; who has died does not answer."""
        try:
            self.connection.send((name, arguments))
        except OSError:
            return

    def receive(self) -> Any:
        """The answer; None if the process has died."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return None

    def end(self) -> None:
        """Let it go."""
        self.connection.close()
        self.process.join()


def _serve(connection: Connection, inherited: list[Connection]) -> None:
    """What a member does until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that asks decides
    for each in inherited:  # or else nobody would learn of an end
        each.close()
    hand = Hand()
    with no_collections():
        while True:
            try:
                name, arguments = connection.recv()
            except (EOFError, OSError):
                os._exit(0)  # what it remembers need not be given back piece by piece
            connection.send(getattr(hand, name)(*arguments) or ())


@contextlib.contextmanager
def no_collections() -> Iterator[None]:
    """Look for no garbage: a syntax tree is many objects, and none of them is garbage.

    What there is of it is collected when the project forgets what it has read.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
