"""Other shapes of the same inputs, tried until the model takes them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import torch

from tests.zoo.config import first
from tests.zoo.samples import noise, ones
from tests.zoo.sizes import BATCH
from tests.zoo.special import Inputs

MASKS = ("input_features_mask", "attention_mask", "feature_attention_mask")


def accepted(model: Any, inputs: Inputs) -> Inputs:
    """The first of the alternatives that the model runs on; `inputs` as they are where it runs on none."""
    for alternative in _alternatives(model, inputs):
        try:
            with torch.no_grad():
                model(**{name: tensor.clone() for name, tensor in alternative.items()})
        except Exception:  # models raise what they like on shapes they do not take
            continue
        return alternative
    return inputs


def _alternatives(model: Any, inputs: Inputs) -> Iterator[Inputs]:
    draw = torch.Generator().manual_seed(17)
    arguments = set(inspect.signature(model.forward).parameters)
    yield inputs
    if "input_values" in inputs and inputs["input_values"].dim() == 2:
        yield from _longer_audio(inputs, draw)
    if "input_features" in inputs:
        positions = first(model.config, "max_source_positions", default=16)
        yield from _other_frames(inputs, arguments, positions, draw)
    if "pixel_values" in inputs and inputs["pixel_values"].dim() == 4:
        yield from _other_images(inputs, draw)
    if "input_ids" in inputs and "pixel_values" in arguments and "pixel_values" not in inputs:
        for side in (32, 64):
            images = noise(draw, BATCH, 3, side, side)
            yield inputs | {"pixel_values": images}
            yield inputs | {"pixel_values": images.unsqueeze(1)}
    if "input_ids" in inputs and "input_features" in arguments and "input_features" not in inputs:
        for bins in (16, 64):
            for shape in ((BATCH, 32, bins), (BATCH, bins, 32), (BATCH, 1, 32, bins), (BATCH, 1, 64, bins)):
                yield inputs | {"input_features": noise(draw, *shape)}


def _longer_audio(inputs: Inputs, draw: torch.Generator) -> Iterator[Inputs]:
    for samples in (400, 1600, 6400):
        yield inputs | {"input_values": noise(draw, BATCH, samples)}
        yield inputs | {"input_values": noise(draw, BATCH, 1, samples)}


def _other_frames(inputs: Inputs, arguments: set[str], positions: Any, draw: torch.Generator) -> Iterator[Inputs]:
    frames = 2 * positions if isinstance(positions, int) else 32
    for bins in dict.fromkeys((inputs["input_features"].shape[-1], 16, 64, 128)):
        flat = ((BATCH, 32, bins), (BATCH, bins, 32), (BATCH, bins, frames))
        for shape in (*flat, (BATCH, 1, 32, bins), (BATCH, 1, 64, bins), (BATCH, bins, 64)):
            other = inputs | {"input_features": noise(draw, *shape)}
            yield other
            for mask in MASKS:
                if mask in arguments and mask not in inputs and len(shape) == 3:
                    yield other | {mask: ones(BATCH, shape[1] if shape[2] == bins else shape[2])}


def _other_images(inputs: Inputs, draw: torch.Generator) -> Iterator[Inputs]:
    channels = inputs["pixel_values"].shape[1]
    for side in (64, 32, 16, 224):
        images = noise(draw, BATCH, channels, side, side)
        yield inputs | {"pixel_values": images}
        if side <= 64:
            yield inputs | {"pixel_values": images.unsqueeze(1)}
            yield inputs | {"pixel_values": torch.stack([images, images.flip(0)], 1)}
