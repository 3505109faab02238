"""The checker as a plugin of flake8: the same findings, by the codes HF....

What it keeps true: flake8's own options decide what is reported (`--select HF`, `# noqa: HF101`);
settings of `[tool.holdfast]` count as well, and so do comments that allow a finding.

Source: flake8 documentation, "Writing Plugins for Flake8".
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.lint import UnreadableError, check_source, config
from holdfast.lint.options import Options
from holdfast.lint.program.modules import hinted

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator


class Plugin:
    """What flake8 makes for each file."""

    name = "holdfast"
    version = "1"

    def __init__(self, tree: ast.AST, filename: str, lines: list[str]) -> None:
        del tree  # flake8 gives it to plugins that are about syntax; ours makes its own
        self._file = filename
        self._text = "".join(lines)

    def run(self) -> Iterator[tuple[int, int, str, type[Any]]]:
        """The findings: line, column from 0, text, who says it."""
        if not hinted(self._text.encode("utf-8", "surrogatepass")):
            return
        try:
            found = check_source(self._text, self._file, _options(self._file))
        except UnreadableError:
            return  # flake8 itself tells of syntax errors
        for each in found:
            text = f"{each.code} {each.hazard.slug}: {each.message}"
            yield each.place.line, each.place.column - 1, text, type(self)


def _options(file: str) -> Options:
    table = config.find(Path(file).absolute())
    settings = config.read(table) if table is not None else config.Settings()
    defaults = Options()
    return Options(
        select=settings.select or (),
        ignore=settings.ignore or (),
        min_confidence=settings.min_confidence or defaults.min_confidence,
        start_method=settings.start_method or "",
        target=settings.target or defaults.target,
    )
