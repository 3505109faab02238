"""The options of `pytest --holdfast`, and nothing else: holdfast/pytest_plugin.py has the rest.

pytest loads this file in every run, wherever holdfast is installed. What it keeps true: a run that
does not ask for holdfast is not changed by it. So it lies beside the package, whose import alone
would prepare this process and its children for shared objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

WAIT = 1.0  # seconds

_MARKER = """\
holdfast(ignore=[...], enabled=True, wait=1.0): what `pytest --holdfast` is to do with this test: \
hazards to ignore: CODE, CODE:FILE or CODE:FILE:FUNCTION; whether to judge it at all; for how many \
seconds processes that it leaves behind are waited for\
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, and the same names in the ini file."""
    group = parser.getgroup("holdfast", "shared objects that die too early (holdfast)")
    add, ini = group.addoption, parser.addini
    # No option has a default: a default would hide what the ini file says.
    text = "watch the processes of each test, and fail it if it leaves or provokes a hazard"
    add("--holdfast", action="store_true", default=None, help=text)
    ini("holdfast", text, type="bool", default=None)
    text = "do not watch, whatever the ini file says"
    add("--holdfast-off", action="store_true", default=None, help=text)
    text = "hazards to ignore in all tests: CODE, CODE:FILE or CODE:FILE:FUNCTION, with commas"
    add("--holdfast-ignore", action="append", default=None, metavar="WHAT", help=text)
    ini("holdfast_ignore", text, type="args", default=None)
    text = f"for how long processes that a test leaves behind are waited for (default: {WAIT:g})"
    add("--holdfast-wait", type=float, default=None, metavar="SECONDS", help=text)
    ini("holdfast_wait", text, default=None)
    text = "write all findings as JSON, for `holdfast report`"
    add("--holdfast-json", default=None, metavar="FILE", help=text)
    ini("holdfast_json", text, default=None)
    text = "tests have the standard library's own memory and suffer its fate"
    add("--holdfast-as-is", action="store_true", default=None, help=text)
    ini("holdfast_as_is", text, type="bool", default=None)
    text = "show the frames of libraries in stacks"
    add("--holdfast-all-frames", action="store_true", default=None, help=text)
    ini("holdfast_all_frames", text, type="bool", default=None)


def setting(config: pytest.Config, name: str) -> Any:
    """What the command line says, or else the ini file; None if neither says anything."""
    given = config.getoption(name)
    if given is None:
        given = config.getini(name)
    return None if given in ("", []) else given


def pytest_configure(config: pytest.Config) -> None:
    """Begin to watch, if that is wanted."""
    config.addinivalue_line("markers", _MARKER)
    if setting(config, "holdfast") and not config.getoption("holdfast_off"):
        from holdfast import pytest_plugin

        pytest_plugin.begin(config)
