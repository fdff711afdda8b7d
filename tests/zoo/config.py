"""The small config of a model type for a task, and looking things up in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from transformers import CONFIG_MAPPING, PreTrainedConfig

from tests.zoo.settings import ARGUMENTS
from tests.zoo.shrink import Config, shrink
from tests.zoo.sizes import LABELS, VOCABULARY


def tiny_config(model_type: str, task: str) -> Config:
    """A config of `model_type` small enough to trace in seconds, with caches off."""
    arguments = ARGUMENTS.get(model_type, {})
    config: Config = shrink(CONFIG_MAPPING[model_type](**arguments), arguments)
    for part in parts(config):
        _prepare(part, task)
    if task == "causal_lm" and getattr(config, "is_decoder", None) is False:
        config.is_decoder = True
    if getattr(config, "is_encoder_decoder", False) and getattr(config, "decoder_start_token_id", None) is None:
        config.decoder_start_token_id = 1
    if "cls" in task:
        with contextlib.suppress(Exception):  # composite configs may refuse it
            config.num_labels = LABELS
    if model_type == "dbrx":
        config.attn_config.rope_theta = 1e4
    if model_type == "blip-2" and task == "zero_shot_image":
        config.qformer_config.use_qformer_text_input = True
        config.use_qformer_text_input = True
    return config


def _prepare(part: Config, task: str) -> None:
    for name, value in (("use_cache", False), ("return_dict", True)):
        with contextlib.suppress(Exception):  # read-only in some configs
            if hasattr(part, name):
                setattr(part, name, value)
    if not hasattr(part, "pad_token_id"):
        return
    if task == "seq_cls" and part.pad_token_id is None:
        part.pad_token_id = 0
    if isinstance(part.pad_token_id, int) and not 0 <= part.pad_token_id < VOCABULARY:
        part.pad_token_id = 0


def parts(config: Config, seen: set[int] | None = None) -> Iterator[Config]:
    """The config and every config inside it, each once, outermost first."""
    seen = set() if seen is None else seen
    if id(config) in seen:
        return
    seen.add(id(config))
    yield config
    for value in list(vars(config).values()):
        if isinstance(value, PreTrainedConfig):
            yield from parts(value, seen)


def first(config: Config, *names: str, default: Any = None) -> Any:
    """The first of the fields `names` that the config, or else one inside it, sets."""
    for part in parts(config):
        for name in names:
            value = getattr(part, name, None)
            if value is not None:
                return value
    return default


def part(config: Config, *names: str) -> Config:
    """The first of the configs `names` inside the config; the config itself where it has none of them."""
    for name in names:
        value = getattr(config, name, None)
        if isinstance(value, PreTrainedConfig):
            return value
    return config
