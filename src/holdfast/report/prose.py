"""Hazard pages and messages as HTML: the few forms of Markdown that the pages use.

What it keeps true: everything is escaped; what is not one of these forms is shown as it stands.
"""

from __future__ import annotations

import html
import re

from holdfast.report.terminal import clean

_BLOCK = re.compile(r"^```(?:python)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\[(?P<text>[^\]]+)\]\((?P<link>https://[^)\s]+)\)|\*(?P<strong>[^*\n]+)\*"
)


def inline(text: str) -> str:
    """One paragraph: code, links and emphasis."""
    parts: list[str] = []
    end = 0
    for match in _INLINE.finditer(text):
        parts.append(_escaped(text[end : match.start()]))
        end = match.end()
        if match["code"] is not None:
            parts.append(f"<code>{_escaped(match['code'])}</code>")
        elif match["link"] is not None:
            # The text of a link may have code in it.
            link = html.escape(match["link"])
            parts.append(f'<a href="{link}" rel="noreferrer">{inline(match["text"])}</a>')
        else:
            parts.append(f"<em>{_escaped(match['strong'])}</em>")
    return "".join([*parts, _escaped(text[end:])])


def coded(text: str) -> str:
    """A message: only code is marked in it, as an asterisk may be the program's."""
    parts = re.split(r"`([^`\n]+)`", text)
    return "".join(
        f"<code>{_escaped(part)}</code>" if number % 2 else _escaped(part)
        for number, part in enumerate(parts)
    )


def blocks(text: str) -> str:
    """A section: paragraphs, lists and programs."""
    parts: list[str] = []
    for number, piece in enumerate(_BLOCK.split(text)):
        if number % 2:
            parts.append(code(piece))
            continue
        for paragraph in re.split(r"\n{2,}", piece.strip()):
            if paragraph.startswith("- "):
                items = re.split(r"^- ", paragraph, flags=re.MULTILINE)[1:]
                listed = "".join(f"<li>{inline(' '.join(item.split()))}</li>" for item in items)
                parts.append(f"<ul>{listed}</ul>")
            elif paragraph:
                parts.append(f"<p>{inline(' '.join(paragraph.split()))}</p>")
    return "\n".join(parts)


def code(text: str) -> str:
    """A program, or lines of one."""
    lines = "\n".join(map(_escaped, text.rstrip("\n").split("\n")))
    return f"<pre><code>{lines}</code></pre>"


def _escaped(text: str) -> str:
    return html.escape(clean(text.expandtabs(4)))
