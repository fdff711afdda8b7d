"""What all searches of whole sublayers have in common."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prunec.errors import BudgetError
from prunec.facts import Depth, Plan, Step
from prunec.passbase import Context, Pass
from prunec.passes.search import greedy_loss, layer_influence, sublayer
from prunec.passes.search.greedy_loss import GreedyLossPass
from prunec.passes.search.layer_influence import LayerInfluencePass
from prunec.passes.search.sublayer import SublayerPass
from tests.passes.cases import Case
from tests.passes.search.depth import ATTENTION, CONSTANT, FFN, cost, fresh, idle, kept, searched

BLOCK = ATTENTION + FFN
SEARCHES = {
    "greedy-loss": GreedyLossPass(),
    "greedy-loss of sublayers": GreedyLossPass(of="sublayers"),
    "layer-influence": LayerInfluencePass(),
    "sublayer": SublayerPass(confirm=2),
}


@pytest.fixture(params=list(SEARCHES))
def work(request: pytest.FixtureRequest) -> Pass:
    found = SEARCHES[request.param]
    assert isinstance(found, Pass)
    return found


def measures_nothing(patch: pytest.MonkeyPatch) -> None:
    """From now on, measuring fails the test."""

    def refuse(*words: object, **named: object) -> None:
        pytest.fail("something was measured")

    for place in (greedy_loss, sublayer):
        patch.setattr(place, "Probe", refuse)
    patch.setattr(layer_influence, "evaluate", refuse)
    patch.setattr(sublayer, "Windows", refuse)


def test_an_idle_layer_goes_first(work: Pass, llama: Case, context: Context) -> None:
    planted = idle(llama, 1)
    plan = searched(work, planted, context, cost(planted) - BLOCK)
    assert plan.sublayers == ("model.layers.1.self_attn", "model.layers.1.mlp")
    assert plan.predicted_cost == pytest.approx(cost(planted, plan.sublayers))
    assert plan.search == work.name


def test_with_one_removal_fewer_the_budget_is_missed(
    work: Pass, case: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: tuple[Step, ...] = ()
    inner = Depth.plan

    def listen(self: Depth, *words: Any) -> tuple[Plan, tuple[Step, ...]]:
        nonlocal taken
        plan, taken = inner(self, *words)
        return plan, taken

    monkeypatch.setattr(Depth, "plan", listen)
    ceiling = 0.6 * cost(case)
    plan = searched(work, case, context, ceiling)
    assert plan.predicted_cost is not None
    assert plan.predicted_cost <= ceiling
    assert {name for step in taken for name in step.sublayers} == set(plan.sublayers)
    assert cost(case, tuple(name for step in taken[:-1] for name in step.sublayers)) > ceiling


def test_a_smaller_budget_takes_more_of_the_same(work: Pass, llama: Case, context: Context) -> None:
    plans = [searched(work, llama, context, share * cost(llama)) for share in (0.9, 0.6, 0.3)]
    sizes = [len(plan.sublayers) for plan in plans]
    assert sizes == sorted(set(sizes))
    assert set(plans[0].sublayers) < set(plans[1].sublayers) < set(plans[2].sublayers)


def test_a_budget_that_was_searched_for_is_not_measured_again(
    work: Pass, llama: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, tighter = (searched(work, llama, context, share * cost(llama)) for share in (0.7, 0.4))
    measures_nothing(monkeypatch)
    assert searched(work, llama, context, 0.7 * cost(llama)) == first
    assert searched(work, llama, context, 0.4 * cost(llama)) == tighter


def test_other_weights_or_text_are_measured_anew(work: Pass, llama: Case, context: Context) -> None:
    searched(work, llama, context, 0.7 * cost(llama))
    searched(work, idle(llama, 2), context, 0.7 * cost(llama))
    other = replace(llama, corpus=replace(llama.corpus, data_hash="another"))
    searched(work, other, context, 0.7 * cost(llama))
    assert len(kept(context)) == 3


def test_two_searches_find_the_same(work: Pass, case: Case, context: Context, tmp_path: Path) -> None:
    plans = [searched(work, case, fresh(context, tmp_path / name), 0.5 * cost(case)) for name in ("one", "two")]
    assert plans[0] == plans[1]


def test_a_program_within_the_budget_is_left_alone_and_not_measured(
    work: Pass, llama: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    measures_nothing(monkeypatch)
    plan = searched(work, llama, context, cost(llama))
    assert plan.is_empty()
    assert plan.predicted_cost == pytest.approx(cost(llama))


def test_a_budget_below_the_constant_is_refused_before_anything_is_measured(
    work: Pass, llama: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    measures_nothing(monkeypatch)
    with pytest.raises(BudgetError, match=r"without all that may go it takes 0\.5"):
        searched(work, llama, context, 0.9 * CONSTANT)


def test_everything_can_go(work: Pass, llama: Case, context: Context) -> None:
    plan = searched(work, llama, context, CONSTANT)
    assert plan.sublayers == tuple(item.name for item in llama.structure.sublayers)


def test_order_and_batches_of_the_text_do_not_matter(work: Pass, llama: Case, context: Context, tmp_path: Path) -> None:
    rows = tuple(
        {name: value[index : index + 1] for name, value in batch.items()}
        for batch in llama.corpus.score[::-1]
        for index in range(4)
    )
    other = replace(llama, corpus=replace(llama.corpus, score=rows, choose=llama.corpus.choose[::-1]))
    expected = searched(work, llama, fresh(context, tmp_path / "one"), 0.5 * cost(llama))
    found = searched(work, other, fresh(context, tmp_path / "two"), 0.5 * cost(llama))
    assert found.sublayers == expected.sublayers
    if expected.predicted_damage is not None:
        assert found.predicted_damage == pytest.approx(expected.predicted_damage, rel=1e-3)


def test_the_program_is_left_as_it_is(work: Pass, llama: Case, context: Context) -> None:
    before = llama.program.fingerprint()
    searched(work, llama, context, 0.5 * cost(llama))
    assert llama.program.fingerprint() == before
