"""What goes, and what that costs: the budget in its unit, the cost model, the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from prunec.errors import PassError
from prunec.facts.structure import Cuts, Family, Structure


@dataclass(frozen=True)
class Ceiling:
    """The budget in the cost model's own unit: `ms`, `parameters` or `bytes`."""

    unit: str
    value: float


@dataclass(frozen=True)
class CostModel:
    """What a program costs by what is kept: a constant, plus a table per family.

    Attributes:
        unit: `ms`, `parameters` or `bytes`.
        constant: cost of what no plan can remove (the floor).
        families: per family name, `(units kept, cost of its sublayer)` pairs, ascending from 1 unit; of each
            of its sublayers where several share it.
        scale: factor on the tables that makes the dense prediction equal the dense measurement.
    """

    unit: str
    constant: float
    families: Mapping[str, tuple[tuple[int, float], ...]]
    scale: float = 1.0

    def family(self, name: str, kept: int) -> float:
        """Cost of the sublayer around family `name` with `kept` units, interpolated between sizes."""
        sizes, costs = zip(*self.families[name], strict=True)
        return self.scale * float(np.interp(kept, sizes, costs))

    def predict(self, structure: Structure, plan: Plan) -> float:
        """Cost of the program after `plan`."""
        total = self.constant
        for family in structure.families:
            if family.name in self.families:
                total += self.share(structure, plan, family)
        return total

    def share(self, structure: Structure, plan: Plan, family: Family) -> float:
        """What a priced family costs after `plan`, over all sublayers that hold it."""
        holding = structure.sublayers_of(family.name)
        times = sum(item.name not in plan.sublayers for item in holding) if holding else 1
        return times * self.family(family.name, family.units - len(plan.units.get(family.name, ())))


@dataclass(frozen=True)
class Plan:
    """What goes.

    Attributes:
        units: per family name, the unit indices that go, ascending.
        sublayers: names of the sublayers that are bypassed.
        predicted_cost: by the cost model of the search, in its unit.
        predicted_damage: summed measured damage, in the objective's unit.
        free_damage: where layers had to stay alike, `predicted_damage` of what the same budget leaves without that.
        search: name of the pass that chose it, which chooses again where the budget is missed or wasted.
    """

    units: Mapping[str, tuple[int, ...]]
    sublayers: tuple[str, ...] = ()
    predicted_cost: float | None = None
    predicted_damage: float | None = None
    search: str = "knapsack"
    free_damage: float | None = None

    def is_empty(self) -> bool:
        """Whether the plan removes nothing."""
        return not self.sublayers and not any(self.units.values())

    def removes_as(self, other: Plan) -> bool:
        """Whether the same goes as with `other`, whatever was predicted of each."""
        return (self.units, self.sublayers) == (other.units, other.sublayers)

    def cuts(self, structure: Structure) -> Cuts:
        """The tensor indices that go with the removed units, outside bypassed sublayers.

        Raises:
            PassError: fewer units of a family would stay than can.
        """
        gone = structure.gone_with(self.sublayers)
        cuts: Cuts = {}
        for name, removed in self.units.items():
            if name in gone or not removed:
                continue
            family = structure.family(name)
            if len(removed) > family.spare:
                raise PassError(
                    f"{len(removed)} of {family.units} units of {name} would go, and {family.least} must stay",
                    f"remove {family.spare} at most",
                )
            for key, indices in family.cuts(np.asarray(removed)).items():
                cuts[key] = np.unique(np.concatenate([cuts[key], indices])) if key in cuts else indices
        return cuts
