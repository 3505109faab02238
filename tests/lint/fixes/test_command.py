"""`holdfast check` with --fix, --unsafe-fixes and --diff."""

from __future__ import annotations

import stat
import subprocess
import sys

import pytest

WRONG = """\
import multiprocessing as mp


def launch(work):
    process = mp.Process(target=work, args=(mp.Value("i", 0),))
    process.start()
    process.join()
"""
RIGHT = WRONG.replace('args=(mp.Value("i", 0),)', "args=(value,)").replace(
    "    process = mp", '    value = mp.Value("i", 0)\n    process = mp', 1
)
UNSAFE = """\
import multiprocessing as mp


def launch(work):
    with mp.Pool() as pool:
        pool.map_async(work, [1])
"""


def check(*arguments, cwd, standard_input=None):
    return subprocess.run(
        [sys.executable, "-m", "holdfast", "check", "--no-cache", "--start-method=fork",
         *arguments],
        cwd=cwd, input=standard_input, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "wrong.py").write_text(WRONG)
    (tmp_path / "unsafe.py").write_text(UNSAFE)
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").chmod(0o755)
    return tmp_path


def test_fix_changes_the_file_and_reports_the_rest(folder):
    done = check("--fix", ".", cwd=folder)
    assert (folder / "wrong.py").read_text() == RIGHT
    assert stat.S_IMODE((folder / "wrong.py").stat().st_mode) == 0o755
    assert (folder / "unsafe.py").read_text() == UNSAFE
    assert done.returncode == 1
    assert "fixed 1 of 2 findings, in 1 file\n" in done.stderr
    assert "HF501" in done.stdout
    assert "HF101" not in done.stdout
    assert sorted(each.name for each in folder.iterdir()) == ["right.py", "unsafe.py", "wrong.py"]


def test_unsafe_fixes_change_the_rest(folder):
    done = check("--unsafe-fixes", ".", cwd=folder)
    assert done.returncode == 0
    assert "        pool.close()\n        pool.join()\n" in (folder / "unsafe.py").read_text()
    assert check(".", cwd=folder).returncode == 0


def test_diff_shows_and_changes_nothing(folder):
    done = check("--diff", ".", cwd=folder)
    assert done.returncode == 1
    assert '+    value = mp.Value("i", 0)\n' in done.stdout
    assert "would fix 1 of 2 findings" in done.stderr
    assert (folder / "wrong.py").read_text() == WRONG
    patch = subprocess.run(
        ["patch", "-p0", "--quiet"], cwd=folder, input=done.stdout, text=True, check=False
    )
    assert patch.returncode == 0
    assert (folder / "wrong.py").read_text() == RIGHT


def test_standard_input_is_fixed_to_standard_output(folder):
    done = check("-", "--fix", "--stdin-filename", "x.py", cwd=folder, standard_input=WRONG)
    assert (done.returncode, done.stdout) == (0, RIGHT)
    again = check("-", "--fix", cwd=folder, standard_input=RIGHT)
    assert (again.returncode, again.stdout) == (0, RIGHT)


def test_a_file_without_findings_is_not_touched(folder):
    before = (folder / "right.py").stat()
    check("--fix", "right.py", cwd=folder)
    after = (folder / "right.py").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_without_libcst_the_tool_says_what_to_install(folder):
    (folder / "libcst.py").write_text("raise ImportError('not installed')\n")
    program = (
        "import sys, importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'libcst' else real(name, *a)\n"
        "from holdfast.cli.check import main; sys.exit(main(['--fix', '--no-cache', 'wrong.py']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert 'pip install "holdfast[check]"' in done.stderr
    assert (folder / "wrong.py").read_text() == WRONG


def test_fix_knows_the_start_method_that_the_project_sets(tmp_path):
    def fix():
        return subprocess.run(
            [sys.executable, "-m", "holdfast", "check", "--no-cache", "--target-python=3.11",
             "--fix", "."],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    lock = WRONG.replace('mp.Value("i", 0)', "mp.Lock()")
    (tmp_path / "wrong.py").write_text(lock)
    if sys.platform == "linux":
        assert fix().returncode == 0
        assert (tmp_path / "wrong.py").read_text() == lock
    (tmp_path / "main.py").write_text(
        'import multiprocessing as mp\n\nmp.set_start_method("spawn")\n'
    )
    done = fix()
    assert done.returncode == 0, done.stdout
    assert "fixed 1 of 1 findings" in done.stderr
    assert "    lock = mp.Lock()\n" in (tmp_path / "wrong.py").read_text()
