"""What all detectors say in the same way: subjects, hand-overs, how something was dropped.

What it keeps true: names are the program's own, taken from its source; where there is none, the
sentence still says what happened.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from holdfast.findings import Place, Step, Subject
from holdfast.sanitizer import naming

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.findings import Role
    from holdfast.sanitizer.story import Event, Member, Story

_CODES = {
    "c_char": "c", "c_wchar": "u", "c_byte": "b", "c_ubyte": "B", "c_short": "h", "c_ushort": "H",
    "c_int": "i", "c_uint": "I", "c_long": "l", "c_ulong": "L", "c_longlong": "q",
    "c_ulonglong": "Q", "c_float": "f", "c_double": "d", "c_bool": "c_bool",
}  # fmt: skip
_ARRAY = re.compile(r"(\w+)_Array_(\d+)$")
# Packages that make what is shared, and those of them that only try it out.
_MAKERS = frozenset({
    "multiprocessing", "multiprocess", "billiard", "concurrent", "loky", "joblib", "torch",
    "ctypes",
})  # fmt: skip
_TESTS = frozenset({"test", "tests"})
# Own frames that may stand between the factory that the program calls and the name for its result.
_MOST_FACTORIES = 4


# ---- steps and subjects -------------------------------------------------------------------------


def step(story: Story, role: Role, text: str, event: Event | None, stack: str = "stack") -> Step:
    """A step at an event."""
    if event is None:
        return Step(role, text)
    return Step(role, text, story.pid(event.number), event.at_ns, story.stack(event, stack))


def place_at(story: Story, *events: Event | None) -> Place:
    """Where a reader looks first: the program's own frame of the first event that has one."""
    for event in events:
        place = story.own(event)
        if place is not None:
            return place
    for event in events:
        for place in story.stack(event):
            return place
    return Place("", 0)


def kind_of(stack: Sequence[Place], default: str) -> str:
    """What has been called for it: "Value", "Barrier", "Queue".

    That is the call by the program; or where a library made it for the program, by that library.
    """
    called: Place | None = None
    for place in stack:
        if place.own:
            return (_called_for(called) if called is not None else "") or default
        if called is not None and _is_maker(called) and not _is_maker(place):
            return _called_for(called) or default
        called = place
    return default  # it is not the program that has made it


def _is_maker(place: Place) -> bool:
    """Whether a frame is of a package whose functions are the ones to name."""
    parts = PurePath(place.file).parts[:-1]
    return _TESTS.isdisjoint(parts) and not _MAKERS.isdisjoint(parts)


def _called_for(place: Place) -> str:
    """The name by which a frame's function is called: that of the class for its __init__."""
    parts = [part for part in place.function.split(".") if part and not part.startswith("<")]
    if parts[-1:] == ["__init__"]:
        parts.pop()
    return parts[-1] if parts else ""


def names_of(stack: Sequence[Place]) -> tuple[str, ...]:
    """What the program calls what it made there, seeing through its own factories."""
    factories = 0
    for callee, place in zip([None, *stack], stack, strict=False):
        if not place.own:
            continue
        called = _called_for(callee) if callee is not None else ""
        names = naming.assigned_at(place, called)
        factories += 1
        if names:
            return names
        if factories == _MOST_FACTORIES or not _hands_back(place, called):
            return ()
    return ()


def _hands_back(place: Place, callee: str) -> bool:
    """Whether a frame returns what its call gives."""
    call = naming.call_at(place, callee)
    for node in naming.around(place):
        if isinstance(node, ast.Lambda):
            return node.body is call or call is None
        if isinstance(node, ast.Return):
            return node.value is call or call is None
        if isinstance(node, ast.stmt):
            return False
    return False


def typed(kind: str, type_name: str, size: int) -> str:
    """What an object is, for people: "Value('d'), 8 bytes"."""
    plural = "" if size == 1 else "s"
    array = _ARRAY.match(type_name)
    if array:
        inner = f"{_code(array[1])}, {array[2]}"
    else:
        inner = _code(type_name) if type_name else ""
    return f"{kind}({inner}), {size:,} byte{plural}"


def _code(type_name: str) -> str:
    known = _CODES.get(type_name)
    return type_name if known is None or known == type_name else repr(known)


def subject_of(story: Story, new: Event | None, more: Sequence[str] = ()) -> Subject:
    """A block of shared memory as the subject of a finding."""
    if new is None:
        return Subject("memory", "shared memory", tuple(more))
    stack = story.stack(new)
    kind = kind_of(stack, "memory")
    type_name: str = new["type"] or next(
        (event["type"] for event in story.of("memory.typed") if event["uid"] == new["uid"]), ""
    )
    names = dict.fromkeys((*names_of(stack), *more))
    return Subject(kind, typed(kind, type_name, new["size"]), tuple(names), new["size"])


