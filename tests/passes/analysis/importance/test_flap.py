"""FLAP is the fluctuation of a unit, weighted by what reads it."""

from __future__ import annotations

import pytest
from transformers import PreTrainedModel

from prunec.passbase import Context
from tests.passes.analysis.importance.scoring import GROUPS, NEURONS, read_by, scores
from tests.passes.cases import Case


@pytest.mark.parametrize(("name", "units"), [(NEURONS, 96), (GROUPS, 2)])
def test_it_is_the_formula(name: str, units: int, llama: Case, module: PreTrainedModel, context: Context) -> None:
    variances = read_by(module, name, llama.corpus.score).var(0, correction=0)
    weight = module.get_submodule(name).get_parameter("weight").detach().double()
    expected = (variances * weight.square().sum(0)).view(units, -1).mean(1)
    assert scores(llama, "flap", context)[name] == pytest.approx(expected.numpy(), rel=1e-5)


def test_a_constant_neuron_comes_last_however_large_it_is(bert: Case, context: Context) -> None:
    layer, family = "bert.encoder.layer.1.intermediate.dense", "bert.encoder.layer.1.output.dense"
    weight, bias = (bert.program.tensor(f"{layer}.{name}").detach().clone() for name in ("weight", "bias"))
    weight[3], bias[3] = 0.0, 5.0
    constant = bert.with_tensors(
        **{f"{layer}.weight".replace(".", "__"): weight, f"{layer}.bias".replace(".", "__"): bias}
    )
    assert scores(constant, "flap", context)[family].argmin() == 3
    assert scores(constant, "wanda", context)[family].argmax() == 3


@pytest.mark.parametrize(("name", "units", "power"), [(NEURONS, 96, 1), (GROUPS, 2, 2)])
def test_standardised_it_is_the_formula_over_the_layer(
    name: str, units: int, power: int, llama: Case, module: PreTrainedModel, context: Context
) -> None:
    variances = read_by(module, name, llama.corpus.score).var(0, correction=0)
    weight = module.get_submodule(name).get_parameter("weight").detach().double()
    features = (variances * weight.square().sum(0)) ** power
    expected = ((features - features.mean()) / features.std()).view(units, -1).mean(1)
    assert scores(llama, "flap-standard", context)[name] == pytest.approx(expected.exp().numpy(), rel=1e-4)


def test_a_layer_scaled_up_scores_as_before_where_layers_are_compared(llama: Case, context: Context) -> None:
    name = f"{NEURONS}.weight"
    louder = llama.with_tensors(**{name.replace(".", "__"): 3 * llama.program.tensor(name).detach()})
    before, after = (scores(case, "flap-standard", context)[NEURONS] for case in (llama, louder))
    assert after == pytest.approx(before, rel=1e-5)
    assert scores(louder, "flap", context)[NEURONS] == pytest.approx(9 * scores(llama, "flap", context)[NEURONS])
