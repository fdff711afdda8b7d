"""Costs that need no clock: parameters and bytes of every size."""

from __future__ import annotations

import numpy as np

from prunec.facts import CostModel, Structure
from prunec.ir.bypass import bypass
from prunec.ir.program import Program


def counted_costs(program: Program, structure: Structure, unit: str) -> CostModel:
    """The exact cost model in `parameters` or `bytes`."""
    priced = [sublayer for sublayer in structure.sublayers if sublayer.families]
    bare = bypass(program, [(item.add, item.skip) for item in priced])
    count = (lambda item: item.parameter_count()) if unit == "parameters" else (lambda item: item.size_bytes())
    tables = {}
    for sublayer in priced:
        own = count(program) - count(bypass(program, [(sublayer.add, sublayer.skip)]))
        shared = 0.0
        per_unit = {}
        for name in sublayer.families:
            family = structure.family(name)
            per_unit[name] = _unit_cost(program, structure, name, unit)
            shared += per_unit[name] * family.units
        rest = (own - shared) / len(sublayer.families)
        for name in sublayer.families:
            units = structure.family(name).units
            tables[name] = tuple((kept, rest + per_unit[name] * kept) for kept in (1, units))
    return CostModel(unit, float(count(bare)), tables)


def _unit_cost(program: Program, structure: Structure, name: str, unit: str) -> float:
    total = 0.0
    for slot in structure.family(name).slots:
        tensor = program.tensor(slot.tensor)
        elements = tensor.numel() / tensor.shape[slot.dim] * slot.positions.shape[1]
        total += elements * (tensor.element_size() if unit == "bytes" else 1)
    return float(np.round(total, 6))
