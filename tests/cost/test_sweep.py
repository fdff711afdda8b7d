"""Plans along a path file: those that the searches find, from the floor to the dense model."""

from __future__ import annotations

from itertools import pairwise

import pytest

from prunec.cost.sweep import budgets, search_name, sweep
from prunec.facts import Ceiling, CostModel, Damage, Plan, Scores
from prunec.passbase import Context, Facts, Pass
from prunec.passes.search.knapsack import KnapsackPass
from prunec.passes.search.path import PathPass
from prunec.passes.search.summed import SummedPass
from tests.passes.cases import Case
from tests.report.explorations import followed, measured, outline

KNOWN = outline(3, 40)
FOUND = measured(KNOWN)
TIMES = CostModel("ms", 1.0, KNOWN.parameters.families, 0.01)


@pytest.mark.parametrize("costs", [KNOWN.parameters, TIMES])
@pytest.mark.parametrize(
    ("facts", "search"),
    [(FOUND, KnapsackPass()), ({Scores: FOUND[Scores]}, SummedPass()), (followed(KNOWN), PathPass())],
)
def test_each_plan_is_what_the_search_finds_for_that_budget(
    facts: dict[type, object], search: Pass, costs: CostModel, llama: Case, context: Context
) -> None:
    assert search_name(facts) == search.name
    plans = sweep(KNOWN.structure, facts, costs, 6)
    assert len(plans) > 5
    for budget, plan in plans.items():
        known = Facts()
        for fact in (KNOWN.structure, costs, Ceiling(costs.unit, budget), *facts.values()):
            known.put(fact)
        (found,) = search.run(llama.program, known, context).facts
        assert isinstance(found, Plan)
        assert plan.removes_as(found)
        assert (plan.predicted_cost, plan.predicted_damage) == (found.predicted_cost, found.predicted_damage)


def test_more_room_never_costs_more_damage_and_at_the_end_nothing_goes() -> None:
    plans = list(sweep(KNOWN.structure, FOUND, KNOWN.parameters, 12).values())
    damages = [plan.predicted_damage or 0.0 for plan in plans]
    assert all(less >= more - 1e-9 for less, more in pairwise(damages))
    assert damages[0] > 1
    assert plans[-1].is_empty()
    assert Damage in FOUND


def test_budgets_can_be_typed_and_ascend() -> None:
    steps = budgets(1234.5678, 98765.4321, 5)
    assert steps[0] == 1235
    assert steps == sorted(set(steps))
    assert all(value == float(f"{value:.4g}") and value < 98765.4321 for value in steps)
