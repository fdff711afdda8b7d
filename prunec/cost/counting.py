"""Costs that need no clock: parameters and bytes, of tensors and of a family's units."""

from __future__ import annotations

from collections.abc import Iterable

from prunec.facts import Family
from prunec.ir.program import Program


def count(program: Program, unit: str, names: Iterable[str] | None = None) -> int:
    """The `parameters` or `bytes` of a program, or of the tensors called `names`; tied tensors count once."""
    return program.parameter_count(names) if unit == "parameters" else program.size_bytes(names)


def count_per_unit(program: Program, family: Family, unit: str) -> int:
    """What one unit of a family holds in `parameters` or `bytes`, over all tensors that shrink with it."""
    total = 0
    for slot in family.slots:
        tensor = program.tensor(slot.tensor)
        elements = tensor.numel() // tensor.shape[slot.dim] * slot.positions.shape[1]
        total += elements * (tensor.element_size() if unit == "bytes" else tensor.is_floating_point())
    return total
