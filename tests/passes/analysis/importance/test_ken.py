"""KEN's choice as a criterion: the share of a unit's weights that stays."""

from __future__ import annotations

import numpy as np
import pytest

from prunec.calibration.rowselection import by_density_grid
from prunec.passbase import Context
from tests.passes.analysis.importance.scoring import NEURONS, scores
from tests.passes.cases import Case

MLP = "model.layers.1.mlp"


def test_scores_are_the_shares_that_the_choice_keeps(llama: Case, context: Context) -> None:
    total, family = np.zeros(llama.structure.family(NEURONS).units), 0
    for part, axis in (("gate", 0), ("up", 0), ("down", 1)):
        weight = llama.program.tensor(f"{MLP}.{part}_proj.weight").detach().numpy()
        mask = np.zeros(weight.shape)
        for row, chosen in enumerate(by_density_grid(weight, weight.shape[1] // 2)):
            mask[row, chosen] = 1
        total += mask.sum(1 - axis)
        family += weight.shape[1 - axis]
    assert scores(llama, "ken", context)[NEURONS] == pytest.approx(total / family)


def test_a_neuron_in_a_crowd_of_equals_is_last_and_one_at_the_edge_first(llama: Case, context: Context) -> None:
    weight = llama.program.tensor(f"{NEURONS}.weight").detach().clone()
    # Half of each row is one value: the grid takes the first few of those, and never the last.
    weight[:, weight.shape[1] // 2 :] = 0.0
    weight[:, 11] = 5 * weight.abs().max()
    found = scores(llama.with_tensors(model__layers__1__mlp__down_proj__weight=weight), "ken", context)[NEURONS]
    assert found[11] == found.max()
    assert found[-1] == found.min() < found[11]
    reading = weight.shape[0] / (weight.shape[0] + 2 * llama.program.tensor(f"{MLP}.up_proj.weight").shape[1])
    assert found[11] - found[-1] == pytest.approx(reading)
