"""Wanda is weight size times activation norm."""

from __future__ import annotations

import pytest
from transformers import PreTrainedModel

from prunec.passbase import Context
from tests.passes.analysis.importance.scoring import GROUPS, NEURONS, read_by, scores
from tests.passes.cases import Case


@pytest.mark.parametrize(("name", "units"), [(NEURONS, 96), (GROUPS, 2)])
def test_it_is_the_formula(name: str, units: int, llama: Case, module: PreTrainedModel, context: Context) -> None:
    norms = read_by(module, name, llama.corpus.score).square().mean(0).sqrt()
    weight = module.get_submodule(name).get_parameter("weight").detach().double()
    expected = (weight.abs() * norms).mean(0).view(units, -1).sum(1)
    assert scores(llama, "wanda", context)[name] == pytest.approx(expected.numpy(), rel=1e-5)
