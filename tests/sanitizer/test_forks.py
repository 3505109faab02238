"""What a forked child has of its parent and must not end or use; and what is harmless."""

from __future__ import annotations

import sys

import pytest

from tests.sanitizer.programs import watched

HEAD = """
import multiprocessing, os, shutil, socket, sys, tempfile, threading, time, weakref

"""
TAIL = """

if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    main()
"""


def seen_of(tmp_path, text, *options, status=None):
    return watched(tmp_path, HEAD + text.strip() + TAIL, options=options, status=status)


# ---- locks of threads ----------------------------------------------------------------------------

HELD = """
class Cache:
    def __init__(self):
        self.lock = threading.{kind}()
        self.held, self.forked = threading.Event(), threading.Event()

    def fill(self):
        with self.lock:
            self.held.set()
            {hold}

    def use(self):
        {use}

def main():
    cache = Cache()
    filler = threading.Thread(target=cache.fill)
    filler.start()
    cache.held.wait()
    {before}
    child = multiprocessing.Process(target=cache.use)
    child.start()
    cache.forked.set()
    filler.join()
    child.join()
"""
USES = {
    "with": "with self.lock:\n            pass",
    "acquire": "self.lock.acquire()",
}


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_lock_that_a_thread_of_the_parent_held(tmp_path, kind, use):
    text = HELD.format(kind=kind, use=use, hold="self.forked.wait()", before="")
    # The child would wait for ever: it is ended when this is noticed.
    finding = seen_of(tmp_path, text, "--halt", status=1).only("HF801")
    assert "Process-1 waits for self.lock, which a thread of its parent held" in finding.message


# It lives for as long as it takes to be asked twice.
def test_child_that_takes_no_lock_is_silent(tmp_path):
    text = HELD.format(kind="Lock", use="time.sleep(3)", hold="self.forked.wait()", before="")
    assert not seen_of(tmp_path, text, status=0).findings


def test_lock_that_is_free_at_the_fork_is_silent(tmp_path):
    use = "with self.lock: time.sleep(3)"
    text = HELD.format(kind="Lock", use=use, hold="pass", before="filler.join()")
    assert not seen_of(tmp_path, text, status=0).findings


# ---- finalizers ----------------------------------------------------------------------------------

FOLDERS = {
    "rebound in the child": """
FOLDER = tempfile.TemporaryDirectory()
def child():
    global FOLDER
    FOLDER = None
def main():
    process = multiprocessing.Process(target=child)
    process.start()
    process.join()
    print(os.path.exists(FOLDER.name))
""",
    "exit of an os.fork": """
def main():
    folder = tempfile.TemporaryDirectory()
    pid = os.fork()
    if pid == 0:
        sys.exit(0)
    os.waitpid(pid, 0)
    print(os.path.exists(folder.name))
""",
    "end of a with block": """
def main():
    pid = 0
    with tempfile.TemporaryDirectory() as name:
        pid = os.fork()
        if pid == 0:
            sys.exit(0)
        os.waitpid(pid, 0)
        print(os.path.exists(name))
""",
    "named file": """
FILE = tempfile.NamedTemporaryFile()
def child():
    global FILE
    FILE = None
def main():
    process = multiprocessing.Process(target=child)
    process.start()
    process.join()
    print(os.path.exists(FILE.name))
    FILE._closer.delete = False
    FILE.delete = False
""",
    "finalize": """
class Store:
    def __init__(self):
        self.name = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, self.name, True)
STORE = Store()
def child():
    global STORE
    STORE = None
def main():
    process = multiprocessing.Process(target=child)
    process.start()
    process.join()
    print(os.path.exists(STORE.name))
""",
}


@pytest.mark.parametrize("text", FOLDERS.values(), ids=FOLDERS)
def test_finalizer_that_the_child_runs(tmp_path, text):
    seen = seen_of(tmp_path, text)
    assert seen.lines == ["False"]
    assert seen.codes == ["HF804"], seen


