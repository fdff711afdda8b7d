"""`summed`: units and sublayers go so that their scores, added up, are least within the budget."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from prunec.cost.allocation import Allocation, summed
from prunec.cost.line import require_units
from prunec.facts import Ceiling, CostModel, Plan, Scores, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class SummedPass(Pass):
    """Choose as `knapsack` does, with the sum of the scores of all that goes in the place of measured damage.

    With `--importance fisher` it is the mask search of Kwon et al. 2022, "A Fast Post-Training Pruning Framework for
    Transformers": the diagonal of the Fisher information, added up over what goes, is least
    under a latency measured by layer and size; a layer that goes whole loses the scores of all its units. They fit
    each table by a constant and a slope, and try every number of layers that stay; here the measured points are
    solved for exactly. That also leaves out two faults of the published code, which lets one budget run down over the
    numbers that it tries, and forgets the units that every layer keeps at least. Their mask rearrangement, by what is
    off the diagonal inside a layer, is not done: a family's lowest scores go.

    Attributes:
        sizes, margin: as in `knapsack`.
    """

    name: ClassVar[str] = "summed"
    needs: ClassVar[tuple[type, ...]] = (Structure, Scores, CostModel, Ceiling)
    gives: ClassVar[tuple[type, ...]] = (Plan,)

    sizes: int = 32
    margin: float = 0.01

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the plan; a dense program within the budget gets an empty one.

        Raises:
            BudgetError: no choice meets the budget.
            InputError: no units are scored.
        """
        structure, scores, costs, ceiling = facts[Structure], facts[Scores], facts[CostModel], facts[Ceiling]
        require_units(scores, self.name)
        dense = costs.predict(structure, Plan({}))
        if dense <= ceiling.value:
            plan = Plan({}, predicted_cost=dense, search=self.name)
            return PassResult(program, (plan,), "the dense program is within the budget")
        allocation = Allocation.of(structure, scores, summed(structure, scores), costs, self.sizes)
        plan = allocation.plan(ceiling, self.margin)
        log = f"{len(plan.sublayers)} sublayers and {sum(map(len, plan.units.values()))} units go"
        log = f"{log}: {plan.predicted_cost:.4g} {costs.unit}, scores {plan.predicted_damage:.4g}"
        # Sums of scores are in no unit of damage.
        return PassResult(program, (replace(plan, predicted_damage=None, search=self.name),), log)
