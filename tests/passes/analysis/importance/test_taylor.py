"""Taylor is the mean over sequences of the absolute mask gradient."""

from __future__ import annotations

import pytest
from transformers import PreTrainedModel

from prunec.passbase import Context
from tests.passes.analysis.importance.scoring import GROUPS, NEURONS, mask_gradients, scores
from tests.passes.cases import Case


@pytest.mark.parametrize(("family", "units"), [(NEURONS, 96), (GROUPS, 2)])
def test_it_is_what_autograd_says(
    family: str, units: int, llama: Case, module: PreTrainedModel, context: Context
) -> None:
    expected = mask_gradients(module, family, units, llama.corpus.score).abs().mean(0)
    found = scores(llama, "taylor", context)[family]
    assert found == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-5)
