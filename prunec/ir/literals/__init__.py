"""Integers written into calls (shapes, bounds, split sizes), re-derived from what survives."""

from prunec.ir.literals import calls, parts, shapes  # fill LITERALS
from prunec.ir.literals.registry import LITERALS, Arguments, Packed, Scaled, overload, rederive

__all__ = ["LITERALS", "Arguments", "Packed", "Scaled", "calls", "overload", "parts", "rederive", "shapes"]
