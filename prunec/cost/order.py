"""The choice along a path: the units that entered last go, as few as meet the budget."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace

import numpy as np

from prunec.errors import BudgetError
from prunec.facts import Ceiling, CostModel, Family, Plan, SolutionPath, Structure


class Order:
    """All priced units in the order in which they go, the last to enter first; of equals as they stand.

    Attributes:
        length: how many there are.
    """

    def __init__(self, structure: Structure, path: SolutionPath, costs: CostModel, sizes: int) -> None:
        self.structure, self.costs, self.sizes = structure, costs, sizes
        self.families = [family for family in structure.families if family.name in costs.families]
        entries = [path.entries[family.name] for family in self.families]
        self.own = [np.argsort(-times, kind="stable") for times in entries]
        places = np.repeat(np.arange(len(self.families)), [family.units for family in self.families])
        self.order = places[np.argsort(-np.concatenate([*entries, []]), kind="stable")]
        self.length = len(self.order)

    def plan(self, gone: int) -> Plan:
        """The plan that removes the first `gone` of the order."""
        counts = dict(zip((f.name for f in self.families), self._counts(gone), strict=True))
        empty = {family.name for family in self.families if counts[family.name] == family.units}
        sublayers = [item.name for item in self.structure.sublayers if item.families and set(item.families) <= empty]
        whole = self.structure.gone_with(sublayers)
        units = {
            family.name: tuple(np.sort(own[: self._removed(family, counts[family.name])]).tolist())
            for family, own in zip(self.families, self.own, strict=True)
            if family.name not in whole
        }
        plan = Plan({name: removed for name, removed in units.items() if removed}, tuple(sublayers))
        return replace(plan, predicted_cost=self.costs.predict(self.structure, plan))

    def cost(self, gone: int) -> float:
        """Predicted cost of that plan."""
        cost = self.plan(gone).predicted_cost
        assert cost is not None
        return cost

    def needed(self, ceiling: Ceiling, margin: float) -> int:
        """How many of the order have to go for `ceiling`, with `margin` of a budget of time kept free where it can be.

        Raises:
            BudgetError: the budget is not met with every unit gone.
        """
        floor = self.cost(self.length)
        if floor > ceiling.value:
            raise BudgetError(
                f"the path ends above the budget of {ceiling.value:.4g} {ceiling.unit}: there it takes {floor:.4g}",
                "ask for a larger budget",
            )
        free = margin * ceiling.value if ceiling.unit == "ms" and self.cost(0) > ceiling.value else 0.0
        room = max(floor, ceiling.value - free)
        return bisect_left(range(self.length), True, key=lambda count: self.cost(count) <= room)

    def _counts(self, gone: int) -> list[int]:
        counts = np.bincount(self.order[:gone].astype(int), minlength=len(self.families))
        return [int(count) for count in counts]

    def _removed(self, family: Family, count: int) -> int:
        """How many units go of those that are left over from `count`: whole steps, and never what must stay."""
        step = max(1, family.units // self.sizes)
        return min(count // step * step, family.spare)
