"""Calibration text that a generative model writes itself, by sampling."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from prunec.calibration.batching import leading_tokens
from prunec.frontends.loaded import Writer
from prunec.frontends.sampling import ROWS, sampled
from prunec.passbase import Progress


def writer_for(model: Any, tokenizer: PreTrainedTokenizerBase | None) -> Writer:
    """A function that samples token ids from `model` at temperature 1.

    Each row starts with a random ordinary token, after the model's beginning-of-text token where
    its tokenizer puts one, and goes on past any end of text. The global random state is not touched.
    """

    def write(tokens: int, sequence: int, seed: int, progress: Progress) -> Tensor:
        draw = torch.Generator().manual_seed(seed)
        rows = -(-tokens // sequence)
        parts: list[Tensor] = []
        for first in range(0, rows, ROWS):
            start = _starts(model, tokenizer, min(ROWS, rows - first), draw)
            parts.append(_continue(model, start, sequence, draw, _Steps(progress, first, rows, sequence)))
        return torch.cat(parts)

    return write


class _Steps:
    """Progress over rows and positions as one count of tokens."""

    def __init__(self, progress: Progress, first_row: int, rows: int, sequence: int) -> None:
        self.progress, self.first_row, self.rows, self.sequence = progress, first_row, rows, sequence

    def at(self, rows: int, length: int) -> None:
        done = self.first_row * self.sequence + rows * length
        self.progress.item("writing calibration text", done, self.rows * self.sequence)


def _continue(model: Any, start: Tensor, sequence: int, draw: torch.Generator, steps: _Steps) -> Tensor:
    new = sequence - start.shape[1]
    if new <= 0:
        return start[:, :sequence]
    inputs = {"input_ids": start, "attention_mask": torch.ones_like(start)}
    return sampled(model, inputs, draw, steps.at, max_new_tokens=new, eos_token_id=None, pad_token_id=0)


def _starts(model: Any, tokenizer: PreTrainedTokenizerBase | None, rows: int, draw: torch.Generator) -> Tensor:
    """`[rows, 1 or 2]`: a random ordinary token, after the beginning-of-text token where there is one."""
    vocabulary = model.config.get_text_config().vocab_size
    special: set[int] = set() if tokenizer is None else set(tokenizer.all_special_ids)
    if tokenizer is not None:
        vocabulary = min(vocabulary, len(tokenizer))
    ordinary = torch.tensor([token for token in range(vocabulary) if token not in special])
    first = ordinary[torch.randint(0, len(ordinary), (rows, 1), generator=draw)]
    prefix = leading_tokens(tokenizer) if tokenizer is not None else []
    return torch.cat([torch.tensor([prefix]).expand(rows, -1), first], dim=1) if prefix else first
