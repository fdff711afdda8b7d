"""Counted cost tables: parameters or bytes of every size."""

from __future__ import annotations

from collections import Counter

from prunec.cost.counting import count, count_per_unit
from prunec.facts import CostModel, Family, Structure
from prunec.ir.bypass import tensors_after
from prunec.ir.program import Program


def counted_costs(program: Program, structure: Structure, unit: str, overhead: float = 0.0) -> CostModel:
    """The cost model in `parameters` or `bytes`: linear in the units kept, exact while a sublayer of each kind stays.

    What several sublayers read, such as rotary frequencies, counts as if it could not go. Dims of queries and keys, and
    of values, are counted where heads are not looked for: a dim of all heads costs less, the fewer they are.

    Args:
        program: dense.
        structure: of `program`.
        unit: `parameters` or `bytes`.
        overhead: what an artifact holds besides the tensors, in `unit`.
    """
    dense = count(program, unit)
    constant, tables = dense + overhead, {}
    for sublayer in structure.sublayers:
        if not sublayer.families:
            continue
        per_unit = {name: _unit_cost(program, structure, name, unit) for name in sublayer.families}
        units = sum(cost * structure.family(name).units for name, cost in per_unit.items())
        # Bypassing frees nothing that another sublayer reads, but cutting does.
        own = max(units, dense - count(program, unit, tensors_after(program, [(sublayer.add, sublayer.skip)])))
        constant -= own
        rest = (own - units) / len(sublayer.families)
        for name, cost in per_unit.items():
            tables[name] = tuple((kept, rest + cost * kept) for kept in (1, structure.family(name).units))
    for family in _dims(structure):
        each = float(count_per_unit(program, family, unit))
        constant -= each * family.units
        tables[family.name] = tuple((kept, each * kept) for kept in (1, family.units))
    return CostModel(unit, constant, tables)


def _dims(structure: Structure) -> list[Family]:
    """The families of dims that no other family shares a tensor with."""
    cut = Counter(name for family in (*structure.families, *structure.unmasked) for name in family.tensors())
    dims = [family for family in structure.families if family.kind in ("qk_dim", "vo_dim")]
    return [family for family in dims if all(cut[name] == 1 for name in family.tensors())]


def _unit_cost(program: Program, structure: Structure, name: str, unit: str) -> float:
    """What one unit of a family holds over all tensors, shared out evenly to the sublayers that hold the family."""
    return count_per_unit(program, structure.family(name), unit) / len(structure.sublayers_of(name))
