"""Runs a program the way the interpreter runs it, from inside a process that is ours.

What it keeps true: the program cannot tell that it was not started by `python script.py`,
`python -m module` or `python -c code`, as far as that can be had without a new process.
`sys.argv`, `sys.path[0]` and the module `__main__` (which children of `spawn` import again) are
as CPython's Modules/main.c and Python/pythonrun.c make them, down to `__file__` disappearing at
the end of a script. An exception that the program lets out travels on to the real interpreter,
which alone knows how to end a process by SIGINT, by `sys.exit(...)` or with a traceback; only the
frames of ours are taken out of what is shown.

What differs and cannot be helped: our frames lie below the program's, where `inspect.stack()`
sees them; `sys.orig_argv` says how the process was really started, so that a program that
restarts itself comes back under the tool.

Source: CPython, Modules/main.c (pymain_run_python), Python/pythonrun.c
(_PyRun_SimpleFile), Lib/runpy.py.
"""

from __future__ import annotations

import builtins
import importlib.machinery
import io
import linecache
import os
import runpy
import sys
import types
from dataclasses import dataclass
from pkgutil import get_importer, read_code
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CANNOT_OPEN = 2  # the interpreter's exit status when there is no such script

# What the interpreter does only when it has shown what ended the program.
_when_shown: list[Callable[[], None]] = []


@dataclass(frozen=True)
class Program:
    """What is to be run: the same three forms that the interpreter knows."""

    start: Callable[[str, Sequence[str]], None]
    name: str
    arguments: Sequence[str]

    @classmethod
    def script(cls, path: str, arguments: Sequence[str]) -> Program:
        """`python path arguments`: a source or bytecode file, or a folder or zip with a main."""
        return cls(_run_script, path, arguments)

    @classmethod
    def module(cls, name: str, arguments: Sequence[str]) -> Program:
        """`python -m name arguments`."""
        return cls(_run_module, name, arguments)

    @classmethod
    def command(cls, code: str, arguments: Sequence[str]) -> Program:
        """`python -c code arguments`."""
        return cls(_run_command, code, arguments)


def run(program: Program) -> None:
    """Run a program as `__main__`; return when it has come to its end.

    Not a way to run several programs in one process: afterwards `sys.argv`, `sys.path` and
    `__main__` are still the program's, because its exit handlers and threads need them.

    Raises:
        BaseException: Whatever the program let out, to be let out further.
            `sys.excepthook` then shows it without our frames.
    """
    try:
        program.start(program.name, program.arguments)
    except BaseException as error:
        _hide_own_frames(error)
        raise


def _run_script(path: str, arguments: Sequence[str]) -> None:
    sys.argv = [path, *arguments]
    main = _new_main()
    absolute = path if path == "-" else str(os.path.join(os.getcwd(), path))  # noqa: PTH109, PTH118
    if path != "-" and get_importer(absolute) is not None:
        # A folder or an archive: its __main__ is found through sys.path, where it belongs.
        _set_first_path(absolute, even_if_safe=True)
        runpy._run_module_as_main("__main__", alter_argv=False)  # type: ignore[attr-defined]
        return
    if path == "-":
        code = compile(sys.stdin.buffer.read(), "<stdin>", "exec", dont_inherit=True)
        _set_first_path("")
        exec(code, main.__dict__)  # noqa: S102
        return
    code, loader = _read_script(absolute)
    _set_first_path(os.path.dirname(os.path.realpath(path)))  # noqa: PTH120
    main.__dict__.update(__loader__=loader, __file__=absolute, __cached__=None)

    def forget_file() -> None:
        main.__dict__.pop("__file__", None)
        main.__dict__.pop("__cached__", None)

    _when_shown.append(forget_file)  # not at sys.exit(), which shows nothing
    exec(code, main.__dict__)  # noqa: S102
    forget_file()


def _read_script(path: str) -> tuple[types.CodeType, object]:
    """Read and compile a script; say what the interpreter says where that is impossible."""
    try:
        with io.open_code(path) as file:
            code: types.CodeType | None = read_code(file)
        if code is not None:
            return code, importlib.machinery.SourcelessFileLoader("__main__", path)
        with io.open_code(path) as file:
            source = file.read()
    except OSError as error:
        print(
            f"{sys.executable}: can't open file {path!r}: [Errno {error.errno}] {error.strerror}",
            file=sys.stderr,
        )
        raise SystemExit(CANNOT_OPEN) from None
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    return compile(source, path, "exec", dont_inherit=True), loader


def _run_module(name: str, arguments: Sequence[str]) -> None:
    sys.argv = ["-m", *arguments]  # the interpreter's too, until the module has been found
    _new_main()
    _set_first_path(os.getcwd())  # noqa: PTH109
    runpy._run_module_as_main(name)  # type: ignore[attr-defined]


def _run_command(code: str, arguments: Sequence[str]) -> None:
    sys.argv = ["-c", *arguments]
    main = _new_main()
    _set_first_path("")
    if sys.version_info >= (3, 13):  # whose tracebacks show the lines of -c
        lines = [f"{line}\n" for line in code.splitlines()]
        linecache.cache["<string>"] = (len(code), None, lines, "<string>")
    exec(compile(code, "<string>", "exec", dont_inherit=True), main.__dict__)  # noqa: S102


def _new_main() -> types.ModuleType:
    """Put a `__main__` in place that is as new as the interpreter's own."""
    main = types.ModuleType("__main__")
    main.__dict__["__loader__"] = importlib.machinery.BuiltinImporter
    if sys.version_info < (3, 14):
        main.__dict__["__annotations__"] = {}
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    return main


def _set_first_path(entry: str, *, even_if_safe: bool = False) -> None:
    """Replace the entry that the start of our own command put first.

    With -P or PYTHONSAFEPATH (or -I) there is none, and a program's is not wanted.
    """
    if not _safe_path():
        sys.path[0] = entry
    elif even_if_safe:
        sys.path.insert(0, entry)


def _safe_path() -> bool:
    return bool(getattr(sys.flags, "safe_path", False)) or bool(sys.flags.isolated)


def _hide_own_frames(error: BaseException) -> None:
    """Prepare `sys.excepthook` to show `error` as if the program had been started directly."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    if "holdfast.sanitizer.watch" in sys.modules:
        from holdfast.sanitizer.watch import tracebacks

        tracebacks.cut(error)
    hook = sys.excepthook

    def show(kind: type[BaseException], value: BaseException, shown: Any) -> None:
        sys.excepthook = hook
        if value is not error:  # something of ours went wrong later: nothing to hide
            hook(kind, value, shown)
            return
        value.__traceback__ = sys.last_traceback = traceback
        try:
            hook(kind, value, traceback)
        except SystemExit:
            raise
        except BaseException as failure:  # noqa: BLE001 - reported as the interpreter reports it
            frames = failure.__traceback__ and failure.__traceback__.tb_next
            failure.__traceback__, failure.__context__ = frames, None
            print("Error in sys.excepthook:", file=sys.stderr)
            sys.__excepthook__(type(failure), failure, frames)
            print("\nOriginal exception was:", file=sys.stderr)
            sys.__excepthook__(kind, value, traceback)
        for call in _when_shown:
            call()

    sys.excepthook = show
