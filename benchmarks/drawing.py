"""The table as a picture: a dot for each contestant, on a logarithmic scale of time.

SVG by hand, so that nothing is needed to draw it. It has paper of its own, light or dark as the
reader's other pages are (`prefers-color-scheme`), light where that is not known.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

from benchmarks.line import SCALE, digits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.line import Line
    from benchmarks.runner import Result

# What is drawn: operation of a line -> label. Peers are those of its lines.
DRAWN = {
    "v.value read": "read v.value",
    "v.value write": "write v.value",
    "v.add(1)": "increment",
    "v.add(1), two processes": "increment, two processes at once",
    "create and drop a Value": "create and drop a Value",
    "a[i] read": "read a[i]",
    "a[i] write": "write a[i]",
    "Lock: acquire and release": "acquire and release a Lock",
    "Lock: with": "with lock:",
    "1 MiB array, filled": "1 MiB array, made and filled",
}
# Peer -> series. The third has no lifetime or is not shared: what bare memory takes.
STANDARD = {"mp.Value", "locked mp.Value", "mp.Array", "mp.Lock", "SharedMemory"}
BARE = {"atomicshm", "atomicshm view", "np.empty", "mp.RawValue"}
SERIES = {
    "ours": "holdfast",
    "standard": "multiprocessing",
    "bare": "without lock or lifetime: RawValue, atomicshm; or private: np.empty",
}
WIDTH, LEFT, RIGHT = 900, 248, 196
TOP, STEP, BOTTOM = 78, 27, 52
STYLE = """
text { font: 13px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.paper { fill: #ffffff; stroke: #d1d9e0 }
.title { font-weight: 600; font-size: 15px }
.small { font-size: 11.5px; fill: #59636e }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.span { stroke: #c3ccd5; stroke-width: 2 }
.ours { fill: #0b8a5b } .standard { fill: #d1642f } .bare { fill: #7d8590 }
@media (prefers-color-scheme: dark) {
  .paper { fill: #0d1117; stroke: #30363d }
  text { fill: #e6edf3 } .small { fill: #9198a1 }
  .grid { stroke: #30363d } .span { stroke: #424a53 }
  .ours { fill: #2fbf87 } .standard { fill: #f0883e } .bare { fill: #9198a1 }
}
"""


def draw(results: list[Result], about: dict[str, Any]) -> str:
    """The picture."""
    found = _dots(results)
    times = [seconds for dots in found.values() for seconds, _, _ in dots] or [1e-8, 1e-3]
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    height = TOP + STEP * len(found) + BOTTOM

    def place(seconds: float) -> float:
        part = (math.log10(seconds) - low) / (high - low)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    bottom = TOP + STEP * len(found)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        ' aria-labelledby="t">',
        '<title id="t">Time for one operation with Holdfast and with its peers</title>',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>',
        _text(16, 24, "Time for one operation; less is better", "title"),
        *_legend(),
        _text(WIDTH - RIGHT + 18, 47, "holdfast, and how much faster", "small"),
        *_grid(low, high, place, bottom),
    ]
    for number, (operation, dots) in enumerate(found.items()):
        parts += _row(TOP + STEP * number + STEP / 2, DRAWN[operation], dots, place)
    parts += [_text(16, height - 12, _origin(about), "small"), "</svg>", ""]
    return "\n".join(parts)


def _dots(results: list[Result]) -> dict[str, list[tuple[float, str, Line]]]:
    """By operation: (seconds, series, line); Holdfast's last, so that it lies on top."""
    found: dict[str, list[tuple[float, str, Line]]] = {}
    for operation in DRAWN:
        lines = [
            line
            for result in results
            for line in result.lines
            if line.operation == operation and line.unit in SCALE
        ]
        dots = [
            (line.theirs / SCALE[line.unit], series, line)
            for line in lines
            if line.theirs and (series := _series(line.peer))
        ]
        if dots and lines[0].ours:
            found[operation] = [*dots, (lines[0].ours / SCALE[lines[0].unit], "ours", lines[0])]
    return found


def _series(peer: str) -> str:
    if peer in STANDARD:
        return "standard"
    return "bare" if peer in BARE else ""


def _legend() -> Iterator[str]:
    x = 16.0
    for series, words in SERIES.items():
        yield f'<circle class="{series}" cx="{x + 5:.0f}" cy="43" r="5"/>'
        yield _text(x + 16, 47, words, "small")
        x += 44 + 6.1 * len(words)


def _grid(low: int, high: int, place: Any, bottom: float) -> Iterator[str]:
    for power in range(low, high + 1):
        x = place(10.0**power)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4}" y2="{bottom}"/>'
        yield _text(x, TOP - 9, _duration(power), "small", "middle")


def _row(y: float, label: str, dots: list[tuple[float, str, Line]], place: Any) -> Iterator[str]:
    places = [place(seconds) for seconds, _, _ in dots]
    yield _text(LEFT - 14, y + 4.5, label, "", "end")
    yield f'<line class="span" x1="{min(places):.1f}" x2="{max(places):.1f}" y1="{y}" y2="{y}"/>'
    for x, (seconds, series, line) in zip(places, dots, strict=True):
        name = "holdfast" if series == "ours" else line.peer
        yield (
            f'<circle class="{series}" cx="{x:.1f}" cy="{y}" r="5">'
            f"<title>{escape(name)}: {_amount(seconds)}</title></circle>"
        )
    own = dots[-1][0]
    standard = [seconds for seconds, series, _ in dots if series == "standard"]
    words = _amount(own)
    if standard:
        words += f", {digits(standard[0] / own)} x faster"
    yield _text(WIDTH - RIGHT + 18, y + 4.5, words)


def _text(x: float, y: float, words: str, style: str = "", anchor: str = "") -> str:
    attributes = (f' class="{style}"' if style else "") + (
        f' text-anchor="{anchor}"' if anchor else ""
    )
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{escape(words)}</text>'


def _duration(power: int) -> str:
    unit = power - power % 3
    name = {-9: "ns", -6: "µs", -3: "ms", 0: "s"}[unit]
    return f"{10 ** (power - unit)} {name}"


def _amount(seconds: float) -> str:
    for unit, name in ((1e-3, "ms"), (1e-6, "µs")):
        if seconds >= unit:
            return f"{digits(seconds / unit)} {name}"
    return f"{digits(seconds * 1e9)} ns"


def _origin(about: dict[str, Any]) -> str:
    machine = about["machine"]
    return (
        f"CPython {about['python']['version']}, {machine['processor']}, "
        f"{machine['processors']} processors, Linux {machine['kernel'].split('-')[0]}; medians of "
        "interleaved rounds, each ratio within one run. make bench"
    )
