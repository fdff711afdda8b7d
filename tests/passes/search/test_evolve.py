"""Whole plans are measured, and a plan that loses less within the same budget takes the first one's place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunec.calibration.compensation import refitted
from prunec.calibration.masked import masked_program, plan_masks
from prunec.calibration.removal import LEAST
from prunec.calibration.truth import Truth
from prunec.cost.allocation import Allocation
from prunec.cost.counted import counted_costs
from prunec.facts import Ceiling, CostModel, Damage, Leanings, Plan, Scores, SecondMoments
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, PassResult, Silent
from prunec.passes.analysis.damage import DamagePass
from prunec.passes.analysis.importance import ImportancePass
from prunec.passes.search.evolve import WORK, EvolvePass, shared_out
from prunec.passes.search.evolve.belief import Belief
from prunec.passes.search.evolve.places import Places
from prunec.passes.search.evolve.search import Found, Search
from prunec.passes.search.knapsack import KnapsackPass
from tests.passes.cases import Case, masked_damage, with_tensors
from tests.passes.search.toys import Toy, toy

Measure = Callable[[Plan], float]
NONE: Mapping[str, float] = {}


@dataclass
class Tried:
    """A search from the additive choice, and every plan that it measured."""

    problem: Toy
    ceiling: float
    measure: Measure
    plans: list[Plan] = field(default_factory=list)

    def run(
        self, trials: int = 30, seed: int = 0, confirm: Measure | None = None, weights: Mapping[str, float] = NONE
    ) -> Found:
        """The best plan found."""
        problem = self.problem
        allocation = Allocation.of(problem.structure, problem.scores, problem.damage, problem.costs, 32)
        start, other = problem.plan(self.ceiling), confirm or self.measure
        places = Places.of(allocation, start, self.measure(start))
        first = Found(start, places.array({}), self.measure(start), other(start))
        draws = np.random.default_rng(seed)
        work = Search(places, Ceiling("ms", self.ceiling), 0.0, self._seen, other, draws)
        best, count = work.run(first, places.array(weights), trials, Silent())
        assert count == len(self.plans)
        return best

    def _seen(self, plan: Plan) -> float:
        self.plans.append(plan)
        return self.measure(plan)


def copies() -> tuple[Toy, float]:
    """Four sublayers of like cost, the first two of which do no damage alone; and a budget that leaves two."""
    problem = toy([2, 2, 2, 2], np.random.default_rng(0))
    table = ((1, 0.9), (2, 1.0))
    names = [family.name for family in problem.structure.families]
    problem = replace(
        problem,
        costs=CostModel("ms", 1.0, dict.fromkeys(names, table)),
        damage=Damage(
            "loss",
            {name: ((0, 0.0), (1, alone)) for name, alone in zip(names, (0.0, 0.0, 0.5, 0.6), strict=True)},
            dict(zip((f"block.{name}" for name in names), (0.0, 0.0, 0.5, 0.6), strict=True)),
        ),
    )
    return problem, 3.0


def redundant(problem: Toy) -> Measure:
    """Damage of plans where the first two sublayers say the same: either can go, both together cost 5."""

    def measure(plan: Plan) -> float:
        both = {"block.f0", "block.f1"} <= set(plan.sublayers)
        return problem.loss(plan) + 5.0 * both

    return measure


def test_of_two_copies_one_comes_back() -> None:
    problem, ceiling = copies()
    start = problem.plan(ceiling)
    assert set(start.sublayers) == {"block.f0", "block.f1"}
    best = Tried(problem, ceiling, redundant(problem)).run()
    assert best.proposing == pytest.approx(0.5)
    assert len(best.plan.sublayers) == 2
    assert "block.f2" in best.plan.sublayers


@settings(max_examples=12)
@given(st.integers(0, 10_000), st.floats(0.2, 0.9))
def test_no_plan_is_above_the_ceiling_and_the_best_is_not_worse_than_the_first(seed: int, share: float) -> None:
    problem = toy([3, 4, 2], np.random.default_rng(seed))
    weights = np.random.default_rng(seed + 1).lognormal(0, 1, 4)
    ceiling = 1.0 + share * (problem.costs.predict(problem.structure, Plan({})) - 1.0)

    def measure(plan: Plan) -> float:
        return problem.loss(plan) * float(weights[len(plan.sublayers)])

    tried = Tried(problem, ceiling, measure)
    best = tried.run(trials=8)
    assert all(problem.costs.predict(problem.structure, plan) <= ceiling + 1e-9 for plan in [*tried.plans, best.plan])
    assert best.proposing == min(map(measure, [*tried.plans, problem.plan(ceiling)]))


def test_what_does_better_on_one_text_alone_is_not_taken() -> None:
    problem, ceiling = copies()
    tried = Tried(problem, ceiling, redundant(problem))
    best = tried.run(confirm=lambda plan: 1.0)
    assert any(redundant(problem)(plan) < best.proposing for plan in tried.plans)
    assert best.plan.removes_as(problem.plan(ceiling))


def test_a_search_begins_with_the_weights_that_it_is_given() -> None:
    problem, ceiling = copies()
    tried = Tried(problem, ceiling, redundant(problem))
    best = tried.run(trials=1, weights={"block.f1": 20.0, "f1": 20.0})
    assert [set(plan.sublayers) for plan in tried.plans] == [{"block.f0", "block.f2"}]
    assert best.plan == tried.plans[0]


def test_the_seed_decides_what_is_tried() -> None:
    problem, ceiling = copies()
    runs = [Tried(problem, ceiling, redundant(problem)) for _ in range(3)]
    found = [run.run(trials=4, seed=seed) for run, seed in zip(runs, (1, 1, 2), strict=True)]
    assert runs[0].plans == runs[1].plans
    assert (found[0].weights == found[1].weights).all()
    assert runs[0].plans != runs[2].plans


def test_what_places_weigh_is_learned_from_whole_plans() -> None:
    draws = np.random.default_rng(0)
    weights, belief = np.array([1.0, 1.6, 0.6, 1.2]), Belief()
    rows = [np.array([1.0, 0, 0, 0]), *draws.random((40, 4))]
    for row in rows:
        belief.observe(row, float(row @ weights))
    drawn = np.mean([belief.drawn(draws) for _ in range(200)], axis=0)
    assert drawn == pytest.approx(weights, rel=0.15)
    fresh = Belief()
    fresh.observe(rows[1], float(rows[1] @ weights))
    assert np.std([fresh.drawn(draws) for _ in range(200)], axis=0).min() > 0.2


@pytest.mark.parametrize("work", WORK[1:])
def test_more_work_is_more_plans_and_no_less_text_within_what_is_allowed(work: float, llama: Case) -> None:
    size = llama.program.parameter_count()
    trials, tokens = shared_out(work * size / 135e6, llama.program, llama.structure)
    assert trials * tokens * 135e6 <= work
    assert tokens >= LEAST
    more = shared_out(4 * work * size / 135e6, llama.program, llama.structure)
    assert more[0] >= trials
    assert more[1] >= tokens
    assert more != (trials, tokens)


def moments_of(case: Case, context: Context) -> tuple[Scores, SecondMoments]:
    facts = Facts()
    for fact in ImportancePass("reconstruction").run(case.program, case.facts(), context).facts:
        facts.put(fact)
    return facts[Scores], facts[SecondMoments]


def test_a_plan_loses_what_its_masked_and_re_fitted_program_loses(case: Case, context: Context) -> None:
    _, moments = moments_of(case, context)
    first, second = case.structure.families[:2]
    plan = Plan({first.name: (1,), second.name: (0, 2, 3)}, (case.structure.sublayers[-1].name,))
    weights: dict[str, torch.Tensor] = {}
    for name, removed in plan.units.items():
        masked = masked_program(case.program, case.structure)
        weights |= refitted(masked, case.structure.family(name), removed, moments.sites[name])
    batches = case.corpus.choose
    mended = replace(case, program=with_tensors(case.program, weights))
    plain = _damage_to(case.program, mended, plan)
    truth = Truth(case.program, case.structure, case.goal.objective, moments)
    assert truth.on(batches)(plan) == pytest.approx(plain, rel=1e-5, abs=1e-7)
    unmended = Truth(case.program, case.structure, case.goal.objective, None)
    assert unmended.on(batches)(plan) == pytest.approx(masked_damage(case, plan, batches), rel=1e-5, abs=1e-7)


def _damage_to(dense: Program, case: Case, plan: Plan) -> float:
    """Damage of the masked program of `case` against `dense`."""
    masked = masked_program(case.program, case.structure)
    totals = []
    with torch.no_grad():
        for batch in case.corpus.choose:
            pruned = masked({**batch, **plan_masks(case.structure, plan)})
            totals.append(case.goal.objective.damage(pruned, dense(batch), batch))
    return sum(total for total, _ in totals) / sum(count for _, count in totals)


def evolved(
    case: Case, context: Context, work: EvolvePass, *more: object, share: float = 0.6
) -> tuple[Plan, PassResult]:
    """The additive plan for a share of the parameters that can go, and what `work` makes of it."""
    scores, moments = moments_of(case, context)
    costs = counted_costs(case.program, case.structure, "parameters", 0.0)
    dense = costs.predict(case.structure, Plan({}))
    ceiling = Ceiling("parameters", costs.constant + share * (dense - costs.constant))
    facts = case.facts(scores, moments, costs, ceiling, *more)
    for step in (DamagePass((0.5,)), KnapsackPass()):
        for fact in step.run(case.program, facts, context).facts:
            facts.put(fact)
    start = facts[Plan]
    result = work.run(case.program, facts, context)
    for fact in result.facts:
        if isinstance(fact, Plan):
            assert costs.predict(case.structure, fact) <= ceiling.value
            measure = Truth(case.program, case.structure, case.goal.objective, moments).on(case.corpus.choose)
            assert fact.predicted_damage == pytest.approx(measure(fact), rel=1e-4)
            assert measure(fact) < measure(start)
    return start, result


def test_a_better_plan_loses_less_on_the_choosing_text(case: Case, context: Context) -> None:
    start, result = evolved(case, context, EvolvePass(1))
    *plans, leanings = result.facts
    assert isinstance(leanings, Leanings)
    assert {item.name for item in case.structure.sublayers} <= set(leanings.weights)
    assert all(isinstance(plan, Plan) and not plan.removes_as(start) for plan in plans)
    assert len(plans) == ("none is better" not in result.log)


def test_no_effort_changes_nothing(llama: Case, context: Context) -> None:
    _, result = evolved(llama, context, EvolvePass(0))
    assert (result.facts, result.log) == ((), "not asked for")


def test_an_empty_plan_stays(llama: Case, context: Context) -> None:
    _, result = evolved(llama, context, EvolvePass(1), share=1.0)
    assert result.facts == ()
