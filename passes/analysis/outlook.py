"""`outlook`: what the budgets beside the one that was asked for would give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from prunec.cost.sweep import sweep
from prunec.errors import PassError
from prunec.facts import CostModel, Damage, Outlook, Plan, Scores, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class OutlookPass(Pass):
    """Search under budgets between the floor and the dense model, by what the plan was found by.

    Under a budget of time, for one who reads the report and wonders whether a little more would have bought much.
    Nothing is emitted. Where nothing was searched, as where the dense model holds the budget, there is no outlook.

    Attributes:
        budgets: how many are searched.
    """

    name: ClassVar[str] = "outlook"
    needs: ClassVar[tuple[type, ...]] = (Structure, Plan)
    reads: ClassVar[tuple[type, ...]] = (Scores, Damage, CostModel)
    gives: ClassVar[tuple[type, ...]] = (Outlook,)

    budgets: int = 24

    def __post_init__(self) -> None:
        if self.budgets < 1:
            raise PassError("outlook{budgets} must be at least 1", "leave it out for 24")

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the outlook."""
        costs, scores, damage, made = facts.get(CostModel), facts.get(Scores), facts.get(Damage), facts[Plan]
        if costs is None or scores is None or damage is None or made.predicted_damage is None:
            return PassResult(program, (), "nothing was searched")
        if costs.unit != "ms":
            return PassResult(program, (), f"there is none: the budget is of {costs.unit}, and no latency is known")
        known = {Scores: scores, Damage: damage}
        plans = sweep(facts[Structure], known, costs, self.budgets, context.progress)
        # The solver leaves gaps that are not worth closing, so that a larger budget can have the worse plan.
        best: dict[float, float] = {}
        for plan in plans.values():
            assert plan.predicted_cost is not None
            assert plan.predicted_damage is not None
            if plan.predicted_damage < min(best.values(), default=float("inf")):
                best[plan.predicted_cost] = plan.predicted_damage
        chosen = costs.predict(facts[Structure], made), made.predicted_damage
        found = Outlook(costs.unit, chosen, tuple(sorted(best.items())))
        return PassResult(program, (found,), f"{len(found.points)} plans along the solution path")
