"""Tunability is the error that is left behind the next feed-forward sublayer when its projection is re-fitted."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from prunec.calibration.ridge import STRENGTHS
from prunec.calibration.windows import CHOOSE, FIT, MEASURE, turns
from prunec.passbase import Context
from tests.passes.analysis.importance.scoring import rows, scored
from tests.passes.cases import Case

LAYER = "model.layers.1"


def run(module: PreTrainedModel, row: dict[str, Tensor], *, bypass: bool) -> tuple[Tensor, Tensor, Tensor]:
    """What the feed-forward sublayer of the layer reads into its projection, the stream before it and behind it."""
    seen: list[Tensor] = []
    hooks = [module.get_submodule(f"{LAYER}.mlp.down_proj").register_forward_pre_hook(lambda _, a: seen.append(a[0]))]
    hooks.append(
        module.get_submodule(f"{LAYER}.post_attention_layernorm").register_forward_pre_hook(
            lambda _, a: seen.append(a[0])
        )
    )
    if bypass:
        attention = module.get_submodule(f"{LAYER}.self_attn")
        hooks.append(attention.register_forward_hook(lambda _m, _i, o: (torch.zeros_like(o[0]), *o[1:])))
    with torch.no_grad():
        states = module(**row, use_cache=False, output_hidden_states=True).hidden_states
    for hook in hooks:
        hook.remove()
    before, read = (values[0].double() for values in seen)
    return read, before, states[2][0].double()


def test_it_is_the_formula(llama: Case, module: PreTrainedModel, context: Context) -> None:
    weight = module.get_submodule(f"{LAYER}.mlp.down_proj").get_parameter("weight").detach().double().T
    parts: dict[int, list[tuple[Tensor, Tensor]]] = {FIT: [], CHOOSE: [], MEASURE: []}
    for row, turn in zip(rows(llama.corpus.score), torch.cat(turns(llama.corpus.score, 0)).tolist(), strict=True):
        dense = run(module, row, bypass=False)[2]  # type: ignore[arg-type]
        read, before, _ = run(module, row, bypass=True)  # type: ignore[arg-type]
        sizes = dense.norm(dim=-1, keepdim=True)
        parts[turn].append((read / sizes, (dense - before) / sizes))
    reads, gaps = (
        {turn: torch.cat([pair[side] for pair in pairs]) for turn, pairs in parts.items()} for side in (0, 1)
    )

    def error(fitted: Tensor, turn: int) -> float:
        return float((gaps[turn] - reads[turn] @ fitted).square().sum(-1).mean())

    candidates = [weight]
    for strength in STRENGTHS:
        ridge = (strength * reads[FIT].square().sum(0).mean()) ** 0.5 * torch.eye(len(weight), dtype=torch.float64)
        stacked = torch.cat([reads[FIT], ridge])
        candidates.append(torch.linalg.lstsq(stacked, torch.cat([gaps[FIT], ridge @ weight])).solution)
    # The less it is held back, the better it does on what it is fitted to, and never worse than as it was.
    on_fitted = [error(candidate, FIT) for candidate in candidates[1:]]
    assert on_fitted == sorted(on_fitted)
    assert on_fitted[-1] < error(weight, FIT)
    best = min(candidates, key=lambda candidate: error(candidate, CHOOSE))
    found = scored(llama, "tunability", context)
    name = f"{LAYER}.self_attn"
    assert found.sublayers[name] == pytest.approx(error(best, MEASURE), rel=1e-5)
    assert found.undone[name] == pytest.approx(1 - error(best, MEASURE) / error(weight, MEASURE), abs=1e-5)
