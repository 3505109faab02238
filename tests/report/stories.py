"""Reports made by hand, as the tools would make them.

`first_program` is the story of examples/flag_changes_by_itself.py, complete.
"""

from __future__ import annotations

from holdfast.findings import Finding, Place, Process, Report, Step, Subject

MS = 1_000_000
BEGAN = 5_000_000_000_000

MAIN, CHILD, SECOND = 4711, 4712, 4713


def at(line, function, source, file="app.py"):
    return Place(file=file, line=line, function=function, source=source)


def library(line, function, source, file="/usr/lib/python3.11/multiprocessing/context.py"):
    return Place(file=file, line=line, function=function, source=source, own=False)


def ms(number):
    return BEGAN + number * MS


def first_finding():
    init = at(8, "TestWorker.__init__", 'self.id1 = mp.Value("d", 0)')
    wrong_place = "TestProcessor.start_work_process_wrong"
    make = at(23, wrong_place, "worker = TestWorker()")
    start = at(28, wrong_place, "process.start()")
    leave = at(29, wrong_place, "return process")
    constructor = at(19, "TestProcessor.__init__", "self.start_work_process_wrong()")
    main = at(44, "<module>", "p1 = TestProcessor(1111)")
    value = library(135, "BaseContext.Value", "return Value(typecode_or_type, *args, lock=lock,")
    return Finding(
        code="HF102",
        message=(
            "self.id1 died with worker at the return of start_work_process_wrong, "
            "while Process-1 still writes to it"
        ),
        place=leave,
        fix="keep worker on self: self._worker = worker",
        subject=Subject(
            kind="Value",
            text="Value('d'), 8 bytes",
            names=("self.id1", "worker.id1"),
            size_bytes=8,
        ),
        steps=(
            Step(
                "created", "by mp.Value", MAIN, ms(12), (value, init, make, constructor, main)
            ),
            Step(
                "handed", "to Process-1 as the target's worker.do_work",
                MAIN, ms(13), (start, constructor, main),
            ),
            Step(
                "dropped", "when worker went out of scope",
                MAIN, ms(15), (leave, constructor, main),
            ),
            Step(
                "victim", "flag, a Value('d') created later, got the same 8 bytes",
                MAIN, ms(16),
                (value, at(45, "<module>", 'flag = mp.Value("d", -1)')),
            ),
            Step(
                "used", "to write 1111.0",
                CHILD, ms(31), (at(12, "TestWorker.do_work", "self.id1.value = index"),),
            ),
        ),
        count=2,
    )  # fmt: skip


def first_program():
    return Report(
        tool="run",
        version="0.1.0",
        python="3.11.7",
        program=("app.py",),
        findings=(first_finding(),),
        processes=(
            Process(MAIN, "MainProcess", "main", 0, ms(0), ms(900), "exit status 0"),
            Process(CHILD, "Process-1", "fork", MAIN, ms(13), ms(890), "SIGTERM"),
            Process(SECOND, "Process-2", "fork", MAIN, ms(20), None, ""),
        ),
        began_ns=ms(0),
        ended_ns=ms(900),
        notes=("1 record was torn and is not counted",),
        suppressed=3,
    )


def checked(file="app.py", **more):
    """A report of `holdfast check` with one finding."""
    return Report(
        tool="check", version="0.1.0", python="3.11.7", program=(file,),
        findings=(
            Finding(
                code="HF102",
                message="worker owns a Value, and nothing keeps it after the return",
                place=Place(
                    file=file, line=23, column=9, end_line=23, end_column=15,
                    function="TestProcessor.start_work_process_wrong",
                    source="worker = TestWorker()",
                ),
                fix="self._worker = worker",
                confidence="high",
                **more,
            ),
        ),
    )  # fmt: skip


def clean_run():
    return Report(
        tool="run", version="0.1.0", python="3.11.7", program=("app.py",),
        processes=(Process(MAIN, "MainProcess", "main", 0, ms(0), ms(9), "exit status 0"),),
        began_ns=ms(0), ended_ns=ms(9),
    )  # fmt: skip
