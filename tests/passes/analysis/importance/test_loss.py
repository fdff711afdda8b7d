"""Loss is what the masked program loses, one removal at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from prunec.facts import Plan
from prunec.passbase import Context
from prunec.passes.analysis.importance import loss
from tests.passes.analysis.importance.scoring import NEURONS, scored, scores
from tests.passes.cases import Case, masked_damage


def test_the_first_sublayer_to_go_is_the_one_whose_bypass_costs_least(case: Case, context: Context) -> None:
    found = scored(case, "loss", context)
    expected = {
        item.name: masked_damage(case, Plan({}, (item.name,)), case.corpus.choose) for item in case.structure.sublayers
    }
    assert found.sublayers == pytest.approx(expected, rel=1e-4)
    assert min(found.sublayers, key=found.sublayers.__getitem__) == min(expected, key=expected.__getitem__)
    assert found.unit == case.goal.objective.damage_unit


def test_units_of_small_families_go_one_at_a_time(case: Case, context: Context) -> None:
    found = scores(case, "loss", context)
    small = [family for family in case.structure.families if family.units <= loss.BUNDLES]
    assert small
    for family in small:
        plans = [Plan({family.name: (unit,)}) for unit in range(family.units)]
        expected = [masked_damage(case, plan, case.corpus.choose) for plan in plans]
        assert found[family.name] == pytest.approx(expected, rel=1e-3, abs=1e-7)


def test_units_of_large_families_share_the_damage_of_their_bundle(
    llama: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "BUNDLES", 6)
    one = replace(llama, structure=replace(llama.structure, families=(llama.structure.family(NEURONS),)))
    found = scores(one, "loss", context)[NEURONS]
    order = np.argsort(scores(one, "activation-weight", context)[NEURONS], kind="stable")
    for part in np.array_split(order, 6):
        plan = Plan({NEURONS: tuple(sorted(part.tolist()))})
        expected = masked_damage(llama, plan, llama.corpus.choose) / len(part)
        assert found[part] == pytest.approx(np.full(len(part), expected), rel=1e-3, abs=1e-8)
