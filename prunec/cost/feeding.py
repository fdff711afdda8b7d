"""Data to any artifact: arrays for the inputs that it has, and what follows from tokens for the others."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from prunec.cost.request import Feed
from prunec.cost.timer import Arrays, Runner
from prunec.errors import InputError

IDS, MASK, TYPES, POSITIONS = "input_ids", "attention_mask", "token_type_ids", "position_ids"
DECODER = "decoder_input_ids"
PAST = "past_key_values"
"""How the inputs begin that are a cache of keys and values."""


def fed(feeds: Iterable[Feed], tokens: Arrays, past: Arrays | None = None) -> dict[str, np.ndarray]:
    """The inputs of an artifact, in the types that it takes them in.

    Positions count the tokens of the mask, types of tokens are zero, and a cache that is not given is empty.

    Args:
        feeds: the artifact's inputs.
        tokens: `input_ids` `[batch, sequence]`, `attention_mask` `[batch, past and sequence]`; also `token_type_ids`,
            or inputs of other kinds, such as images.
        past: by name, caches `[batch, heads, past, size]`.

    Raises:
        InputError: the artifact takes something else.
    """
    return {feed.name: _value(feed, {**tokens, **(past or {})}).astype(feed.dtype, copy=False) for feed in feeds}


def answers(runner: Runner, tokens: Arrays, past: Arrays | None = None) -> dict[str, np.ndarray]:
    """All outputs of an artifact for what `fed` takes.

    Raises:
        InputError: it takes what text cannot feed, or fails on these tokens.
    """
    inputs = fed(runner.feeds, tokens, past)
    try:
        return runner(inputs)
    except Exception as error:  # each runtime raises what it likes
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        kind = "text" if IDS in tokens else "data"
        raise InputError(
            f"the artifact does not take this {kind} ({reason})", "give the folder of the model that it was made from"
        ) from error


def fixed_sizes(feeds: Iterable[Feed]) -> dict[str, int]:
    """The sizes of the axes `batch` and `sequence` where an artifact takes no others, by name.

    They are those of the token ids; where there are none, the batch is the first axis of the first input.
    """
    shapes = {feed.name: feed.shape for feed in feeds}
    shape = shapes[IDS] if IDS in shapes else next(iter(shapes.values()), ())[:1]
    return {name: size for name, size in zip(("batch", "sequence"), shape, strict=False) if isinstance(size, int)}


def _value(feed: Feed, given: Arrays) -> np.ndarray:
    if feed.name in given:
        return given[feed.name]
    if IDS not in given:
        raise InputError(
            f"the artifact takes {feed.name}, and there are {', '.join(given)}",
            "give all of its inputs, or the model that it was made from",
        )
    batch, length = given[IDS].shape
    if feed.name == TYPES:
        return np.zeros_like(given[IDS])
    if feed.name == POSITIONS:
        return np.asarray((given[MASK].cumsum(1) - 1).clip(0)[:, -length:])
    if feed.name.startswith(PAST) and feed.shape:
        return np.zeros([batch, *(size if isinstance(size, int) else 0 for size in feed.shape[1:])])
    raise InputError(f"the artifact takes {feed.name}, which text cannot feed", "give one that takes tokens")
