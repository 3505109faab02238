"""Checks many files: finds out which are worth parsing, and shares the work out.

What it keeps true: a file that cannot hold a hazard costs one reading and a search for a few words.
Whatever one file does to the checker, the others are checked: it gets one line in the report's
notes. The result does not depend on how many processes did the work, or on the cache.
"""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.findings import Report
from holdfast.lint import allow
from holdfast.lint.cache import Cache
from holdfast.lint.engine import START_METHOD, check_module
from holdfast.lint.modules import Module, Project, UnreadableError, hinted, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from holdfast.findings import Finding
    from holdfast.lint.options import Options

    Progress = Callable[[int, int], None]

# Below this, starting processes costs more than they save.
_WORTH_SHARING = 24
_PER_MESSAGE = 8
_DEFINED = re.compile(rb"^(?:class|def|async def)[ \t]+(\w+)", re.MULTILINE)
_WORD = re.compile(rb"\w+")
# What makes something in a file interesting to those who import it.
_MAKES = re.compile(
    rb"\b(?:multiprocessing|mp|Process|Value|Array|RawValue|RawArray|Barrier|SharedMemory"
    rb"|ShareableList|get_context|ProcessPoolExecutor|SyncManager|BaseManager|Manager)\b"
)
# How many bytes of files that are not worth parsing are kept for the second look.
_KEPT_BYTES = 256 << 20


@dataclass(frozen=True)
class Checked:
    """What came of one file.

    Attributes:
        file: Its path.
        findings: What was found, as the options ask for.
        allowed: How many findings comments allow.
        note: Why it was not checked; "" if it was.
        failed: The checker itself failed on it.
        uses: Files of the project that the result depends on.
    """

    file: str
    findings: tuple[Finding, ...] = ()
    allowed: int = 0
    note: str = ""
    failed: bool = False
    uses: tuple[str, ...] = ()


def check_file(file: str, data: bytes, options: Options, project: Project) -> Checked:
    """Check one file, whatever is in it."""
    try:
        module = Module(file, data)
        project.add(module)
        found = check_module(module, project, options)
        kept, allowed = allow.apply(module, found, unused=options.unused_allows)
    except UnreadableError as error:
        return Checked(file, note=str(error))
    except Exception as error:  # noqa: BLE001 - a fault of ours, told as such; the rest goes on
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        return Checked(file, note=f"{file}: not checked: holdfast failed: {why}", failed=True)
    wanted = tuple(
        each
        for each in kept
        if options.sure_enough(each.confidence) and options.wants(each.code, each.hazard.slug)
    )
    return Checked(file, wanted, allowed, uses=project.used_by(module))


@dataclass(frozen=True)
class Outcome:
    """What came of a check.

    Attributes:
        report: The findings, and in its notes the files that were not checked.
        files: How many files were looked at.
        parsed: How many of them were worth parsing.
        failed: Whether the checker itself failed somewhere.
    """

    report: Report
    files: int
    parsed: int
    failed: bool


def check_paths(
    files: Iterable[str],
    options: Options,
    *,
    jobs: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
    version: str = "",
) -> Outcome:
    """Check files.

    Args:
        files: Their paths.
        options: How to check.
        jobs: How many processes do it; 0 for as many as there are cores.
        cache: The folder where results are kept for the next time; None for nowhere.
        version: Of Holdfast, for the report and the cache.
        progress: Called now and then with how many files are done, of how many.

    Returns:
        The outcome; its report's findings stand in the order of files and lines.
    """
    worth, notes, count = _worth_parsing(files)
    options = _with_project_method(options, worth)
    kept = Cache(cache, options, version) if cache is not None else None
    done: list[Checked] = []
    open_: list[str] = []
    for file in worth:
        known = kept.get(file) if kept is not None else None
        if known is not None:
            done.append(Checked(file, known.findings, known.suppressed, "".join(known.notes)))
        else:
            open_.append(file)
    for number, each in enumerate(_shared_out(open_, worth, options, jobs), 1):
        done.append(each)
        if kept is not None and not each.failed:
            kept.put(each.file, _report([each], (), version), each.uses)
        if progress is not None:
            progress(len(worth) - len(open_) + number, len(worth))
    if kept is not None:
        kept.save()
    order = {file: number for number, file in enumerate(worth)}
    done.sort(key=lambda each: order[each.file])
    notes += [each.note for each in done if each.note]
    failed = any(each.failed for each in done)
    return Outcome(_report(done, notes, version), count, len(worth), failed)


def _report(done: Sequence[Checked], notes: Sequence[str], version: str) -> Report:
    return Report(
        tool="check",
        version=version,
        program=(),
        findings=tuple(finding for each in done for finding in each.findings),
        notes=tuple(notes) or tuple(each.note for each in done if each.note),
        suppressed=sum(each.allowed for each in done),
        python=".".join(map(str, sys.version_info[:3])),
    )


# ---- which files are worth it -------------------------------------------------------------------


