"""Tracing with a key-value cache: what a decoder has seen becomes inputs, what it hands on becomes outputs."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from prunec.errors import InputError
from prunec.frontends.diagnosis import first_line
from prunec.frontends.feed import BATCH, Feed, leaves
from prunec.ir.past import MASK, positions
from prunec.ir.program import PAST_AXIS

ARGUMENT = "past_key_values"
POSITIONS = "position_ids"
PAST = 4
"""Tokens in the cache of the example."""


def with_past(model: PreTrainedModel, feed: Feed) -> Feed:
    """`feed` as the next tokens after `PAST` others, whose keys and values are `past_key_values.<i>.key` and `.value`.

    An attention mask grows by the tokens that are past. A model that takes positions gets them, since by itself it
    counts padding too.

    Raises:
        InputError: the model keeps no plain cache of keys and values.
    """
    from transformers.exporters.exporter_dynamo import register_cache_pytrees_for_model

    feed = feed.doubled()
    tokens = feed.arguments.get("input_ids")
    if not isinstance(tokens, Tensor):
        raise _refusal(model, "takes no input_ids")
    register_cache_pytrees_for_model(model)
    cache = _filled(model, tokens[:, :1].expand(-1, PAST).to(model.device))
    arguments = dict(feed.arguments)
    axes = {name: dict(named) for name, named in feed.axes.items()}
    mask = arguments.get(MASK)
    if isinstance(mask, Tensor) and mask.dim() == 2:
        arguments[MASK] = mask = torch.cat([mask.new_ones(len(mask), PAST), mask], dim=1)
        axes[MASK] = {
            axis: name if name == BATCH else f"{PAST_AXIS} + {name}" for axis, name in axes.get(MASK, {}).items()
        }
    if POSITIONS in inspect.signature(model.forward).parameters and POSITIONS not in arguments:
        arguments[POSITIONS] = positions(tokens.shape, PAST, mask, tokens.device)
        axes[POSITIONS] = dict(axes.get("input_ids", {}))
    arguments[ARGUMENT] = cache
    batch = {0: BATCH} if BATCH in axes.get("input_ids", {}).values() else {}
    states = dict(leaves({ARGUMENT: cache}))
    if not states or len(states) % 2 or not all(_is_state(value, len(tokens)) for value in states.values()):
        raise _refusal(model, "keeps other states than keys and values")
    return replace(feed, arguments=arguments, axes={**axes, **{name: {**batch, 2: PAST_AXIS} for name in states}})


def _is_state(value: Any, batch: int) -> bool:
    """Whether a part of a cache is `[batch, heads, PAST, size]`."""
    return isinstance(value, Tensor) and value.dim() == 4 and (value.shape[0], value.shape[2]) == (batch, PAST)


def _filled(model: Any, tokens: Tensor) -> DynamicCache:
    """The model's cache after `tokens`."""
    try:
        with torch.no_grad():
            # Without the config every layer keeps all tokens; a sliding window is then the mask's work alone.
            cache = model(input_ids=tokens, past_key_values=DynamicCache(), use_cache=True).past_key_values
    except Exception as error:  # the model's own code raises what it likes
        raise _refusal(model, f"cannot fill one ({first_line(error)})") from error
    if type(cache) is not DynamicCache:
        raise _refusal(model, f"keeps a {type(cache).__name__}" if cache is not None else "keeps none")
    return cache


def _refusal(model: Any, why: str) -> InputError:
    return InputError(
        f"{type(model).__name__} cannot be traced with a key-value cache: it {why}",
        "compile it without: for a workload that does not decode, without --kv-cache",
    )