HARMLESS = {
    "left by os._exit": """
def main():
    folder = tempfile.TemporaryDirectory()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    print(os.path.exists(folder.name))
""",
    "inherited and not touched": """
FOLDER = tempfile.TemporaryDirectory()
def child():
    open(FOLDER.name + "/file", "w").close()
def main():
    process = multiprocessing.Process(target=child)
    process.start()
    process.join()
    print(os.path.exists(FOLDER.name))
""",
    "the child's own": """
def child():
    with tempfile.TemporaryDirectory():
        pass
    weakref.finalize(threading.Lock, os.path.exists, "unlink")
def main():
    process = multiprocessing.Process(target=child)
    process.start()
    process.join()
    print(True)
""",
}


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_finalizer_that_runs_where_it_should_is_silent(tmp_path, text):
    seen = seen_of(tmp_path, text, status=0)
    assert seen.lines == ["True"]
    assert not seen.findings


# ---- connections ---------------------------------------------------------------------------------

DATABASE = """
class Database:
    def __init__(self):
        self.socket, self.server = socket.socketpair()
    def query(self):
        self.socket.sendall(b"query")
        return self.server.recv(100)
    def __del__(self):
        {end}
database = Database()
def child():
    global database
    {child}
def main():
    process = multiprocessing.Process(target=child)
    process.start()
    process.join()
    print(database.query())
"""


def test_goodbye_on_the_parents_connection(tmp_path):
    text = DATABASE.format(end='self.socket.sendall(b"bye")', child="database = None")
    finding = seen_of(tmp_path, text, status=1).only("HF805")
    owner = "Database." if sys.version_info >= (3, 11) else ""  # code that knows its class
    assert f"{owner}__del__ calls sendall() on a shared socket" in finding.message


QUIET = {
    "closed only": ("self.socket.close()", "database = None"),
    "of the child's own": (
        'self.socket.sendall(b"bye")',
        "own = Database(); own.query(); del own",
    ),
    "used": ("pass", "database.query()"),
}


@pytest.mark.parametrize(("end", "child"), QUIET.values(), ids=QUIET)
def test_connection_without_a_goodbye_is_silent(tmp_path, end, child):
    assert not seen_of(tmp_path, DATABASE.format(end=end, child=child), status=0).findings


# ---- buffers -------------------------------------------------------------------------------------

FILE = """
FILE = None
def child():
    global FILE
    {child}
def main():
    global FILE
    FILE = open("out", {mode})
    FILE.write({what})
    {before}
    process = multiprocessing.Process(target=child)
    process.start()
    process.join()
    FILE.close()
    print(len(open("out", "rb").read()))
"""
TWICE = {
    "text": ('"w"', '"once\\n"', "FILE = None"),
    "bytes": ('"wb"', 'b"once\\n"', "FILE = None"),
    "closed": ('"w"', '"once\\n"', "FILE.close()"),
    "flushed": ('"w"', '"once\\n"', "FILE.flush()"),
}


@pytest.mark.parametrize(("mode", "what", "child"), TWICE.values(), ids=TWICE)
def test_buffer_that_is_written_twice(tmp_path, mode, what, child):
    text = FILE.format(mode=mode, what=what, child=child, before="")
    seen = seen_of(tmp_path, text, status=1)
    assert seen.lines == ["10"]
    finding = seen.only("HF806")
    assert "writes 5 bytes of its parent's buffer to out" in finding.message


@pytest.mark.parametrize(
    ("child", "before"),
    [("FILE = None", "FILE.flush()"), ("pass", ""), ("open('own', 'w').write('x')", "")],
)
def test_buffer_that_is_written_once_is_silent(tmp_path, child, before):
    text = FILE.format(mode='"w"', what='"once\\n"', child=child, before=before)
    seen = seen_of(tmp_path, text, status=0)
    assert seen.lines == ["5"]
    assert not seen.findings


def test_output_that_a_forked_child_prints_again(tmp_path):
    text = """
def main():
    sys.stdout = os.fdopen(os.dup(1), "w")  # with a buffer, also under PYTHONUNBUFFERED
    print("once")
    if os.fork() == 0:
        sys.exit(0)
    os.wait()
"""
    seen = seen_of(tmp_path, text, status=1)
    assert seen.lines == ["once", "once"]
    assert seen.only("HF806").subject.size_bytes == 5


def test_output_before_a_process_of_multiprocessing_is_silent(tmp_path):
    text = """
def child():
    print("child")
def main():
    print("once")
    process = multiprocessing.Process(target=child)
    process.start()
    process.join()
"""
    seen = seen_of(tmp_path, text, status=0)
    assert seen.lines == ["once", "child"]
    assert not seen.findings
