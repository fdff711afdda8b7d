"""What an encoder-decoder answers to a text: the tokens that its decoder is calibrated on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedConfig

from prunec.calibration.batching import Batch, Batches
from prunec.calibration.replies import Replier
from prunec.calibration.tokens import DECODER, DECODER_MASK, LEAST_DECODED
from prunec.frontends.sampling import ROWS, sampled
from prunec.passbase import Progress

LONGEST = 64
"""Tokens of an answer at most."""


def replier_for(config: PreTrainedConfig, model: Any = None, fixed: int | None = None) -> Replier | None:
    """What the decoder of an encoder-decoder reads beside texts; None where a model is no such thing.

    That is what the model answers, by sampling. Where there is none that can, as of one without a head, it is the text.

    Args:
        config: the model's.
        model: a transformers model with weights.
        fixed: how many tokens its decoder takes, where it takes no other number.
    """
    if not config.is_encoder_decoder:
        return None
    start = decoder_start(config.to_dict())
    padding = config.pad_token_id if isinstance(getattr(config, "pad_token_id", None), int) else 0
    end = config.eos_token_id if isinstance(getattr(config, "eos_token_id", None), int) else None
    return partial(_reply, model if model is not None and model.can_generate() else None, start, padding, end, fixed)


def decoder_start(config: Mapping[str, object]) -> int:
    """The token that the decoder of a model with `config` begins with."""
    named = (config.get(name) for name in ("decoder_start_token_id", "bos_token_id", "pad_token_id"))
    return next((token for token in named if isinstance(token, int)), 0)


def _reply(
    model: Any,
    start: int,
    padding: int,
    end: int | None,
    fixed: int | None,
    batches: Sequence[Batch],
    seed: int,
    progress: Progress,
) -> Batches:
    draw = torch.Generator().manual_seed(seed)
    done: list[Batch] = []
    for group in _groups(batches):
        progress.item("writing what the decoder reads", len(done), len(batches))
        if model is None:
            written = torch.cat([_padded(batch["input_ids"], LONGEST - 1, padding) for batch in group])
            written = functional.pad(written, (1, 0), value=start)
        else:
            written = _written(model, start, padding, end, group, draw)
        ids, mask = written[:, :-1], _until(written, end, padding if model is None else None)
        rows = [len(batch["input_ids"]) for batch in group]
        parts = zip(group, ids.split(rows), mask.split(rows), strict=True)
        done += [_with(batch, own, kept, padding, fixed) for batch, own, kept in parts]
    return tuple(done)


def _groups(batches: Sequence[Batch]) -> Iterator[list[Batch]]:
    """Batches that are answered at a time, of `ROWS` rows at most where one alone has no more."""
    group: list[Batch] = []
    for batch in batches:
        if group and sum(len(item["input_ids"]) for item in (*group, batch)) > ROWS:
            yield group
            group = []
        group.append(batch)
    if group:
        yield group


def _written(
    model: Any, start: int, padding: int, end: int | None, group: Sequence[Batch], draw: torch.Generator
) -> Tensor:
    """Answers to all rows of `group`, `[rows, tokens]`, each from `start` on."""
    longest = max(batch["input_ids"].shape[1] for batch in group)
    masks = [batch.get("attention_mask", torch.ones_like(batch["input_ids"])) for batch in group]
    inputs = {
        "input_ids": torch.cat([_padded(batch["input_ids"], longest, padding) for batch in group]),
        "attention_mask": torch.cat([_padded(mask, longest, 0) for mask in masks]),
    }
    settings = {"decoder_start_token_id": start, "pad_token_id": padding, "eos_token_id": end}
    return sampled(model, inputs, draw, lambda rows, length: None, max_new_tokens=LONGEST, **settings)


def _until(written: Tensor, end: int | None, padding: int | None) -> Tensor:
    """Which of the tokens before the last are read, the first always: those before the end, or before padding."""
    over = torch.zeros_like(written[:, 1:-1], dtype=torch.bool)
    for token in (end, padding):
        over |= written[:, 1:-1] == token if token is not None else over
    first = torch.ones_like(written[:, :1])
    return torch.cat([first, (over.cumsum(1) == 0).to(first.dtype)], dim=1)


def _with(batch: Batch, ids: Tensor, mask: Tensor, padding: int, fixed: int | None) -> Batch:
    """`batch` with the answers to its rows, as long as the longest of them, or as `fixed` says."""
    length = fixed or max(LEAST_DECODED, int(mask.sum(1).max()))
    ids, mask = _padded(ids, length, padding), _padded(mask, length, 0)
    return {**batch, DECODER: torch.where(mask.bool(), ids, padding), DECODER_MASK: mask}


def _padded(value: Tensor, length: int, filling: int) -> Tensor:
    """`[rows, tokens]` with `length` tokens: cut, or filled on the right."""
    return functional.pad(value[:, :length], (0, max(0, length - value.shape[1])), value=filling)
