"""`uniform`: of every family the same share goes, the lowest scores first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from prunec.cost.allocation import lowest
from prunec.cost.line import along, require_units
from prunec.facts import Ceiling, CostModel, Plan, Scores, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult

SHARES = 1000
"""Shares are tried in steps of one in so many."""


@dataclass(frozen=True)
class UniformPass(Pass):
    """Remove the same share of every family by the scores, the least that meets the budget by the cost tables.

    How most criteria are published: a ratio for every layer, as in the structured form of Wanda (An et al. 2024,
    "FLAP") and in Ma et al. 2023, "LLM-Pruner", which besides spares the first and the last layers. No damage is
    measured, no sublayer goes whole, and every family keeps what it must.

    Attributes:
        margin: as in `knapsack`.
    """

    name: ClassVar[str] = "uniform"
    needs: ClassVar[tuple[type, ...]] = (Structure, Scores, CostModel, Ceiling)
    gives: ClassVar[tuple[type, ...]] = (Plan,)

    margin: float = 0.01

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the plan; a dense program within the budget gets an empty one.

        Raises:
            BudgetError: the budget is not met with all gone that can go.
            InputError: no units are scored.
        """
        structure, scores, costs = facts[Structure], facts[Scores], facts[CostModel]
        require_units(scores, self.name)

        def line(step: int) -> Plan:
            return Plan(uniform(structure, costs, scores, step / SHARES), search=self.name)

        plan = along(line, SHARES, structure, costs, facts[Ceiling], self.margin)
        gone = sum(map(len, plan.units.values()))
        return PassResult(program, (plan,), f"{gone} units go: {plan.predicted_cost:.4g} {costs.unit}")


def uniform(structure: Structure, costs: CostModel, scores: Scores, share: float) -> dict[str, tuple[int, ...]]:
    """By family, the lowest-scored `share` of every one that has a price, as far as it can spare them."""
    counts = {
        family.name: min(round(share * family.units), family.spare)
        for family in structure.families
        if family.name in costs.families
    }
    return {name: lowest(scores, name, count) for name, count in counts.items() if count}
