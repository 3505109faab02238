"""Changes other people's modules when they get imported, and those that are there already.

What it keeps true: nobody sees a module of the table unpatched, and none is imported for the
patch's sake. A program that does not use multiprocessing does not load it.

The finder and the loader have the methods of importlib.abc's classes but not the classes as their
bases: that module costs more to import than all of `import holdfast`.

Source: the import system, Python reference 5.3 (meta path hooks) and PEP 451.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # see __init__.py
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    Undo = Callable[[], None]
    Patch = Callable[[ModuleType], list[Undo]]


def replace(owner: Any, name: str, replacement: object) -> Undo:
    """Set an attribute; return what sets it back, unless somebody else has set it by then."""
    original = getattr(owner, name)
    setattr(owner, name, replacement)

    def undo() -> None:
        if getattr(owner, name) is replacement:
            setattr(owner, name, original)

    return undo


class Arrivals:
    """Waits for modules: name of the module -> what is to be done to it."""

    def __init__(self, patches: Mapping[str, Patch]) -> None:
        self._patches = patches
        self._undo: list[Undo] = []

    def start(self) -> None:
        """Patch what has been imported already; wait for the rest."""
        sys.meta_path.insert(0, self)
        for name in self._patches:
            module = sys.modules.get(name)
            if module is not None:
                self.patch(module)

    def stop(self) -> None:
        """Stop waiting, and undo what can be undone."""
        sys.meta_path.remove(self)
        while self._undo:
            self._undo.pop()()

    def patch(self, module: ModuleType) -> None:
        """Patch one module of the table."""
        self._undo += self._patches[module.__name__](module)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module as the others do, with a loader that patches it when it is loaded."""
        if fullname not in self._patches:
            return None
        # Those before this one have been asked by the import system: and one of them may be of
        # the same kind and be asking just now.
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    loader: Any = PatchingLoader(spec.loader, self)
                    spec.loader = loader
                return spec
        return None


class PatchingLoader:
    """Loads with the real loader, steps out of sight, then patches."""

    def __init__(self, real: Loader, arrivals: Arrivals) -> None:
        self._real = real
        self._arrivals = arrivals

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create the module as the real loader does."""
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module as the real loader does, then patch it."""
        module.__loader__ = self._real
        if module.__spec__ is not None:
            module.__spec__.loader = self._real
        self._real.exec_module(module)
        self._arrivals.patch(module)

    def __getattr__(self, name: str) -> Any:
        # get_source() and the like, for those who look at a spec without loading it.
        return getattr(self._real, name)
