"""Example inputs for tracing a transformers model: batch 2, an odd length, a padded sample."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from prunec.errors import InputError
from prunec.frontends.feed import Feed
from prunec.frontends.tasks import Task
from prunec.frontends.trace import quiet

SIZES = {"batch": 2, "sequence": 7, "decoder_sequence": 5}
"""Sizes of the dynamic axes: at least 2, and all different."""

SAMPLES = 16_000
"""Of a sound: a second, as speech is recorded."""
SIDES = "image_size", "input_size"
"""What configs call the sides of an image; convolutions need none."""
SIDE = 224
"""Where no config says it."""

_TOKENS = {0: "batch", 1: "sequence"}


def sample_inputs(
    model: PreTrainedModel,
    task: Task,
    tokenizer: PreTrainedTokenizerBase | None,
    sizes: Mapping[str, int] | None = None,
) -> Feed:
    """Inputs that `model` takes for `task`, and the names of their dynamic axes.

    The last token of the last sample is padding: a mask of ones would be traced away.

    Args:
        model: what is going to be traced.
        task: says which inputs may be fed.
        tokenizer: says whether there are segment ids.
        sizes: of axes by name, other than the usual ones.

    Raises:
        InputError: the model takes none of the inputs that the task offers.
    """
    makers = _makers(model, {**SIZES, **(sizes or {})})
    names = [name for name in _input_names(model, task, tokenizer) if name in makers]
    inputs = {name: makers[name][0]() for name in names}
    if not inputs:
        raise InputError(
            f"{type(model).__name__} takes none of {', '.join(task.inputs)}",
            "choose another --task, or give the module and example inputs from Python",
        )
    return Feed(inputs, {name: dict(makers[name][1]) for name in names})


def reshaped(model: PreTrainedModel, feed: Feed, rows: Mapping[str, Sequence[int]]) -> Feed:
    """`feed` with noise in the shapes of `rows` for the images, sounds and the like of these names.

    Args:
        model: what is going to be traced; `feed` stays as it is where it does not take such.
        feed: what it takes otherwise.
        rows: by input name the shape of one row, all axes but the first; integers stay.
    """
    noise = {
        name: _noise(len(value), *rows[name])
        for name, value in feed.tensors().items()
        if name in rows and value.is_floating_point() and tuple(value.shape[1:]) != tuple(rows[name])
    }
    if not noise:
        return feed
    found = replace(feed, arguments={**feed.arguments, **noise})
    try:
        with quiet(), torch.no_grad():
            model(**found.on(next(model.parameters()).device).arguments)
    except (RuntimeError, ValueError, IndexError, AssertionError):  # As models refuse what they were not made for.
        return feed
    return found


def _input_names(model: PreTrainedModel, task: Task, tokenizer: PreTrainedTokenizerBase | None) -> list[str]:
    accepted = inspect.signature(model.forward).parameters
    unwanted: set[str] = set()
    if tokenizer is None or "token_type_ids" not in tokenizer.model_input_names:
        unwanted.add("token_type_ids")
    if not model.config.is_encoder_decoder:
        unwanted.add("decoder_input_ids")
    if model.main_input_name not in ("input_ids", "input_values", "input_features"):
        unwanted.add("attention_mask")
    return [name for name in task.inputs if name in accepted and name not in unwanted]


def _makers(model: PreTrainedModel, sizes: Mapping[str, int]) -> dict[str, tuple[Callable[[], Tensor], dict[int, str]]]:
    """Per input name: how to make a sample, and its dynamic axes. Images and sounds have one fixed size."""
    config = model.config
    text = config.get_text_config()
    batch, shape = sizes["batch"], (sizes["batch"], sizes["sequence"])
    is_text = model.main_input_name == "input_ids"
    makers: dict[str, tuple[Callable[[], Tensor], dict[int, str]]] = {
        "input_ids": (lambda: _tokens(text, *shape), _TOKENS),
        "token_type_ids": (lambda: torch.zeros(shape, dtype=torch.long), _TOKENS),
        "decoder_input_ids": (
            lambda: _tokens(text, batch, sizes["decoder_sequence"]),
            {0: "batch", 1: "decoder_sequence"},
        ),
    }
    if is_text:
        makers["attention_mask"] = (lambda: _mask(*shape), _TOKENS)
    vision = getattr(config, "vision_config", config)
    if _first(vision, SIDES) is not None or model.main_input_name == "pixel_values":
        makers["pixel_values"] = (lambda: _noise(batch, *_image_shape(vision)), {0: "batch"})
    sound = _sound_shape(config)
    spectral = sound is not None and model.main_input_name == "input_values"
    makers["input_values"] = (lambda: _noise(batch, *((sound or ()) if spectral else (SAMPLES,))), {0: "batch"})
    if sound is not None:
        makers["input_features"] = (lambda: _noise(batch, *sound), {0: "batch"})
    return makers


def _tokens(config: Any, batch: int, length: int) -> Tensor:
    """Ordinary-looking tokens; the last one of the last sample is padding."""
    named = getattr(config, "pad_token_id", None)
    padding = named if isinstance(named, int) and 0 <= named < config.vocab_size else 0  # some configs say -1 for none
    draw = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, config.vocab_size - 1, (batch, length), generator=draw)
    tokens[tokens == padding] = config.vocab_size - 1 if padding != config.vocab_size - 1 else 0
    tokens[-1, -1] = padding
    return tokens


def _mask(batch: int, length: int) -> Tensor:
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[-1, -1] = 0
    return mask


def _noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _image_shape(config: Any) -> tuple[int, int, int]:
    size = _first(config, SIDES) or SIDE
    height, width = (size, size) if isinstance(size, int) else (size[-2], size[-1])
    return int(getattr(config, "num_channels", 3)), int(height), int(width)


def _sound_shape(config: Any) -> tuple[int, int] | None:
    """Axes of a spectrogram: frequencies and frames of a model that says its positions, else frames and frequencies."""
    mels = _first(config, ("num_mel_bins", "input_feat_per_channel", "feature_size"))
    if not isinstance(mels, int):
        return None
    frames = _first(config, ("max_source_positions", "max_length"))
    return (mels, 2 * frames) if hasattr(config, "max_source_positions") else (frames or 128, mels)


def _first(config: Any, names: Collection[str]) -> Any:
    return next((getattr(config, name) for name in names if getattr(config, name, None) is not None), None)
