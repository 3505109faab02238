"""What the libraries make: which name stands for which kind of object, and what that is made of.

What it keeps true: everything that the checker believes about `multiprocessing` and its relatives
stands in these tables. A name is looked up in one form, `mp.Value`, whichever library and module
it came from; a relative that behaves differently says so in `KEEPS_ARGUMENTS`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of object that is of interest.

    Attributes:
        name: What the library calls it.
        role: What the checker does with it: "shared", "process", "executor", "pool", "manager",
            "proxy", "segment", "connection", "context", "future", "container", "instance",
            "view", "outside".
        memory: Its bytes lie in the shared heap and are given to somebody else when it dies.
        semaphore: It has a named semaphore, which vanishes when it dies.
    """

    name: str
    role: str
    memory: bool = False
    semaphore: bool = False


def _shared(name: str, *, memory: bool = False, semaphore: bool = False) -> Kind:
    return Kind(name, "shared", memory, semaphore)


_LOCKS = ("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Event", "Condition")
_QUEUES = ("Queue", "JoinableQueue", "SimpleQueue")

# Constructors, by the name in its one form.
MAKERS = {
    "mp.Value": _shared("Value", memory=True, semaphore=True),
    "mp.Array": _shared("Array", memory=True, semaphore=True),
    "mp.RawValue": _shared("RawValue", memory=True),
    "mp.RawArray": _shared("RawArray", memory=True),
    "mp.Barrier": _shared("Barrier", memory=True, semaphore=True),
    **{f"mp.{name}": _shared(name, semaphore=True) for name in (*_LOCKS, *_QUEUES)},
    "mp.Pipe": Kind("Connection", "connection"),
    "mp.Listener": Kind("Listener", "listener"),
    "mp.Client": Kind("Connection", "connection"),
    "mp.Process": Kind("Process", "process"),
    "mp.Pool": Kind("Pool", "pool"),
    "mp.ThreadPool": Kind("ThreadPool", "outside"),
    "mp.Manager": Kind("Manager", "manager"),
    "mp.SyncManager": Kind("SyncManager", "manager"),
    "mp.BaseManager": Kind("BaseManager", "manager"),
    "mp.SharedMemoryManager": Kind("SharedMemoryManager", "manager"),
    "mp.SharedMemory": Kind("SharedMemory", "segment"),
    "mp.ShareableList": Kind("ShareableList", "segment"),
    "futures.ProcessPoolExecutor": Kind("ProcessPoolExecutor", "executor"),
    "loky.get_reusable_executor": Kind("ReusablePoolExecutor", "executor"),
    "struct.Struct": Kind("Struct", "packer"),
    "weakref.WeakValueDictionary": Kind("WeakValueDictionary", "weak"),
    "weakref.WeakSet": Kind("WeakSet", "weak"),
    "mmap.mmap": Kind("mmap", "mapping"),
    "threading.Thread": Kind("Thread", "thread"),
    "threading.Timer": Kind("Thread", "thread"),
}

CONTAINER = Kind("container", "container")
INSTANCE = Kind("instance", "instance")
OUTSIDE = Kind("object", "outside")
VIEW = Kind("array", "view")
PROXY = Kind("proxy", "proxy")
FUTURE = Kind("future", "future")

# Libraries with multiprocessing's interface; all others are strangers.
LIBRARIES = {
    "multiprocessing": "multiprocessing",
    "torch.multiprocessing": "torch.multiprocessing",
    "multiprocess": "multiprocess",
    "billiard": "billiard",
    "multiprocessing_on_dill": "multiprocess",
    "pathos.helpers.mp": "multiprocess",
    "loky.backend": "loky",
    "joblib.externals.loky.backend": "loky",
}

# Their modules whose names are the package's own. (`dummy` is threads: not here.)
_SUBMODULES = {
    "context", "sharedctypes", "synchronize", "queues", "process", "managers", "shared_memory",
    "pool", "connection", "popen_fork", "popen_spawn_posix", "heap", "util", "resource_tracker",
}  # fmt: skip

_ALIASES = {
    "BaseProcess": "Process",
    "ForkProcess": "Process",
    "SpawnProcess": "Process",
    "ForkServerProcess": "Process",
    "ForkContext": "Context",
    "SpawnContext": "Context",
    "ForkServerContext": "Context",
    "LokyProcess": "Process",
}

METHODS_BY_CLASS = {
    "ForkProcess": "fork",
    "SpawnProcess": "spawn",
    "ForkServerProcess": "forkserver",
    "ForkContext": "fork",
    "SpawnContext": "spawn",
    "ForkServerContext": "forkserver",
    "LokyProcess": "spawn",
}

# What processes and what they share are made with.
CONTEXTS = {"mp", "mp.Context"}

# Whose start() leaves the process its target and arguments.
KEEPS_ARGUMENTS = {"billiard"}

