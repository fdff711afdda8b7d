"""Magnitude is the joint norm of everything that goes with a unit."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import PreTrainedModel

from prunec.passbase import Context
from tests.passes.analysis.importance.scoring import GROUPS, NEURONS, scores
from tests.passes.cases import Case


def test_a_neuron_is_two_rows_and_a_column(llama: Case, module: PreTrainedModel, context: Context) -> None:
    mlp = module.get_submodule("model.layers.1.mlp")
    gate, up, down = (getattr(mlp, name).weight.detach().double() for name in ("gate_proj", "up_proj", "down_proj"))
    expected = (gate.square().sum(1) + up.square().sum(1) + down.square().sum(0)).sqrt()
    assert scores(llama, "magnitude", context)[NEURONS] == pytest.approx(expected.numpy(), rel=1e-5)


def test_a_kv_group_is_its_queries_key_value_and_output(llama: Case, module: PreTrainedModel, context: Context) -> None:
    attention = module.get_submodule("model.layers.1.self_attn")
    q, k, v, o = (getattr(attention, f"{name}_proj").weight.detach().double() for name in "qkvo")
    expected = [
        np.sqrt(
            float(q[32 * g : 32 * g + 32].square().sum() + o[:, 32 * g : 32 * g + 32].square().sum())
            + float(k[16 * g : 16 * g + 16].square().sum() + v[16 * g : 16 * g + 16].square().sum())
        )
        for g in range(2)
    ]
    assert scores(llama, "magnitude", context)[GROUPS] == pytest.approx(expected, rel=1e-5)
