"""Seeded random inputs of one modality each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tests.zoo.config import first
from tests.zoo.shrink import Config
from tests.zoo.sizes import BATCH, SEQUENCE, VOCABULARY

FIRST_WORD, LAST_WORD = 5, 98
"""Ids below are taken for padding and markers; special tokens lie above."""

_CHANNELS_FIRST = (
    "whisper",
    "qwen2_audio",
    "qwen2_audio_encoder",
    "voxtral",
    "voxtral_encoder",
    "audioflamingo3",
    "audioflamingo3_encoder",
    "glmasr",
    "musicflamingo",
)
"""Model types that take `[batch, mel bins, frames]`."""


def noise(generator: torch.Generator, *shape: int) -> Tensor:
    """Standard normal values."""
    return torch.randn(*shape, generator=generator)


def ones(*shape: int) -> Tensor:
    """A mask that hides nothing."""
    return torch.ones(*shape, dtype=torch.long)


def words(generator: torch.Generator, length: int = SEQUENCE, vocabulary: int = VOCABULARY) -> Tensor:
    """Token ids `[batch, length]` that are no special tokens."""
    above = min(LAST_WORD + 1, vocabulary)
    return torch.randint(min(FIRST_WORD, above - 1), above, (BATCH, length), generator=generator)


def boxes(generator: torch.Generator) -> Tensor:
    """Boxes `[batch, sequence, 4]` with whole corners, the second after the first."""
    corner = torch.randint(0, 20, (BATCH, SEQUENCE, 2), generator=generator)
    return torch.cat([corner, corner + 1 + torch.randint(0, 20, (BATCH, SEQUENCE, 2), generator=generator)], -1)


def pixels(generator: torch.Generator, vision: Config, config: Config) -> Tensor:
    """Images `[batch, channels, height, width]` of the size that the vision config says."""
    fields = ("num_channels", "in_channels", "in_chans", "num_input_channels")
    counts = (getattr(part, field, None) for field in fields for part in (vision, config))
    channels = next((count for count in counts if isinstance(count, int)), None)
    size = getattr(vision, "image_size", None) or getattr(vision, "img_size", None)
    size = size or getattr(config, "image_size", None)
    if size is None or isinstance(size, dict):
        size = 64
    sides: Sequence[int] = (size, size) if isinstance(size, int) else tuple(size)
    return noise(generator, BATCH, channels or 3, *sides[-2:])


def audio(generator: torch.Generator, name: str, audio_config: Config, config: Config) -> Tensor:
    """Samples `[batch, samples]` for `input_values`, else frames of mel bins."""
    model_type = getattr(config, "model_type", "")
    if name == "input_values":
        return noise(generator, BATCH, 1600 if "moonshine" in model_type else 400)
    fields = ("feature_projection_input_dim", "input_dim", "num_mel_bins", "n_mels", "mel_dim", "feature_size")
    bins = first(audio_config, *fields, "num_mels", default=16)
    bins = bins if isinstance(bins, int) else 16
    positions = getattr(audio_config, "max_source_positions", None)
    if isinstance(positions, int) and getattr(audio_config, "num_mel_bins", None) and model_type in _CHANNELS_FIRST:
        return noise(generator, BATCH, bins, 2 * positions)
    return noise(generator, BATCH, 32, bins)
