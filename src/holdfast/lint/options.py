"""What the user wants of a check, in one record that can be sent to other processes."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from holdfast.findings import CONFIDENCES, Confidence

# The interpreter from which forkserver is the default on Linux.
FORKSERVER_SINCE = (3, 14)


@dataclass(frozen=True, slots=True)
class Options:
    """How to check.

    Attributes:
        select: Codes, slugs or beginnings of codes; empty for all.
        ignore: The same, of what not to report.
        min_confidence: Findings below it are not reported.
        start_method: How processes are started where the program does not say; "" to deduce.
        project_method: The start method that the project sets somewhere; "" if it sets none.
        target: The Python that the program is for.
        platform: As `sys.platform`.
        unused_allows: Whether comments that allow what is not there are reported.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    min_confidence: Confidence = "medium"
    start_method: str = ""
    project_method: str = ""
    target: tuple[int, int] = (sys.version_info[0], sys.version_info[1])
    platform: str = sys.platform
    unused_allows: bool = True

    def default_method(self) -> str:
        """The start method of a program that does not choose one."""
        if self.start_method or self.project_method:
            return self.start_method or self.project_method
        if not self.platform.startswith(("linux", "freebsd")):
            return "spawn"
        return "forkserver" if self.target >= FORKSERVER_SINCE else "fork"

    def wants(self, code: str, slug: str) -> bool:
        """Whether a hazard is to be reported."""

        def named(names: tuple[str, ...]) -> bool:
            return any(name == slug or code.startswith(name.upper()) for name in names)

        return (not self.select or named(self.select)) and not named(self.ignore)

    def sure_enough(self, confidence: Confidence) -> bool:
        """Whether a finding of this confidence is to be reported."""
        return CONFIDENCES.index(confidence) >= CONFIDENCES.index(self.min_confidence)
