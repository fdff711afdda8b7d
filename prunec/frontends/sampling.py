"""Text that a generative model samples, token by token, at temperature 1 and from a random state of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from prunec.frontends.trace import quiet

ROWS = 96
"""Rows written at a time: enough to keep the processor busy, few enough for the logits to stay small."""


def sampled(
    model: Any, inputs: dict[str, Tensor], draw: torch.Generator, on_step: Callable[[int, int], None], **settings: Any
) -> Tensor:
    """What `model` writes after `inputs`, as `settings` of transformers' generation say.

    The model's own settings, such as penalties, do not count; the global random state is not touched.

    Args:
        model: a transformers model that generates.
        inputs: of its `generate`.
        draw: where chance comes from.
        on_step: told how many rows and how many tokens of each there are, after every token.
        settings: of generation.
    """
    wanted = GenerationConfig(do_sample=False, use_cache=True, return_dict_in_generate=False, **settings)
    before = model.generation_config
    try:
        # The model's own settings (top-k, penalties, stops) would be merged in.
        model.generation_config = wanted
        with quiet(), torch.no_grad():
            written = model.generate(
                **inputs, generation_config=wanted, logits_processor=LogitsProcessorList([_Sample(draw, on_step)])
            )
    finally:
        model.generation_config = before
    assert isinstance(written, Tensor)
    return written


class _Sample(LogitsProcessor):
    """Draws the next token from an own random generator and leaves it as the only choice."""

    def __init__(self, draw: torch.Generator, on_step: Callable[[int, int], None]) -> None:
        self.draw, self.on_step = draw, on_step

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        # Inverse transform sampling: far cheaper than torch.multinomial on a large vocabulary.
        steps = scores.float().softmax(-1).cumsum(-1)
        target = torch.rand(scores.shape[0], 1, generator=self.draw) * steps[:, -1:]
        choice = torch.searchsorted(steps, target, right=True).clamp_(max=scores.shape[-1] - 1)
        self.on_step(input_ids.shape[0], input_ids.shape[1] + 1)
        return torch.full_like(scores, -torch.inf).scatter_(1, choice, 0.0)
