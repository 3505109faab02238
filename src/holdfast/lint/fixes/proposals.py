"""Which proposals there are for which finding, and which of them are safe.

What it keeps true: a safe proposal changes how long objects live, and nothing that the program
computes, prints, raises or waits for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from holdfast.lint.fixes import keeping, processes, queues, segments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.findings import Finding

    Proposer = Callable[[Finding, bytes], Iterator[bytes]]

SAFE: dict[str, tuple[Proposer, ...]] = {
    **dict.fromkeys(
        ("HF101", "HF102", "HF103", "HF104", "HF105", "HF201", "HF401", "HF402", "HF503"),
        (keeping.keep,),
    ),
    "HF301": (segments.keep_segment,),
    "HF302": (segments.close_later,),
    "HF303": (segments.name_segment,),
    "HF304": (segments.untracked,),
    "HF309": (segments.unlink,),
    "HF602": (processes.close_writer, processes.close_in_child),
    "HF614": (queues.put_known_copy,),
}
UNSAFE: dict[str, tuple[Proposer, ...]] = {
    **dict.fromkeys(("HF102", "HF201", "HF202"), (processes.join,)),
    "HF301": (segments.return_owner,),
    "HF306": (segments.unlink_later,),
    "HF309": (segments.unlink_with_owner,),
    "HF311": (segments.remove,),
    "HF501": (processes.wait_for_pool,),
    "HF612": (queues.join_later,),
    "HF614": (queues.put_copy,),
}


def proposals(finding: Finding, data: bytes, *, unsafe: bool) -> Iterator[bytes]:
    """The changed texts that may be free of a finding, the best first."""
    chosen = SAFE.get(finding.code, ()) + (UNSAFE.get(finding.code, ()) if unsafe else ())
    try:
        for each in chosen:
            yield from each(finding, data)
    except (cst.ParserSyntaxError, cst.CSTValidationError, UnicodeError, RecursionError):
        return  # libcst cannot parse it, or what would come out is no program
