"""`path`: every budget keeps a beginning of one order, the time at which units entered a solution path."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from prunec.cost.allocation import MARGIN, SIZES
from prunec.cost.order import Order
from prunec.facts import Ceiling, CostModel, Plan, SolutionPath, Structure
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

    sizes: int = SIZES
    margin: float = MARGIN

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the plan; a dense program within the budget gets an empty one.

        Raises:
            BudgetError: the budget is not met with every unit gone.
        """
        costs, ceiling = facts[CostModel], facts[Ceiling]
        order = Order(facts[Structure], facts[SolutionPath], costs, self.sizes)
        gone = order.needed(ceiling, self.margin)
        plan = replace(order.plan(gone), search=self.name)
        log = f"the last {gone:,} of {order.length:,} units on the path go: {plan.predicted_cost:.4g} {costs.unit}"
        return PassResult(program, (plan,), log)
