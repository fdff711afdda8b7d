"""Activation-weight is the squared change of the sublayer's output when a unit alone goes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from prunec.calibration.masked import masked_program, plan_masks
from prunec.facts import Family, Plan
from prunec.ir.execute import evaluate, input_values
from prunec.passbase import Context
from tests.passes.analysis.importance.scoring import NEURONS, read_by, scores
from tests.passes.cases import Case


def test_a_neuron_is_its_mean_square_times_its_column(llama: Case, module: PreTrainedModel, context: Context) -> None:
    read = read_by(module, NEURONS, llama.corpus.score)
    weight = module.get_submodule(NEURONS).get_parameter("weight").detach().double()
    expected = read.square().mean(0) * weight.square().sum(0)
    assert scores(llama, "activation-weight", context)[NEURONS] == pytest.approx(expected.numpy(), rel=1e-5)


def test_it_is_the_change_that_masking_the_unit_makes(case: Case, context: Context) -> None:
    found = scores(case, "activation-weight", context)
    for family in case.structure.families:
        for unit in (0, family.units - 1):
            assert found[family.name][unit] == pytest.approx(change(case, family, unit), rel=1e-4)


def change(case: Case, family: Family, unit: int) -> float:
    """Mean over tokens of the squared difference that the mask makes to the sublayer's branch."""
    masked = masked_program(case.program, case.structure)
    sublayer = case.structure.sublayer_of(family.name)
    assert sublayer is not None
    branch = next(node for node in masked.graph.nodes if node.name == sublayer.branch)
    squares = []
    for batch in case.corpus.score:
        with torch.no_grad():
            dense, pruned = (
                evaluate(masked, input_values(masked, {**batch, **plan_masks(case.structure, plan)}), [branch])[branch]
                for plan in (Plan({}), Plan({family.name: (unit,)}))
            )
        squares.append((dense - pruned)[batch["attention_mask"].bool()].double().square().sum(-1))
    return float(np.mean(torch.cat(squares).numpy()))
