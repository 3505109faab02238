"""`holdfast run --guard` is the interpreter, as far as a program can tell.

Every case runs the same command line twice, plain and under the guard, and compares everything
that comes out: standard output, standard error to the byte, exit status.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap

import pytest

TIME_LIMIT = 60.0
GUARD = ["-m", "holdfast", "run", "--guard"]
INTERRUPTED = -signal.SIGINT


def run(command, where, *, stdin="", options=()):
    """Run `python command` in `where`, in a session of its own."""
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *options, *command], cwd=where, env=environment, input=stdin, text=True,
        capture_output=True, timeout=TIME_LIMIT, start_new_session=True, check=False,
    )  # fmt: skip


def without_addresses(text):
    return re.sub(r"\b0x[0-9a-f]+", "0x", text)


def same(command, where, **settings):
    """Assert that the guard changes nothing, and return what the plain run gave."""
    plain = run(command, where, **settings)
    guarded = run([*GUARD, *command], where, **settings)
    assert without_addresses(guarded.stdout) == without_addresses(plain.stdout)
    assert without_addresses(guarded.stderr) == without_addresses(plain.stderr)
    assert guarded.returncode == plain.returncode
    return plain


@pytest.fixture
def program(tmp_path):
    """Write files into an empty folder; the first argument is app.py."""

    def write(app="", **others):
        for name, text in {"app": app, **others}.items():
            path = tmp_path.joinpath(*name.split("__dir__")).with_suffix(".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        return tmp_path

    return write


SURROUNDINGS = """
    import sys
    for name, value in sorted(globals().items()):
        if name == "__loader__":
            value = value if isinstance(value, type) else type(value)
        if name not in ("name", "value"):
            print(name, value)
    print(sys.argv, sys.path, sys.flags, sys.modules["__main__"].__dict__ is globals())
    print(__builtins__, vars(sys.modules["__main__"]).get("__file__"), __name__)
