"""Layers go by the angle that they turn the residual stream by."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import LlamaForCausalLM

from prunec.errors import PassError
from prunec.passbase import Context
from prunec.passes.search.layer_influence import LayerInfluencePass
from tests.passes.analysis.importance.scoring import rows
from tests.passes.cases import Case
from tests.passes.search.depth import cost, kept, searched


def influences(folder: Path, case: Case) -> list[float]:
    """By transformers' own module: what goes into each layer and what comes out, before the last norm."""
    model = LlamaForCausalLM.from_pretrained(folder).eval()
    model.model.norm = torch.nn.Identity()
    cosines: list[list[float]] = [[] for _ in model.model.layers]
    for row in rows(case.corpus.score):
        with torch.no_grad():
            states = model(**row, use_cache=False, output_hidden_states=True).hidden_states
        for place, (before, after) in enumerate(itertools.pairwise(states)):
            cosines[place] += torch.cosine_similarity(before[0].double(), after[0].double(), dim=-1).tolist()
    return [1 - sum(own) / len(own) for own in cosines]


def test_it_is_the_formula(llama: Case, tiny_llama_dir: Path, context: Context) -> None:
    expected = influences(tiny_llama_dir, llama)
    order = sorted(range(3), key=expected.__getitem__)
    for count in (1, 2):
        names = tuple(f"model.layers.{n}.{part}" for n in sorted(order[:count]) for part in ("self_attn", "mlp"))
        plan = searched(LayerInfluencePass(), llama, context, cost(llama, names))
        assert plan.sublayers == names
        assert plan.predicted_damage is None


def test_the_figures_are_kept(llama: Case, tiny_llama_dir: Path, context: Context) -> None:
    searched(LayerInfluencePass(), llama, context, cost(llama) - 0.1)
    (file,) = kept(context)
    with safe_open(file, framework="pt") as found:
        steps = json.loads(found.metadata()["steps"])
    assert [figure for _, figure in steps] == pytest.approx(sorted(influences(tiny_llama_dir, llama)), rel=1e-5)


def test_a_stream_that_overflows_is_named(llama: Case, context: Context) -> None:
    weight = llama.program.tensor("model.layers.1.mlp.down_proj.weight")
    broken = llama.with_tensors(model__layers__1__mlp__down_proj__weight=torch.full_like(weight, float("inf")))
    with pytest.raises(PassError, match=r"model\.layers\.1\.mlp are not finite"):
        searched(LayerInfluencePass(), broken, context, cost(llama) - 0.1)
