"""Python subprocesses of a watched program belong to its family, and cannot tell."""

from __future__ import annotations

import textwrap

from tests.sanitizer.programs import watched

HEAD = """
import json, os, subprocess, sys

LOOK = '''
import json, os, sys
print(json.dumps([
    sorted(os.environ), sys.path, sys.argv, sys.orig_argv, sys.flags.no_site,
    "sitecustomize" in sys.modules, sys.modules["__main__"].__name__,
]))
'''
# What is watched is told by the watch itself; what a program sees, by the program.
WATCHED = "import sys; print('holdfast.sanitizer.recorder' in sys.modules)"

def output(*words, **options):
    return subprocess.run(
        [*map(str, words)], stdout=subprocess.PIPE, text=True, check=True, **options
    ).stdout.strip()
"""


def run(folder, text, status=0):
    return watched(folder, HEAD + textwrap.dedent(text), status=status)


def test_subprocess_sees_nothing_of_the_watch(tmp_path):
    # Started by another program, it is not watched: what it sees then is what it must see.
    seen = run(
        tmp_path,
        """
        shell = f'exec "{sys.executable}" "$@"'
        import holdfast
        ours = os.path.dirname(os.path.dirname(holdfast.__file__))
        for words in (["-c", LOOK, "a", "b"], ["-W", "ignore", "-c", LOOK], ["-B", "-c", LOOK]):
            for folders in ((), ("/nowhere",), ("/nowhere", ours)):
                env = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)} if folders else None
                watched = output(sys.executable, *words, env=env)
                bare = output("sh", "-c", shell, "sh", *words, env=env)
                assert json.loads(watched) == json.loads(bare), (watched, bare)
        print(output(sys.executable, "-c", WATCHED), output("sh", "-c", shell, "sh", "-c", WATCHED))
        """,
    )
    assert seen.lines == ["True False"], seen


def test_the_programs_own_sitecustomize_is_run(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import builtins\nbuiltins.mine = 'mine'\n")
    seen = run(
        tmp_path,
        """
        env = {**os.environ, "PYTHONPATH": os.getcwd()}
        code = "import sys, sitecustomize; print(mine, sitecustomize.__file__, sys.path[1])"
        print(output(sys.executable, "-c", code, env=env))
        print(output(sys.executable, "-c", WATCHED, env=env))
        """,
    )
    folder = str(tmp_path)
    assert seen.lines == [f"mine {folder}/sitecustomize.py {folder}", "True"], seen


def test_interpreters_that_look_nowhere_and_other_programs_are_left_alone(tmp_path):
    seen = run(
        tmp_path,
        """
        print(output(sys.executable, "-I", "-c", WATCHED))
        print(output(sys.executable, "-E", "-c", WATCHED))
        print(output(sys.executable, "-S", "-c", WATCHED))
        print("HOLDFAST_SUBPROCESS" in output("env"))
        print(output(sys.executable, "-c", "import os; print(os.getenv('FRUIT'))",
                     preexec_fn=lambda: os.putenv("FRUIT", "apple")))
        """,
    )
    assert seen.lines == [*["False"] * 4, "apple"], seen


def test_subprocesses_are_processes_of_the_report(tmp_path):
    (tmp_path / "tool.py").write_text("import sys\nsys.exit(3)\n")
    seen = run(
        tmp_path,
        """
        subprocess.run([sys.executable, "tool.py", "a"])
        subprocess.run([sys.executable, "-m", "json.tool", "--help"], stdout=subprocess.DEVNULL)
        subprocess.run([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), 9)"])
        """,
    )
    found = {each.name: (each.start_method, each.end) for each in seen.report.processes}
    assert found == {
        "MainProcess": ("main", "exit status 0"),
        "tool.py": ("subprocess", "exit status 3"),
        "python -m json.tool": ("subprocess", "exit status 0"),
        "python -c": ("subprocess", "SIGKILL"),
    }, seen
