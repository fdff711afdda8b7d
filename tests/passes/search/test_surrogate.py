"""A fit to sampled plans ranks others, and what it finds is measured before it is taken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from prunec.calibration.truth import Truth
from prunec.cost.counted import counted_costs
from prunec.errors import InputError
from prunec.facts import Ceiling, CostModel, Leanings, Plan, Scores, SecondMoments
from prunec.passbase import Context, Facts, PassResult, Silent
from prunec.passes.analysis.importance import ImportancePass
from prunec.passes.search.surrogate import SurrogatePass
from prunec.passes.search.surrogate.predictor import fitted, held_out_rank
from prunec.passes.search.surrogate.study import Study, even
from tests.passes.cases import Case
from tests.passes.search.toys import Toy, toy

QUICK = SurrogatePass(samples=16, candidates=32, verified=4)


def study(problem: Toy, share: float = 0.5) -> Study:
    """Plans within the floor and a share of what can go."""
    dense = problem.costs.predict(problem.structure, Plan({}))
    ceiling = Ceiling("ms", problem.costs.constant + share * (dense - problem.costs.constant))
    allocation = even(problem.structure, problem.scores, problem.costs, 32)
    return Study(allocation, ceiling, 0.0, np.random.default_rng(0), Silent())


def test_a_regression_finds_a_line_again() -> None:
    draws = np.random.default_rng(1)
    rows, slope = draws.random((40, 6)), draws.standard_normal(6)
    others = draws.random((10, 6))
    assert fitted(rows, rows @ slope + 2)(others) == pytest.approx(others @ slope + 2, rel=1e-2)


def test_features_that_never_change_say_nothing() -> None:
    draws = np.random.default_rng(2)
    rows = np.concatenate([draws.random((30, 2)), np.full((30, 1), 0.5)], axis=1)
    predict = fitted(rows, rows[:, 0])
    assert predict(np.array([[0.3, 0.5, 0.9]])) == pytest.approx(predict(np.array([[0.3, 0.5, 0.1]])), rel=0.2)


def test_sampled_plans_of_a_toy_are_ranked() -> None:
    found = study(toy([6, 6, 6, 6], np.random.default_rng(3)))
    problem = toy([6, 6, 6, 6], np.random.default_rng(3))
    found.sample(problem.loss, 80)
    assert held_out_rank(np.array(found.rows), np.log(found.damages)) > 0.6


def test_every_plan_spends_the_budget_and_the_chosen_loses_less_than_half_of_the_random_ones() -> None:
    problem = toy([5, 4, 6, 5], np.random.default_rng(4))
    found = study(problem)
    found.sample(problem.loss, 60)
    weights, log = found.best(problem.loss, 100, 6)
    chosen = found.plan(weights)
    assert problem.costs.predict(problem.structure, chosen) <= found.ceiling.value + 1e-9
    assert problem.loss(chosen) <= min(found.damages)
    assert "60 plans measured" in log


def test_the_best_sample_stays_where_the_prediction_misleads() -> None:
    problem = toy([4, 4], np.random.default_rng(5))
    found = study(problem)
    found.sample(problem.loss, 20)
    best = found.plan(found.weights[int(np.argmin(found.damages))])
    weights, _ = found.best(lambda plan: 0.0 if plan.removes_as(best) else 1.0, 50, 5)
    assert found.plan(weights).removes_as(best)


def searched(case: Case, context: Context, *more: object, step: SurrogatePass = QUICK) -> tuple[Facts, PassResult]:
    """What the pass finds for six tenths of what can go."""
    facts = case.facts(*more)
    for fact in ImportancePass("reconstruction").run(case.program, facts, context).facts:
        facts.put(fact)
    costs = counted_costs(case.program, case.structure, "parameters", 0.0)
    dense = costs.predict(case.structure, Plan({}))
    for fact in (costs, Ceiling("parameters", costs.constant + 0.6 * (dense - costs.constant))):
        facts.put(fact)
    return facts, step.run(case.program, facts, context)


def test_what_is_found_is_within_the_budget_and_was_measured(case: Case, context: Context) -> None:
    facts, result = searched(case, context)
    plan, leanings = result.facts
    assert isinstance(plan, Plan)
    assert isinstance(leanings, Leanings)
    assert facts[CostModel].predict(case.structure, plan) <= facts[Ceiling].value
    truth = Truth(case.program, case.structure, case.goal.objective, facts[SecondMoments])
    assert plan.predicted_damage == pytest.approx(truth.on(case.corpus.choose)(plan), rel=1e-4)
    assert plan.search == "surrogate"


def test_another_round_goes_by_the_weights_of_the_first(llama: Case, context: Context) -> None:
    _, first = searched(llama, context)
    plan, leanings = first.facts
    _, second = searched(llama, context, leanings)
    again = second.facts[0]
    assert isinstance(plan, Plan)
    assert isinstance(again, Plan)
    assert again.removes_as(plan)
    assert "found before" in second.log


def test_scores_of_families_need_not_be_comparable() -> None:
    problem = toy([4, 5], np.random.default_rng(6))
    louder = replace(problem.scores, units={**problem.scores.units, "f0": 1e6 * problem.scores.units["f0"]})
    plain = even(problem.structure, problem.scores, problem.costs, 32)
    loud = even(problem.structure, louder, problem.costs, 32)
    assert [item.damage for item in plain.options] == pytest.approx([item.damage for item in loud.options])


def test_a_dense_program_within_the_budget_stays(llama: Case, context: Context) -> None:
    costs = counted_costs(llama.program, llama.structure, "parameters", 0.0)
    scores = Scores("toy", "", {family.name: np.ones(family.units) for family in llama.structure.families})
    facts = llama.facts(costs, scores, Ceiling("parameters", 1e9))
    (plan,) = QUICK.run(llama.program, facts, context).facts
    assert isinstance(plan, Plan)
    assert plan.is_empty()


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(InputError, match="samples=2 finds nothing"):
        SurrogatePass(samples=2)


def test_ranks_are_of_plans_that_the_fit_has_not_seen() -> None:
    draws = np.random.default_rng(7)
    rows, noise = draws.random((40, 3)), draws.random(40)
    seen = spearmanr(fitted(rows, noise)(rows), noise).statistic
    assert held_out_rank(rows, noise) < seen
