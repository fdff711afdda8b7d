"""Block influence is one minus the cosine over a sublayer."""

from __future__ import annotations

import pytest
import torch
from transformers import PreTrainedModel

from prunec.passbase import Context
from tests.passes.analysis.importance.scoring import rows, scored
from tests.passes.cases import Case


def test_it_is_the_formula(llama: Case, module: PreTrainedModel, context: Context) -> None:
    cosines: dict[str, list[torch.Tensor]] = {"self_attn": [], "mlp": []}
    for row in rows(llama.corpus.score):
        middle: list[torch.Tensor] = []
        hook = module.get_submodule("model.layers.1.post_attention_layernorm").register_forward_pre_hook(
            lambda _, arguments, seen=middle: seen.append(arguments[0])
        )
        with torch.no_grad():
            states = module(**row, use_cache=False, output_hidden_states=True).hidden_states
        hook.remove()
        stream = [values[0].double() for values in (states[1], middle[0], states[2])]
        for name, before, after in zip(cosines, stream[:2], stream[1:], strict=True):
            cosines[name].append(torch.nn.functional.cosine_similarity(before, after, dim=-1))
    found = scored(llama, "block-influence", context).sublayers
    for name, values in cosines.items():
        expected = 1 - float(torch.cat(values).mean())
        assert found[f"model.layers.1.{name}"] == pytest.approx(expected, rel=1e-5)
