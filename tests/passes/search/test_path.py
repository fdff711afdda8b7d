"""The search along a path: budgets are held by as few removals as can be, and plans nest."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from prunec.errors import BudgetError
from prunec.facts import Ceiling, CostModel, Family, Plan, SolutionPath, Structure, Sublayer
from prunec.passbase import Context, Facts
from prunec.passes.search.path import PathPass
from tests.passes.cases import Case

HEADS, NEURONS = Family("attn", "head", 3, (), ()), Family("mlp", "neuron", 4, (), ())
STRUCTURE = Structure(
    (HEADS, NEURONS), (Sublayer("a", "attention", "", "", "", ("attn",)), Sublayer("f", "ffn", "", "", "", ("mlp",)))
)
COSTS = CostModel("parameters", 5.0, {"attn": ((1, 10.0), (3, 30.0)), "mlp": ((1, 1.0), (4, 4.0))})
PATH = SolutionPath("p", "", {"attn": np.array([1.0, 9.0, 5.0]), "mlp": np.array([2.0, 8.0, 7.0, 6.0])})


def cut(case: Case, context: Context, budget: float, *, unit: str = "parameters", **facts: object) -> Plan:
    """The plan for `budget`."""
    known = Facts()
    for fact in (facts.get("structure", STRUCTURE), facts.get("path", PATH), facts.get("costs", COSTS)):
        known.put(fact)
    known.put(Ceiling(unit, budget))
    (plan,) = PathPass().run(case.program, known, context).facts
    assert isinstance(plan, Plan)
    return plan


@pytest.mark.parametrize(
    ("budget", "units", "sublayers"),
    [
        (39, {}, ()),
        (38, {"attn": (1,)}, ()),
        (29, {"attn": (1,)}, ()),
        (28, {"attn": (1,), "mlp": (1,)}, ()),
        (20, {"attn": (1, 2), "mlp": (1, 2, 3)}, ()),
        (15, {"attn": (1, 2)}, ("f",)),
        (5, {}, ("a", "f")),
    ],
)
def test_the_last_to_enter_go_first(
    budget: float, units: dict[str, tuple[int, ...]], sublayers: tuple[str, ...], llama: Case, context: Context
) -> None:
    plan = cut(llama, context, budget)
    assert (plan.units, plan.sublayers, plan.search) == (units, sublayers, "path")
    assert plan.predicted_cost == COSTS.predict(STRUCTURE, plan)
    assert plan.predicted_cost <= budget


def gone(structure: Structure, plan: Plan) -> set[tuple[str, int]]:
    """Every unit that is gone."""
    whole = structure.gone_with(plan.sublayers)
    return {
        (family.name, unit)
        for family in structure.families
        for unit in (range(family.units) if family.name in whole else plan.units.get(family.name, ()))
    }


def test_plans_of_all_budgets_nest(case: Case, context: Context) -> None:
    generator = np.random.default_rng(0)
    families = case.structure.families
    path = SolutionPath("p", "", {family.name: generator.exponential(size=family.units) for family in families})
    costs = CostModel("ms", 1.0, {family.name: ((1, 1.0), (family.units, 3.0)) for family in families})
    dense = costs.predict(case.structure, Plan({}))
    budgets = np.linspace(dense, 1.1, 40)
    plans = [cut(case, context, b, unit="ms", structure=case.structure, path=path, costs=costs) for b in budgets]
    for larger, smaller in pairwise(plans):
        assert gone(case.structure, larger) <= gone(case.structure, smaller)
    assert not gone(case.structure, plans[0])
    assert len({frozenset(gone(case.structure, plan)) for plan in plans}) > 20
    for plan, budget in zip(plans, budgets, strict=True):
        assert costs.predict(case.structure, plan) <= budget


def test_large_families_go_in_steps_and_what_must_stay_stays(llama: Case, context: Context) -> None:
    wide = Family("mlp", "neuron", 128, (), (), least=2)
    structure = Structure((wide,), ())
    costs = CostModel("parameters", 0.0, {"mlp": ((1, 1.0), (128, 128.0))})
    path = SolutionPath("p", "", {"mlp": np.arange(128.0)})
    plan = cut(llama, context, 101, structure=structure, costs=costs, path=path)
    assert plan.units == {"mlp": tuple(range(100, 128))}
    plan = cut(llama, context, 2, structure=structure, costs=costs, path=path)
    assert plan.units == {"mlp": tuple(range(2, 128))}


def test_what_has_no_price_stays(llama: Case, context: Context) -> None:
    costs = CostModel("parameters", 0.0, {"mlp": COSTS.families["mlp"]})
    assert cut(llama, context, 0, costs=costs).sublayers == ("f",)


def test_a_budget_that_the_path_does_not_reach_is_refused(llama: Case, context: Context) -> None:
    with pytest.raises(BudgetError, match="above the budget of 4 parameters: there it takes 5"):
        cut(llama, context, 4)


def test_a_little_of_a_latency_is_kept_free_where_it_can_be(llama: Case, context: Context) -> None:
    costs = CostModel("ms", 5.0, COSTS.families)
    assert cut(llama, context, 29.0, unit="ms", costs=costs).units == {"attn": (1,), "mlp": (1,)}
    assert cut(llama, context, 5.0, unit="ms", costs=costs).sublayers == ("a", "f")
