"""Inputs that the general rules get wrong, by model type, and required ones that only some models have."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from tests.zoo.config import first, part
from tests.zoo.samples import noise, ones, pixels, words
from tests.zoo.shrink import Config
from tests.zoo.sizes import BATCH, DECODER_SEQUENCE, HIDDEN, SEQUENCE

Inputs = dict[str, Tensor]


def _siglip2(config: Config, task: str, draw: torch.Generator, inputs: Inputs) -> None:
    if "pixel_values" in inputs or task == "image_cls":
        inputs["pixel_values"] = noise(draw, BATCH, 16, 192)
        inputs["pixel_attention_mask"] = ones(BATCH, 16)
        inputs["spatial_shapes"] = torch.tensor([[4, 4]] * BATCH)


def _spectrogram(config: Config, task: str, draw: torch.Generator, inputs: Inputs) -> None:
    inputs["input_values"] = noise(draw, BATCH, config.max_length, config.num_mel_bins)


def _any_modality(config: Config, task: str, draw: torch.Generator, inputs: Inputs) -> None:
    ids = inputs.get("input_ids")
    inputs.clear()
    if task == "image_cls":
        inputs["pixel_values"] = noise(draw, BATCH, 3, config.image_size, config.image_size)
    else:
        inputs["inputs"] = words(draw) if ids is None else ids


def _channels(config: Config, task: str, draw: torch.Generator, inputs: Inputs) -> None:
    channels = first(config.decoder_config, "num_channels", default=9)
    inputs["decoder_input_ids"] = words(draw, DECODER_SEQUENCE).unsqueeze(-1).repeat(1, 1, channels)


def _two_parts(config: Config, task: str, draw: torch.Generator, inputs: Inputs) -> None:
    inputs.clear()
    if config.model_type == "speech-encoder-decoder":
        inputs["inputs"] = noise(draw, BATCH, 400)
    else:
        inputs["pixel_values"] = pixels(draw, config.encoder, config)
    inputs["decoder_input_ids"] = words(draw, DECODER_SEQUENCE)


def _series(config: Config, task: str, draw: torch.Generator, inputs: Inputs) -> None:
    past, future = config.context_length + max(config.lags_sequence), config.prediction_length
    inputs.clear()
    inputs["past_values"] = noise(draw, BATCH, past)
    inputs["past_time_features"] = noise(draw, BATCH, past, config.num_time_features)
    inputs["past_observed_mask"] = torch.ones(BATCH, past)
    inputs["future_values"] = noise(draw, BATCH, future)
    inputs["future_time_features"] = noise(draw, BATCH, future, config.num_time_features)


def _decisions(config: Config, task: str, draw: torch.Generator, inputs: Inputs) -> None:
    inputs.clear()
    inputs["states"] = noise(draw, BATCH, SEQUENCE, config.state_dim)
    inputs["actions"] = noise(draw, BATCH, SEQUENCE, config.act_dim)
    inputs["rewards"] = noise(draw, BATCH, SEQUENCE, 1)
    inputs["returns_to_go"] = noise(draw, BATCH, SEQUENCE, 1)
    inputs["timesteps"] = torch.arange(SEQUENCE).repeat(BATCH, 1)
    inputs["attention_mask"] = ones(BATCH, SEQUENCE)


def _regions(config: Config, task: str, draw: torch.Generator, inputs: Inputs) -> None:
    inputs["visual_feats"] = noise(draw, BATCH, 5, config.visual_feat_dim)
    inputs["visual_pos"] = torch.rand(BATCH, 5, config.visual_pos_dim, generator=draw)


CORRECTIONS: Mapping[str, Callable[[Config, str, torch.Generator, Inputs], None]] = {
    "siglip2": _siglip2,
    "siglip2_vision_model": _siglip2,
    "audio-spectrogram-transformer": _spectrogram,
    "perceiver": _any_modality,
    "dia": _channels,
    "speech-encoder-decoder": _two_parts,
    "vision-encoder-decoder": _two_parts,
    "autoformer": _series,
    "informer": _series,
    "time_series_transformer": _series,
    "decision_transformer": _decisions,
    "lxmert": _regions,
}
"""`correct(config, task, generator, inputs)` changes the inputs in place."""


def _past_values(config: Config, draw: torch.Generator) -> Tensor:
    length = getattr(config, "context_length", None) or SEQUENCE
    return noise(draw, BATCH, length, getattr(config, "num_input_channels", None) or 1)


def _patches(config: Config, draw: torch.Generator) -> Tensor:
    return noise(draw, BATCH, 16, 2 + 3 * first(config, "patch_size", default=8) ** 2)


def _grid(config: Config, draw: torch.Generator) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")
    return torch.stack((rows, columns), -1).reshape(1, 16, 2).repeat(BATCH, 1, 1)


REQUIRED: Mapping[str, Callable[[Config, torch.Generator], Tensor]] = {
    "past_values": _past_values,
    "state": lambda config, draw: noise(draw, BATCH, getattr(config, "max_state_dim", 32)),
    "flattened_patches": _patches,
    "pixel_position_ids": _grid,
    "qformer_input_ids": lambda config, draw: words(draw, 5),
    "query_embeds": lambda config, draw: noise(draw, BATCH, 8, HIDDEN),
    "visual_feats": lambda config, draw: noise(draw, BATCH, 5, first(config, "visual_feat_dim", default=64)),
    "visual_pos": lambda config, draw: torch.rand(BATCH, 5, 4, generator=draw),
    "pixel_values": lambda config, draw: pixels(draw, part(config, "vision_config"), config),
    "input_features_mask": lambda config, draw: ones(BATCH, 32),
    "inputs_embeds": lambda config, draw: noise(draw, BATCH, SEQUENCE, HIDDEN),
    "hidden_states": lambda config, draw: noise(draw, BATCH, SEQUENCE, HIDDEN),
    "encoder_hidden_states": lambda config, draw: noise(draw, BATCH, 5, HIDDEN),
}
"""What an argument without a default is given, by its name."""
