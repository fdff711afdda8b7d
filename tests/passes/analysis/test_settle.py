"""Settling tries plans for latency before repair: searches again where one misses or wastes, and keeps the best."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunec.cost.target import Round, Target, Trial, Trials
from prunec.cost.workload import Workload
from prunec.facts import CostModel, Leanings, Plan
from prunec.options import BudgetKind
from prunec.passbase import Context, Facts, PassResult
from prunec.passes.analysis.baseline import BaselinePass
from prunec.passes.analysis.settle import SettlePass
from prunec.passes.rewrite.remove import slim_program
from tests.passes.cases import Case
from tests.passes.fakes import by_parameters, fake_backend

COSTS = CostModel("ms", 0.3, {})


def plan(removed: int, predicted: float = 0.8) -> Plan:
    """A plan that removes so many neurons of one layer, and a sublayer."""
    neurons = {"model.layers.0.mlp.down_proj": tuple(range(removed))}
    return Plan(neurons, ("model.layers.2.mlp",), predicted_cost=predicted)


def takes(case: Case, tried: Plan) -> float:
    """What the program takes after a plan."""
    return by_parameters(slim_program(case.program, case.structure, tried))


def settle(
    case: Case,
    context: Context,
    tried: Plan,
    value: float,
    trials: Trials | None = None,
    kind: BudgetKind = "latency_ms",
    more: tuple[object, ...] = (),
    rounds: int = 2,
) -> PassResult:
    """One run of the pass on the program after `tried`, with a budget of `value`."""
    with fake_backend(by_parameters) as backend:
        target = Target(backend(), Workload("prefill", 1, 16, 1), kind, value, "slim.fake")
        facts = case.facts(target, tried, COSTS, *([trials] if trials else []), *more)
        for fact in BaselinePass().run(case.program, facts, context).facts:
            facts.put(fact)
        facts.put(tried)
        return SettlePass(rounds=rounds).run(slim_program(case.program, case.structure, tried), facts, context)


def given(result: PassResult) -> Facts:
    facts = Facts()
    for fact in result.facts:
        facts.put(fact)
    return facts


def test_a_plan_that_fits_is_taken(llama: Case, context: Context) -> None:
    result = settle(llama, context, plan(48), 1.01 * takes(llama, plan(48)))
    assert result.again_from is None
    assert given(result)[Trials].settled
    assert "fits" in result.log


@pytest.mark.parametrize(("share", "word"), [(0.95, "missed"), (1.1, "room is left")])
def test_a_budget_missed_or_wasted_corrects_the_constant(
    share: float, word: str, llama: Case, context: Context
) -> None:
    real = takes(llama, plan(48))
    result = settle(llama, context, plan(48), share * real)
    assert result.again_from == "knapsack"
    assert given(result)[CostModel].constant == pytest.approx(0.3 + real - 0.8)
    assert word in result.log


def test_once_both_sides_were_tried_the_constant_is_taken_between_them(llama: Case, context: Context) -> None:
    tried = takes(llama, plan(30)), takes(llama, plan(48))
    budget = (tried[0] + tried[1]) / 2
    more = replace(COSTS, constant=0.5)  # asked more to go
    held = Trial(plan(48), more, Round(0.8, tried[1], budget))
    result = settle(llama, context, plan(30), budget, Trials((held,)), rounds=3)
    assert result.again_from == "knapsack"
    assert COSTS.constant < given(result)[CostModel].constant < more.constant


def test_the_search_that_chose_the_plan_searches_again(llama: Case, context: Context) -> None:
    chosen = replace(plan(48), search="mine")
    assert settle(llama, context, chosen, 0.95 * takes(llama, chosen)).again_from == "mine"


def test_what_a_search_learned_is_there_when_it_searches_again(llama: Case, context: Context) -> None:
    learned = Leanings({"model.layers.2.mlp": 3.0})
    result = settle(llama, context, plan(48), 0.95 * takes(llama, plan(48)), more=(learned,))
    assert given(result)[Leanings] == learned


def test_after_the_last_round_the_best_plan_that_held_is_taken(llama: Case, context: Context) -> None:
    budget = 1.1 * takes(llama, plan(48))
    first = given(settle(llama, context, plan(48), budget))[Trials]
    result = settle(llama, context, plan(1), 0.9 * takes(llama, plan(1)), first)
    assert result.again_from == "remove"
    assert given(result)[Plan].removes_as(plan(48))
    assert given(result)[CostModel] == COSTS
    again = settle(llama, context, plan(48), budget, given(result)[Trials])
    assert again.again_from is None
    assert not again.facts


def test_a_search_that_finds_nothing_new_is_the_last(llama: Case, context: Context) -> None:
    budget = 1.1 * takes(llama, plan(48))
    first = given(settle(llama, context, plan(48), budget))[Trials]
    result = settle(llama, context, plan(48, predicted=0.9), budget, first)
    assert result.again_from is None
    assert given(result)[Trials].settled
    assert len(given(result)[Trials].tried) == 1


def test_counted_budgets_are_not_tried(llama: Case, context: Context) -> None:
    result = settle(llama, context, plan(48), 1e5, kind="parameters")
    assert not result.facts
    assert "no trial" in result.log
