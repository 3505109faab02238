"""Scalars in shared memory: Value with a lock, RawValue without, atomic operations on both.

What it keeps true: here is no code, only the names; what they do is in the native part, and what
is not a scalar is in structs.py. Pickles name the functions that load them here.
"""

from __future__ import annotations

from holdfast import _ports
from holdfast._native import Cell, RawCell, RawValue, Value, attach_cell, attach_raw_cell

__all__ = ["Cell", "RawCell", "RawValue", "Value", "attach_cell", "attach_raw_cell"]

_ports.connect()
