"""`path`: every budget keeps a beginning of one order, the time at which units entered a solution path."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from prunec.errors import BudgetError
from prunec.facts import Ceiling, CostModel, Family, Plan, SolutionPath, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class PathPass(Pass):
    """Remove the units that entered last, as few as meet the budget; a sublayer without any goes whole.

    Ding et al. 2025, "SPP": one run gives the whole family of solutions, and plans nest. Units of a large family go in
    steps, as in `knapsack`, that sizes may suit the runtime. Families that the cost model does not price stay whole.

    Attributes:
        sizes: how many sizes of a large family are considered; a small one is considered at each.
        margin: share of a latency budget that is kept free where it can be: what one measurement of the
            same artifact differs from the next by.
    """

    name: ClassVar[str] = "path"
    needs: ClassVar[tuple[type, ...]] = (Structure, SolutionPath, CostModel, Ceiling)
    gives: ClassVar[tuple[type, ...]] = (Plan,)

    sizes: int = 32
    margin: float = 0.01

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the plan; a dense program within the budget gets an empty one.

        Raises:
            BudgetError: the budget is not met with every unit gone.
        """
        costs, ceiling = facts[CostModel], facts[Ceiling]
        order = _Order(facts[Structure], facts[SolutionPath], costs, self.sizes)
        floor = order.cost(order.length)
        if floor > ceiling.value:
            raise BudgetError(
                f"the path ends above the budget of {ceiling.value:.4g} {ceiling.unit}: there it takes {floor:.4g}",
                "ask for a larger budget",
            )
        free = self.margin * ceiling.value if ceiling.unit == "ms" and order.cost(0) > ceiling.value else 0.0
        room = max(floor, ceiling.value - free)
        gone = bisect_left(range(order.length), True, key=lambda count: order.cost(count) <= room)
        plan = replace(order.plan(gone), predicted_cost=order.cost(gone))
        log = f"the last {gone:,} of {order.length:,} units on the path go: {plan.predicted_cost:.4g} {costs.unit}"
        return PassResult(program, (plan,), log)


class _Order:
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
        units = {name: removed for name, removed in units.items() if removed}
        return Plan(units, tuple(sublayers), search=PathPass.name)

    def cost(self, gone: int) -> float:
        """Predicted cost of that plan."""
        return self.costs.predict(self.structure, self.plan(gone))

    def _counts(self, gone: int) -> list[int]:
        counts = np.bincount(self.order[:gone].astype(int), minlength=len(self.families))
        return [int(count) for count in counts]

    def _removed(self, family: Family, count: int) -> int:
        """How many units go of those that are left over from `count`: whole steps, and never what must stay."""
        step = max(1, family.units // self.sizes)
        return min(count // step * step, family.spare)