def called(subject: Subject, default: str = "") -> str:
    """The subject in a sentence: its name, or what it is."""
    if subject.names:
        return subject.names[0]
    return default or f"the {subject.text.partition(',')[0]}"


def a(kind: str) -> str:
    """A kind with its article: "a Lock", "an RLock"."""
    return f"{'an' if kind.startswith(('E', 'A', 'RL')) else 'a'} {kind}"


# ---- hand-overs ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Handed:
    """A hand-over: who gave what to whom, by which way.

    Attributes:
        event: The `process.starting`.
        member: The process that got it; None if it did not come to be.
        path: How it was reached: ("args", "[0]", "._obj", "._wrapper").
    """

    story: Story
    event: Event
    member: Member | None
    path: tuple[str, ...]

    @property
    def place(self) -> Place | None:
        """Where the Process was made, or else where it was started."""
        return self.story.own(self.event, "new_stack") or self.story.own(self.event)

    @property
    def root(self) -> str:
        """By which way: "args", "closure", "bound", "target", "self", "pickle"."""
        if not self.path:
            return "pickle"
        if self.path[0] in {"args", "kwargs"}:
            return "args"
        if self.path[0] == "target":
            for part in self.path[1:3]:
                if part == ".__self__":
                    return "bound"
                if part.startswith(".__closure__"):
                    return "closure"
        return self.path[0]

    @property
    def name(self) -> str:
        """What the process is called."""
        return self.member.name if self.member is not None else str(self.event["name"])

    @property
    def by_pool(self) -> bool:
        """Whether it was a Pool or an executor that started it: its target is their loop."""
        return self.by_executor or any(
            place.file.endswith("/pool.py")
            for place in self.story.stack(self.event)
            if not place.own
        )

    @property
    def by_executor(self) -> bool:
        """Whether it was an executor that started the process."""
        return any(
            place.file.endswith(("concurrent/futures/process.py", "process_executor.py"))
            for place in self.story.stack(self.event)
            if not place.own
        )

    def expression(self) -> ast.expr | None:
        """What stands in the call of Process(...): the target, or the argument concerned."""
        place = self.story.own(self.event, "new_stack")
        call = naming.call_at(place) if place is not None else None
        if call is None:
            return None
        if self.path[:1] == ("target",):
            return naming.argument_of(call, "target", 1)
        if self.path[:1] == ("args",):
            given = naming.argument_of(call, "args", 3)
            index = self.path[1].strip("[]") if len(self.path) > 1 else ""
            if isinstance(given, (ast.Tuple, ast.List)) and index.isdigit():
                return given.elts[int(index)] if int(index) < len(given.elts) else None
        if self.path[:1] == ("kwargs",):
            given = naming.argument_of(call, "kwargs", 4)
            if isinstance(given, ast.Dict) and len(self.path) > 1:
                for key, value in zip(given.keys, given.values, strict=True):
                    if isinstance(key, ast.Constant) and f"[{key.value!r}]" == self.path[1]:
                        return value
        return None

    def owner(self) -> str:
        """The name of what holds the object on this way: `worker` of `worker.do_work`."""
        expression = self.expression()
        if self.root == "bound" and isinstance(expression, ast.Attribute):
            return ast.unparse(expression.value)
        if isinstance(expression, (ast.Name, ast.Attribute)) and self.root == "args":
            return ast.unparse(expression)
        return ""

    def text(self) -> str:
        """How it was handed over."""
        expression = self.expression()
        shown = short(expression) if expression is not None else ""
        to = self.name
        method = f" ({self.member.method})" if self.member is not None else ""
        if self.root == "bound":
            return f"handed to {to}{method} with its target {shown}".rstrip()
        if self.root == "closure":
            return f"handed to {to}{method} in the closure of its target {shown}".rstrip()
        if self.root == "args":
            return f"handed to {to}{method} in its arguments"
        if self.root == "self":
            return f"handed to {to}{method} as an attribute of the Process object"
        return f"handed to {to}{method}"


def short(node: ast.expr) -> str:
    """Source of an expression that fits into a sentence."""
    text = ast.unparse(node)
    return text if len(text) <= 60 else f"{text[:57]}..."


