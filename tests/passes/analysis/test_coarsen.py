"""Finer grids against removal: what loses less for the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from prunec.calibration.rounding import Rounding
from prunec.cost.numerics import Numerics
from prunec.cost.target import Baseline, Target
from prunec.cost.workload import Workload
from prunec.facts import Ceiling, CostModel, Damage, Plan, Scores
from prunec.passbase import Context, Facts, PassResult
from prunec.passes.analysis.baseline import BaselinePass
from prunec.passes.analysis.coarsen import CoarsenPass
from prunec.passes.analysis.cost import CostPass
from prunec.passes.analysis.damage import DamagePass
from prunec.passes.analysis.grain import GrainPass
from prunec.passes.analysis.importance import ImportancePass
from prunec.passes.search.knapsack import KnapsackPass
from tests.passes.cases import Case
from tests.passes.fakes import by_parameters, rounding_backend

SLOWER = 0.005


@dataclass(frozen=True)
class Searched:
    """A compile in int8 up to its search."""

    case: Case
    facts: Facts

    def coarsen(self, context: Context, *more: object) -> PassResult:
        facts = self.facts
        for fact in more:
            facts = facts.having(fact)
        return CoarsenPass(seconds=0).run(self.case.program, facts, context)


@contextmanager
def searched(case: Case, context: Context, speedup: float, harm: float, tokens: int = 16) -> Iterator[Searched]:
    """Every product on finer grids, which take `SLOWER` ms each, and a plan for `speedup`."""
    with rounding_backend(by_parameters, slower=SLOWER, harm=harm) as backend:
        asked = Numerics("int8")
        work = Workload("prefill", 1, tokens, 1)
        facts = case.facts(Target(backend().at(asked), work, "speedup", speedup, "slim.fake", numerics=asked))
        for step in (
            GrainPass(limit=0.0),
            BaselinePass(),
            CostPass(seconds=0),
            ImportancePass(criterion="magnitude"),
            DamagePass(),
            KnapsackPass(),
        ):
            for fact in step.run(case.program, facts, context).facts:
                facts.put(fact)
        facts.put(replace(facts[Plan], search="knapsack"))
        yield Searched(case, facts)


def given(result: PassResult) -> dict[type, object]:
    return {type(fact): fact for fact in result.facts}


def test_where_rounding_costs_nothing_all_is_rounded_coarsely_and_searched_again(llama: Case, context: Context) -> None:
    with searched(llama, context, speedup=2.5, harm=0.0) as found:
        result = found.coarsen(context)
        before = found.facts
    facts = given(result)
    target, baseline, costs = facts[Target], facts[Baseline], facts[CostModel]
    assert result.again_from == "knapsack"
    assert isinstance(target, Target)
    assert not target.numerics.fine
    assert isinstance(baseline, Baseline)
    fine = len(before[Target].numerics.fine)
    assert before[Baseline].unpruned.median - baseline.unpruned.median == pytest.approx(SLOWER * fine)
    assert isinstance(costs, CostModel)
    assert costs.predict(llama.structure, Plan({})) == pytest.approx(baseline.unpruned.median)
    ceiling = facts[Ceiling]
    assert isinstance(ceiling, Ceiling)
    assert ceiling.value == pytest.approx(before[Ceiling].value)


def test_a_dense_model_that_coarse_grids_bring_within_the_budget_is_emitted_so(llama: Case, context: Context) -> None:
    with searched(llama, context, speedup=1.9, harm=0.0) as found:
        assert not found.facts[Plan].is_empty()
        result = found.coarsen(context)
    assert result.skip_to == "smooth"
    plan = given(result)[Plan]
    assert isinstance(plan, Plan)
    assert plan.is_empty()


def test_where_rounding_loses_more_than_removal_the_grids_stay(llama: Case, context: Context) -> None:
    with searched(llama, context, speedup=2.5, harm=300.0) as found:
        result = found.coarsen(context)
    assert result.again_from is None
    assert set(given(result)) == {Rounding}
    assert "stays" in result.log


def test_it_is_weighed_once(llama: Case, context: Context) -> None:
    with searched(llama, context, speedup=2.5, harm=0.0) as found:
        chosen = given(found.coarsen(context))[Rounding]
        again = found.coarsen(context, chosen)
    assert (again.facts, again.again_from) == ((), None)
    assert "chosen" in again.log


@pytest.mark.parametrize(
    ("known", "log"),
    [
        (Plan({}, predicted_damage=0.0), "what removal loses is not known"),
        (Ceiling("bytes", 1e5), "only time depends on the grids"),
    ],
)
def test_where_nothing_is_to_be_weighed_it_says_why(known: object, log: str, llama: Case, context: Context) -> None:
    with searched(llama, context, speedup=2.5, harm=0.0) as found:
        result = found.coarsen(context, known)
    assert (result.facts, result.again_from) == ((), None)
    assert result.log == log


def test_where_requests_have_few_tokens_finer_grids_take_no_longer(llama: Case, context: Context) -> None:
    with searched(llama, context, speedup=2.5, harm=0.0, tokens=4) as found:
        assert found.coarsen(context).log == "finer grids take no longer"


def test_scores_and_damage_are_needed(llama: Case, context: Context) -> None:
    with searched(llama, context, speedup=2.5, harm=0.0) as found:
        for kind in (Scores, Damage):
            facts = found.facts.having(found.facts[Plan])
            facts.drop(kind)
            assert "not known" in CoarsenPass().run(llama.program, facts, context).log
