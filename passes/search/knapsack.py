"""`knapsack`: neurons, heads, KV groups and sublayers together under one budget, optimal on measured points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from prunec.cost.allocation import MARGIN, SIZES, Allocation
from prunec.errors import BudgetError
from prunec.facts import Ceiling, CostModel, Damage, Plan, Scores, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class KnapsackPass(Pass):
    """Choose a size for every family, or no sublayer at all, so that summed damage is least within the budget.

    A multiple-choice knapsack, solved exactly as an integer program (HiGHS through scipy). Costs are
    measured points, interpolated; damage between two measured points follows the cumulative score of
    the units that go. The setting is that of Kwon et al. 2022 ("A Fast Post-Training Pruning
    Framework for Transformers", section 4), with measured points in the place of their piecewise fit
    and whole sublayers as a choice like any other. Units that several sublayers share are kept or removed in all
    of them; under a budget of time each of these can still go whole.

    Attributes:
        sizes: how many sizes of a large family are considered; a small one is considered at each.
        margin: share of a latency budget that is kept free where it can be: what one measurement of the
            same artifact differs from the next by.
    """

    name: ClassVar[str] = "knapsack"
    needs: ClassVar[tuple[type, ...]] = (Structure, Scores, Damage, CostModel, Ceiling)
    gives: ClassVar[tuple[type, ...]] = (Plan,)

    sizes: int = SIZES
    margin: float = MARGIN

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the plan; a dense program within the budget gets an empty one."""
        structure, scores, costs = facts[Structure], facts[Scores], facts[CostModel]
        ceiling = facts[Ceiling]
        empty = Plan({}, predicted_damage=0.0)
        dense = costs.predict(structure, empty)
        if dense <= ceiling.value:
            return PassResult(
                program, (replace(empty, predicted_cost=dense),), "the dense program is within the budget"
            )
        allocation = Allocation.of(structure, scores, facts[Damage], costs, self.sizes)
        try:
            plan = allocation.plan(ceiling, self.margin)
        except BudgetError as error:
            if scores.units:
                raise
            raise BudgetError(
                f"no choice of sublayers meets the budget: {scores.criterion} scores no units, so families stay whole",
                "ask for a larger budget, or name a criterion that scores units",
            ) from error
        log = f"{len(plan.sublayers)} sublayers and {sum(map(len, plan.units.values()))} units go"
        log = f"{log}: {plan.predicted_cost:.4g} {costs.unit}, damage {plan.predicted_damage:.4g}"
        return PassResult(program, (plan,), log)