# Shared modules of the standard library whose functions keep nothing that they are given.
_FORGETFUL = {
    "time", "os", "os.path", "math", "random", "sys", "logging", "json", "traceback", "pprint",
    "warnings", "gc", "re", "datetime", "statistics", "platform", "copy", "operator", "string",
    "ctypes", "struct", "pickle", "inspect", "dis", "textwrap", "shutil", "psutil",
}  # fmt: skip

# Functions of libraries that show how far an iteration is.
PROGRESS = {
    "tqdm.tqdm", "tqdm.std.tqdm", "tqdm.auto.tqdm", "tqdm.autonotebook.tqdm", "tqdm.notebook.tqdm",
    "tqdm.rich.tqdm", "rich.progress.track", "alive_progress.alive_it",
}  # fmt: skip

# Builtins that keep nothing, and whose result keeps nothing either.
FORGETFUL_BUILTINS = {
    "print", "len", "isinstance", "issubclass", "id", "repr", "str", "int", "float", "bool",
    "hash", "type", "callable", "hasattr", "any", "all", "sum", "format", "ascii", "range",
    "round", "abs", "divmod", "bytes", "bytearray", "ord", "chr", "hex", "bin", "help", "input",
    "open", "delattr", "dir", "exit", "quit",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Named:
    """Something of a library, by its name in the one form.

    Attributes:
        name: `mp.Value`, `futures.wait`, `numpy.frombuffer`, `os.fork`, ...
        library: Which relative of multiprocessing it came from; "" for others.
        method: The start method, where the name fixes it.
    """

    name: str
    library: str = ""
    method: str | None = None


@functools.lru_cache(maxsize=8192)
def named(path: str) -> Named:
    """What a dotted path of an import stands for, in the one form."""
    for prefix, library in LIBRARIES.items():
        if path == prefix:
            return Named("mp", library)
        if path.startswith(prefix + "."):
            first, *rest = path[len(prefix) + 1 :].split(".")
            if first in _SUBMODULES:
                if not rest:
                    return Named("mp", library)  # its submodules share the package's names
                first = rest[0]
                rest = rest[1:]
            name = ".".join(("mp", _ALIASES.get(first, first), *rest))
            return Named(name, library, METHODS_BY_CLASS.get(first))
    if path == "concurrent.futures.process" or path.startswith("concurrent.futures.process."):
        path = "concurrent.futures" + path[len("concurrent.futures.process") :]
    if path == "concurrent.futures" or path.startswith("concurrent.futures."):
        return Named("futures" + path[len("concurrent.futures") :])
    for loky in ("loky", "joblib.externals.loky"):
        if path == loky or path.startswith(loky + "."):
            last = path.rpartition(".")[2]
            if last in {"ProcessPoolExecutor", "wait", "as_completed"}:
                return Named("futures." + last, "loky")
            return Named("loky" + path[len(loky) :], "loky")
    return Named(path)


@functools.lru_cache(maxsize=8192)
def attribute(of: Named, name: str) -> Named:
    """What `of.name` stands for."""
    if of.name == "mp":
        return named_in(of, name)
    if of.name == "mp.Context":
        return Named(named("multiprocessing." + name).name, of.library, of.method)
    if of.name == "futures" and name == "process":
        return of
    path = f"{of.name}.{name}"
    return Named(path, of.library, of.method) if of.library else named(path)


def named_in(library: Named, name: str) -> Named:
    """A name of a package like multiprocessing, with the package's start method if it has one."""
    found = named(f"multiprocessing.{name}")
    return Named(found.name, library.library, found.method or library.method)


def forgets(of: Named) -> bool:
    """Whether a function of a library keeps nothing of what it is given."""
    module, _, name = of.name.rpartition(".")
    if module == "builtins":
        return name in FORGETFUL_BUILTINS
    if module == "weakref":
        return name in {"ref", "proxy", "WeakMethod", "getweakrefcount"}
    return module in _FORGETFUL or module.partition(".")[0] in {"logging", "os", "time", "ctypes"}


# What else of libraries leads to things, or says something about them.
_LEADS = {
    "mp", "mp.Context", "mp.get_context", "mp.wait", "mp.active_children", "mp.spawn",
    "mp.start_processes", "mp.unregister", "futures", "futures.wait", "futures.as_completed",
    "loky", "os.fork", "struct.pack_into",
}  # fmt: skip


def matters(of: Named) -> bool:
    """Whether a function that mentions it may be worth following."""
    return of.name in MAKERS or of.name in _LEADS or not of.name.startswith(("mp.", "futures."))


# What `from multiprocessing import *` gives.
STAR_NAMES = (
    "Process", "Value", "Array", "RawValue", "RawArray", "Lock", "RLock", "Semaphore",
    "BoundedSemaphore", "Condition", "Event", "Barrier", "Queue", "SimpleQueue", "JoinableQueue",
    "Pool", "Manager", "Pipe", "get_context", "active_children", "set_start_method",
    "current_process",
)  # fmt: skip
