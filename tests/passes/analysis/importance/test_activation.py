"""Activation is the size of what a unit hands on, by mean or by norm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from prunec.passbase import Context
from tests.passes.analysis.importance.scoring import GROUPS, NEURONS, read_by, scores
from tests.passes.cases import Case

FEATURES = {NEURONS: 1, GROUPS: 32}


def by_unit(read: Tensor, name: str) -> Tensor:
    """`[tokens, units, features]`."""
    return read.view(len(read), -1, FEATURES[name])


@pytest.mark.parametrize("name", FEATURES)
def test_it_is_the_mean_size_of_its_features(name: str, llama: Case, module: PreTrainedModel, context: Context) -> None:
    expected = by_unit(read_by(module, name, llama.corpus.score), name).abs().mean((0, 2))
    assert scores(llama, "activation", context)[name] == pytest.approx(expected.numpy(), rel=1e-5)


@pytest.mark.parametrize("name", FEATURES)
def test_its_norm_is_the_root_of_its_mean_square(
    name: str, llama: Case, module: PreTrainedModel, context: Context
) -> None:
    expected = by_unit(read_by(module, name, llama.corpus.score), name).square().sum(2).mean(0).sqrt()
    assert scores(llama, "activation-l2", context)[name] == pytest.approx(expected.numpy(), rel=1e-5)


def test_it_overlooks_that_nobody_reads_a_neuron(llama: Case, context: Context) -> None:
    busiest = int(np.argmax(scores(llama, "activation", context)[NEURONS]))
    weight = llama.program.tensor(f"{NEURONS}.weight").detach().clone()
    weight[:, busiest] = 0
    dead = llama.with_tensors(model__layers__1__mlp__down_proj__weight=weight)
    assert scores(dead, "activation", context)[NEURONS].argmax() == busiest
    assert scores(dead, "wanda", context)[NEURONS].argmin() == busiest


def test_a_neuron_that_is_never_active_comes_last(llama: Case, context: Context) -> None:
    weight = llama.program.tensor("model.layers.1.mlp.up_proj.weight").detach().clone()
    weight[7] = 0
    silent = llama.with_tensors(model__layers__1__mlp__up_proj__weight=weight)
    for criterion in ("activation", "activation-l2"):
        found = scores(silent, criterion, context)[NEURONS]
        assert found[7] == 0
        assert found.argmin() == 7
        assert torch.from_numpy(np.delete(found, 7)).min() > 0
