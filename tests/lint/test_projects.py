"""Names and objects are followed from one module of a project to another."""

from __future__ import annotations

import ast

import pytest

from holdfast.lint import Options, check_paths
from holdfast.lint.flake8_plugin import Plugin

WORKERS = """\
import multiprocessing as mp

class Base:
    def __init__(self):
        self.v = mp.Value("i")

class Worker(Base):
    def run(self):
        self.v.value += 1

class Proc(mp.Process):
    def __init__(self, v):
        super().__init__(args=(v,))

COUNTER = mp.Value("i")

def make_counter():
    return mp.Value("i")
"""
LAUNCH = """\
from multiprocessing import Process

def start(target, *args):
    process = Process(target=target, args=args)
    process.start()
    return process
"""
APP = """\
{imports}

def dropped():
    worker = {prefix}Worker()
    return launch.start(worker.run)

def inline():
    {prefix}Proc({prefix}make_counter()).start()

def kept():
    counter = {prefix}make_counter()
    launch.start(print, counter).join()

def of_the_module():
    launch.start(print, {prefix}COUNTER)
"""
IMPORTS = {
    "from": ("from pkg.workers import Worker, Proc, make_counter, COUNTER", ""),
    "through the package": ("from pkg import Worker, Proc, make_counter, COUNTER", ""),
    "module": ("import pkg.workers", "pkg.workers."),
    "renamed": ("import pkg.workers as w", "w."),
    "module from package": ("from pkg import workers", "workers."),
    "star": ("from pkg.workers import *", ""),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text(
        "from .workers import Worker, Proc, make_counter, COUNTER\n"
    )
    (tmp_path / "pkg" / "workers.py").write_text(WORKERS)
    (tmp_path / "launch.py").write_text(LAUNCH)
    return tmp_path


def found(*files):
    report = check_paths(files, Options(start_method="fork"), jobs=1).report
    return [(each.place.file, each.place.line, each.code) for each in report.findings]


@pytest.mark.parametrize("how", IMPORTS)
def test_whichever_way_it_is_imported(folder, how):
    imports, prefix = IMPORTS[how]
    (folder / "app.py").write_text(APP.format(imports=f"{imports}; import launch", prefix=prefix))
    wanted = [("app.py", 5, "HF102"), ("app.py", 8, "HF101")]
    assert found("app.py", "launch.py", "pkg/__init__.py", "pkg/workers.py") == wanted


def test_a_relative_import(folder):
    (folder / "pkg" / "app.py").write_text(
        APP.format(imports="from .workers import *\nimport launch", prefix="")
    )
    assert found("pkg/app.py", "launch.py", "pkg/workers.py") == [
        ("pkg/app.py", 6, "HF102"),
        ("pkg/app.py", 9, "HF101"),
    ]


def test_files_that_are_not_checked_are_read_but_not_reported(folder):
    (folder / "launch.py").write_text(LAUNCH + "start(print, __import__('x'))\n")
    (folder / "app.py").write_text(
        "import launch\nfrom pkg.workers import make_counter\nlaunch.start(print, make_counter())\n"
    )
    (folder / "pkg" / "workers.py").write_text(WORKERS + "Proc(make_counter()).start()\n")
    assert found("app.py", "pkg/workers.py")[0] == ("app.py", 3, "HF101")


def test_modules_that_import_each_other(folder):
    (folder / "one.py").write_text("from two import make\nimport multiprocessing as mp\n"
                                   "mp.Process(args=(make(),)).start()\n")  # fmt: skip
    (folder / "two.py").write_text("import multiprocessing as mp\nimport one\n"
                                   "def make():\n    return mp.Value('i')\n")  # fmt: skip
    assert found("one.py", "two.py") == [("one.py", 3, "HF101")]


def test_a_class_of_a_third_module_that_inherits(folder):
    (folder / "service.py").write_text(
        "import multiprocessing as mp\n\nclass Service:\n    def __init__(self):\n"
        "        self.beat = mp.Value('d')\n\n    def launch(self):\n"
        "        process = mp.Process(target=self.run)\n        process.start()\n"
        "        return process\n"
    )
    (folder / "mail.py").write_text(
        "from service import Service\n\nclass Mail(Service):\n    def run(self):\n"
        "        self.beat.value += 1\n"
    )
    (folder / "app.py").write_text(
        "from mail import Mail\n\ndef launch():\n    mail = Mail()\n    return mail.launch()\n\n"
        "def kept():\n    mail = Mail()\n    return mail, mail.launch()\n"
    )
    assert found("app.py", "mail.py", "service.py") == [("app.py", 5, "HF102")]


def test_flake8_hears_the_same(folder):
    text = "import multiprocessing as mp\nmp.Process(args=(mp.Value('i'),)).start()\n"
    lines = text.splitlines(keepends=True)
    ((line, column, message, _),) = Plugin(ast.parse(text), "app.py", lines).run()
    assert (line, column) == (2, 17)
    assert message.startswith("HF101 inline-args: ")
    assert list(Plugin(ast.parse("x"), "app.py", ["x\n"]).run()) == []


READER = """\
from multiprocessing.shared_memory import SharedMemory

class Reader:
    def start(self):
        self.shm = SharedMemory(name="camera")
        print(bytes(self.shm.buf[:5]))
"""
WRITER = """\
from multiprocessing.shared_memory import SharedMemory

shm = SharedMemory(name="camera", create=True, size=64)
shm.unlink()
"""


@pytest.mark.parametrize(("writer", "codes"), [("", ["HF304"]), (WRITER, [])])
def test_a_name_that_no_other_file_knows_is_another_programs(tmp_path, writer, codes):
    reader = tmp_path / "reader.py"
    reader.write_text(READER)
    (tmp_path / "writer.py").write_text(writer)
    found = check_paths([str(reader), str(tmp_path / "writer.py")], Options(target=(3, 12)))
    assert [each.code for each in found.report.findings] == codes
