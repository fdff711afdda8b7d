"""Searches along a line of plans: each step removes more units by the scores, the first within the budget is taken."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from prunec.cost.line import along, require_units
from prunec.facts import Ceiling, CostModel, Plan, Scores, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult

Gone = Mapping[str, tuple[int, ...]]
"""By family, the units that go."""


@dataclass(frozen=True)
class LinePass(Pass):
    """What such searches have in common; each says what goes after how many steps.

    Attributes:
        margin: as in `knapsack`.
    """

    needs: ClassVar[tuple[type, ...]] = (Structure, Scores, CostModel, Ceiling)
    gives: ClassVar[tuple[type, ...]] = (Plan,)

    margin: float = 0.01

    @abstractmethod
    def line(self, structure: Structure, scores: Scores, costs: CostModel) -> tuple[Callable[[int], Gone], int]:
        """What goes after so many steps, and how many there are; what goes stays gone."""

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the plan; a dense program within the budget gets an empty one.

        Raises:
            BudgetError: the budget is not met with all gone that can go.
            InputError: no units are scored.
        """
        structure, scores, costs = facts[Structure], facts[Scores], facts[CostModel]
        require_units(scores, self.name)
        after, longest = self.line(structure, scores, costs)

        def plan_after(step: int) -> Plan:
            return Plan(after(step), search=self.name)

        plan = along(plan_after, longest, structure, costs, facts[Ceiling], self.margin)
        gone = sum(map(len, plan.units.values()))
        return PassResult(program, (plan,), f"{gone} units go: {plan.predicted_cost:.4g} {costs.unit}")
