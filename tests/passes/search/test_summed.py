"""The sum of the scores that go is least, as trying every choice finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunec.cost.allocation import summed
from prunec.facts import Plan
from prunec.passes.search.summed import SummedPass
from tests.passes.search.toys import Toy, toy


def lost(problem: Toy, plan: Plan) -> float:
    """The scores of all that goes, added up."""
    gone = problem.structure.gone_with(plan.sublayers)
    whole = sum(float(problem.scores.units[name].sum()) for name in gone)
    return whole + sum(float(problem.scores.units[name][list(units)].sum()) for name, units in plan.units.items())


def tried(problem: Toy, ceiling: float) -> float:
    """The least sum of scores by every choice of sizes and sublayers, lowest scores first."""
    ordered = {name: np.sort(own) for name, own in problem.scores.units.items()}
    totals: dict[float, float] = {problem.costs.constant: 0.0}
    for family in problem.structure.families:
        table = dict(problem.costs.families[family.name])
        options = [(table[family.units - k], float(ordered[family.name][:k].sum())) for k in range(family.units)]
        options.append((0.0, float(ordered[family.name].sum())))
        totals = {cost + more: loss + less for cost, loss in totals.items() for more, less in options}
    return min(loss for cost, loss in totals.items() if cost <= ceiling + 1e-9)


@settings(max_examples=40)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(0, 10_000), st.floats(0.05, 0.95))
def test_no_choice_within_the_budget_loses_less(sizes: list[int], seed: int, share: float) -> None:
    problem = toy(sizes, np.random.default_rng(seed))
    dense = problem.costs.predict(problem.structure, Plan({}))
    ceiling = problem.costs.constant + share * (dense - problem.costs.constant)
    plan = problem.plan(ceiling, search=SummedPass)
    assert problem.costs.predict(problem.structure, plan) <= ceiling + 1e-9
    assert lost(problem, plan) == pytest.approx(tried(problem, ceiling), rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("share", [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
def test_every_budget_has_an_answer_within_it(share: float) -> None:
    problem = toy([40, 12, 40, 12], np.random.default_rng(1), constant=0.5)
    ceiling = share * problem.costs.predict(problem.structure, Plan({}))
    plan = problem.plan(ceiling, search=SummedPass)
    assert plan.predicted_cost is not None
    assert plan.predicted_cost <= ceiling
    assert (plan.search, plan.predicted_damage) == ("summed", None)


def test_measured_damage_counts_for_nothing() -> None:
    problem = toy([5, 4, 3], np.random.default_rng(2))
    ceiling = 0.6 * problem.costs.predict(problem.structure, Plan({}))
    other = replace(problem, damage=toy([5, 4, 3], np.random.default_rng(9)).damage)
    assert problem.plan(ceiling, search=SummedPass) == other.plan(ceiling, search=SummedPass)


def test_a_sublayer_loses_all_its_units() -> None:
    problem = toy([5, 4], np.random.default_rng(2))
    damage = summed(problem.structure, problem.scores)
    assert damage.sublayers == pytest.approx({f"block.{name}": own.sum() for name, own in problem.scores.units.items()})
