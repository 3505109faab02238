"""What the interpreter itself takes: no method or attribute of a C type can be faster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.timing import loop

if TYPE_CHECKING:
    from benchmarks.timing import Comparison, Work

METHOD = "empty C method"
PROPERTY = "C property"


def floors() -> dict[str, Work]:
    """Contestants that do nothing: int.conjugate and int.real return the int itself."""
    return {
        METHOD: loop("number.conjugate()", number=1),
        PROPERTY: loop("number.real", number=1),
    }


def method_note(comparison: Comparison) -> str:
    """The floor of a method call, measured in the same run."""
    return f"an empty C method takes {comparison.of(METHOD).median * 1e9:.1f} ns"


def property_note(comparison: Comparison) -> str:
    """The floor of an attribute, measured in the same run."""
    return f"an empty C property takes {comparison.of(PROPERTY).median * 1e9:.1f} ns to read"
