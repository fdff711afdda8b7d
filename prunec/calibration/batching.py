"""From passages to batches of token ids: full windows for generative models, padded texts for encoders."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from prunec.calibration.labels import LABELS, LabelledText
from prunec.errors import InputError
from prunec.ir.program import Input

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Batch = Mapping[str, Tensor]
Batches = tuple[Batch, ...]
Row = Mapping[str, list[int]]
"""One text as the tokenizer gives it; with a label, also where that is among a classifier's outputs."""

FED = ("input_ids", "attention_mask", "token_type_ids")
"""The inputs that text can feed."""

SHORTEST = 3
"""Texts of fewer tokens, special ones aside, are dropped."""

_AHEAD = 16
"""Passages tokenised at a time."""

_PATIENCE = 3
"""How many times the tokens wanted are read before passages are taken to be shorter than a window."""


def packed(
    passages: Sequence[str], tokenizer: PreTrainedTokenizerBase, sequence: int, tokens: int, seed: int
) -> tuple[list[Row], int]:
    """Full windows of `sequence` tokens, about `tokens` in all, from passages drawn by `seed`.

    Each window starts with what the tokenizer puts before any text, and lies within one passage where
    passages are long enough; else passages are laid end to end in text order.

    Returns:
        The windows, and how many tokens there were for them: fewer than `tokens` where the text ran out.
    """
    prefix = leading_tokens(tokenizer)
    body, rows = sequence - len(prefix), -(-tokens // sequence)
    drawn: dict[int, list[int]] = {}
    whole = found = 0
    for place, row in _encoded(passages, tokenizer, seed, add_special_tokens=False):
        drawn[place] = row["input_ids"]
        whole, found = whole + len(drawn[place]) // body, found + len(drawn[place])
        if whole >= rows or found >= _PATIENCE * rows * body:
            break
    ordered = [drawn[place] for place in sorted(drawn)]
    streams = ordered if whole >= rows else [[token for stream in ordered for token in stream]]
    bodies = [stream[at : at + body] for stream in streams for at in range(0, len(stream) - body + 1, body)]
    kept = min(rows, len(bodies))
    windows: list[Row] = [{"input_ids": prefix + bodies[number * len(bodies) // kept]} for number in range(kept)]
    return windows, found if kept < rows else kept * sequence


def padded(
    passages: Sequence[str], tokenizer: PreTrainedTokenizerBase, sequence: int, tokens: int, seed: int
) -> tuple[list[Row], int]:
    """Passages drawn by `seed`, each a text of at most `sequence` tokens, about `tokens` in all.

    Returns:
        The texts, and how many tokens they have.
    """
    special = tokenizer.num_special_tokens_to_add()
    kept: list[Row] = []
    found = 0
    for _, row in _encoded(passages, tokenizer, seed, truncation=True, max_length=sequence):
        length = len(row["input_ids"])
        if length - special < SHORTEST:
            continue
        kept.append(row)
        found += length
        if found >= tokens:
            break
    return kept, found


def batched(rows: Sequence[Row], inputs: Sequence[Input], batch: int, padding: int, seed: int) -> Batches:
    """Batches of rows of similar length, padded on the right with `padding`, in an order drawn by `seed`.

    Where the model fixes how many rows or tokens there are, every batch has as many: rows left over go, or are
    repeated where there are no others.
    """
    fixed = {name: size for item in inputs for name, size in item.fixed.items()}
    batch = fixed.get("batch", batch)
    ordered = sorted(rows, key=lambda row: len(row["input_ids"]))
    groups = [ordered[first : first + batch] for first in range(0, len(ordered), batch)]
    if "batch" in fixed:
        whole = [group for group in groups if len(group) == batch]
        groups = whole or [list(islice(cycle(group), batch)) for group in groups]
    random.Random(seed).shuffle(groups)
    least = fixed.get("sequence", 0)
    fed = ({item.name: _pad(group, item, padding, least) for item in inputs} for group in groups)
    return tuple({**batch, **_labels(group)} for batch, group in zip(fed, groups, strict=True))


def leading_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The token that the tokenizer puts before any text, if it does."""
    start = tokenizer.bos_token_id
    return [start] if start is not None and tokenizer("a")["input_ids"][:1] == [start] else []


def check_fed(inputs: Sequence[Input]) -> None:
    """Refuse inputs that text cannot feed.

    Raises:
        InputError: the program takes another input than tokens, mask and segment ids.
    """
    for item in inputs:
        if item.name not in FED:
            raise InputError(
                f"calibration text cannot feed the input {item.name}", "give ready-made batches from Python"
            )


def _encoded(
    passages: Sequence[str], tokenizer: PreTrainedTokenizerBase, seed: int, **options: Any
) -> Iterator[tuple[int, Row]]:
    """Passages in an order drawn by `seed`, with their places, tokenised a few at a time."""
    order = random.Random(seed).sample(range(len(passages)), len(passages))
    for first in range(0, len(order), _AHEAD):
        places = order[first : first + _AHEAD]
        yield from zip(places, _tokenised([passages[place] for place in places], tokenizer, options), strict=True)


def _tokenised(passages: Sequence[str], tokenizer: PreTrainedTokenizerBase, options: Mapping[str, Any]) -> list[Row]:
    """Passages as the tokenizer gives them, pairs as it joins them, labelled ones with their labels."""
    if not any(isinstance(passage, LabelledText) and passage.pair is not None for passage in passages):
        texts = [passage.text if isinstance(passage, LabelledText) else passage for passage in passages]
        encoded = tokenizer(texts, verbose=False, **options)
        rows = [{name: values[row] for name, values in encoded.items()} for row in range(len(passages))]
    else:
        pairs = [(item.text, item.pair) if isinstance(item, LabelledText) else (item, None) for item in passages]
        rows = [dict(tokenizer(*pair, verbose=False, **options).items()) for pair in pairs]
    return [
        {**row, LABELS: [passage.answer]} if isinstance(passage, LabelledText) else row
        for row, passage in zip(rows, passages, strict=True)
    ]


def _labels(group: Sequence[Row]) -> Batch:
    """The labels of a batch, `[rows]`, where its texts have some."""
    return {LABELS: torch.tensor([row[LABELS][0] for row in group])} if LABELS in group[0] else {}


def _pad(group: Sequence[Row], item: Input, padding: int, least: int) -> Tensor:
    """One input of one batch: what the tokenizer gave, else a mask of ones or segment ids of zero."""
    longest = max(least, *(len(row["input_ids"]) for row in group))
    missing, filler = (1 if item.name == "attention_mask" else 0), (padding if item.name == "input_ids" else 0)
    values = [row.get(item.name, [missing] * len(row["input_ids"])) for row in group]
    return torch.tensor([[*value, *[filler] * (longest - len(value))] for value in values], dtype=item.dtype)