def _worth_parsing(files: Iterable[str]) -> tuple[dict[str, bytes], list[str], int]:
    """The files with words that matter, and those that use what such files define."""
    worth: dict[str, bytes] = {}
    others: dict[str, bytes | None] = {}
    notes: list[str] = []
    kept = count = 0
    for file in files:
        count += 1
        try:
            data = read(file)
        except UnreadableError as error:
            notes.append(str(error))
            continue
        if hinted(data):
            worth[file] = data
        elif b"import" in data:
            kept += len(data)
            others[file] = data if kept < _KEPT_BYTES else None
    if worth and others:
        worth.update(_users(worth, others))
    return dict(sorted(worth.items())), notes, count


def _users(worth: dict[str, bytes], others: dict[str, bytes | None]) -> dict[str, bytes]:
    """Files that import a name of a file that is worth parsing, also through a third."""
    names: dict[bytes, set[bytes]] = defaultdict(set)
    for file, data in worth.items():
        names[_stem(file)] |= _offered(data)
    imports: dict[str, list[tuple[bytes, set[bytes] | None]]] = {}
    texts: dict[str, bytes] = {}
    for file, known in others.items():
        data = read(file) if known is None else known
        imports[file], texts[file] = list(_imported(data)), data
    found: dict[str, bytes] = {}
    for _ in range(3):
        new: dict[str, set[bytes]] = {}
        for file, pairs in imports.items():
            used: set[bytes] = set()
            for stem, some in pairs:
                offered = names.get(stem)
                if offered:
                    text = texts[file]
                    used |= {e for e in offered if e in text} if some is None else offered & some
            if used and file not in found:
                new[file] = used
        for file, used in new.items():
            found[file] = texts[file]
            names[_stem(file)] |= used
        if not new:
            break
    return found


def _offered(data: bytes) -> set[bytes]:
    """The functions and classes of a file that have to do with processes or shared memory."""
    found: set[bytes] = set()
    matches = list(_DEFINED.finditer(data))
    for number, match in enumerate(matches):
        end = matches[number + 1].start() if number + 1 < len(matches) else len(data)
        if _MAKES.search(data, match.start(), end):
            found.add(match[1])
    return found


def _stem(file: str) -> bytes:
    """The last part of the module's name that a file has."""
    path = Path(file)
    name = path.absolute().parent.name if path.stem == "__init__" else path.stem
    return os.fsencode(name)


def _imported(data: bytes) -> Iterator[tuple[bytes, set[bytes] | None]]:
    """The last part of each module that a file imports, and which names; None for any."""
    at = data.find(b"import ")
    while at >= 0:
        start = max(data.rfind(b"\n", 0, at), data.rfind(b";", 0, at)) + 1
        end = data.find(b"\n", at)
        line = data[start : end if end >= 0 else len(data)].partition(b";")[0].strip()
        at = data.find(b"import ", at + 7)
        if line.startswith(b"from"):
            source, _, imported = line[4:].partition(b" import ")
            some = set(_WORD.findall(imported))
            whole = b"(" in imported or b"*" in imported or imported.endswith(b"\\")
            yield source.strip().rpartition(b".")[2], None if whole else some
            for name in some:  # a module of a package
                yield name, None
        elif line.startswith(b"import"):
            for part in line[6:].split(b","):
                words = part.split()
                if words:
                    yield words[0].rpartition(b".")[2], None


def _with_project_method(options: Options, worth: dict[str, bytes]) -> Options:
    """The start method that the project's own code sets, if it sets one only; tests apart."""
    if options.start_method:
        return options
    found: set[str] = set()
    for file, data in worth.items():
        if b"set_start_method" in data and "test" not in file.lower():
            found.update(match[1].decode() for match in START_METHOD.finditer(data))
    return replace(options, project_method=found.pop()) if len(found) == 1 else options


# ---- sharing the work out -----------------------------------------------------------------------


def _shared_out(
    files: list[str], data: dict[str, bytes], options: Options, jobs: int
) -> Iterator[Checked]:
    jobs = jobs or _cores()
    if jobs == 1 or len(files) < _WORTH_SHARING:
        project = Project(data)
        for file in files:
            yield check_file(file, data[file], options, project)
        return
    yield from _in_processes(files, list(data), options, jobs)


def _in_processes(
    files: list[str], matter: list[str], options: Options, jobs: int
) -> Iterator[Checked]:
    # Only here: the checker itself must work where these cannot be had.
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
    # Neighbours import the same modules, so they go to the same process.
    parts = [files[at : at + _PER_MESSAGE] for at in range(0, len(files), _PER_MESSAGE)]
    with ProcessPoolExecutor(min(jobs, len(parts)), context, _set_up, (matter,)) as executor:
        for part in executor.map(_check_part, parts, [options] * len(parts)):
            yield from part


# Of a process that does a part of the work.
_project = Project()


def _set_up(matter: list[str]) -> None:
    global _project
    _project = Project(matter)


def _check_part(files: list[str], options: Options) -> list[Checked]:
    found: list[Checked] = []
    for file in files:
        try:
            data = read(file)
        except UnreadableError as error:
            found.append(Checked(file, note=str(error)))
            continue
        found.append(check_file(file, data, options, _project))
    return found


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this platform
        return os.cpu_count() or 1