"""


@pytest.mark.parametrize(
    "command",
    [
        ["app.py"],
        ["./app.py", "one", "--two", "-m", "--", "--guard"],
        ["sub/../app.py"],
        ["-m", "app", "--help"],
        ["-mapp", "-c"],
        ["-m", "package", "x"],
        ["-m", "package.inner"],
        ["-c", textwrap.dedent(SURROUNDINGS), "a", "-b"],
        ["package", "y"],
        ["link.py"],
    ],
    ids=lambda command: " ".join(command)[:20].strip(),
)
@pytest.mark.parametrize("options", [[], ["-P"], ["-O", "-X", "dev"]], ids=["", "P", "dev"])
def test_surroundings_are_those_of_the_interpreter(program, command, options):
    if options == ["-P"] and sys.version_info < (3, 11):
        options = ["-s"]
    here = program(
        SURROUNDINGS, package__dir____init__="", package__dir____main__=SURROUNDINGS,
        package__dir__inner=SURROUNDINGS, sub__dir__x="", elsewhere__dir__real=SURROUNDINGS,
    )  # fmt: skip
    (here / "link.py").symlink_to("elsewhere/real.py")
    same(command, here, options=options)


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("", 0),
        ("sys.exit()", 0),
        ("atexit.register(lambda: print('__file__' in globals())); sys.exit()", 0),
        ("atexit.register(lambda: print('__file__' in globals()))", 0),
        ("sys.exit(7)", 7),
        ("sys.exit(-1)", 255),
        ("sys.exit('words')", 1),
        ("sys.exit(None)", 0),
        ("raise SystemExit([1, 2])", 1),
        ("os._exit(9)", 9),
        ("raise KeyError('missing')", 1),
        ("raise KeyboardInterrupt", INTERRUPTED),
        ("os.kill(os.getpid(), signal.SIGINT); time.sleep(60)", INTERRUPTED),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", -signal.SIGTERM),
        ("os.abort()", -signal.SIGABRT),
        ("raise ExceptionGroup('two', [ValueError(1), TypeError(2)])", 1),
        ("class MyInterrupt(KeyboardInterrupt): pass\nraise MyInterrupt", 1),
    ],
)
@pytest.mark.parametrize("command", [["app.py"], ["-m", "app"]], ids=["script", "module"])
def test_ending_is_that_of_the_program(program, command, ending, status):
    if "ExceptionGroup" in ending and sys.version_info < (3, 11):
        ending = "raise ValueError"
    here = program(f"import atexit, os, signal, sys, time\nprint('start', flush=True)\n{ending}\n")
    assert same(command, here).returncode == status


TRACEBACKS = {
    "deep": """
        def f(n):
            return f(n - 1) if n else 1 / 0
        f(3)
    """,
    "chained": """
        def g():
            raise LookupError("first")
        try:
            g()
        except LookupError as error:
            raise RuntimeError("second") from error
    """,
    "context": """
        try:
            1 / 0
        except ZeroDivisionError:
            undefined
    """,
    "syntax": "x = = 1\n",
    "indent": "if 1:\nx\n",
    "import of a broken module": "import broken\n",
    "own hook": """
        import sys, traceback
        def hook(kind, value, tb):
            print("hook", kind, value, traceback.format_tb(tb), value.__traceback__ is tb)
            print(sys.excepthook is hook, sys.last_traceback is tb)
        sys.excepthook = hook
        1 / 0
    """,
    "broken hook": """
        import sys
        def hook(*details):
            raise OSError("hook")
        sys.excepthook = hook
        1 / 0
    """,
    "hook that exits": """
        import sys
        def hook(*details):
            print(__file__)
            sys.exit("gone")
        sys.excepthook = hook
        raise ValueError
    """,
    "hook that looks around": """
        import atexit, sys
        def hook(*details):
            print("hook", "__file__" in globals())
        sys.excepthook = hook
        atexit.register(lambda: print("atexit", "__file__" in globals()))
        raise ValueError
    """,
    "hook that shows nothing": """
        import sys
        sys.excepthook = lambda *details: print("gone")
        raise ValueError
    """,
    "in a thread": """
        import threading
        def f():
            1 / 0
        thread = threading.Thread(target=f, name="t"); thread.start(); thread.join()
    """,
    "at exit": """
        import atexit, sys
        @atexit.register
        def late():
            print(sys.exc_info(), hasattr(sys, "last_value"), sys.excepthook is sys.__excepthook__)
        1 / 0
    """,
    "warning": """
        import warnings
        warnings.warn("careful", DeprecationWarning)
        1 is 1
    """,
}


@pytest.mark.parametrize("command", [["app.py"], ["-m", "app"]], ids=["script", "module"])
@pytest.mark.parametrize("name", TRACEBACKS)
def test_traceback_shows_the_program_only(program, name, command):
    here = program(TRACEBACKS[name], broken="def f(:\n")
    plain = same(command, here)
    assert "holdfast" not in plain.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["nowhere.py"],
        ["-m", "nowhere"],
        ["-m", "app.py"],
        ["empty"],
        ["-m", "empty"],
        ["-c", "1/0"],
    ],
    ids=" ".join,
)
def test_program_that_cannot_start_is_reported_as_the_interpreter_does(program, command):
    here = program("print('app')")
    (here / "empty").mkdir()
    assert same(command, here).returncode in {1, 2}


def test_stdin_is_the_programs(program):
    here = program("import sys; print(sys.stdin.read().upper(), input.__name__)")
    assert same(["app.py"], here, stdin="words\n").stdout == "WORDS\n input\n"


def test_program_may_come_from_stdin(program):
    assert same(["-", "x"], program(), stdin="import sys; print(sys.argv)").stdout == "['-', 'x']\n"


def test_archive_and_bytecode_run(program):
    import py_compile
    import zipapp

    here = program("import sys; print(__name__, sys.argv, __file__)")
    (here / "source").mkdir()
    (here / "app.py").rename(here / "source" / "__main__.py")
    zipapp.create_archive(here / "source", here / "app.pyz")
    py_compile.compile(str(here / "source" / "__main__.py"), cfile=str(here / "app.pyc"))
    for command in (["app.pyz", "x"], ["app.pyc", "x"]):
        assert same(command, here).returncode == 0


@pytest.mark.parametrize("command", [["app.py"], ["-m", "app"]], ids=["script", "module"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_find_main_again(program, command, method):
    here = program(f"""
        import multiprocessing as mp, sys
        print("import of", __name__, flush=True)
        class Thing:
            pass
        def child(thing, queue):
            main = sys.modules["__main__"]
            queue.put((type(thing) is main.Thing, sys.argv, main.__name__, Thing.__module__))
        if __name__ == "__main__":
            mp.set_start_method({method!r})
            queue = mp.SimpleQueue()
            process = mp.Process(target=child, args=(Thing(), queue))
            process.start()
            print(queue.get(), flush=True)
            process.join()
            print(process.exitcode)
    """)
    assert same([*command, "-x"], here).returncode == 0


def test_threads_and_exit_handlers_outlive_the_script(program):
    here = program("""
        import atexit, threading, sys
        def late():
            threading.main_thread().join()
            print("thread", "__file__" in sys.modules["__main__"].__dict__, flush=True)
        threading.Thread(target=late).start()
        atexit.register(lambda: print("atexit", sys.argv, __name__))
        print("end", flush=True)
    """)
    same(["app.py"], here)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run"], "no program to run"),
        (["run", "--guard"], "no program to run"),
        (["run", "--guard", "-m"], "no program to run"),
        (["run", "--guard", "--halt", "app.py"], "give --watch"),
        (["run", "--guard", "--watch", "--as-is", "app.py"], "exclude each other"),
        (["run", "--gua", "app.py"], "unrecognized"),
        (["walk"], "there is no command 'walk'"),
        (["--walk"], "unrecognized"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_status_2_and_says_what_to_do(program, arguments, words):
    outcome = run(["-m", "holdfast", *arguments], program("print('ran')"))
    assert outcome.returncode == 2
    assert words in outcome.stderr
    assert "ran" not in outcome.stdout


@pytest.mark.parametrize("arguments", [[], ["--help"], ["run", "--help"]], ids=" ".join)
def test_help_fits_a_terminal_and_shows_the_guard(program, arguments):
    outcome = run(["-m", "holdfast", *arguments], program())
    assert outcome.returncode == (0 if arguments else 2)
    assert "holdfast run --guard" in outcome.stdout
    assert max(map(len, outcome.stdout.splitlines())) <= 80


def test_version_names_package_and_interpreter(program):
    outcome = run(["-m", "holdfast", "--version"], program())
    version = ".".join(map(str, sys.version_info[:3]))
    assert outcome.stdout.startswith("holdfast ")
    assert outcome.stdout.endswith(f"(cpython {version})\n")
