"""The two tables of the front pages, out of the saved results: `python -m benchmarks.readme [zh]`.

What it keeps true: a front page shows figures that `make bench` wrote, both versions' missed goals
included. A test compares them.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from benchmarks.line import FASTER, digits
from benchmarks.machine import ROOT

VERSIONS = ("3.11", "3.13")
# Operation and peer of the lines that the front page shows, and what they are called in Chinese.
SHOWN = {
    ("v.value read", "mp.Value"): "读 v.value",
    ("v.value write", "mp.Value"): "写 v.value",
    ("v.add(1)", "locked mp.Value"): "v.add(1)（原子加）",
    ("v.add(1), two processes", "locked mp.Value"): "v.add(1)，两个进程争用",
    ("create and drop a Value", "mp.Value"): "创建并丢弃一个 Value",
    ("a[i] read", "mp.Array"): "读 a[i]",
    ("a[i] write", "mp.Array"): "写 a[i]",
    ("Lock: acquire and release", "mp.Lock"): "Lock：acquire 加 release",
    ("Lock: with", "mp.Lock"): "Lock：with",
    ("1 MiB array, filled", "SharedMemory"): "1 MiB 数组，创建并填满",
    ("send a Value through a Queue, read it", "an int"): "经 Queue 发送一个 Value 并读取",
    ("fork and exit, 10,000 live values", "mp.Value"): "有 10,000 个活的 Value 时 fork 并退出",
}
PROMISES = {
    "no alias after drop": "丢弃之后不会串到别的变量",
    "every start method": "每种启动方式都行",
    "arrives after the sender's end": "发送者已结束仍能收到",
    "nothing left after kill -9 of all": "全部 kill -9 之后什么都不留下",
    "dead lock owner reported": "锁的主人死了会告诉你",
    "no descriptor, no mapping per value": "每个值不占描述符，也不占映射",
}
PEERS = {"locked mp.Value": "带锁的 mp.Value", "an int": "一个 int"}


def results(version: str) -> dict[str, Any]:
    """What `make bench` wrote for a version of Python."""
    file = ROOT / "benchmarks" / "results" / f"python-{version}.json"
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def speed(language: str) -> str:
    """The table of speeds, and the goals that were missed."""
    chinese = language == "zh"
    head = ("操作", "对手") if chinese else ("operation", "against")
    rows = [[*head, *(f"Python {version}" for version in VERSIONS)], ["---"] * 4]
    tables = [results(version)["lines"] for version in VERSIONS]
    for (operation, peer), words in SHOWN.items():
        cells = [f"`{operation}`" if "(" in operation and "," not in operation else operation, peer]
        if chinese:
            cells = [words, PEERS.get(peer, peer)]
        for lines in tables:
            found = [e for e in lines if e["operation"] == operation and e["peer"] == peer]
            cells.append(_figure(found[0], chinese=chinese))
        rows.append(cells)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _figure(line: dict[str, Any], *, chinese: bool) -> str:
    faster = line["kind"] == FASTER
    words = ("{} 倍快", "{} 倍时间") if chinese else ("{} x faster", "{} x the time")
    return words[0 if faster else 1].format(digits(line["figure"]))


def missed(version: str) -> list[str]:
    """The goals that a version misses, in the words of the table."""
    return [
        f"{e['operation']}, against {e['peer']}: {digits(e['figure'])} {e['kind']}"
        for e in results(version)["lines"]
        if e["verdict"] == "missed"
    ]


def promises(language: str) -> str:
    """The table of promises: who keeps which, checked by running."""
    gate = results(VERSIONS[0])["gate"]
    chinese = language == "zh"
    words = {True: "是" if chinese else "yes", False: "否" if chinese else "no"}
    peers = list(next(iter(gate.values())))
    rows = [["承诺" if chinese else "promise", *peers], ["---"] * (len(peers) + 1)]
    for promise, cells in gate.items():
        answers = [words[cells[peer]["kept"]] for peer in peers]
        answers[0] = f"**{answers[0]}**"
        rows.append([PROMISES[promise] if chinese else promise, *answers])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else "en"
    print(speed(chosen), promises(chosen), sep="\n\n")
    for each in VERSIONS:
        print("", *missed(each), sep=f"\nmissed, {each}: ")
