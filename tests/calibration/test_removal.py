"""What a removal costs, measured from what is gone already."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from prunec.calibration.masked import masked_program, plan_masks
from prunec.calibration.objective import Features, Tensors, Total
from prunec.calibration.removal import WORST, Probe
from prunec.errors import PassError
from prunec.facts import Plan
from tests.passes.cases import Case, load_case, masked_damage, with_tensors


@pytest.fixture(params=["tiny_llama_dir", "tiny_bert_dir"])
def case(request: pytest.FixtureRequest) -> Case:
    folder = request.getfixturevalue(request.param)
    assert isinstance(folder, Path)
    return load_case(folder)


def test_removals_add_to_what_is_gone(case: Case) -> None:
    probe = Probe(case.program, case.structure, case.goal.objective, case.corpus.choose)
    first, *_, last = case.structure.sublayers
    probe.go_on_from(Plan({}, (first.name,)))
    both = Plan({}, (first.name, last.name))
    expected = masked_damage(case, both, case.corpus.choose)
    assert probe.damage(both, last) == pytest.approx(expected, rel=1e-4)
    assert probe.damage(Plan({}, (first.name,)), last) < expected


def test_weights_that_were_re_fitted_stay(case: Case) -> None:
    probe = Probe(case.program, case.structure, case.goal.objective, case.corpus.choose)
    last = case.structure.sublayers[-1]
    reader = case.structure.families[0].sites[0].weight
    weights, plan = {reader: 0.5 * case.program.tensor(reader).detach()}, Plan({}, (last.name,))
    probe.go_on_from(Plan({}), weights)
    masked = masked_program(with_tensors(case.program, weights), case.structure)
    total, count = 0.0, 0.0
    for batch in case.corpus.choose:
        outputs = masked({**batch, **plan_masks(case.structure, plan)})
        value, items = case.goal.objective.damage(outputs, case.program(batch), batch)
        total, count = total + value, count + items
    assert probe.damage(plan, last, weights) == pytest.approx(total / count, rel=1e-4)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e9])
def test_what_no_sum_would_bear_is_the_worst(value: float, case: Case) -> None:
    class Overflowing(Features):
        def damage(self, outputs: Tensors, dense: Tensors, inputs: Tensors) -> Total:
            return value, 1.0

    probe = Probe(case.program, case.structure, Overflowing(), case.corpus.choose)
    assert probe.damage(Plan({}), None) == WORST


def test_a_dense_program_that_overflows_is_refused(case: Case) -> None:
    reader = case.structure.families[0].sites[0].weight
    broken = with_tensors(case.program, {reader: torch.full_like(case.program.tensor(reader), torch.inf)})
    probe = Probe(broken, case.structure, case.goal.objective, case.corpus.choose)
    with pytest.raises(PassError, match="logits are not finite"):
        probe.damage(Plan({}), None)