def process_name(story: Story, number: int) -> str:
    """What the program calls the Process object of a process; "" if it has no simple name."""
    place = story.own(story.member(number).start, "new_stack")
    names = naming.assigned_at(place) if place is not None else ()
    return names[0] if names and names[0].replace(".", "").isidentifier() else ""


def handed_over(story: Story, uid: int) -> list[Handed]:
    """All hand-overs of an object, in order of time."""
    found: list[Handed] = []
    for event in story.of("process.starting"):
        path = next((tuple(way) for each, way in event["handed"] if each == uid), None)
        if path is None:
            pickled = any(
                sent["uid"] == uid and sent["token"] == event["token"]
                for sent in story.of("process.handed")
                if sent.number == event.number
            )
            path = () if pickled else None
        if path is not None:
            found.append(Handed(story, event, story.started(event), path))
    return found


# ---- drops --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drop:
    """How an object was dropped.

    Attributes:
        how: "start", "return", "rebound", "deleted", "call", "library", "other".
        text: The sentence of the step.
        place: Where to look; None if unknown.
        function: What returned, for "return".
        frame: Its frame, as it stood in the stack of another event.
    """

    how: str
    text: str
    place: Place | None
    function: str = ""
    frame: Place | None = None


def dropped(story: Story, event: Event, others: Sequence[Sequence[Place]]) -> Drop:
    """How an object was dropped.

    Args:
        story: All.
        event: With a `stack`, and the `operation` of its innermost frame.
        others: Stacks of earlier events of the object: the frame that is missing now has returned.
    """
    stack = story.stack(event)
    own = next((place for place in stack if place.own), None)
    if any(is_start(place) for place in stack):
        text = "dropped inside start(), which deletes the target and arguments of the process"
        return Drop("start", text, own)
    operation: str = event["operation"] or ""
    said = _said(own)
    line = f" by `{said}`" if said else ""
    if stack and stack[0].own and operation.startswith("STORE_"):
        names = ", ".join(targets(stack[0]))
        text = f"dropped when {names or 'its name'} was bound to something else"
        return Drop("rebound", text, own)
    if stack and stack[0].own and operation.startswith("DELETE_"):
        return Drop("deleted", f"dropped{line}", own)
    frame = _returned(stack, others)
    if frame is not None and frame.own:
        return _by_return(frame)
    if stack and not stack[0].own:
        return Drop("library", f"dropped in {stack[0].function}{_called_from(own)}", own)
    if frame is not None:
        return Drop("library", f"dropped when {frame.function} returned", own)
    if "CALL" in operation or operation == "POP_TOP":
        return Drop("call", f"dropped{line}", own)
    return Drop("other", f"dropped in {own.function if own is not None else 'unknown code'}", own)


def _said(own: Place | None) -> str:
    """The statement at a place, where it is short enough; else the line."""
    if own is None:
        return ""
    statement = naming.statement_at(own)
    if statement is None or hasattr(statement, "body"):
        return own.source
    text = ast.unparse(statement)
    return text if len(text) <= 80 and "\n" not in text else own.source


def _called_from(own: Place | None) -> str:
    return f", called by {own.function}" if own is not None else ""


def is_start(place: Place) -> bool:
    """Whether a frame is that of BaseProcess.start."""
    return (
        not place.own
        and place.file.endswith("/process.py")
        and place.function.rpartition(".")[2] == "start"
    )


def targets(place: Place) -> tuple[str, ...]:
    """What the statement at a place binds."""
    statement = naming.statement_at(place)
    if isinstance(statement, (ast.For, ast.AsyncFor)):
        return (ast.unparse(statement.target),)
    if isinstance(statement, ast.Assign):
        return tuple(ast.unparse(target) for target in statement.targets)
    if isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
        return (ast.unparse(statement.target),)
    return ()


def _returned(stack: Sequence[Place], others: Sequence[Sequence[Place]]) -> Place | None:
    """The frame that an earlier stack has directly below this one's innermost frame."""
    now = list(reversed(stack))
    for other in others:
        before = list(reversed(other))
        if len(before) > len(now) > 0 and before[: len(now)] == now:
            return before[len(now)]
    return None


def _by_return(frame: Place) -> Drop:
    function = frame.function.rpartition(".")[2]
    node = naming.function_at(frame)
    if node is None:
        return Drop("return", f"dropped when {function} ended", frame, function, frame)
    line, statement = naming.return_after(node, frame.line)
    place = dataclasses.replace(naming.with_source(frame, line), column=0, end_line=0, end_column=0)
    by = f"by `{statement}`" if statement else "at its end"
    text = f"dropped when {function} returned, {by} in line {line}"
    return Drop("return", text, place, function, frame)
