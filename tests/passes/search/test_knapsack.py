"""The search finds the cheapest damage that the budget allows, or says that there is none."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunec.cost.allocation import damage_curve
from prunec.errors import BudgetError
from prunec.facts import Ceiling, CostModel, Damage, Plan, Scores, Structure, Sublayer
from prunec.passbase import Facts
from prunec.passes.search.knapsack import KnapsackPass
from tests.passes.search.toys import CONTEXT, Toy, empty_program, toy


@settings(max_examples=40)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 10_000), st.floats(0.05, 0.95))
def test_no_choice_within_the_budget_does_less_damage(sizes: list[int], seed: int, share: float) -> None:
    problem = toy(sizes, np.random.default_rng(seed))
    dense = problem.costs.predict(problem.structure, Plan({}))
    ceiling = problem.costs.constant + share * (dense - problem.costs.constant)
    plan = problem.plan(ceiling)
    assert plan.predicted_cost == pytest.approx(problem.costs.predict(problem.structure, plan))
    assert problem.costs.predict(problem.structure, plan) <= ceiling + 1e-9
    assert plan.predicted_damage == pytest.approx(problem.loss(plan), abs=1e-9)
    assert problem.loss(plan) == pytest.approx(problem.best(ceiling), rel=1e-3, abs=1e-9)


def test_the_lowest_scored_units_go() -> None:
    problem = toy([5], np.random.default_rng(3))
    problem.scores.units["f0"][:] = [3, 1, 5, 0, 4]
    dense = problem.costs.predict(problem.structure, Plan({}))
    plan = problem.plan(dense - 1e-6)
    assert plan.units == {"f0": (3,)} or plan.units["f0"] == (1, 3)


def test_a_sublayer_goes_whole_where_that_is_the_cheapest() -> None:
    problem = toy([4, 4], np.random.default_rng(0))
    problem.damage.sublayers["block.f1"] = 0.0  # type: ignore[index]
    problem.damage.families["f1"] = ((0, 0.0),)  # type: ignore[index]
    plan = problem.plan(problem.costs.predict(problem.structure, Plan({}, ("block.f1",))))
    assert plan.sublayers == ("block.f1",)
    assert not plan.units


def test_a_tighter_budget_never_does_less_damage() -> None:
    problem = toy([5, 4, 3], np.random.default_rng(1))
    dense = problem.costs.predict(problem.structure, Plan({}))
    damages = [problem.loss(problem.plan(1.0 + share * (dense - 1.0))) for share in (0.9, 0.7, 0.5, 0.3, 0.1)]
    assert damages == sorted(damages)
    assert damages[0] < damages[-1]


def test_a_margin_is_kept_free_where_it_can_be() -> None:
    problem = toy([5, 4, 3], np.random.default_rng(1))
    dense = problem.costs.predict(problem.structure, Plan({}))
    cost = problem.plan(0.9 * dense, margin=0.1).predicted_cost
    assert cost is not None
    assert cost <= 0.81 * dense
    floor = problem.costs.constant
    assert problem.plan(floor, margin=0.1).predicted_cost == pytest.approx(floor)


def test_nothing_goes_where_the_dense_program_is_within_the_budget() -> None:
    problem = toy([3, 2], np.random.default_rng(0))
    dense = problem.costs.predict(problem.structure, Plan({}))
    plan = problem.plan(dense)
    assert plan.is_empty()
    assert plan.predicted_cost == pytest.approx(dense)


def test_a_budget_below_the_constant_is_refused() -> None:
    problem = toy([3, 2], np.random.default_rng(0), constant=2.0)
    with pytest.raises(BudgetError):
        problem.plan(1.99)


def test_a_family_that_no_sublayer_holds_keeps_a_unit_and_may_make_a_budget_impossible() -> None:
    problem = toy([3], np.random.default_rng(0))
    alone = Toy(Structure(problem.structure.families, ()), problem.scores, problem.damage, problem.costs)
    one = problem.costs.family("f0", 1)
    assert len(alone.plan(1.0 + one + 1e-9).units["f0"]) == 2
    with pytest.raises(BudgetError, match="no choice of sizes"):
        alone.plan(1.0 + one - 1e-3)


def test_the_damage_curve_never_falls_and_meets_the_measurements() -> None:
    problem = toy([8], np.random.default_rng(5))
    (family,) = problem.structure.families
    curve = damage_curve(problem.structure, family, problem.scores, problem.damage)
    assert (np.diff(curve) >= 0).all()
    assert len(curve) == 9
    for removed, value in problem.damage.families["f0"]:
        assert curve[removed] == pytest.approx(value)
    assert curve[8] == pytest.approx(problem.damage.sublayers["block.f0"])


def shared(draw: np.random.Generator, unit: str = "ms") -> Toy:
    """Two families, the second of which two sublayers hold; one of these costs nothing to lose."""
    problem = toy([6, 4], draw)
    own, both = problem.structure.families
    sublayers = (*problem.structure.sublayers, Sublayer("again", "ffn", "", "", "", (both.name,)))
    drops = problem.damage.sublayers | {"again": 0.0, f"block.{both.name}": 1.0}  # type: ignore[operator]
    return Toy(
        Structure((own, both), sublayers), problem.scores, Damage("loss", problem.damage.families, drops),
        CostModel(unit, 1.0, problem.costs.families),
    )  # fmt: skip


def test_a_family_that_sublayers_share_is_paid_for_in_each_and_each_can_go() -> None:
    problem = shared(np.random.default_rng(2))
    once, twice = (problem.costs.predict(problem.structure, Plan({}, names)) for names in (("again",), ()))
    assert twice == pytest.approx(once + problem.costs.family("f1", 4))
    plan = problem.plan(once + 1e-6)
    assert (plan.sublayers, dict(plan.units)) == (("again",), {})
    assert plan.predicted_cost == pytest.approx(once)


@pytest.mark.parametrize("share", [0.8, 0.5, 0.2])
def test_a_shared_family_has_one_size_wherever_it_stays(share: float) -> None:
    problem = shared(np.random.default_rng(4))
    problem.damage.sublayers.update({"again": 0.3, "block.f1": 0.7})  # type: ignore[attr-defined]
    ceiling = 1.0 + share * (problem.costs.predict(problem.structure, Plan({})) - 1.0)
    plan = problem.plan(ceiling)
    choices = itertools.product([*range(6), None], range(4), [(), ("again",), ("block.f1",), ("again", "block.f1")])
    tried = [
        Plan({"f0": tuple(range(own or 0)), "f1": tuple(range(both))}, (*going, *(["block.f0"] if own is None else [])))
        for own, both, going in choices
    ]
    least = min(problem.loss(item) for item in tried if problem.costs.predict(problem.structure, item) <= ceiling)
    assert problem.loss(plan) == pytest.approx(least, rel=1e-3)
    assert plan.predicted_cost == pytest.approx(problem.costs.predict(problem.structure, plan))


def test_a_sublayer_is_not_dropped_to_save_parameters_that_another_still_reads() -> None:
    problem = shared(np.random.default_rng(2), "parameters")
    facts = Facts()
    dense = problem.costs.predict(problem.structure, Plan({}))
    ceiling = Ceiling("parameters", 1.0 + 0.6 * (dense - 1.0))
    for fact in (problem.structure, problem.scores, problem.damage, problem.costs, ceiling):
        facts.put(fact)
    (plan,) = KnapsackPass().run(empty_program(), facts, CONTEXT).facts
    assert isinstance(plan, Plan)
    assert not {"again", "block.f1"} & set(plan.sublayers)


def test_a_shared_family_is_gone_only_with_all_its_sublayers() -> None:
    problem = toy([3], np.random.default_rng(0))
    sublayers = (*problem.structure.sublayers, Sublayer("again", "ffn", "", "", "", ("f0",)))
    structure = Structure(problem.structure.families, sublayers)
    assert structure.gone_with(["again"]) == frozenset()
    assert structure.gone_with(["again", "block.f0"]) == {"f0"}
    assert structure.sublayer_of("f0") is None


def test_families_without_scores_stay_whole() -> None:
    problem = toy([5, 4, 3], np.random.default_rng(1))
    drops = {"block.f0": 3.0, "block.f1": 1.0, "block.f2": 2.0}
    whole = replace(problem, scores=Scores("toy", "", {}, drops), damage=Damage("toy", {}, drops))
    costs = {name: problem.costs.family(name, size) for name, size in (("f0", 5), ("f1", 4), ("f2", 3))}
    dense = problem.costs.predict(problem.structure, Plan({}))
    plan = whole.plan(dense - 0.9 * min(costs["f1"], costs["f2"]))
    assert (plan.units, plan.sublayers, plan.predicted_damage) == ({}, ("block.f1",), 1.0)
    with pytest.raises(BudgetError, match="toy scores no units, so families stay whole"):
        whole.plan(0.5 * problem.costs.constant)
