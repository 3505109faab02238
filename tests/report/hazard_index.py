"""The table of all hazards, as docs/hazards.md must show it."""

from __future__ import annotations

from holdfast.findings import GROUPS, HAZARDS


def table():
    """One table for each group, in Markdown."""
    parts = []
    for group, title in GROUPS.items():
        parts.append(f"## {group}xx: {title}\n\n| code | name | what it is | seen by |\n")
        parts.append("|---|---|---|---|\n")
        for hazard in HAZARDS:
            if hazard.code.startswith(group):
                page = f"[{hazard.code}](../src/holdfast/hazards/{hazard.code}.md)"
                seen = ", ".join(hazard.seen)
                parts.append(f"| {page} | `{hazard.slug}` | {hazard.title} | {seen} |\n")
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"
