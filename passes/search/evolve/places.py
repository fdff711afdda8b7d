"""The places of a plan, families and sublayers: what each lost alone, and how a choice weighs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from prunec.cost.allocation import Allocation
from prunec.facts import Plan

LEAST_RATE = 0.1
"""What saving costs at least in every place, as a share of what it costs the first plan on the whole."""


@dataclass(frozen=True)
class Places:
    """An allocation whose damages can be weighed anew, place by place.

    Attributes:
        allocation: the choices and their damages, one place at a time.
        names: of the families, then of the sublayers that may go.
    """

    allocation: Allocation
    names: tuple[str, ...]

    @staticmethod
    def of(allocation: Allocation, start: Plan, damage: float) -> Places:
        """The places of `allocation`, where nothing is free.

        What alone did no damage may do some with others; no weight could make nothing more. So every choice gets
        a damage for what it saves besides, at `LEAST_RATE` of the rate at which `start` pays, whose `damage` as a
        whole is given.
        """
        costs, structure = allocation.costs, allocation.structure
        dense = costs.predict(structure, Plan({}))
        saved = dense - costs.predict(structure, start)
        rate = LEAST_RATE * max(damage, sum(_losses(allocation, start).values())) / saved
        whole = {
            family.name: costs.family(family.name, family.units)
            for family in structure.families
            if family.name in costs.families
        }
        options = tuple(
            replace(item, damage=item.damage + rate * (whole[item.family] - item.cost)) for item in allocation.options
        )
        held = {item.name: item.families for item in structure.sublayers}
        drops = {
            name: value + rate * sum(whole[family] for family in held[name]) for name, value in allocation.drops.items()
        }
        families = dict.fromkeys(item.family for item in options)
        return Places(replace(allocation, options=options, drops=drops), (*families, *drops))

    def losses(self, plan: Plan) -> np.ndarray:
        """What each place of `plan` lost alone, `[places]`."""
        known = _losses(self.allocation, plan)
        return np.array([known.get(name, 0.0) for name in self.names])

    def array(self, weights: Mapping[str, float]) -> np.ndarray:
        """`weights` by name as `[places]`, 1 where there is none."""
        return np.array([weights.get(name, 1.0) for name in self.names])

    def weighed(self, weights: np.ndarray) -> Allocation:
        """The choices with `weights` `[places]`."""
        return self.allocation.weighed(dict(zip(self.names, weights.tolist(), strict=True)))


def _losses(allocation: Allocation, plan: Plan) -> Mapping[str, float]:
    """What the families and sublayers that `plan` takes from lost alone."""
    structure = allocation.structure
    gone = structure.gone_with(plan.sublayers)
    lost = {name: allocation.drops.get(name, 0.0) for name in plan.sublayers}
    for name, units in plan.units.items():
        options = [item for item in allocation.options if item.family == name]
        if options and name not in gone:
            sizes, damages = [item.kept for item in options], [item.damage for item in options]
            lost[name] = float(np.interp(structure.family(name).units - len(units), sizes, damages))
    return lost
