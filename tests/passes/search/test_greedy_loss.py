"""Each step of the greedy search is the best one removal by true damage."""

from __future__ import annotations

import pytest

from prunec.calibration.removal import Probe
from prunec.facts import Grain, Plan, blocks
from prunec.passbase import Context
from prunec.passes.search.greedy_loss import GreedyLossPass
from tests.passes.cases import Case, masked_damage
from tests.passes.search.depth import cost, searched

EVERYTHING = 1_000_000


@pytest.mark.parametrize("of", ["blocks", "sublayers"])
def test_every_pick_is_the_best_of_all_by_the_plain_way(of: Grain, case: Case, context: Context) -> None:
    structure = case.structure
    groups = blocks(structure) if of == "blocks" else tuple((item,) for item in structure.sublayers)
    left = [tuple(item.name for item in group) for group in groups]
    gone: tuple[str, ...] = ()
    for _ in range(min(3, len(left) - 1)):
        damages = {names: masked_damage(case, Plan({}, (*gone, *names)), case.corpus.choose) for names in left}
        best = min(left, key=damages.__getitem__)
        left.remove(best)
        gone = (*gone, *best)
        plan = searched(GreedyLossPass(of=of, tokens=EVERYTHING), case, context, cost(case, gone) + 1e-9)
        assert set(plan.sublayers) == set(gone)
        assert plan.predicted_damage == pytest.approx(damages[best], rel=1e-4)


def test_a_tighter_budget_measures_only_what_is_left(
    llama: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Plan] = []
    work = GreedyLossPass(of="sublayers", tokens=EVERYTHING)
    damage = Probe.damage

    def count(self: Probe, plan: Plan, *words: object) -> float:
        measured.append(plan)
        return damage(self, plan, *words)  # type: ignore[arg-type]

    monkeypatch.setattr(Probe, "damage", count)
    first = searched(work, llama, context, cost(llama) - 0.1)
    assert len(measured) == 6
    searched(work, llama, context, cost(llama, first.sublayers) - 0.1)
    assert len(measured) == 6 + 5
    assert all(set(first.sublayers) < set(plan.sublayers) for plan in measured[6:])


def test_little_text_is_used_where_little_is_asked_for(llama: Case, context: Context) -> None:
    plan = searched(GreedyLossPass(tokens=1), llama, context, cost(llama) - 0.1)
    expected = masked_damage(llama, Plan({}, plan.sublayers), llama.corpus.choose[:1])
    assert plan.predicted_damage == pytest.approx(expected, rel=1e-4)
