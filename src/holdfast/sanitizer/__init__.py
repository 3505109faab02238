"""The sanitizer: watches a program's processes and tells which object died too early.

    capture.py    one file in memory, mapped by all processes: chunks of records
    stacks.py     stacks, cheap to take, written as text once
    _notes.pyx    natively: what a program pays for at every turn, so that it pays next to nothing
    recorder.py   how a process tells what happens in it: record, remember, tell, stack
    reach.py      what is handed to a process with its target and arguments
    watch/        one file for each module of the standard library; a table
    story.py      a capture read back: processes, events in order of time, stacks
    naming.py     names and lines, found in source when a report is made
    detect/       one file for each small family of hazards; a table

Words: a module is *watched*; a watch tells *events*; all events of a family are in the *capture*;
what detectors work on is the *story*. The program's processes write, the supervisor (the process
that the user started, see cli/supervisor.py) reads.

Events
------
Every event has `kind`, `at_ns`, `number` (the process) and data. A stack is a number in a field
named `stack`, or ending in `_stack`. Objects are named by a `uid` that is unique in the family.

    process.begin      pid, parent (number), method, name, [stack]   first of every process
    process.named      name, method     a child of multiprocessing tells its name
    process.starting   token, name, stack, handed: [(uid, path)]     in the parent, before start()
    process.handed     token, uid       pickled for the child that is being started
    process.started    token, pid, name, method                      in the parent, after start()
    process.done       the target has returned, or main has come to its exit handlers
    process.exit       status           by os._exit, as all forked children leave
    process.reaped     pid, status      a parent has waited for its child
    memory.*           see watch/memory.py

Who adds kinds of events documents them at the head of the watch that tells them, in this form.

How to add a watch
------------------
A file in `watch/`, with what it keeps true at its head, and a line in `watch.WATCHES`
(`(("multiprocessing.shared_memory",), "segments.make_watched")`):

    def make_watched(module: ModuleType) -> list[Undo]:
        original = module.SharedMemory.unlink

        def unlink(self):
            recorder.record("shm.unlinked", name=self._name, stack=recorder.stack())
            return original(self)

        return [replace(module.SharedMemory, "unlink", unlink)]

Rules: no reference to an object of the program is kept, not for a moment longer than the original
does; nothing is raised that the original does not raise; results are the original's. To know an
object again: `uid = recorder.new_uid(); reach.mark(self, uid)` puts the id in the instance's dict,
where it travels by fork, and by pickle if the class pickles its dict. A marked object that is
reachable from a process's target and arguments is found by `process.starting`. What is not worth
telling as long as one process only knows the object: `recorder.remember(uid, kind, ...)`, written
by `recorder.tell(uid)`, which `process.starting` calls for what is handed. When it dies: a
`weakref.ref` subclass with the id in a slot, and a callback that first looks whether
`recorder.pid()` is the process that made it (a forked child inherits the callback).
`watch.ends.on_exit(f)` is called before a process leaves, `watch.leaving.leaving()` says that exit
handlers run, `watch.processes.on_handed(f)` tells ids before a child is started, and
`recorder.on_fork(f)` is called in forked children.

How to add a detector
---------------------
A file in `detect/` with `detect(story: Story) -> Iterator[Finding]`, and a line in
`detect.DETECTORS`. `story.of("shm.unlinked")` gives events, `story.stack(event)` places,
`story.own(event)` the program's own innermost one, `story.member(event.number)` the process with
its end. `naming.assigned_at(place)` says what the program calls what it made there. Only what
happened is reported: an object that was merely inherited and never used after its drop is silent.

How to test one
---------------
`tests/sanitizer/programs.py` has `watched(folder, program_text, *words)`: it runs the program
under `holdfast run --json`, and gives its output, its status and the findings. Each hazard has
programs that must be reported and near misses that must stay silent, under fork, spawn and
forkserver. Detectors alone can be tested on a `Story()` to which `add([Event(...), ...])` gave
events by hand.
"""
