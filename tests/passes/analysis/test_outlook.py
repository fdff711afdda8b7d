"""What other budgets would give, by what the search went by."""

from __future__ import annotations

from itertools import pairwise

import pytest

from prunec.errors import PassError
from prunec.facts import Ceiling, CostModel, Damage, Outlook, Plan, Scores
from prunec.passbase import Context, Facts
from prunec.passes.analysis.outlook import OutlookPass
from prunec.passes.search.knapsack import KnapsackPass
from tests.passes.cases import Case
from tests.report.explorations import measured, outline

KNOWN = outline(3, 40)
COSTS = CostModel("ms", 1.0, KNOWN.parameters.families, 0.01)


MADE = Plan({"layer.0.mlp": (0, 1, 2)}, predicted_damage=0.25)


def known(*missing: type) -> Facts:
    facts = Facts()
    for fact in (KNOWN.structure, COSTS, MADE, *measured(KNOWN).values()):
        if not isinstance(fact, missing):
            facts.put(fact)
    return facts


def looked(llama: Case, context: Context, budgets: int) -> Outlook:
    (found,) = OutlookPass(budgets).run(llama.program, known(), context).facts
    assert isinstance(found, Outlook)
    return found


def test_each_point_is_a_plan_that_the_search_would_make(llama: Case, context: Context) -> None:
    found = looked(llama, context, 6)
    assert found.unit == "ms"
    assert len(found.points) > 4
    for cost, damage in found.points[:-1]:
        facts = known().having(Ceiling("ms", cost / 0.99 + 1e-6))
        (plan,) = KnapsackPass().run(llama.program, facts, context).facts
        assert isinstance(plan, Plan)
        assert (plan.predicted_cost, plan.predicted_damage) == pytest.approx((cost, damage))


def test_it_ends_at_the_dense_model_and_more_time_always_loses_less(llama: Case, context: Context) -> None:
    found = looked(llama, context, 20)
    points = found.points
    assert found.chosen == (COSTS.predict(KNOWN.structure, MADE), 0.25)
    assert points[-1] == (COSTS.predict(KNOWN.structure, Plan({})), 0.0)
    assert all(one < two and more > less for (one, more), (two, less) in pairwise(points))


@pytest.mark.parametrize("missing", [Scores, Damage, CostModel])
def test_where_nothing_was_searched_there_is_none(missing: type, llama: Case, context: Context) -> None:
    assert OutlookPass().run(llama.program, known(missing), context).facts == ()


def test_counted_budgets_have_no_latency_to_draw(llama: Case, context: Context) -> None:
    result = OutlookPass().run(llama.program, known().having(KNOWN.parameters), context)
    assert (result.facts, result.log) == ((), "there is none: the budget is of parameters, and no latency is known")


def test_no_budget_at_all_is_refused() -> None:
    with pytest.raises(PassError, match="must be at least 1"):
        OutlookPass(0)
