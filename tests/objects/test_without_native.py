"""A package whose native part could not be built says so, by the name that one catches."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import holdfast


@pytest.fixture(scope="module")
def pure(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pure")
    source = Path(holdfast.__file__).parent
    shutil.copytree(
        source, folder / "holdfast", ignore=shutil.ignore_patterns("*.so", "__pycache__", "_core")
    )
    return folder


def answer_of(pure, code):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(pure)},
        cwd=pure,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "code",
    [
        "import holdfast; holdfast.Value('d')",
        "import holdfast; holdfast.guard()",
        "from holdfast import Lock",
        "import holdfast.guard",
    ],
)
def test_whatever_needs_the_native_part_is_a_platform_error_that_names_it(pure, code):
    answer = answer_of(pure, code)
    assert answer.returncode == 1
    last = answer.stderr.strip().splitlines()[-1]
    assert last.startswith("holdfast.errors.PlatformError: ")
    assert "the native part of the package is missing" in last


def test_a_program_that_only_imports_it_forks_and_spawns_as_before(pure):
    answer = answer_of(
        pure,
        "import holdfast, os, multiprocessing as mp\n"
        "if __name__ == '__main__':\n"
        "    pid = os.fork()\n"
        "    if not pid: os._exit(0)\n"
        "    assert os.waitpid(pid, 0)[1] == 0\n"
        "    p = mp.get_context('spawn').Process(target=len, args=([],)); p.start(); p.join()\n"
        "    assert p.exitcode == 0\n",
    )
    assert (answer.returncode, answer.stderr) == (0, "")
