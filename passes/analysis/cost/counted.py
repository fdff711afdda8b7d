"""Costs that need no clock: parameters and bytes of every size."""

from __future__ import annotations

from prunec.facts import CostModel, Structure
from prunec.ir.bypass import bypass
from prunec.ir.program import Program


def counted_costs(program: Program, structure: Structure, unit: str, overhead: float = 0.0) -> CostModel:
    """The cost model in `parameters` or `bytes`: linear in the units kept, exact while a sublayer of each kind stays.

    What several sublayers read, such as rotary frequencies, counts as if it could not go.

    Args:
        program: dense.
        structure: of `program`.
        unit: `parameters` or `bytes`.
        overhead: what an artifact holds besides the tensors, in `unit`.
    """
    dense = _count(program, unit)
    constant, tables = dense + overhead, {}
    for sublayer in structure.sublayers:
        if not sublayer.families:
            continue
        per_unit = {name: _unit_cost(program, structure, name, unit) for name in sublayer.families}
        units = sum(cost * structure.family(name).units for name, cost in per_unit.items())
        # Bypassing frees nothing that another sublayer reads, but cutting does.
        own = max(units, dense - _count(bypass(program, [(sublayer.add, sublayer.skip)]), unit))
        constant -= own
        rest = (own - units) / len(sublayer.families)
        for name, cost in per_unit.items():
            tables[name] = tuple((kept, rest + cost * kept) for kept in (1, structure.family(name).units))
    return CostModel(unit, constant, tables)


def _count(program: Program, unit: str) -> float:
    return float(program.parameter_count() if unit == "parameters" else program.size_bytes())


def _unit_cost(program: Program, structure: Structure, name: str, unit: str) -> float:
    """What one unit of a family holds over all tensors, shared out evenly to the sublayers that hold the family."""
    total = 0.0
    for slot in structure.family(name).slots:
        tensor = program.tensor(slot.tensor)
        elements = tensor.numel() / tensor.shape[slot.dim] * slot.positions.shape[1]
        total += elements * (tensor.element_size() if unit == "bytes" else 1)
    return total / len(structure.sublayers_of(name))
