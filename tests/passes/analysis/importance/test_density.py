"""Kernel densities: a constant tells nothing, a spread tells much, a rare weight counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import gaussian_kde
from transformers import PreTrainedModel

from prunec.calibration.entropy import spread_entropy
from prunec.calibration.sampling import TokenSample
from prunec.passbase import Context
from prunec.passes.analysis.importance.density import surprise
from tests.passes.analysis.importance.scoring import NEURONS, read_by, scores
from tests.passes.cases import Case


def test_entropy_is_that_of_the_formula() -> None:
    samples = np.random.default_rng(0).standard_normal((3, 20, 2)) * np.array([1.0, 3.0, 0.1])[:, None, None]
    width = (1.06 * 20 ** (-0.2)) ** 2 * samples.var(1).sum(1).mean()
    squares = np.square(samples[:, :, None] - samples[:, None]).sum(-1)
    assert spread_entropy(samples) == pytest.approx(-np.log2(np.exp(-squares / (4 * width)).mean((1, 2))))


def test_what_spreads_more_has_more_entropy_and_a_constant_has_none() -> None:
    unit = np.random.default_rng(0).standard_normal((50, 1))
    found = spread_entropy(np.stack([unit, 2 * unit, np.full_like(unit, 9.0)]))
    assert found[1] > found[0] > 0
    assert found[2] == 0
    assert spread_entropy(np.ones((2, 5, 1))).tolist() == [0, 0]


def test_an_activation_counts_by_the_weights_that_read_it(
    llama: Case, module: PreTrainedModel, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TokenSample, "SIZE", 10_000)  # all of the text, so that the order does not matter
    read = read_by(module, NEURONS, llama.corpus.score)
    norms = module.get_submodule(NEURONS).get_parameter("weight").detach().double().norm(dim=0)
    expected = spread_entropy((read * norms).T[:, :, None].numpy())
    assert scores(llama, "kde-activation", context)[NEURONS] == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_a_constant_neuron_comes_last_however_large_it_is(bert: Case, context: Context) -> None:
    layer, family = "bert.encoder.layer.1.intermediate.dense", "bert.encoder.layer.1.output.dense"
    weight, bias = (bert.program.tensor(f"{layer}.{name}").detach().clone() for name in ("weight", "bias"))
    weight[3], bias[3] = 0.0, 5.0
    changed = {f"{layer}.weight".replace(".", "__"): weight, f"{layer}.bias".replace(".", "__"): bias}
    found = scores(bert.with_tensors(**changed), "kde-activation", context)[family]
    assert found.argmin() == 3
    assert found[3] == pytest.approx(0, abs=1e-9)


def test_surprise_follows_the_density_estimate() -> None:
    values = np.random.default_rng(0).standard_normal((40, 50))
    bits = -np.log2(gaussian_kde(values.ravel(), 1.06 * values.size ** (-0.2))(values.ravel())).reshape(values.shape)
    common = np.abs(values) < 2
    assert surprise(values)[common] == pytest.approx((bits - bits.min())[common], abs=0.05)


def test_all_weights_alike_are_no_surprise() -> None:
    assert not surprise(np.full((3, 4), 2.0)).any()


def test_a_neuron_of_large_weights_is_rare_and_one_of_zeros_is_common(llama: Case, context: Context) -> None:
    tensors = {}
    for part, axis in (("gate", 0), ("up", 0), ("down", 1)):
        weight = llama.program.tensor(f"model.layers.1.mlp.{part}_proj.weight").detach().clone()
        weight.select(axis, 7).zero_()
        weight.select(axis, 11).mul_(20)
        tensors[f"model__layers__1__mlp__{part}_proj__weight"] = weight
    found = scores(llama.with_tensors(**tensors), "kde-weight", context)[NEURONS]
    assert torch.from_numpy(found).argsort()[0] == 7
    assert found.argmax() == 11
